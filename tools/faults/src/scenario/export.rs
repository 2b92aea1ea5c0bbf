//! Exporting archived and live days into a directory, and going on with what was stopped.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Scenario, live};
use crate::check;
use crate::events::{History, history};
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::files;

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Export)]
}

struct Export;

impl Export {
    fn archived() -> History {
        history(10..11, 0, 3)
    }

    fn late() -> History {
        history(10..12, 3, 1)
    }

    fn all() -> History {
        super::together([Self::archived(), Self::late()])
    }

    /// The identities that each file must hold.
    fn wanted() -> BTreeMap<String, Vec<String>> {
        let mut wanted = BTreeMap::<String, Vec<String>>::new();
        for identity in Self::all().into_keys() {
            let mut parts = identity.split('/');
            let (date, node) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
            let file = format!("date={date}/node={node}/part-0.ndjson");
            wanted.entry(file).or_default().push(identity);
        }
        wanted
    }

    /// The identities in a file, sorted.
    fn held(path: &str, bytes: &[u8]) -> Verdict<Vec<String>> {
        let half = || format!("half exported: {path} ({} bytes)", bytes.len());
        let text = std::str::from_utf8(bytes).map_err(|_| half())?;
        let text = text.strip_suffix('\n').ok_or_else(half)?;
        let mut held = Vec::new();
        for line in text.split('\n') {
            let event: Value = serde_json::from_str(line).map_err(|_| half())?;
            held.push(event["_path"].as_str().ok_or_else(half)?.to_owned());
        }
        held.sort();
        Ok(held)
    }

    /// What is there under names of its own; all of it is whole.
    fn exported(lab: &Lab) -> Verdict<Vec<String>> {
        let wanted = Self::wanted();
        let mut whole = Vec::new();
        for (path, bytes) in files(&lab.state().join("exported"))? {
            if path.contains(".hlarchive-tmp-") {
                continue;
            }
            if wanted.get(&path) != Some(&Self::held(&path, &bytes)?) {
                return Err(format!("not what it should hold: {path}"));
            }
            whole.push(path);
        }
        Ok(whole)
    }
}

impl Scenario for Export {
    fn name(&self) -> String {
        "export".to_owned()
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &Self::archived())?;
        lab.must(&[0], &["rotate", "--now", NOW])?;
        live(lab, &Self::late())
    }

    fn arguments(&self, lab: &Lab) -> Vec<String> {
        let to = lab.state().join("exported").display().to_string();
        let words = ["export", "--format", "ndjson", "--resume", "--to", &to];
        words.map(str::to_owned).to_vec()
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn findings_code(&self) -> i32 {
        // As a reader that may have missed something.
        74
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        check::kept(lab, &Self::all(), &[])?;
        Self::exported(lab).map(drop)
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let exported = Self::exported(lab)?;
        match Self::wanted().into_keys().find(|path| !exported.contains(path)) {
            Some(path) => Err(format!("not exported: {path}")),
            None => Ok(()),
        }
    }
}

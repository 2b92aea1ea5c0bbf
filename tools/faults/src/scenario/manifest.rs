//! Rebuilding the manifest of an archive that is in order.

use serde_json::Value;

use super::{Lacks, Scenario, live};
use crate::check;
use crate::events::history;
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::{Truth, files};

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Rebuild { lacks: Lacks::Nothing }), Box::new(Rebuild { lacks: Lacks::Links })]
}

/// Whether the manifest of before the rebuild is there, whole, under another name.
fn old_is_kept(lab: &Lab) -> Verdict<bool> {
    Ok(files(&lab.archive())?
        .iter()
        .filter(|(path, _)| path.starts_with("manifest.jsonl.replaced-"))
        .any(|(_, bytes)| bytes.starts_with(b"{\"v\":1,\"seq\":1,") && rotations(bytes) == 4))
}

fn rotations(manifest: &[u8]) -> usize {
    let text = String::from_utf8_lossy(manifest);
    text.lines().filter(|line| line.contains("\"op\":\"rotate\"") && line.ends_with('}')).count()
}

struct Rebuild {
    lacks: Lacks,
}

impl Scenario for Rebuild {
    fn name(&self) -> String {
        match self.lacks {
            Lacks::Nothing => "manifest-rebuild".to_owned(),
            _ => "manifest-rebuild-without-links".to_owned(),
        }
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &history(10..12, 0, 4))?;
        lab.must(&[0], &["rotate", "--now", NOW]).map(drop)
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        ["manifest", "rebuild"].map(str::to_owned).to_vec()
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        let truth = check::kept(lab, &history(10..12, 0, 4), &[])?;
        let is_rebuilt = |record: &Value| record["op"] == "rebuild";
        if truth.records.first().is_some_and(is_rebuilt) && !old_is_kept(lab)? {
            return Err("the manifest that was replaced is lost".to_owned());
        }
        Ok(())
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        check::archived(&truth, &history(10..12, 0, 4))?;
        match truth.records.first() {
            Some(record) if record["op"] == "rebuild" => Ok(()),
            _ => Err("the manifest does not say that it was rebuilt".to_owned()),
        }
    }
}

//! Signing the manifest's head, with a key that is good for nothing else.

use super::{Scenario, live};
use crate::check;
use crate::events::history;
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::{Truth, files};

/// Made by `minisign -G -W` for this test.
const SECRET: &str = "\
    RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAsjfw\
    aGT/Nxc3yIJJwrRQeUhCL/y7tEQDinmB0LuFJv73Sp+pwPixwUaEeeTY6+2pbgUpYtqbpTCQWS4V\
    8Pd/9BNmagD4DM2gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const PUBLIC: &str = "RWSyN/BoZP83F0aEeeTY6+2pbgUpYtqbpTCQWS4V8Pd/9BNmagD4DM2g";

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Sign)]
}

struct Sign;

fn key(lab: &Lab, name: &str) -> String {
    lab.home().join(name).display().to_string()
}

/// Keys lie beside the policy, where nothing breaks.
fn write_keys(lab: &Lab) -> Verdict {
    for (name, text) in [("key.sec", SECRET), ("key.pub", PUBLIC)] {
        let text = format!("untrusted comment: of no use\n{text}\n");
        std::fs::write(key(lab, name), text).map_err(|error| error.to_string())?;
    }
    Ok(())
}

impl Scenario for Sign {
    fn name(&self) -> String {
        "manifest-sign".to_owned()
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        write_keys(lab)?;
        live(lab, &history(10..12, 0, 2))?;
        lab.must(&[0], &["rotate", "--now", NOW, "--date", "2026-05-10"])?;
        lab.must(&[0], &["manifest", "sign", "--key", &key(lab, "key.sec")])?;
        lab.must(&[0], &["rotate", "--now", NOW]).map(drop)
    }

    fn arguments(&self, lab: &Lab) -> Vec<String> {
        // Each worker has a home of its own. Without the keys it would not even begin.
        let _ = write_keys(lab);
        ["manifest", "sign", "--key", &key(lab, "key.sec")].map(str::to_owned).to_vec()
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        check::kept(lab, &history(10..12, 0, 2), &[])?;
        // What was signed before stays proved, and what has a name now is whole.
        write_keys(lab)?;
        lab.must(&[0], &["verify", "--public-key", &key(lab, "key.pub")])?;
        let heads = files(&lab.archive().join("heads"))?;
        let half = |bytes: &[u8]| !bytes.ends_with(b"\n");
        match heads.iter().find(|(name, bytes)| !name.starts_with('.') && half(bytes)) {
            Some((name, _)) => Err(format!("half a file: heads/{name}")),
            None => Ok(()),
        }
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let heads = files(&lab.archive().join("heads"))?;
        let records = Truth::read(lab)?.records.len();
        if heads.contains_key(&format!("{records}.head.minisig")) {
            Ok(())
        } else {
            Err(format!("not signed: {:?}", heads.keys()))
        }
    }
}

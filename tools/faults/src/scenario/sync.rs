//! Syncing from another root of the machine, which has live days and archived ones.

use std::collections::BTreeMap;

use super::import::{archived, arrived, contents, live_here, new};
use super::{Lacks, Scenario, live, together};
use crate::check;
use crate::events::history;
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::{NOTE, Truth, files};

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Sync { lacks: Lacks::Nothing }), Box::new(Sync { lacks: Lacks::NoReplace })]
}

struct Sync {
    lacks: Lacks,
}

/// The other root, below the state.
fn other(lab: &Lab) -> String {
    lab.state().join("other/events").display().to_string()
}

/// The source as files.
fn source(lab: &Lab) -> Verdict<BTreeMap<String, Vec<u8>>> {
    let mut there = files(&lab.state().join("other"))?;
    // Its lock file belongs to whoever rotated it, and so does the note of its archive.
    there.remove("events-archive/lock");
    there.remove(&format!("events/{NOTE}"));
    Ok(there)
}

impl Scenario for Sync {
    fn name(&self) -> String {
        match self.lacks {
            Lacks::Nothing => "sync-local",
            _ => "sync-without-noreplace",
        }
        .to_owned()
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &archived())?;
        lab.must(&[0], &["rotate", "--now", NOW])?;
        live(lab, &live_here())?;
        for (path, mut bytes) in together([history(11..12, 0, 4), live_here(), new()]) {
            lab.write(&format!("other/events/{path}"), &bytes.swap_remove(0))
                .map_err(|error| error.to_string())?;
        }
        let (root, archive) = (other(lab), format!("{}-archive", other(lab)));
        for date in ["2026-05-11", "2026-05-13"] {
            let words = ["rotate", "--now", NOW, "--date", date, "--root", &root];
            lab.must(&[0], &[&words[..], &["--archive", &archive]].concat())?;
        }
        Ok(())
    }

    fn arguments(&self, lab: &Lab) -> Vec<String> {
        vec!["sync".to_owned(), other(lab)]
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        let here = together([archived(), live_here()]);
        check::kept(lab, &here, &contents([new()]))?;
        let there = source(lab)?;
        let whole = |path: &str| there.contains_key(&format!("events-archive/2026/{path}"));
        let live = there.keys().filter(|path| path.starts_with("events/")).count();
        if live == 8 && whole("2026-05-11.tar.zst") && whole("2026-05-13.tar.zst") {
            Ok(())
        } else {
            Err(format!("the source was changed: {:?}", there.keys()))
        }
    }

    fn done(&self, lab: &Lab) -> Verdict {
        arrived(lab, &new())
    }

    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        check::verified(lab)?;
        check::tidy(&Truth::read(lab)?)?;
        // Then all of it is known.
        let again = lab.must(&[0], &["sync", &other(lab)])?;
        if !again.stdout.starts_with("0 events copied (0 B)") {
            return Err(format!("synced again, it says: {}", again.stdout));
        }
        lab.must(&[0], &["rotate", "--now", NOW])?;
        check::moved(&Truth::read(lab)?, &together([archived(), live_here(), new()]))?;
        check::verified(lab)
    }
}

//! Restoring: into a directory of its own, and back into the live tree.

use super::{Lacks, Scenario, again, live};
use crate::check;
use crate::events::{History, event, history};
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::{Truth, files};

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Restore { to_live: false, lacks: Lacks::Nothing }),
        Box::new(Restore { to_live: true, lacks: Lacks::Nothing }),
        Box::new(Restore { to_live: true, lacks: Lacks::NoReplace }),
        Box::new(Beside { lacks: Lacks::Nothing }),
        Box::new(Beside { lacks: Lacks::NoReplace }),
    ]
}

struct Restore {
    to_live: bool,
    lacks: Lacks,
}

/// Back into a live tree where another event has the name of an archived one.
struct Beside {
    lacks: Lacks,
}

impl Restore {
    fn archived() -> History {
        history(10..12, 0, 4)
    }

    /// Events that came after the rotation: so one node's directory is there already, and
    /// is not simply moved into place.
    fn late() -> History {
        history(10..11, 4, 1)
            .into_iter()
            .filter(|(identity, _)| identity.contains("/nas/"))
            .collect()
    }

    fn restored(lab: &Lab) -> Verdict {
        let there = files(&lab.state().join("restored"))?;
        for (identity, contents) in Self::archived() {
            if there.get(&identity) != contents.first() {
                return Err(format!("not restored: {identity}"));
            }
        }
        Ok(())
    }
}

impl Scenario for Restore {
    fn name(&self) -> String {
        match (self.to_live, self.lacks) {
            (false, _) => "restore-to",
            (true, Lacks::Nothing) => "restore-live",
            (true, _) => "restore-without-noreplace",
        }
        .to_owned()
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &Self::archived())?;
        lab.must(&[0], &["rotate", "--now", NOW])?;
        live(lab, &Self::late())
    }

    fn arguments(&self, lab: &Lab) -> Vec<String> {
        let to = lab.state().join("restored").display().to_string();
        let mut words = vec!["restore", "2026-05-10", "2026-05-11"];
        if self.to_live {
            words.push("--live");
        } else {
            words.extend(["--to", &to]);
        }
        words.into_iter().map(str::to_owned).collect()
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        let all = super::together([Self::archived(), Self::late()]);
        check::kept(lab, &all, &[])?;
        // Whatever has its name in the directory is whole.
        for (path, bytes) in files(&lab.state().join("restored"))? {
            // What is live is restored into a directory, too.
            let whole = all.get(&path).is_some_and(|contents| contents.contains(&bytes));
            if !whole && !path.starts_with(".hlarchive-tmp-") {
                return Err(format!("half restored: {path} ({} bytes)", bytes.len()));
            }
        }
        Ok(())
    }

    fn done(&self, lab: &Lab) -> Verdict {
        if !self.to_live {
            return Self::restored(lab);
        }
        let truth = Truth::read(lab)?;
        for (identity, contents) in Self::archived() {
            if truth.live.get(&identity) != contents.first() {
                return Err(format!("not restored: {identity}"));
            }
        }
        Ok(())
    }

    fn recover(&self, lab: &Lab) -> Verdict {
        again(self, lab)
    }

    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        check::verified(lab)?;
        if let Some(path) = files(&lab.state().join("restored"))?
            .keys()
            .find(|path| path.contains(".hlarchive-tmp-"))
        {
            return Err(format!("left behind: restored/{path}"));
        }
        check::tidy(&Truth::read(lab)?)?;
        // What was restored is recognised, and goes again; the rest is archived.
        lab.must(&[0], &["rotate", "--now", NOW])?;
        let truth = Truth::read(lab)?;
        check::moved(&truth, &super::together([Self::archived(), Self::late()]))?;
        check::verified(lab)
    }
}

impl Beside {
    fn namesake() -> History {
        let (identity, _) = event(10, "nas", 1);
        let (_, other) = event(10, "nas", 70);
        History::from([(identity, vec![other])])
    }
}

impl Scenario for Beside {
    fn name(&self) -> String {
        match self.lacks {
            Lacks::Nothing => "restore-beside-another",
            _ => "restore-beside-without-noreplace",
        }
        .to_owned()
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &Restore::archived())?;
        lab.must(&[0], &["rotate", "--now", NOW])?;
        live(lab, &Self::namesake())
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        ["restore", "2026-05-10", "--live"].map(str::to_owned).to_vec()
    }

    fn code(&self) -> i32 {
        // What is in the way is named.
        1
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        let truth =
            check::kept(lab, &super::together([Restore::archived(), Self::namesake()]), &[])?;
        for (identity, contents) in Self::namesake() {
            if truth.live.get(&identity) != contents.first() {
                return Err(format!("replaced: {identity}"));
            }
        }
        Ok(())
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        let wanted = Restore::archived().into_keys().filter(|path| path.starts_with("2026-05-10/"));
        match wanted.into_iter().find(|path| !truth.live.contains_key(path)) {
            Some(path) => Err(format!("not restored: {path}")),
            None => Ok(()),
        }
    }

    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        // One name for two events is a finding, until rotation archives both.
        lab.must(&[1], &["verify"])?;
        check::tidy(&Truth::read(lab)?)?;
        lab.must(&[1], &["rotate", "--now", NOW])?;
        check::moved(
            &Truth::read(lab)?,
            &super::together([Restore::archived(), Self::namesake()]),
        )?;
        check::verified(lab)
    }
}

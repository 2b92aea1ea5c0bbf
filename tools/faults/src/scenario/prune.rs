//! Pruning: days whose time is over, a day that is held, and what a stopped run left.

use super::{Scenario, live};
use crate::check;
use crate::events::{History, history};
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::trace::{self, Call, Change, Director, Fate};
use crate::truth::{Truth, files};

/// At [`NOW`] the days 10 and 11 of May are over; incidents are kept.
const POLICY: &str = "\
version = 1
[rotate]
keep_live = \"1d\"
level = 3
[retain]
grace = \"0d\"
keep = \"20d\"
[[retain.class]]
name = \"incidents\"
match = { severity = [\"error\", \"critical\"] }
keep = \"forever\"
";

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Prune { kind: Kind::Plain }),
        Box::new(Prune { kind: Kind::Held }),
        Box::new(Prune { kind: Kind::Unremoved }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Two of four days go.
    Plain,
    /// One of these two is held.
    Held,
    /// A run was stopped between recording and removing.
    Unremoved,
}

struct Prune {
    kind: Kind,
}

impl Prune {
    fn goes(&self, identity: &str) -> bool {
        let over = identity.starts_with("2026-05-11/")
            || (identity.starts_with("2026-05-10/") && self.kind != Kind::Held);
        over && !identity.contains("_deployment_failed_")
    }

    /// What stays, and what goes.
    fn parts(&self) -> (History, History) {
        history(10..14, 0, 4).into_iter().partition(|(identity, _)| !self.goes(identity))
    }

    fn arguments() -> Vec<String> {
        ["prune", "--now", NOW].map(str::to_owned).to_vec()
    }

    /// Runs the command until it would remove a segment, and kills it there.
    fn stopped(lab: &Lab) -> Verdict {
        struct AtRemoval;
        impl Director for AtRemoval {
            fn before(&mut self, call: &Call) -> Fate {
                match &call.change {
                    Change::Unlink { path } if path.extension().is_some_and(|e| e == "zst") => {
                        Fate::Die
                    }
                    _ => Fate::Pass,
                }
            }
        }
        let job = lab.job(&Self::arguments(), b"").map_err(|error| error.to_string())?;
        match trace::run(&job, &mut AtRemoval).map_err(|error| error.to_string())? {
            trace::End::Signal(_) => Ok(()),
            trace::End::Code(code) => Err(format!("the setup's prune was not stopped: {code}")),
        }
    }
}

impl Scenario for Prune {
    fn name(&self) -> String {
        match self.kind {
            Kind::Plain => "prune",
            Kind::Held => "prune-held",
            Kind::Unremoved => "prune-unremoved",
        }
        .to_owned()
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        std::fs::write(lab.home().join("policy.toml"), POLICY)
            .map_err(|error| error.to_string())?;
        live(lab, &history(10..14, 0, 4))?;
        lab.must(&[0], &["rotate", "--now", NOW])?;
        match self.kind {
            Kind::Plain => Ok(()),
            Kind::Held => lab.must(&[0], &["hold", "add", "2026-05-10", "--reason", "x"]).map(drop),
            Kind::Unremoved => Self::stopped(lab),
        }
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        Self::arguments()
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        let (stays, goes) = self.parts();
        let may: Vec<_> = goes.into_values().flatten().collect();
        let truth = check::kept_but_for_checksums(lab, &stays, &may)?;
        // Only what is about to go may lack its checksum file.
        let of_others = truth.bare.iter().find(|segment| {
            let day = segment.trim_start_matches("2026/").replacen(".tar", "/", 1);
            !self.goes(&day)
        });
        match of_others {
            Some(segment) => Err(format!("{segment}.sha256 is missing")),
            None => Ok(()),
        }
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let (stays, goes) = self.parts();
        let truth = Truth::read(lab)?;
        check::archived(&truth, &stays)?;
        if let Some(identity) = goes.keys().find(|path| truth.archived.contains_key(*path)) {
            return Err(format!("not expired: {identity}"));
        }
        let recorded = truth.records.iter().filter(|record| record["op"] == "prune").count();
        let wanted = if self.kind == Kind::Held { 1 } else { 2 };
        if recorded != wanted {
            return Err(format!("{recorded} segments are recorded as expired, not {wanted}"));
        }
        let left = files(&lab.archive())?;
        let gone = ["2026/2026-05-11.tar.zst", "2026/2026-05-11.tar.zst.sha256"];
        if let Some(path) = gone.into_iter().find(|path| left.contains_key(*path)) {
            return Err(format!("still there: {path}"));
        }
        Ok(())
    }

    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        check::verified(lab)?;
        check::tidy(&Truth::read(lab)?)
    }
}

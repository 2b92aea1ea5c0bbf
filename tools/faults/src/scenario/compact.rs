//! Compacting: a day with late arrivals, of two classes, beside a day with one segment.

use super::{Scenario, live};
use crate::check;
use crate::events::{History, history};
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::Truth;

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Compact)]
}

struct Compact;

impl Compact {
    fn all() -> History {
        super::together([history(10..12, 0, 4), history(10..11, 4, 4)])
    }
}

impl Scenario for Compact {
    fn name(&self) -> String {
        "compact".to_owned()
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &history(10..12, 0, 4))?;
        lab.must(&[0], &["rotate", "--now", NOW])?;
        live(lab, &history(10..11, 4, 4))?;
        lab.must(&[0], &["rotate", "--now", NOW]).map(drop)
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        vec!["compact".to_owned()]
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        check::kept(lab, &Self::all(), &[]).map(drop)
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        check::archived(&truth, &Self::all())?;
        let names = truth.archived.values().flatten().map(|(segment, _)| segment);
        let names: std::collections::BTreeSet<&String> = names.collect();
        match names.len() {
            4 => Ok(()),
            count => Err(format!("{count} segments, not 4: {names:?}")),
        }
    }
}

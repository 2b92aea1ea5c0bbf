//! Putting a hold on a day.

use super::{Scenario, live};
use crate::check;
use crate::events::history;
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::Truth;

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Hold)]
}

struct Hold;

impl Scenario for Hold {
    fn name(&self) -> String {
        "hold-add".to_owned()
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &history(10..12, 0, 4))?;
        lab.must(&[0], &["rotate", "--now", NOW]).map(drop)
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        ["hold", "add", "2026-05-10", "--reason", "faults"].map(str::to_owned).to_vec()
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        check::kept(lab, &history(10..12, 0, 4), &[]).map(drop)
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        // Runs that were stopped may have got as far as their record, too.
        match truth.records.iter().filter(|record| record["op"] == "hold").count() {
            1.. => Ok(()),
            0 => Err("nothing is held".to_owned()),
        }
    }
}

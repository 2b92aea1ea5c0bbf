//! Putting a hold on a day that is not archived yet: the archive begins with it.

use super::{Scenario, live};
use crate::check;
use crate::events::history;
use crate::lab::{Lab, Outcome, Verdict};
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
        live(lab, &history(10..12, 0, 4))
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

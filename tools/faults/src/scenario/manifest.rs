//! Rebuilding the manifest of an archive that is in order.

use super::{Lacks, Scenario, live};
use crate::check;
use crate::events::history;
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::Truth;

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![Box::new(Rebuild { lacks: Lacks::Nothing }), Box::new(Rebuild { lacks: Lacks::Links })]
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
        check::kept(lab, &history(10..12, 0, 4), &[]).map(drop)
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

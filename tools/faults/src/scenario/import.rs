//! Importing: events of a directory beside the tree, some of them known, some of an
//! archived day, some of a day of their own.

use std::collections::BTreeMap;

use super::{Lacks, Scenario, live, together};
use crate::check;
use crate::events::{History, history};
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::truth::{Truth, files};

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Import { lacks: Lacks::Nothing, fresh: false }),
        Box::new(Import { lacks: Lacks::NoReplace, fresh: false }),
        Box::new(Import { lacks: Lacks::Nothing, fresh: true }),
    ]
}

struct Import {
    lacks: Lacks,
    /// Into a root that does not exist yet.
    fresh: bool,
}

/// Where what is imported lies, below the state.
const FROM: &str = "from";

pub(super) fn archived() -> History {
    history(10..12, 0, 4)
}

/// Live here and there.
pub(super) fn live_here() -> History {
    history(12..13, 0, 2)
}

/// Late arrivals of an archived day, and a day of its own.
pub(super) fn new() -> History {
    together([history(11..12, 4, 2), history(12..13, 2, 2), history(13..14, 0, 2)])
}

pub(super) fn contents(histories: impl IntoIterator<Item = History>) -> Vec<Vec<u8>> {
    histories.into_iter().flat_map(History::into_values).flatten().collect()
}

/// Every new event is live or archived, with its bytes.
pub(super) fn arrived(lab: &Lab, new: &History) -> Verdict {
    let truth = Truth::read(lab)?;
    let there = truth.contents();
    for (identity, contents) in new {
        if there.get(identity.as_str()).map(Vec::as_slice) != Some(&[&contents[0][..]]) {
            return Err(format!("not arrived: {identity}"));
        }
    }
    Ok(())
}

impl Import {
    fn here(&self) -> History {
        if self.fresh { History::new() } else { together([archived(), live_here()]) }
    }

    fn there() -> BTreeMap<String, Vec<u8>> {
        together([archived(), live_here(), new()])
            .into_iter()
            .filter(|(path, _)| !path.starts_with("2026-05-10/"))
            .map(|(path, mut contents)| (path, contents.swap_remove(0)))
            .collect()
    }
}

impl Scenario for Import {
    fn name(&self) -> String {
        match (self.fresh, self.lacks) {
            (true, _) => "import-fresh",
            (false, Lacks::Nothing) => "import",
            (false, _) => "import-without-noreplace",
        }
        .to_owned()
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        if !self.fresh {
            live(lab, &archived())?;
            lab.must(&[0], &["rotate", "--now", NOW])?;
            live(lab, &live_here())?;
        }
        for (path, bytes) in Self::there() {
            lab.write(&format!("{FROM}/{path}"), &bytes).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn arguments(&self, lab: &Lab) -> Vec<String> {
        vec!["import".to_owned(), lab.state().join(FROM).display().to_string()]
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        check::kept(lab, &self.here(), &contents([archived(), live_here(), new()]))?;
        if files(&lab.state().join(FROM))? == Self::there() {
            Ok(())
        } else {
            Err("the source was changed".to_owned())
        }
    }

    fn done(&self, lab: &Lab) -> Verdict {
        arrived(lab, &new())
    }

    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        check::verified(lab)?;
        check::tidy(&Truth::read(lab)?)?;
        lab.must(&[0], &["rotate", "--now", NOW])?;
        check::moved(&Truth::read(lab)?, &together([self.here(), new()]))?;
        check::verified(lab)
    }
}

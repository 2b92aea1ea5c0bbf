//! Rotating: a first time, late arrivals, and what stopped runs left.

use super::{Lacks, Scenario, again, latecomer, live, rotate_words, together};
use crate::check;
use crate::events::{History, event, history, invalid};
use crate::lab::{Lab, NOW, Outcome, Verdict};
use crate::trace::{self, Call, Change, Director, Fate};
use crate::truth::Truth;

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(Rotate { kind: Kind::First, lacks: Lacks::Nothing }),
        Box::new(Rotate { kind: Kind::First, lacks: Lacks::NoReplace }),
        Box::new(Rotate { kind: Kind::Invalid, lacks: Lacks::Nothing }),
        Box::new(Rotate { kind: Kind::Late, lacks: Lacks::Nothing }),
        Box::new(Rotate { kind: Kind::Unrecorded, lacks: Lacks::Nothing }),
        Box::new(Rotate { kind: Kind::Unremoved, lacks: Lacks::Nothing }),
        Box::new(Rotate { kind: Kind::Torn(Tear::Half), lacks: Lacks::Nothing }),
        Box::new(Rotate { kind: Kind::Torn(Tear::Zeros), lacks: Lacks::Nothing }),
    ]
}

/// What a crash made of the manifest's last line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tear {
    /// Its first half is there.
    Half,
    /// Its length is there, and only its last bytes.
    Zeros,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Two days, two nodes, a class of its own.
    First,
    /// The same, and a file that is no event.
    Invalid,
    /// Both days are archived; further events came, one of them a conflict, and one of
    /// another year.
    Late,
    /// A run was stopped between putting a segment in place and recording it.
    Unrecorded,
    /// A run was stopped between recording and removing.
    Unremoved,
    /// A power cut tore the manifest's last line.
    Torn(Tear),
}

struct Rotate {
    kind: Kind,
    lacks: Lacks,
}

impl Rotate {
    /// Every event that was there when the command began.
    fn before(&self) -> History {
        let seeded = history(10..12, 0, 4);
        match self.kind {
            Kind::First => seeded,
            Kind::Invalid => together([seeded, as_history(invalid(11))]),
            Kind::Late => together([seeded, Self::late()]),
            Kind::Unrecorded | Kind::Unremoved => together([seeded, history(10..11, 4, 1)]),
            Kind::Torn(_) => together([seeded, history(12..13, 0, 2)]),
        }
    }

    fn late() -> History {
        let (identity, _) = event(11, "nas", 1);
        let (_, other) = event(11, "nas", 70);
        let (december, bytes) = event(10, "nas", 80);
        let december = december.replace("2026-05-10", "2025-12-31").replace("20260510", "20251231");
        let text = String::from_utf8_lossy(&bytes).replace("2026-05-10", "2025-12-31");
        together([
            history(10..12, 4, 2),
            as_history((identity, other)),
            as_history((december, text.into_bytes())),
        ])
    }

    /// Runs the rotation until `here` says so, and kills it there.
    fn stopped(lab: &Lab, here: fn(&Call) -> bool) -> Verdict {
        struct At(fn(&Call) -> bool);
        impl Director for At {
            fn before(&mut self, call: &Call) -> Fate {
                if self.0(call) { Fate::Die } else { Fate::Pass }
            }
        }
        let job = lab.job(&rotate_words(), b"").map_err(|error| error.to_string())?;
        match trace::run(&job, &mut At(here)).map_err(|error| error.to_string())? {
            trace::End::Signal(_) => Ok(()),
            trace::End::Code(code) => Err(format!("the setup's rotate was not stopped: {code}")),
        }
    }
}

fn as_history((identity, bytes): (String, Vec<u8>)) -> History {
    History::from([(identity, vec![bytes])])
}

fn tear(lab: &Lab, tear: Tear) -> Verdict {
    let path = lab.archive().join("manifest.jsonl");
    let mut bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
    let start =
        bytes.len() - bytes.iter().rev().skip(1).position(|byte| *byte == b'\n').unwrap_or(0) - 1;
    let mut line = bytes[start..].to_vec();
    match tear {
        Tear::Half => line.truncate(line.len() / 2),
        Tear::Zeros => {
            let end = line.len() - 100;
            line[..end].fill(0);
        }
    }
    bytes.extend(line);
    std::fs::write(path, bytes).map_err(|error| error.to_string())
}

impl Scenario for Rotate {
    fn name(&self) -> String {
        match (self.kind, self.lacks) {
            (Kind::First, Lacks::Nothing) => "rotate-first",
            (Kind::First, _) => "rotate-without-noreplace",
            (Kind::Invalid, _) => "rotate-invalid",
            (Kind::Late, _) => "rotate-late",
            (Kind::Unrecorded, _) => "rotate-unrecorded",
            (Kind::Unremoved, _) => "rotate-unremoved",
            (Kind::Torn(Tear::Half), _) => "rotate-torn-half",
            (Kind::Torn(Tear::Zeros), _) => "rotate-torn-zeros",
        }
        .to_owned()
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        let in_manifest = |call: &Call| {
            matches!(call.change, Change::Write { .. }) && call.path.ends_with("manifest.jsonl")
        };
        let of_event = |call: &Call| matches!(&call.change, Change::Unlink { path } if path.extension().is_some_and(|e| e == "json"));
        match self.kind {
            Kind::First | Kind::Invalid => live(lab, &self.before()),
            Kind::Late => {
                live(lab, &history(10..12, 0, 4))?;
                lab.must(&[0], &["rotate", "--now", NOW])?;
                live(lab, &Self::late())
            }
            Kind::Unrecorded => {
                live(lab, &history(10..12, 0, 4))?;
                Self::stopped(lab, in_manifest)?;
                live(lab, &history(10..11, 4, 1))
            }
            Kind::Unremoved => {
                live(lab, &history(10..12, 0, 4))?;
                Self::stopped(lab, of_event)?;
                live(lab, &history(10..11, 4, 1))
            }
            Kind::Torn(how) => {
                live(lab, &history(10..12, 0, 4))?;
                lab.must(&[0], &["rotate", "--now", NOW])?;
                live(lab, &history(12..13, 0, 2))?;
                tear(lab, how)
            }
        }
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        rotate_words()
    }

    fn code(&self) -> i32 {
        // A file that is no event, or a conflict, is archived but named.
        i32::from(matches!(self.kind, Kind::Invalid | Kind::Late))
    }

    fn names_findings(&self) -> bool {
        true
    }

    fn promise(&self, lab: &Lab, _outcome: &Outcome) -> Verdict {
        let late: Vec<_> = latecomer(10).into_values().flatten().collect();
        check::kept(lab, &self.before(), &late).map(drop)
    }

    fn recover(&self, lab: &Lab) -> Verdict {
        live(lab, &latecomer(10))?;
        let first = again(self, lab);
        if self.code() == 0 {
            return first;
        }
        // What was named once need not be named again: it may be archived by now.
        first.or_else(|_| lab.must(&[0], &["rotate", "--now", NOW]).map(drop))
    }

    fn done(&self, lab: &Lab) -> Verdict {
        // A power cut may bring removed files back: they are known to be archived.
        check::archived(&Truth::read(lab)?, &self.before())
    }

    fn end(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        check::moved(&truth, &together([self.before(), latecomer(10)]))?;
        if let Some(left) = lab.live_names().map_err(|error| error.to_string())?.first() {
            return Err(format!("rotation left an empty directory: {left}"));
        }
        check::verified(lab)?;
        check::tidy(&truth)
    }
}

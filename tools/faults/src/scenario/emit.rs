//! Emitting: one event, and a stream of them.

use super::{Lacks, Scenario, live};
use crate::check;
use crate::events::{History, history};
use crate::lab::{Lab, Outcome, Verdict};
use crate::truth::Truth;

/// Two runs with an accident each, and the one that recovers.
const RUNS: usize = 3;

pub(super) fn all() -> Vec<Box<dyn Scenario>> {
    vec![
        Box::new(One { fresh: true, lacks: Lacks::Nothing }),
        Box::new(One { fresh: false, lacks: Lacks::Nothing }),
        Box::new(One { fresh: true, lacks: Lacks::Unnamed }),
        Box::new(One { fresh: true, lacks: Lacks::Links }),
        Box::new(One { fresh: true, lacks: Lacks::NoReplace }),
        Box::new(Batch),
    ]
}

/// One event, into a tree that is not there yet or a day that is.
struct One {
    fresh: bool,
    lacks: Lacks,
}

impl One {
    fn there(&self) -> History {
        if self.fresh { History::new() } else { history(20..21, 0, 2) }
    }

    fn content() -> Vec<u8> {
        b"{\"timestamp\":\"2026-05-20T10:00:00.000000Z\",\"node\":\"nas\",\
          \"type\":\"deployment_started\",\"severity\":\"info\",\"source\":\"faults\",\
          \"service\":\"all\",\"correlation_id\":\"run-1\",\"payload\":{\"number\":1}}\n"
            .to_vec()
    }
}

impl Scenario for One {
    fn name(&self) -> String {
        let place = if self.fresh { "fresh" } else { "existing-day" };
        match self.lacks {
            Lacks::Nothing => format!("emit-{place}"),
            Lacks::Unnamed => "emit-without-tmpfile".to_owned(),
            Lacks::Links => "emit-without-links".to_owned(),
            Lacks::NoReplace => "emit-without-noreplace".to_owned(),
        }
    }

    fn lacks(&self) -> Lacks {
        self.lacks
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &self.there())
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        "emit deployment_started --source faults --node nas --timestamp 2026-05-20T10:00:00Z \
         --correlation-id run-1 --payload {\"number\":1}"
            .split(' ')
            .map(str::to_owned)
            .collect()
    }

    fn promise(&self, lab: &Lab, outcome: &Outcome) -> Verdict {
        check::kept(lab, &self.there(), &[Self::content()])?;
        check::acknowledged(&outcome.stdout, &[Self::content()])
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        let there = truth.live.values().filter(|bytes| **bytes == Self::content()).count();
        // Runs that were stopped may have got as far as their event, too.
        if (1..=RUNS).contains(&there) {
            Ok(())
        } else {
            Err(format!("{there} events were emitted"))
        }
    }

    fn end(&self, lab: &Lab) -> Verdict {
        self.done(lab)?;
        check::verified(lab)?;
        cleaned_by_rotation(lab, self.lacks)
    }
}

/// A stopped emit may leave a temporary file where files must have names. No reader sees
/// it, and the rotation of its day removes it when it is old.
fn cleaned_by_rotation(lab: &Lab, lacks: Lacks) -> Verdict {
    if lacks == Lacks::Nothing {
        return check::tidy(&Truth::read(lab)?);
    }
    lab.must(&[0], &["rotate", "--date", "2026-05-20", "--now", "2099-01-01"])?;
    let truth = Truth::read(lab)?;
    if !truth.live.is_empty() {
        return Err("rotation left an event live".to_owned());
    }
    check::tidy(&truth)
}

/// Several groups of lines, over two days and two nodes.
struct Batch;

/// Lines of a batch. They are long, so that a buffer holds only a few of them, and a batch
/// is several groups.
const LINES: u32 = 12;

impl Batch {
    fn line(number: u32) -> (String, Vec<u8>) {
        let (day, node) = (20 + number % 2, ["nas", "pi4"][number as usize / 2 % 2]);
        let padding = "x".repeat(60_000);
        let text = format!(
            "\"timestamp\":\"2026-05-{day}T10:00:{number:02}.000000Z\",\"node\":\"{node}\",\
             \"type\":\"node_online\",\"severity\":\"info\",\"source\":\"faults\",\
             \"service\":\"all\",\"correlation_id\":\"line-{number}\",\
             \"payload\":{{\"padding\":\"{padding}\"}}"
        );
        (format!("{{{text}}}\n"), format!("{{{text}}}\n").into_bytes())
    }

    fn contents() -> Vec<Vec<u8>> {
        (0..LINES).map(|number| Self::line(number).1).collect()
    }
}

impl Scenario for Batch {
    fn name(&self) -> String {
        "emit-batch".to_owned()
    }

    fn setup(&self, lab: &Lab) -> Verdict {
        live(lab, &history(20..21, 0, 1))
    }

    fn arguments(&self, _lab: &Lab) -> Vec<String> {
        ["emit", "--batch"].map(str::to_owned).to_vec()
    }

    fn input(&self) -> Vec<u8> {
        (0..LINES).flat_map(|number| Self::line(number).0.into_bytes()).collect()
    }

    fn promise(&self, lab: &Lab, outcome: &Outcome) -> Verdict {
        check::kept(lab, &history(20..21, 0, 1), &Self::contents())?;
        check::acknowledged(&outcome.stdout, &Self::contents())
    }

    fn done(&self, lab: &Lab) -> Verdict {
        let truth = Truth::read(lab)?;
        for (number, content) in Self::contents().iter().enumerate() {
            let there = truth.live.values().filter(|bytes| *bytes == content).count();
            if !(1..=RUNS).contains(&there) {
                return Err(format!("line {number} became {there} events"));
            }
        }
        Ok(())
    }
}

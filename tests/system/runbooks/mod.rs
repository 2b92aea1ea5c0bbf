//! Each command of the runbooks in docs/operations.md is run, in its order, on machines that are
//! set up as the runbook finds them; and then the history is whole.
//!
//! Nothing is listed here that stands on the page: a command that is added there is run, and a
//! runbook that is added there fails until it is told how its machines are to be found.

mod cases;
mod homelab;
mod page;

use std::panic::{AssertUnwindSafe, catch_unwind};

use homelab::Homelab;
use page::{Block, Runbook};

/// Runs the blocks as they stand; each command must end as the page says, and print what it says.
fn follow(lab: &mut Homelab, runbook: &Runbook) {
    for block in &runbook.blocks {
        for machine in &block.machines {
            let run = lab.run(machine, "admin", &block.script());
            let place = format!("{}, line {}, on {machine}", runbook.title, block.line);
            assert_eq!(run.code, 0, "{place}:\n{}", run.stdout);
            assert_printed(&place, block, &run.stdout);
        }
    }
}

/// Each line that the page shows is printed, in this order; `…` stands for anything.
fn assert_printed(place: &str, block: &Block, printed: &str) {
    let mut lines = printed.lines();
    for wanted in &block.shown {
        let found = lines.any(|line| matches(wanted, line));
        assert!(found, "{place}: the page shows\n{wanted}\nand this was printed:\n{printed}");
    }
}

fn matches(wanted: &str, line: &str) -> bool {
    let mut parts = wanted.trim_end().split('…');
    let Some(mut rest) = line.trim_end().strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

#[test]
fn every_command_of_the_runbooks_does_what_the_page_says() {
    let runbooks = page::runbooks();
    let titles: Vec<&str> = runbooks.iter().map(|runbook| runbook.title.as_str()).collect();
    let known: Vec<&str> = cases::CASES.iter().map(|case| case.title).collect();
    assert_eq!(titles, known, "each runbook of the page has its machines in cases.rs");
    let Some(mut lab) = Homelab::start() else { return };
    let mut failed = Vec::new();
    for (runbook, case) in runbooks.iter().zip(cases::CASES) {
        assert!(!runbook.blocks.is_empty(), "{}: it has no commands", runbook.title);
        for machine in case.machines {
            lab.add(machine, case.bare);
        }
        // One that fails says why, and the others are followed all the same.
        let whole = AssertUnwindSafe(|| {
            (case.before)(&mut lab);
            follow(&mut lab, runbook);
            (case.after)(&mut lab);
        });
        if catch_unwind(whole).is_err() {
            failed.push(&runbook.title);
        }
        lab.reset();
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn what_the_page_shows_is_compared_with_what_is_printed() {
    assert!(matches("3 events (… B) into …", "3 events (12 B) into /tmp/x"));
    assert!(matches("exactly", "exactly  "));
    for (wanted, line) in [("a … b", "a x c"), ("a…", "b a"), ("a … b", "a x b c"), ("a", "ab")]
    {
        assert!(!matches(wanted, line), "{wanted}: {line}");
    }
}

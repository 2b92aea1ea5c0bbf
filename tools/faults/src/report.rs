//! What came of it: a line for each scenario as it ends, and a table.

use std::sync::Mutex;
use std::sync::PoisonError;

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) mode: String,
    pub(crate) scenario: String,
    pub(crate) held: usize,
    pub(crate) points: usize,
    /// Anything else that is worth saying.
    pub(crate) note: String,
}

/// Collects what the modes found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Mutex<Vec<Row>>,
    failures: Mutex<usize>,
}

/// Failures of one scenario that are shown in full.
const SHOWN: usize = 5;

impl Report {
    /// Takes up what a scenario came to, and prints it.
    pub(crate) fn scenario(&self, mode: &str, scenario: &str, outcomes: Outcomes) {
        let Outcomes { points, failures, note } = outcomes;
        println!("{mode:<9} {scenario:<32} {}/{points} points {note}", points - failures.len());
        for (number, failure) in failures.iter().enumerate() {
            if number == SHOWN {
                println!("  ... and {} more", failures.len() - SHOWN);
                break;
            }
            println!("  FAILED {}: {}", failure.point, failure.reason);
            println!(
                "    again: cargo faults {mode} --scenario {} {}",
                scenario.split(' ').next().unwrap_or_default(),
                failure.arguments
            );
        }
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner) += failures.len();
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).push(Row {
            mode: mode.to_owned(),
            scenario: scenario.to_owned(),
            held: points - failures.len(),
            points,
            note,
        });
    }

    /// Prints the table; whether all held.
    pub(crate) fn end(&self) -> bool {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        println!("\n{:<9} {:<32} {:>8} {:>8}", "mode", "scenario", "held", "points");
        let mut modes: Vec<&str> = Vec::new();
        for row in rows.iter() {
            println!(
                "{:<9} {:<32} {:>8} {:>8}  {}",
                row.mode, row.scenario, row.held, row.points, row.note
            );
            if !modes.contains(&row.mode.as_str()) {
                modes.push(&row.mode);
            }
        }
        println!();
        for mode in modes {
            let of_mode = rows.iter().filter(|row| row.mode == mode);
            let (held, points) =
                of_mode.fold((0, 0), |(held, points), row| (held + row.held, points + row.points));
            println!("{mode}: {held}/{points} points held");
        }
        let failures = *self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures > 0 {
            println!("{failures} FAILED");
        }
        failures == 0
    }
}

/// A point at which something did not hold.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Which point, and what was done there.
    pub(crate) point: String,
    pub(crate) reason: String,
    /// What makes it happen again.
    pub(crate) arguments: String,
}

/// What the points of one scenario came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcomes {
    pub(crate) points: usize,
    pub(crate) failures: Vec<Failure>,
    pub(crate) note: String,
}

impl Outcomes {
    /// What is reported of a scenario that could not even be begun.
    pub(crate) fn not_even_once(reason: String) -> Self {
        let failure = Failure { point: "at all".to_owned(), reason, arguments: String::new() };
        Self { points: 1, failures: vec![failure], note: String::new() }
    }
}

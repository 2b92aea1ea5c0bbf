//! Metrics: what a run came to, for Prometheus, in the text format that `node_exporter`'s
//! textfile collector reads.
//!
//! One file serves all operations. Each has families of its own (`hlarchive_last_rotate_…`),
//! and a run replaces those of its operation and no others. A run that failed keeps the time
//! of the last success; what it did not get to know is absent rather than old. The failure
//! stands until a run shows that it is over: one that was stopped, or that looked at a part,
//! shows nothing. A file of somebody else is told apart, so that it is not overwritten.

mod file;
mod reports;

use std::collections::BTreeMap;

pub use file::{read, update};
pub use reports::{
    of_compact, of_import, of_prune, of_rotate, of_status, of_sync, of_totals, of_verify,
};
use serde::Serialize;

use crate::event::{Malformed, Timestamp, shown};

/// What every name begins with.
const OURS: &str = "hlarchive_";

/// One number.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// The end of its name: what is counted, and the unit.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
    /// The number.
    pub value: f64,
}

impl Gauge {
    fn new(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, value: value as f64 }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The operation, as the command is called.
    pub operation: &'a str,
    /// When.
    pub time: Timestamp,
    /// How long it took.
    pub seconds: f64,
    /// With which code: 0 is a success, and 128 and more a stop by that signal.
    pub exit_code: u8,
    /// How much it looked at.
    pub scope: Scope,
}

/// How much a run looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything: if it found nothing wrong, nothing is.
    Whole,
    /// Some days, or not every byte: that it found nothing wrong says nothing of the rest.
    Part,
}

impl Scope {
    /// [`Whole`](Self::Whole) if nothing was left out.
    pub fn whole_if(is_whole: bool) -> Self {
        if is_whole { Self::Whole } else { Self::Part }
    }
}

/// How the last run of an operation ended, as the file tells it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastEnd {
    /// When it ended.
    pub time: Timestamp,
    /// With which code.
    pub exit_code: u8,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// The things that it named as wrong; unknown where it failed before it could count.
    pub findings: Option<u64>,
    /// Segments that it looked at, of a verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
    /// Among them those that it read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments_read_whole: Option<u64>,
    /// When a run last ended with 0.
    pub success_time: Option<Timestamp>,
}

impl LastEnd {
    /// Whether it went wrong: a stop on request did not.
    pub fn failed(&self) -> bool {
        failed(self.exit_code)
    }
}

/// From here on an exit code tells of a signal that asked for a stop.
const STOPPED: u8 = 128;

fn failed(exit_code: u8) -> bool {
    exit_code != 0 && exit_code < STOPPED
}

/// A file of metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    families: BTreeMap<String, Family>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family {
    help: String,
    value: String,
}

impl Sheet {
    /// Understands what [`render`](Self::render) wrote; anything else is somebody else's.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut sheet = Self::default();
        for (number, line) in text.lines().enumerate() {
            let strange = || {
                Malformed::new(format!(
                    "line {} (\"{}\") was not written by hlarchive",
                    number + 1,
                    shown(line)
                ))
            };
            let (kind, rest) = match line.strip_prefix("# ") {
                Some(rest) => rest.split_once(' ').ok_or_else(strange)?,
                None => ("", line),
            };
            let (name, rest) = rest.split_once(' ').ok_or_else(strange)?;
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !name.starts_with(OURS) || !name.chars().all(is_name) {
                return Err(strange());
            }
            let family = sheet.families.entry(name.to_owned()).or_default();
            match kind {
                "HELP" => rest.clone_into(&mut family.help),
                "TYPE" if rest == "gauge" => {}
                "" if rest.parse::<f64>().is_ok() => rest.clone_into(&mut family.value),
                _ => return Err(strange()),
            }
        }
        sheet.families.retain(|_, family| !family.value.is_empty());
        Ok(sheet)
    }

    /// The text, families in the order of their names.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, Family { help, value }) in &self.families {
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"));
        }
        text
    }

    /// How the last run of this operation ended, if it is known.
    pub fn last(&self, operation: &str) -> Option<LastEnd> {
        let number = |name: &str| {
            let family = self.families.get(&format!("{OURS}last_{operation}_{name}"))?;
            family.value.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)
        };
        // Casts of floats stay within the integer's range, and so does the timestamp.
        let time = |name| Some(Timestamp::from_micros((number(name)? * 1e6).round() as i64));
        let count = |name| Some(number(name)? as u64);
        let segments_read_whole = count("segments_read_whole");
        Some(LastEnd {
            time: time("timestamp_seconds")?,
            exit_code: number("exit_code")? as u8,
            seconds: number("duration_seconds"),
            findings: count("findings"),
            // Of other operations they are something else.
            segments: segments_read_whole.and_then(|_| count("segments")),
            segments_read_whole,
            success_time: time("success_timestamp_seconds"),
        })
    }

    /// Takes down how a run ended, and what it reported, if it got so far; unless a failure
    /// stands that this run does not show to be over.
    pub fn ran(&mut self, ended: Ended<'_>, report: &[Gauge]) {
        let says_little = ended.exit_code >= STOPPED || ended.scope == Scope::Part;
        let stands = self.last(ended.operation).is_some_and(|last| last.failed());
        if stands && says_little && !failed(ended.exit_code) {
            return;
        }
        let prefix = format!("{OURS}last_{}_", ended.operation);
        let success = format!("{prefix}success_timestamp_seconds");
        self.families.retain(|name, _| !name.starts_with(&prefix) || *name == success);
        let seconds = ended.time.micros() as f64 / 1e6;
        let operation = ended.operation;
        if ended.exit_code == 0 {
            let help = format!("When {operation} last ended with 0, as Unix time.");
            self.set(success, help, seconds);
        }
        for (name, help, value) in [
            ("timestamp_seconds", format!("When {operation} last ended, as Unix time."), seconds),
            ("duration_seconds", format!("How long the last {operation} took."), ended.seconds),
            (
                "exit_code",
                format!("The exit code of the last {operation}; 0 is a success."),
                f64::from(ended.exit_code),
            ),
        ] {
            self.set(format!("{prefix}{name}"), help, value);
        }
        for gauge in report {
            self.set(format!("{prefix}{}", gauge.name), gauge.help.to_owned(), gauge.value);
        }
    }

    /// Takes down how the history stands.
    pub fn stands(&mut self, totals: &[Gauge]) {
        for gauge in totals {
            self.set(format!("{OURS}{}", gauge.name), gauge.help.to_owned(), gauge.value);
        }
    }

    fn set(&mut self, name: String, help: String, value: f64) {
        self.families.insert(name, Family { help, value: value.to_string() });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ended(operation: &str, second: i64, exit_code: u8) -> Ended<'_> {
        let time = Timestamp::from_micros(second * 1_000_000);
        Ended { operation, time, seconds: 1.5, exit_code, scope: Scope::Whole }
    }

    fn value<'a>(sheet: &'a Sheet, name: &str) -> Option<&'a str> {
        sheet.families.get(name).map(|family| family.value.as_str())
    }

    #[test]
    fn a_run_replaces_what_was_said_of_its_operation_and_no_more() {
        let events = Gauge::new("events", "Events archived.", 7);
        let mut sheet = Sheet::default();
        sheet.ran(ended("rotate", 100, 0), std::slice::from_ref(&events));
        sheet.ran(ended("prune", 200, 0), &[]);
        sheet.stands(&[Gauge::new("live_partitions", "Days that are live.", 3)]);
        let mut sheet = Sheet::parse(&sheet.render()).unwrap();
        assert_eq!(value(&sheet, "hlarchive_last_rotate_events"), Some("7"));
        sheet.ran(ended("rotate", 300, 74), &[]);
        assert_eq!(value(&sheet, "hlarchive_last_rotate_events"), None);
        assert_eq!(value(&sheet, "hlarchive_last_rotate_exit_code"), Some("74"));
        assert_eq!(value(&sheet, "hlarchive_last_rotate_timestamp_seconds"), Some("300"));
        assert_eq!(value(&sheet, "hlarchive_last_rotate_success_timestamp_seconds"), Some("100"));
        assert_eq!(value(&sheet, "hlarchive_last_prune_success_timestamp_seconds"), Some("200"));
        assert_eq!(value(&sheet, "hlarchive_last_prune_duration_seconds"), Some("1.5"));
        assert_eq!(value(&sheet, "hlarchive_live_partitions"), Some("3"));
        assert_eq!(Sheet::parse(&sheet.render()).unwrap(), sheet);
    }

    #[test]
    fn a_failure_stands_until_a_run_of_everything_went_well() {
        let mut sheet = Sheet::default();
        let mut run = |ended: Ended<'_>| {
            sheet.ran(ended, &[]);
            let last = sheet.last("verify").unwrap();
            (last.time.seconds(), last.exit_code)
        };
        let part = |second, code| Ended { scope: Scope::Part, ..ended("verify", second, code) };
        assert_eq!(run(part(100, 0)), (100, 0));
        assert_eq!(run(ended("verify", 200, 143)), (200, 143));
        assert_eq!(run(part(300, 1)), (300, 1));
        assert_eq!(run(part(400, 0)), (300, 1));
        assert_eq!(run(ended("verify", 500, 143)), (300, 1));
        assert_eq!(run(ended("verify", 600, 74)), (600, 74));
        assert_eq!(run(ended("verify", 700, 0)), (700, 0));
    }

    #[test]
    fn what_is_read_back_is_what_was_taken_down() {
        let mut sheet = Sheet::default();
        let counted = [
            Gauge::new("segments", "", 7),
            Gauge::new("segments_read_whole", "", 3),
            Gauge::new("findings", "", 2),
        ];
        let time = Timestamp::from_micros(1_779_503_400_123_456);
        sheet.ran(Ended { time, ..ended("verify", 0, 0) }, &counted);
        sheet.ran(ended("verify", 1_779_589_800, 65), &counted);
        let last = Sheet::parse(&sheet.render()).unwrap().last("verify").unwrap();
        let expected = LastEnd {
            time: Timestamp::from_micros(1_779_589_800_000_000),
            exit_code: 65,
            seconds: Some(1.5),
            findings: Some(2),
            segments: Some(7),
            segments_read_whole: Some(3),
            success_time: Some(time),
        };
        assert_eq!(last, expected);
        assert_eq!(sheet.last("rotate"), None);
    }

    #[test]
    fn numbers_that_nobody_wrote_are_not_taken_for_an_end() {
        for value in ["NaN", "-1", "inf", "1e999"] {
            let text = format!(
                "hlarchive_last_rotate_timestamp_seconds {value}\nhlarchive_last_rotate_exit_code 0\n"
            );
            assert_eq!(Sheet::parse(&text).unwrap().last("rotate"), None, "{value}");
        }
        let text =
            "hlarchive_last_rotate_timestamp_seconds 1e300\nhlarchive_last_rotate_exit_code 1e9\n";
        let last = Sheet::parse(text).unwrap().last("rotate").unwrap();
        assert_eq!((last.time.date().to_string().as_str(), last.exit_code), ("9999-12-31", 255));
    }

    #[test]
    fn a_file_of_somebody_else_is_told_apart() {
        assert_eq!(Sheet::parse("").unwrap(), Sheet::default());
        for (text, line) in [
            ("node_load1 0.5\n", "line 1"),
            ("hlarchive_live_days 3\nup 1\n", "line 2"),
            ("# a remark\n", "line 1"),
            ("# TYPE hlarchive_x counter\n", "line 1"),
            ("hlarchive_x three\n", "line 1"),
            ("hlarchive_x{node=\"a b\"} 3\n", "line 1"),
            ("hlarchive_x 3 1700000000\n", "line 1"),
            ("hlarchive_x\n", "line 1"),
            ("\n", "line 1"),
            ("#\n", "line 1"),
        ] {
            let error = Sheet::parse(text).unwrap_err();
            assert!(error.to_string().contains(line), "{text:?}: {error}");
        }
    }
}

//! Metrics: what a run came to, for Prometheus, in the text format that `node_exporter`'s
//! textfile collector reads.
//!
//! One file serves all operations. Each has families of its own (`hlarchive_last_rotate_…`),
//! and a run replaces those of its operation and no others. A run that failed keeps the time
//! of the last success; what it did not get to know is absent rather than old. The failure
//! stands until a run shows that it is over (see [`Sheet::ran`]). A file of somebody else is
//! told apart, and one of another archive, so that neither is overwritten.

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

/// The family that tells of which archive the file is, by a label, as such families do.
const ARCHIVE: &str = "hlarchive_archive_info";
const ARCHIVE_HELP: &str = "The archive that this file tells of.";

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

    fn findings(number: u64) -> Self {
        Self::new("findings", "Things that the run named as wrong.", number)
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
    /// Whether it compared the history with what was kept elsewhere: a head, a signature.
    pub witness: bool,
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
    /// Whether it compared the history with what was kept elsewhere.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
    /// Segments that it looked at, of a verification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
    /// Among them those that it read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments_read_whole: Option<u64>,
    /// When a run last went well.
    pub success_time: Option<Timestamp>,
}

impl LastEnd {
    /// Whether it went wrong: a stop on request did not, unless something was found before.
    pub fn failed(&self) -> bool {
        failed(self.exit_code, self.findings)
    }

    /// Whether this failure is over, when a later run went well that counted so many segments.
    fn is_over(&self, later: &Ended<'_>, segments: Option<u64>) -> bool {
        let saw_less = segments == Some(0) && self.segments.is_some_and(|before| before > 0);
        let heard_less = self.witness && !later.witness;
        later.exit_code < STOPPED && later.scope == Scope::Whole && !saw_less && !heard_less
    }
}

/// From here on an exit code tells of a signal that asked for a stop.
const STOPPED: u8 = 128;

fn failed(exit_code: u8, findings: Option<u64>) -> bool {
    (exit_code != 0 && exit_code < STOPPED) || findings.is_some_and(|findings| findings > 0)
}

/// A file of metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    archive: Option<String>,
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
            if let Some(archive) = labelled(line) {
                sheet.archive = Some(archive);
                continue;
            }
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
        if let Some(archive) = &self.archive {
            let label = archive.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            text.push_str(&format!(
                "# HELP {ARCHIVE} {ARCHIVE_HELP}\n# TYPE {ARCHIVE} gauge\n\
                 {ARCHIVE}{{archive=\"{label}\"}} 1\n"
            ));
        }
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
            witness: count("witness").is_some_and(|witness| witness > 0),
            // Of other operations they are something else.
            segments: segments_read_whole.and_then(|_| count("segments")),
            segments_read_whole,
            success_time: time("success_timestamp_seconds"),
        })
    }

    /// Takes down how a run ended, and what it reported, if it got so far.
    ///
    /// A failure stands, and the run is passed over, unless it failed, too, or shows that the
    /// failure is over: it was not stopped, it looked at everything and, if the failure is of
    /// a run that compared the history with what was kept elsewhere, so did this one. A
    /// further failure that could count nothing leaves what was counted before.
    pub fn ran(&mut self, ended: Ended<'_>, report: &[Gauge]) {
        let counted = |name: &str| {
            let gauge = report.iter().find(|gauge| gauge.name == name);
            gauge.map(|gauge| gauge.value as u64)
        };
        let has_failed = failed(ended.exit_code, counted("findings"));
        let before = self.last(ended.operation).filter(LastEnd::failed);
        if let Some(before) = &before
            && !has_failed
            && !before.is_over(&ended, counted("segments"))
        {
            return;
        }
        let prefix = format!("{OURS}last_{}_", ended.operation);
        let success = format!("{prefix}success_timestamp_seconds");
        let before = before.filter(|_| has_failed);
        let has_counted = before.is_none() || !report.is_empty();
        self.families
            .retain(|name, _| !name.starts_with(&prefix) || *name == success || !has_counted);
        let seconds = ended.time.micros() as f64 / 1e6;
        let operation = ended.operation;
        if ended.exit_code == 0 && !has_failed {
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
        if ended.witness || before.is_some_and(|before| before.witness) {
            let help = "Whether heads or signatures kept elsewhere were compared: 1.".to_owned();
            self.set(format!("{prefix}witness"), help, 1.0);
        }
        for gauge in report {
            self.set(format!("{prefix}{}", gauge.name), gauge.help.to_owned(), gauge.value);
        }
    }

    /// Says of which archive it tells; the other one, if it told of another.
    fn claim(&mut self, archive: &str) -> Result<(), String> {
        match &self.archive {
            Some(other) if other != archive => Err(other.clone()),
            _ => {
                self.archive = Some(archive.to_owned());
                Ok(())
            }
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

/// The archive of the line that tells of it.
fn labelled(line: &str) -> Option<String> {
    let line = line.strip_prefix(ARCHIVE)?.strip_prefix("{archive=\"")?;
    let mut characters = line.strip_suffix("\"} 1")?.chars();
    let mut archive = String::new();
    while let Some(character) = characters.next() {
        archive.push(match character {
            '\\' => match characters.next()? {
                'n' => '\n',
                escaped => escaped,
            },
            '"' => return None,
            other => other,
        });
    }
    Some(archive)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ended(operation: &str, second: i64, exit_code: u8) -> Ended<'_> {
        let time = Timestamp::from_micros(second * 1_000_000);
        Ended { operation, time, seconds: 1.5, exit_code, scope: Scope::Whole, witness: false }
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
    fn what_shows_less_than_the_failed_run_does_not_clear_it() {
        let counts = |findings, segments| {
            [
                Gauge::findings(findings),
                Gauge::new("segments", "", segments),
                Gauge::new("segments_read_whole", "", segments),
            ]
        };
        let mut sheet = Sheet::default();
        // Stopped, but not before it found something.
        sheet.ran(ended("verify", 100, 143), &counts(3, 9));
        let last = |sheet: &Sheet| {
            let last = sheet.last("verify").unwrap();
            (last.time.seconds(), last.failed(), last.findings)
        };
        assert_eq!(last(&sheet), (100, true, Some(3)));
        // A run that could count nothing fails, too, and does not take the count away.
        sheet.ran(ended("verify", 200, 66), &[]);
        assert_eq!(last(&sheet), (200, true, Some(3)));
        // The disk is not mounted: nothing to look at, and nothing wrong with it.
        sheet.ran(ended("verify", 300, 0), &counts(0, 0));
        assert_eq!(last(&sheet), (200, true, Some(3)));
        sheet.ran(ended("verify", 300, 0), &counts(0, 9));
        assert_eq!(last(&sheet), (300, false, Some(0)));
        sheet.ran(Ended { witness: true, ..ended("verify", 100, 1) }, &counts(1, 9));
        sheet.ran(ended("verify", 300, 0), &counts(0, 9));
        assert_eq!(last(&sheet), (100, true, Some(1)));
        sheet.ran(ended("verify", 400, 74), &[]);
        sheet.ran(ended("verify", 500, 0), &counts(0, 9));
        assert_eq!(last(&sheet), (400, true, Some(1)));
        sheet.ran(Ended { witness: true, ..ended("verify", 600, 0) }, &counts(0, 9));
        assert_eq!(last(&sheet), (600, false, Some(0)));
    }

    #[test]
    fn it_tells_of_one_archive_whatever_that_is_called() {
        let mut sheet = Sheet::default();
        let name = "/a\\b/\"c d\"\n";
        sheet.claim(name).unwrap();
        sheet.ran(ended("rotate", 100, 0), &[]);
        let mut read = Sheet::parse(&sheet.render()).unwrap();
        assert_eq!(read, sheet);
        read.claim(name).unwrap();
        assert_eq!(read.claim("/other").unwrap_err(), name);
        for line in ["{archive=\"a\"b\"} 1", "{archive=\"a\\\"} 1", "{node=\"a\"} 1"] {
            assert!(Sheet::parse(&format!("{ARCHIVE}{line}\n")).is_err(), "{line}");
        }
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
        sheet.ran(Ended { time, ..ended("verify", 0, 0) }, &[]);
        sheet.ran(ended("verify", 1_779_589_800, 65), &counted);
        let last = Sheet::parse(&sheet.render()).unwrap().last("verify").unwrap();
        let expected = LastEnd {
            time: Timestamp::from_micros(1_779_589_800_000_000),
            exit_code: 65,
            seconds: Some(1.5),
            findings: Some(2),
            witness: false,
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

//! Metrics of a run, for Prometheus, in the text format that `node_exporter`'s textfile collector
//! reads.
//!
//! One file serves all operations. Each has families of its own (`hlarchive_last_rotate_…`), and a
//! run replaces only those of its operation. A run that failed keeps the time of the last success;
//! values that it did not determine are absent rather than old. The failure stands until a run
//! shows that it is over ([`Sheet::ran`]). A file of another program, or of another archive, is
//! recognized, so that neither is overwritten.

mod ends;
mod file;
mod reports;
mod runs;

use std::collections::BTreeMap;

pub use ends::LastEnd;
pub(crate) use ends::{Ended, Scope};
use ends::{STOPPED, failed};
pub(crate) use file::{may_update, read, update};
pub(crate) use reports::{
    of_compact, of_import, of_prune, of_rotate, of_status, of_sync, of_totals, of_verify,
};
pub(crate) use runs::{leave, left};

use crate::event::{Malformed, Timestamp, shown};

/// The common prefix of all names.
const OURS: &str = "hlarchive_";

/// The family whose label names the archive of the file, as is usual for such families.
const ARCHIVE: &str = "hlarchive_archive_info";
const ARCHIVE_HELP: &str = "The archive that this file tells of.";

/// The end of the name of the family that tells which archive was there last.
const ORIGIN: &str = "archive_origin";

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gauge {
    /// The end of its name: what is counted, and the unit.
    pub name: &'static str,
    /// The help text.
    pub help: &'static str,
    /// The value.
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

/// A file of metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sheet {
    archive: Option<String>,
    families: BTreeMap<String, Family>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family {
    help: String,
    value: String,
}

impl Sheet {
    /// Parses what [`render`](Self::render) wrote; anything else belongs to another program.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
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

    /// Returns the text, families in the order of their names.
    pub(crate) fn render(&self) -> String {
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

    /// Returns how the last run of this operation ended, or the failure that stands, if known.
    pub(crate) fn last(&self, operation: &str) -> Option<LastEnd> {
        let number = |name: &str| self.number(&format!("last_{operation}_{name}"));
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
            // In other operations they mean something else.
            segments: segments_read_whole.and_then(|_| count("segments")),
            segments_read_whole,
            success_time: time("success_timestamp_seconds"),
            scope: number("scope").unwrap_or(0.0) as u32,
            records: count("manifest_records"),
        })
    }

    /// Returns what it knows of the archive: the beginning of its origin, and whether it held
    /// anything.
    pub(crate) fn archive_state(&self) -> (Option<u64>, bool) {
        let archived = self.number("archived_segments").is_some_and(|segments| segments > 0.0);
        (self.number(ORIGIN).map(|origin| origin as u64), archived)
    }

    fn number(&self, name: &str) -> Option<f64> {
        let family = self.families.get(&format!("{OURS}{name}"))?;
        family.value.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0)
    }

    /// Records how a run ended, and its report, if it got so far.
    ///
    /// A failure stands, and a successful run is ignored, unless it shows as much: it was not
    /// stopped, it began after the failed run, it is the same again or one of everything, and if
    /// the failed one compared the history with something kept outside it, so did this one. A
    /// further failure that shows less is added to the one that stands.
    pub(crate) fn ran(&mut self, ended: Ended<'_>, report: &[Gauge]) {
        let counted = |name: &str| {
            let gauge = report.iter().find(|gauge| gauge.name == name);
            gauge.map(|gauge| gauge.value as u64)
        };
        let findings = counted("findings");
        let (_, archived) = self.archive_state();
        let stands = self.last(ended.operation).filter(LastEnd::failed);
        let stands = stands.filter(|before| {
            let stopped = ended.exit_code >= STOPPED;
            let is_covered = before.is_covered(&ended, counted("manifest_records"), archived);
            stopped || !is_covered || (findings.is_none() && ended.exit_code != 0)
        });
        match stands {
            None => self.replace(&ended, report, failed(ended.exit_code, findings)),
            Some(before) if failed(ended.exit_code, findings) => {
                self.add(&ended, findings, &before);
            }
            Some(_) => {}
        }
    }

    fn replace(&mut self, ended: &Ended<'_>, report: &[Gauge], has_failed: bool) {
        let operation = ended.operation;
        let prefix = format!("{OURS}last_{operation}_");
        let success = format!("{prefix}success_timestamp_seconds");
        self.families.retain(|name, _| !name.starts_with(&prefix) || *name == success);
        if ended.exit_code == 0 && !has_failed {
            let help = format!("When {operation} last went well, as Unix time.");
            self.set(success, help, ended.time.micros() as f64 / 1e6);
        }
        self.end(ended, ended.exit_code, ended.scope.number(), ended.witness);
        for gauge in report {
            self.set(format!("{prefix}{}", gauge.name), gauge.help.to_owned(), gauge.value);
        }
    }

    /// Adds a failure to one that stands, and keeps what that one counted.
    fn add(&mut self, ended: &Ended<'_>, findings: Option<u64>, before: &LastEnd) {
        // A stop says less than the problem before it.
        let is_worse = ended.exit_code != 0 && ended.exit_code < STOPPED;
        let exit_code = if is_worse { ended.exit_code } else { before.exit_code };
        let is_same = ended.scope.number() == before.scope;
        let scope = if is_same { before.scope } else { Scope::Whole.number() };
        self.end(ended, exit_code, scope, ended.witness || before.witness);
        if let Some(max) = findings.max(before.findings) {
            let gauge = Gauge::findings(max);
            let name = format!("{OURS}last_{}_{}", ended.operation, gauge.name);
            self.set(name, gauge.help.to_owned(), gauge.value);
        }
    }

    fn end(&mut self, ended: &Ended<'_>, exit_code: u8, scope: u32, witness: bool) {
        let operation = ended.operation;
        let or = "or the failure that stands";
        for (name, help, value) in [
            (
                "timestamp_seconds",
                format!("When the last {operation} ended, {or}, as Unix time."),
                ended.time.micros() as f64 / 1e6,
            ),
            (
                "duration_seconds",
                format!("How long the last {operation} took, {or}."),
                ended.seconds,
            ),
            (
                "exit_code",
                format!("The exit code of the last {operation}, {or}; 0 is a success."),
                f64::from(exit_code),
            ),
            (
                "scope",
                "What it looked at: 0 is everything, and any other number a part.".to_owned(),
                f64::from(scope),
            ),
            (
                "witness",
                "Whether it compared a head or a signature kept elsewhere: 1 or 0.".to_owned(),
                f64::from(u8::from(witness)),
            ),
        ] {
            self.set(format!("{OURS}last_{operation}_{name}"), help, value);
        }
    }

    /// Claims the file for an archive; fails with the other archive if it belongs to one.
    fn claim(&mut self, archive: &str) -> Result<(), String> {
        match &self.archive {
            Some(other) if other != archive => Err(other.clone()),
            _ => {
                self.archive = Some(archive.to_owned());
                Ok(())
            }
        }
    }

    /// Records the totals of the history.
    pub(crate) fn stands(&mut self, totals: &[Gauge]) {
        for gauge in totals {
            self.set(format!("{OURS}{}", gauge.name), gauge.help.to_owned(), gauge.value);
        }
    }

    fn set(&mut self, name: String, help: String, value: f64) {
        self.families.insert(name, Family { help, value: value.to_string() });
    }
}

/// Returns the archive named in an info line.
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

    /// Verifications, one after the other, each with its time, code, scope, witness, findings and
    /// records; returns what stands then: the time, the code and the findings.
    struct Verifying(Sheet);

    impl Verifying {
        fn run(&mut self, ended: Ended<'_>, counts: Option<(u64, u64)>) -> (i64, u8, Option<u64>) {
            let report = counts.map(|(findings, records)| {
                vec![Gauge::findings(findings), Gauge::new("manifest_records", "", records)]
            });
            self.0.ran(ended, &report.unwrap_or_default());
            let last = self.0.last("verify").unwrap();
            (last.time.seconds(), last.exit_code, last.findings)
        }
    }

    fn whole(second: i64, exit_code: u8) -> Ended<'static> {
        ended("verify", second, exit_code)
    }

    fn part(words: &[&str], second: i64, exit_code: u8) -> Ended<'static> {
        Ended { scope: Scope::of(words), ..whole(second, exit_code) }
    }

    #[test]
    fn a_failure_stands_until_the_same_run_or_one_of_everything_goes_well() {
        let mut verify = Verifying(Sheet::default());
        assert_eq!(verify.run(part(&["a"], 100, 0), Some((0, 9))), (100, 0, Some(0)));
        assert_eq!(verify.run(whole(200, 143), Some((0, 9))), (200, 143, Some(0)));
        assert_eq!(verify.run(part(&["a"], 300, 1), Some((2, 9))), (300, 1, Some(2)));
        // Another part, a stop, and one that began before it say nothing of it.
        assert_eq!(verify.run(part(&["b"], 400, 0), Some((0, 9))), (300, 1, Some(2)));
        assert_eq!(verify.run(whole(500, 143), Some((0, 9))), (300, 1, Some(2)));
        let long = Ended { seconds: 400.0, ..whole(600, 0) };
        assert_eq!(verify.run(long, Some((0, 9))), (300, 1, Some(2)));
        assert_eq!(verify.run(part(&["a"], 700, 0), Some((0, 9))), (700, 0, Some(0)));
        // Of everything, and equal to that.
        assert_eq!(verify.run(whole(800, 1), Some((2, 9))), (800, 1, Some(2)));
        assert_eq!(verify.run(part(&["a"], 900, 0), Some((0, 9))), (800, 1, Some(2)));
        assert_eq!(verify.run(whole(1000, 0), Some((0, 9))), (1000, 0, Some(0)));
    }

    #[test]
    fn a_further_failure_is_added_and_takes_nothing_away() {
        let mut verify = Verifying(Sheet::default());
        assert_eq!(verify.run(whole(100, 1), Some((3, 9))), (100, 1, Some(3)));
        assert_eq!(verify.run(part(&["live"], 200, 1), Some((1, 0))), (200, 1, Some(3)));
        assert_eq!(verify.run(whole(300, 66), None), (300, 66, Some(3)));
        assert_eq!(verify.run(whole(400, 143), Some((1, 9))), (400, 66, Some(3)));
        assert_eq!(verify.run(part(&["live"], 500, 0), Some((0, 0))), (400, 66, Some(3)));
        assert_eq!(verify.run(whole(600, 1), Some((1, 9))), (600, 1, Some(1)));
        assert_eq!(verify.run(whole(700, 0), Some((0, 9))), (700, 0, Some(0)));
        // Two parts: neither shows that the other is repaired.
        verify.run(part(&["a"], 800, 1), Some((1, 9)));
        verify.run(part(&["b"], 900, 1), Some((1, 9)));
        assert_eq!(verify.run(part(&["a"], 1000, 0), Some((0, 9))), (900, 1, Some(1)));
        assert_eq!(verify.run(whole(1100, 0), Some((0, 9))), (1100, 0, Some(0)));
        // Stopped, but not before it found something.
        assert_eq!(verify.run(whole(1200, 143), Some((3, 9))), (1200, 143, Some(3)));
        assert!(verify.0.last("verify").unwrap().failed());
    }

    #[test]
    fn chance_does_not_clear_what_was_found() {
        let mut verify = Verifying(Sheet::default());
        let sample =
            |second, code| Ended { scope: Scope::sample(&["archived"]), ..whole(second, code) };
        verify.run(sample(100, 74), None);
        assert_eq!(verify.run(sample(200, 0), Some((0, 9))), (200, 0, Some(0)));
        verify.run(sample(300, 1), Some((1, 9)));
        assert_eq!(verify.run(sample(400, 0), Some((0, 9))), (300, 1, Some(1)));
        assert_eq!(verify.run(whole(500, 0), Some((0, 9))), (500, 0, Some(0)));
    }

    #[test]
    fn an_archive_that_is_not_to_be_seen_clears_nothing() {
        let mut verify = Verifying(Sheet::default());
        verify.run(whole(100, 1), Some((1, 9)));
        assert_eq!(verify.run(whole(200, 0), Some((0, 0))), (100, 1, Some(1)));
        assert_eq!(verify.run(whole(300, 0), Some((0, 12))), (300, 0, Some(0)));
        // The failed run saw none either, but there was one.
        verify.run(whole(400, 74), None);
        verify.0.stands(&[Gauge::new("archived_segments", "", 5)]);
        assert_eq!(verify.run(whole(500, 0), Some((0, 0))), (400, 74, None));
        assert_eq!(verify.run(whole(600, 0), Some((0, 9))), (600, 0, Some(0)));
        // A history in which nothing is archived yet.
        let mut verify = Verifying(Sheet::default());
        verify.run(whole(100, 1), Some((1, 0)));
        assert_eq!(verify.run(whole(200, 0), Some((0, 0))), (200, 0, Some(0)));
    }

    #[test]
    fn what_a_witness_disproved_only_a_witness_clears() {
        let mut verify = Verifying(Sheet::default());
        let witness = |second, code| Ended { witness: true, ..whole(second, code) };
        verify.run(witness(100, 1), Some((1, 9)));
        assert_eq!(verify.run(whole(200, 0), Some((0, 9))), (100, 1, Some(1)));
        verify.run(whole(300, 74), None);
        assert_eq!(verify.run(whole(400, 0), Some((0, 9))), (300, 74, Some(1)));
        assert_eq!(verify.run(witness(500, 0), Some((0, 9))), (500, 0, Some(0)));
    }

    #[test]
    fn what_is_read_back_is_what_was_taken_down() {
        let mut sheet = Sheet::default();
        let counted = [
            Gauge::new("segments", "", 7),
            Gauge::new("segments_read_whole", "", 3),
            Gauge::findings(2),
        ];
        let time = Timestamp::from_micros(1_779_503_400_123_456);
        sheet.ran(Ended { time, ..whole(0, 0) }, &[]);
        sheet.ran(part(&["a"], 1_779_589_800, 65), &counted);
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
            scope: Scope::of(&["a"]).number(),
            records: None,
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

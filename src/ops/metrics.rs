//! Metrics: what a run came to, for Prometheus, in the text format that `node_exporter`'s
//! textfile collector reads.
//!
//! Pure: text in, text out. One file serves all operations. Each has families of its own
//! (`hlarchive_last_rotate_…`), and a run replaces those of its operation and no others. A run
//! that failed keeps the time of the last success; what it did not get to know is absent
//! rather than old. A file of somebody else is told apart, so that it is not overwritten.

mod reports;

use std::collections::BTreeMap;

pub use reports::{
    of_compact, of_import, of_prune, of_rotate, of_status, of_sync, of_totals, of_verify,
};

use crate::event::{Malformed, Timestamp, shown};

/// The largest text that is taken for a file of metrics: far above what is ever written.
pub const MOST_BYTES: u64 = 1 << 20;

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
    /// With which code.
    pub exit_code: u8,
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

    /// Takes down how a run ended, and what it reported, if it got so far.
    pub fn ran(&mut self, ended: Ended<'_>, report: &[Gauge]) {
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
        Ended { operation, time, seconds: 1.5, exit_code }
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

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
mod tests;

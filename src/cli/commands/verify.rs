//! `hlarchive verify`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::Error;
use crate::ops::metrics::{Scope, of_verify};
use crate::ops::sign::Witness;
use crate::ops::verify::{AfterHead, Depth, VerifyOptions, VerifyReport};
use crate::segment::Sha256Hash;

use crate::cli::args::{Format, dates};
use crate::cli::exit::{Exit, Failure};
use crate::cli::metrics::MetricsArgs;
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::cli::table::wrap;
use crate::text::{bytes, count, visible};

/// Prove that nothing was lost or altered, or name the damage
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive verify
  hlarchive verify 2026-05-16
  hlarchive verify --archive --quick
  hlarchive verify --head \"$(cat /mnt/elsewhere/head)\"
  hlarchive verify --public-key /mnt/elsewhere/minisign.pub

Reads everything and changes nothing. A head is what \"hlarchive manifest head\" printed earlier, \
kept on another machine; a signature is what \"hlarchive manifest sign\" wrote. Records that came \
after the head are not damage, and are named if they take something away.

Any changed bit of the archive is found. A live file has no checksum until its day is archived, \
so there only invalid files are found. Damage in a segment costs the events of one frame, a part \
of a day. The last line, and with -o json the members depth, witness and proves, say what was \
proved this time.

Exit codes:
  1   something is wrong, and everything wrong is named
  66  there is nothing to check: no event tree, no archive")]
pub(in crate::cli) struct Args {
    /// Only these days
    #[arg(value_name = "DATE")]
    dates: Vec<String>,
    /// Check only live files
    #[arg(long, conflicts_with = "archived")]
    live: bool,
    /// Check only the archive; also --archive without a directory
    #[arg(long)]
    archived: bool,
    /// Only sizes, checksum files, indexes and seek tables
    #[arg(long, conflicts_with = "sample")]
    quick: bool,
    /// Read this share of the segments in full, chosen at random
    #[arg(long, value_name = "P%", value_parser = percent)]
    sample: Option<f64>,
    /// Prove that nothing up to this head of the manifest was rewritten or cut off
    #[arg(long, value_name = "HASH", value_parser = head)]
    head: Option<Sha256Hash>,
    /// Prove the same by the signatures of this key, a minisign public key
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// A further signature to check, kept on another machine
    #[arg(long, value_name = "FILE", requires = "public_key")]
    signature: Option<PathBuf>,
    #[command(flatten)]
    metrics: MetricsArgs,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .strip_suffix('%')
        .unwrap_or(text)
        .parse()
        .map_err(|_| "expected a percentage, such as 10%".to_owned())?;
    if (0.0..=100.0).contains(&number) {
        Ok(number)
    } else {
        Err("expected a percentage from 0% to 100%".to_owned())
    }
}

fn head(text: &str) -> Result<Sha256Hash, String> {
    text.trim().to_ascii_lowercase().parse().map_err(|_| {
        "expected 64 hexadecimal digits, as \"hlarchive manifest head\" prints them".to_owned()
    })
}

impl Args {
    /// Returns the scope of the check: the same for the same days and flags.
    fn scope(&self) -> Scope {
        let mut words = self.dates.clone();
        let flags = [("--live", self.live), ("--archived", self.archived), ("--quick", self.quick)];
        words.extend(flags.iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag.to_string()));
        if self.sample.is_some() { Scope::sample(&words) } else { Scope::of(&words) }
    }

    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        if self.live && self.head.is_some() {
            return Err(Failure::usage("--head: the manifest is not checked with --live"));
        }
        if self.live && self.public_key.is_some() {
            return Err(Failure::usage("--public-key: the manifest is not checked with --live"));
        }
        session.measure("verify", self.scope(), self.metrics);
        let witness = self
            .public_key
            .as_ref()
            .map(|key| Witness::load(key, self.signature.as_deref(), &session.store))
            .transpose()?;
        if self.head.is_some() || witness.is_some() {
            session.hear_witness();
        }
        let options = VerifyOptions {
            dates: dates(&self.dates, session.now)?,
            live: !self.archived,
            archive: !self.live,
            depth: match (self.quick, self.sample) {
                (true, _) => Depth::Quick,
                (false, Some(percent)) => Depth::Sample(percent),
                (false, None) => Depth::Full,
            },
            head: self.head,
            witness,
        };
        let store = &session.store;
        if self.archived && store.any_archive()?.is_none() && !store.archive_left()? {
            // With nothing else to check, "all is well" would be true but misleading.
            return Err(Error::no_archive(store.archive_path(), "--archive").into());
        }
        let report = session.history(Bar::new(session))?.verify(&options)?;
        session.measured(|| of_verify(&report));
        print(session, &report, &options, format)
    }
}

/// Returns a record after the head as a line.
fn told(record: &AfterHead) -> String {
    let mut line = format!("record {} of {}: {}", record.record, record.time, record.op.as_str());
    if let Some(what) = &record.what {
        line.push_str(&format!(" {what}"));
    }
    if let Some(by) = &record.by {
        line.push_str(&format!(", by {by}"));
    }
    if let Some(reason) = &record.reason {
        line.push_str(&format!(" ({reason})"));
    }
    line
}

/// Returns the records after the head, for the end of the verdict.
fn later(records: &[AfterHead]) -> String {
    if records.is_empty() {
        return String::new();
    }
    let mut ops: BTreeMap<&str, u64> = BTreeMap::new();
    for record in records {
        *ops.entry(record.op.as_str()).or_default() += 1;
    }
    let ops: Vec<String> = ops.iter().map(|(op, number)| format!("{number} {op}")).collect();
    format!(
        "; {} came after the head, and nobody vouches for {}: {}",
        count(records.len() as u64, "record"),
        if records.len() == 1 { "it" } else { "them" },
        visible(&ops.join(", "))
    )
}

fn print(
    session: &mut Session,
    report: &VerifyReport,
    options: &VerifyOptions,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        for finding in &report.findings {
            let line = session.paint.bad(&visible(&finding.to_string()));
            session.line(&line)?;
        }
        for remark in report.remarks.iter().chain(&report.misfiled) {
            session.line(&format!("note: {}", visible(&remark.to_string())))?;
        }
        for record in report.after_head.iter().flatten().filter(|record| record.takes_away) {
            session.line(&format!("(after the head) {}", visible(&told(record))))?;
        }
        let mut parts = Vec::new();
        if options.archive {
            let here = report.segments.saturating_sub(report.segments_elsewhere);
            let mut whole = if report.segments_read_whole == here {
                format!("{} read in full", bytes(report.segment_bytes))
            } else {
                format!("{} of them read in full", report.segments_read_whole)
            };
            if report.segments_elsewhere > 0 {
                whole.push_str(&format!(
                    ", {} remote: \"hlarchive remote verify\" reads those",
                    report.segments_elsewhere
                ));
            }
            let signed = report
                .signed_records
                .map(|records| format!(" ({records} of them signed)"))
                .unwrap_or_default();
            parts.push(format!(
                "{} with {} ({whole}), {}{signed}",
                count(report.segments, "segment"),
                count(report.archived_events, "event"),
                count(report.manifest_records, "record")
            ));
        }
        if options.live {
            let mut live = count(report.live_files, "live file");
            if session.global.verbose && report.passed_over > 0 {
                live.push_str(&format!(" ({} of other programs skipped)", report.passed_over));
            }
            parts.push(live);
        }
        let verdict = if report.findings.is_empty() {
            session.paint.good("all is well")
        } else {
            session.paint.bad(&count(report.findings.len() as u64, "finding"))
        };
        let later = report.after_head.as_deref().map(later).unwrap_or_default();
        session.line(&format!("checked {}: {verdict}{later}", parts.join(", and ")))?;
        let proves = format!("proved: {}", report.proves);
        for line in wrap(&visible(&proves), session.width().unwrap_or(usize::MAX)) {
            session.line(&line)?;
        }
    }
    if report.stopped {
        session.warn("stopped on request before everything was checked");
        return Ok(Exit::Stopped);
    }
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Wrong })
}

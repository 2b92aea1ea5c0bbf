//! `hlarchive evidence`.

use std::path::PathBuf;

use crate::ops::evidence::{EvidenceOptions, EvidenceReport};

use super::name_findings;
use crate::cli::args::{Format, day_range};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::text::{bytes, count, visible};

/// Create a directory that proves what happened, without hlarchive
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive evidence deploy-882 --to /srv/case-4711
  hlarchive evidence 2026-05-01..2026-05-16 --to /srv/case-4711
  hlarchive evidence yesterday today --to /tmp/last-night

The directory has the events byte for byte, live ones, too; the archive's segments with them, and \
its manifest; the newest signature of the manifest's head; the hash of every file; and a \
README.txt that says how to check it with sha256sum, tar, zstd and minisign. Whole segments are \
copied, so other events of the same days are in them. Nothing vouches for live events but the \
copy: rotate their days first (rotate --date) if that matters. Without a signature, sign first \
(manifest sign).

Exit codes:
  1   something is damaged or in doubt, and is named; the rest is there
  66  nothing was found, and nothing was created
  73  the directory is not empty, or cannot be created
  75  the archive or a part is unreachable; what is here was written")]
pub(in crate::cli) struct Args {
    /// A day, a range of days, both included, or a correlation id; several are possible
    #[arg(value_name = "ID|DATE|DATE..DATE", required_unless_present = "correlation_id")]
    subjects: Vec<String>,
    /// The directory, which must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// A correlation id that looks like a day; may be repeated
    #[arg(long, value_name = "ID")]
    correlation_id: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        let (mut days, mut correlation_ids) = (Vec::new(), self.correlation_id);
        for subject in self.subjects {
            match day_range(&subject, session.now) {
                Ok(range) => days.push(range),
                Err(_) => correlation_ids.push(subject),
            }
        }
        let options = EvidenceOptions { correlation_ids, days, target: self.to };
        let report = session.history(Bar::new(session))?.evidence(&options)?;
        print(session, &report, format)
    }
}

fn print(session: &mut Session, report: &EvidenceReport, format: Format) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        for day in &report.days {
            let live = match day.live {
                0 => String::new(),
                live => format!(", {live} of them still live"),
            };
            let (events, size) = (count(day.events, "event"), bytes(day.event_bytes));
            session.line(&format!("{}  {events} ({size}){live}", day.date))?;
        }
        for segment in &report.segments {
            let signed = match &report.signed {
                Some(signed) if segment.record <= signed.records => ", which is signed",
                Some(_) => ", which is not signed",
                None => "",
            };
            session.line(&format!(
                "{}  {}; record {}{signed}",
                segment.segment,
                bytes(segment.bytes),
                segment.record
            ))?;
        }
        if let Some(sums) = report.sha256sums {
            session.line(&format!(
                "{}: {} in {} ({}); SHA256SUMS has the SHA-256 {sums}",
                visible(&report.target),
                count(report.events, "event"),
                count(report.files, "file"),
                bytes(report.bytes)
            ))?;
        }
        session.flush()?;
        if report.live > 0 && report.sha256sums.is_some() {
            session.remark(
                "nothing vouches for live events but this copy; once their days are archived, the \
                 archive does",
            );
        }
        if report.manifest.is_some() && report.signed.is_none() {
            session.remark(
                "nobody has signed the manifest; \"hlarchive manifest sign\" does, before evidence \
                 is made",
            );
        }
    }
    if let Some(expired) = &report.expired {
        session.remark(&format!("hlarchive: {expired}, and are not in it"));
    }
    for remark in &report.remarks {
        session.remark_of(Some(&remark.path), &format!("hlarchive: {remark}"));
    }
    name_findings(session, &report.findings);
    if report.stopped {
        session.warn(&format!(
            "stopped on request; {} is incomplete: remove it, and run it again",
            visible(&report.target)
        ));
        return Ok(Exit::Stopped);
    }
    let findings = &report.findings;
    Ok(match findings.iter().all(|finding| finding.is_away) {
        true if findings.is_empty() => Exit::Done,
        true => Exit::Busy,
        false => Exit::Wrong,
    })
}

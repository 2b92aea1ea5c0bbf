//! `hlarchive import`.

use std::path::PathBuf;

use crate::ops::import::{ImportOptions, ImportReport};
use crate::ops::metrics::{Scope, of_import};

use super::{name_findings, name_recovered};
use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure};
use crate::cli::metrics::MetricsArgs;
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::text::{bytes, count, verb};

/// Import events from any tar or directory, as late arrivals
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive import /mnt/usb/events
  hlarchive import old-events.tar.gz pi4.tar.zst
  hlarchive import /mnt/backup/events-archive --dry-run

A tar may be plain, or compressed by zstd or gzip; its first bytes decide, not its name. Tars in \
a directory are read, too. A file whose path ends in YYYY-MM-DD/NODE/FILE.json is the event of \
that identity; any other is identified by its timestamp, its node and the UUID in its name. \
Duplicates of live or archived events are skipped, and nothing is overwritten. Events of a day, \
node and class that expired here are skipped, too, except with --expired. New events land in the \
live tree; the next rotate archives them.

Exit codes:
  1   an event with other content has the same name here, or a file
      could not be read; it is named, and nothing was replaced
  65  something was not an event, or damaged; it is named, and the rest
      was taken
  66  no such file or directory
  75  another hlarchive is at work on this archive: run it again")]
pub(in crate::cli) struct Args {
    /// Tars and directories
    #[arg(value_name = "FILE|DIR", required = true)]
    sources: Vec<PathBuf>,
    /// Show what would be imported, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Also take events of days, nodes and classes that expired here
    #[arg(long)]
    expired: bool,
    #[command(flatten)]
    metrics: MetricsArgs,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        if !self.dry_run {
            session.measure("import", Scope::Whole, self.metrics);
        }
        let options =
            ImportOptions { sources: self.sources, dry_run: self.dry_run, expired: self.expired };
        let report = session.taking_in(Bar::new(session))?.import(&options)?;
        session.measured(|| of_import(&report));
        print(session, &report, format)
    }
}

fn print(session: &mut Session, report: &ImportReport, format: Format) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        session.line(&sentence(report))?;
    }
    session.flush()?;
    if session.global.verbose && report.passed_over > 0 {
        let were = verb(report.passed_over, "thing", "things");
        session.remark(&format!("{} {were} of other programs skipped", report.passed_over));
    }
    name_recovered(session, &report.recovered);
    name_findings(session, &report.findings);
    if report.expired > 0 {
        session.remark("--expired also takes what expired here");
    }
    if report.dry_run {
        session.remark("a dry run: nothing was written");
    }
    if report.stopped {
        session.warn("stopped on request; imported events are kept, and the next run continues");
        return Ok(Exit::Stopped);
    }
    Ok(if report.bad > 0 {
        Exit::Data
    } else if report.findings.is_empty() {
        Exit::Done
    } else {
        Exit::Wrong
    })
}

fn sentence(report: &ImportReport) -> String {
    let mut line = format!(
        "{}: {} {} ({})",
        count(report.events, "event"),
        report.imported,
        verb(report.imported, "is new", "are new"),
        bytes(report.imported_bytes)
    );
    for (number, what) in [
        (report.already_live, "live already"),
        (report.already_archived, "archived already"),
        (report.expired, "skipped as expired"),
        (report.conflicts, "in conflict with another of the same name"),
    ] {
        if number > 0 {
            line.push_str(&format!(", {number} {what}"));
        }
    }
    if report.bad > 0 {
        let are = verb(report.bad, "file is not a valid event", "files are not valid events");
        line.push_str(&format!("; {} {are}", report.bad));
    }
    if report.unreadable > 0 {
        line.push_str(&format!("; {} could not be read", report.unreadable));
    }
    if report.outlived > 0 {
        let are = verb(report.outlived, "is", "are");
        line.push_str(&format!(
            "; {} of the new ones {are} older than the policy keeps them",
            report.outlived
        ));
    }
    line
}

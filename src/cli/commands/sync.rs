//! `hlarchive sync`.

use crate::ops::metrics::{Scope, of_sync};
use crate::ops::sync::{End, SyncOptions, SyncReport, Transport};
use crate::system;

use super::name_findings;
use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure};
use crate::cli::metrics::MetricsArgs;
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::text::{bytes, count, verb};

/// Copy the events of another root into this one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive sync pi4:/opt/homelab/events
  hlarchive sync /opt/homelab/events nas:/opt/homelab/events
  hlarchive sync /mnt/old/events --dry-run
  hlarchive sync pi4:events --ssh 'ssh -p 2222 -i ~/.ssh/events'

SRC and DST are event roots, each with its archive beside it (ROOT-archive); one of them may be \
on another machine, as host:path, where nothing but rsync and ssh is needed: any rsync to fetch \
from, 3.5.0 or later to send to; here, 3.2.5 or later. Without DST the root is this one (--root). \
Afterwards DST holds every event of SRC, live or archived; new ones are live there, and its next \
rotate archives them. Events of a day, node and class that expired at DST are skipped, except \
with --expired. SRC is not changed, and nothing is overwritten. Run it both ways, or in a ring, \
and all hold the same events.

Exit codes:
  1   two events have one name, or something is not an event or damaged; each
      is named, and nothing was replaced
  66  SRC does not exist
  75  the other machine is unreachable: data received so far is kept, and
      the next run continues there
  77  the login was refused")]
pub(in crate::cli) struct Args {
    /// The source: a root here, or host:path
    #[arg(value_name = "SRC")]
    source: String,
    /// The destination [default: this root]
    #[arg(value_name = "DST")]
    destination: Option<String>,
    /// The archive of SRC [default: its name plus -archive]
    #[arg(long, value_name = "DIR")]
    src_archive: Option<String>,
    /// Show what would be copied, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Compare bytes even if names, sizes and times agree
    #[arg(short, long)]
    checksum: bool,
    /// Also take events of days, nodes and classes that expired at DST
    #[arg(long)]
    expired: bool,
    #[arg(
        long,
        value_name = "COMMAND",
        env = "RSYNC_RSH",
        hide_env_values = true,
        default_value = "ssh",
        help = "The remote shell with its options, for ports and keys"
    )]
    ssh: String,
    /// Give up if no connection is made within this time
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    connect_timeout: u32,
    /// Give up if a connection is silent for this time
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    #[command(flatten)]
    metrics: MetricsArgs,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        if !self.dry_run {
            session.measure("sync", Scope::Whole, self.metrics);
        }
        let end = |text: &str, archive: Option<&str>| {
            End::parse(text, archive).map_err(|error| Failure::usage(error.to_string()))
        };
        let source = end(&self.source, self.src_archive.as_deref())?;
        let destination = match &self.destination {
            None => End::local(session.store.clone()),
            // The environment names the archive of this root, not that of another one.
            Some(root) => {
                let archive = session.typed_archive();
                end(root, archive.as_deref())?
            }
        };
        let options = SyncOptions {
            dry_run: self.dry_run,
            checksum: self.checksum,
            expired: self.expired,
            transport: Transport {
                ssh: self.ssh,
                connect_seconds: self.connect_timeout,
                silence_seconds: self.timeout,
            },
            scratch: system::scratch(),
        };
        if !self.dry_run && self.destination.is_none() {
            session.take_in_spool(usize::MAX);
        }
        let history = session.taking_in(Bar::new(session))?;
        let report = history.sync(&source, &destination, &options)?;
        session.measured(|| of_sync(&report));
        print(session, &report, format)
    }
}

fn print(session: &mut Session, report: &SyncReport, format: Format) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        session.line(&sentence(report))?;
    }
    session.flush()?;
    for remark in &report.remarks {
        session.remark(&format!("hlarchive: {remark}"));
    }
    name_findings(session, &report.findings);
    if report.expired > 0 {
        session.remark("--expired also takes what expired at the destination");
    }
    if report.dry_run {
        session.remark("a dry run: nothing was written");
    }
    if report.stopped {
        session
            .warn("stopped on request; data received so far is kept, and the next run continues");
        return Ok(Exit::Stopped);
    }
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Wrong })
}

fn sentence(report: &SyncReport) -> String {
    let mut line = format!(
        "{} {} ({})",
        count(report.copied, "event"),
        match (report.dry_run, report.copied) {
            (true, _) => "to copy",
            (false, _) => "copied",
        },
        bytes(report.copied_bytes)
    );
    for (number, what) in [
        (report.already_live, "live already"),
        (report.already_archived, "archived already"),
        (report.expired, "skipped as expired"),
        (report.conflicts, "in conflict with another of the same name"),
        (report.undecided, "more at most, in segments to be fetched"),
    ] {
        if number > 0 {
            line.push_str(&format!(", {number} {what}"));
        }
    }
    if report.invalid > 0 {
        let are = verb(report.invalid, "file is not a valid event", "files are not valid events");
        line.push_str(&format!("; {} {are}", report.invalid));
    }
    if report.segments > 0 {
        line.push_str(&format!(
            "; {} of {} known by content",
            report.segments_known,
            count(report.segments, "segment")
        ));
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

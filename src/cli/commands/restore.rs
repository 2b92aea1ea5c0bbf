//! `hlarchive restore`.

use std::path::PathBuf;

use crate::ops::restore::{RestoreOptions, RestoreReport, RestoreTarget};

use super::nothing::Nothing;
use super::{days_left, joined, name_findings, name_recovered};
use crate::cli::args::{FilterArgs, Format, dates};
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::store::{Query, Scope};
use crate::text::{bytes, count, verb};

/// Write events of any day into a directory, byte for byte
#[derive(Debug, clap::Args)]
#[command(override_usage = "\
hlarchive restore [OPTIONS] --to <DIR> [DATE]...
       hlarchive restore [OPTIONS] --live [DATE]...")]
#[command(after_help = "\
Examples:
  hlarchive restore 2026-05-16 --to /tmp/that-day
  hlarchive restore 2026-05-16 --live
  hlarchive restore --correlation-id deploy-882 --to /tmp/deploy
  hlarchive restore 2026-05-16 --dry-run

--to writes archived and live events alike; --live puts archived ones back into the live tree. \
Nothing that exists is overwritten. The next rotate of the day recognises events restored with \
--live as archived and removes them.

Exit codes:
  1   something could not be restored, or is in the way, and is named;
      or nothing matched
  75  another hlarchive is at work on this archive, it is unreachable, or
      a remote part is unreachable: run it again")]
pub(in crate::cli) struct Args {
    /// Only these days; without any, all days on which the filters match
    #[arg(value_name = "DATE")]
    dates: Vec<String>,
    /// Into this directory, which is created if missing
    #[arg(long, value_name = "DIR", conflicts_with = "live")]
    to: Option<PathBuf>,
    /// Back into the live tree
    #[arg(long)]
    live: bool,
    /// Show what would be restored, and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        let target = match (self.to, self.live) {
            (Some(directory), _) => RestoreTarget::Directory(directory),
            (None, true) => RestoreTarget::Live,
            (None, false) if self.dry_run => RestoreTarget::Live,
            (None, false) => {
                return Err(Failure::usage(
                    "name the destination: --to DIR for a directory, or --live for \
                     the live tree",
                ));
            }
        };
        if self.dates.is_empty() && !self.filter.has_time() && !self.filter.asks_for_more() {
            return Err(Failure::usage(
                "say what: a day such as 2026-05-16, or a filter such as --correlation-id",
            ));
        }
        let options = RestoreOptions {
            dates: dates(&self.dates, session.now)?,
            filter: self.filter.filter(session.now, &session.store)?,
            live: !self.live,
            target,
        };
        let bar = Bar::new(session);
        let report = if self.dry_run {
            session.history(bar)?.plan_restore(&options)?
        } else {
            session.acting(bar)?.restore(&options)?
        };
        print(session, &report, self.dry_run, &options, format)
    }
}

fn print(
    session: &mut Session,
    report: &RestoreReport,
    dry_run: bool,
    options: &RestoreOptions,
    format: Format,
) -> Result<Exit, Failure> {
    let events: u64 = report.days.iter().map(|day| day.events).sum();
    let is_into_live = options.target == RestoreTarget::Live;
    let is_empty = events == 0 && report.findings.is_empty() && !report.stopped;
    let mut nothing = Nothing::of(&session.store, || asked(options), is_empty)?;
    if format == Format::Json {
        session.json(&nothing.with(report))?;
    } else {
        for day in &report.days {
            let mut line = format!(
                "{}  {} ({})",
                day.date,
                count(day.events, "event"),
                bytes(day.event_bytes)
            );
            if dry_run {
                if !day.segments.is_empty() {
                    line.push_str(&format!(" from {}", joined(&day.segments)));
                }
            } else {
                line.push_str(&format!(" into {}", report.target));
            }
            if day.already_there > 0 {
                let were = verb(day.already_there, "was", "were");
                line.push_str(&format!("; {} of them {were} there already", day.already_there));
            }
            if day.live > 0 {
                let are = verb(day.live, "is", "are");
                line.push_str(&format!("; {} of them {are} still live", day.live));
            }
            session.line(&line)?;
        }
        session.flush()?;
        if dry_run {
            session.remark("a dry run: nothing was written");
        } else if is_into_live && events > 0 {
            session.remark(
                "the next rotate of these days recognises the files as archived and removes them",
            );
        }
    }
    if let Some(expired) = &report.expired {
        session.remark(&format!("hlarchive: {expired}, and could not be restored"));
    }
    name_recovered(session, &report.recovered);
    name_findings(session, &report.findings);
    if report.stopped {
        session.warn(&format!(
            "stopped on request; not restored: {}; run it again to complete it",
            days_left(&report.left_days)
        ));
        return Ok(Exit::Stopped);
    }
    if is_empty {
        let is_archived = is_into_live && !dry_run;
        let first = if is_archived { "no archived event matches" } else { "no event matches" };
        nothing.tell(session, Some(first))?;
        return Ok(Exit::Wrong);
    }
    let findings = &report.findings;
    Ok(match findings.iter().all(|finding| finding.is_away) {
        true if findings.is_empty() => Exit::Done,
        true => Exit::Busy,
        false => Exit::Wrong,
    })
}

/// Returns the query that finds what is to be restored.
fn asked(options: &RestoreOptions) -> Query {
    let is_into_live = options.target == RestoreTarget::Live;
    Query {
        filter: options.filter.clone(),
        dates: options.dates.clone(),
        scope: if is_into_live { Scope::Archived } else { Scope::Everything },
        ..Query::default()
    }
}

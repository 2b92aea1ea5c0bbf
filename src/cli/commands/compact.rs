//! `hlarchive compact`.

use crate::ops::Finding;
use crate::ops::compact::{CompactOptions, CompactReport};
use crate::ops::metrics::{Scope, of_compact};
use crate::progress::Silent;

use super::{end_of_days, joined, name_findings, name_recovered};
use crate::cli::args::{Format, dates};
use crate::cli::exit::{Exit, Failure};
use crate::cli::metrics::MetricsArgs;
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::text::{bytes, count};

/// Merge the segments that late arrivals left a day with
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive compact --dry-run
  hlarchive compact
  hlarchive compact 2026-05-16

The new segment is read back from the disk and compared with the old ones, member by member; then \
it is recorded, and only then are they removed. Segments that are held, or differ from their \
record, stay as they are.

Exit codes:
  1   something is damaged or could not be done, and is named
  66  there is no archive
  75  another hlarchive is at work on this archive")]
pub(in crate::cli) struct Args {
    /// Only these days
    #[arg(value_name = "DATE")]
    dates: Vec<String>,
    /// Show what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    metrics: MetricsArgs,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        if !self.dry_run {
            session.measure("compact", Scope::of(&self.dates), self.metrics);
        }
        let options = CompactOptions { dates: dates(&self.dates, session.now)? };
        if self.dry_run {
            return dry_run(session, &options, format);
        }
        let report = session.by_policy(Bar::new(session))?.compact(&options)?;
        session.measured(|| of_compact(&report));
        print(session, &report, format)
    }
}

fn dry_run(
    session: &mut Session,
    options: &CompactOptions,
    format: Format,
) -> Result<Exit, Failure> {
    let plan = session.history(Silent)?.plan_compact(options)?;
    if format == Format::Json {
        session.json(&serde_json::json!({
            "dry_run": true, "days": plan.days, "remarks": plan.remarks,
        }))?;
        return Ok(Exit::Done);
    }
    for day in &plan.days {
        session.line(&format!(
            "{}  {} in {}, {}",
            day.date,
            count(day.events, "event"),
            joined(&day.segments),
            bytes(day.segment_bytes)
        ))?;
    }
    session.flush()?;
    end(session, plan.days.is_empty(), &plan.remarks);
    session.remark("a dry run: nothing was changed");
    Ok(Exit::Done)
}

fn end(session: &Session, is_nothing: bool, remarks: &[Finding]) {
    if is_nothing {
        session.remark("nothing to compact");
    }
    for remark in remarks {
        session.remark(&format!("hlarchive: {remark}"));
    }
}

fn print(session: &mut Session, report: &CompactReport, format: Format) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        for day in &report.days {
            session.line(&format!(
                "{}  {} into {} ({}), for {}",
                day.date,
                count(day.events, "event"),
                day.segment,
                bytes(day.segment_bytes),
                joined(&day.supersedes)
            ))?;
        }
    }
    session.flush()?;
    let is_nothing = report.days.is_empty() && report.findings.is_empty() && !report.stopped;
    end(session, is_nothing && format != Format::Json, &report.remarks);
    name_recovered(session, &report.recovered);
    name_findings(session, &report.findings);
    Ok(end_of_days(session, &report.findings, report.stopped, &report.left_days))
}

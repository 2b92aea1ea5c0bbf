//! `hlarchive rotate`.

use crate::event::{Date, Timestamp};
use crate::ops::metrics::{Scope, of_rotate};
use crate::ops::rotate::{PlannedDay, RotateOptions, RotateReport};

use super::remote_followup::RemoteFollowUp;
use super::{end_of_days, joined, name_findings, name_recovered};
use crate::cli::args::{Format, day_range, instant};
use crate::cli::exit::{Exit, Failure};
use crate::cli::metrics::MetricsArgs;
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::text::{bytes, count, verb};

/// Archive the closed days that the policy no longer keeps live
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive rotate --dry-run
  hlarchive rotate
  hlarchive rotate --date 2026-05-16
  hlarchive rotate --date 2026-05-01..yesterday
  hlarchive rotate --prune

A day is read, written to a segment, synced, read back from the disk and compared; then it is \
recorded, and only then are its files removed, exactly those that were read. The next run \
finishes one that was stopped. Late arrivals go into a further segment of their day.

With --prune, what \"hlarchive prune\" does follows, even if something was left as it was and is \
named; only a rotation that failed or was stopped ends without it. The exit code is prune's, or \
rotate's if that is 0; with -o json each prints an object.

Exit codes:
  1   something was left as it was, or is not an event, and is named
  66  there is no event tree
  75  another hlarchive is at work on this archive, the tree's archive is
      not here (mount it, or give --new-archive), or the clock looks wrong
      (set it right, or give --now)")]
pub(in crate::cli) struct Args {
    /// Show what would be done, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[arg(help = "Only these closed days, even within the policy's keep_live; may be repeated")]
    #[arg(long, value_name = "DATE|DATE..DATE")]
    date: Vec<String>,
    /// Use this time, trusting it over the manifest
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Prune afterwards, unless the rotation failed
    #[arg(long)]
    prune: bool,
    /// Use the archive that is here, or begin one, although the tree has another
    #[arg(long)]
    new_archive: bool,
    #[command(flatten)]
    metrics: MetricsArgs,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        if !self.prune {
            return self.rotate(session);
        }
        let prune = super::prune::Args::after_rotation(
            self.dry_run,
            self.now.clone(),
            self.metrics.clone(),
        );
        let rotated = self.rotate(session)?;
        if rotated == Exit::Stopped {
            return Ok(rotated);
        }
        // Each of the two runs has its own metrics.
        session.end_measured(rotated);
        let pruned = prune.run(session)?;
        session.end_measured(pruned);
        Ok(if pruned == Exit::Done { rotated } else { pruned })
    }

    fn rotate(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        if !self.dry_run {
            session.measure("rotate", Scope::of(&self.date), self.metrics);
        }
        if let Some(text) = &self.now {
            session.now = instant("--now", text, session.now)?;
        }
        let (dates, open) = days(&self.date, session.now)?;
        if let Some(day) = open {
            session.remark(&format!("{day} is not over yet (in UTC) and stays live"));
        }
        let options = RotateOptions { dates, trust_now: self.now.is_some() };
        if self.new_archive {
            session.store = session.store.clone().with_any_archive();
        }
        let history = session.by_policy(Bar::new(session))?;
        if self.dry_run {
            let days = history.plan_rotate(&options)?;
            return print_plan(session, &days, format);
        }
        session.take_in_spool(usize::MAX);
        let report = history.rotate(&options)?;
        session.measured(|| of_rotate(&report));
        let after = RemoteFollowUp::rotation(&history);
        let exit = print(session, &report, &after, format)?;
        after.end(session, format, exit)
    }
}

/// The maximum number of days in all ranges together: a hundred years.
const MAX_DAYS: i64 = 36_525;

/// Returns the named days, and the first of those in a range that are not over yet and so are
/// left out. A day named by itself, or a range in which none is over, is not left out: that is
/// more likely a mistake, and is refused.
fn days(texts: &[String], now: Timestamp) -> Result<(Vec<Date>, Option<Date>), Failure> {
    let (mut dates, mut open) = (Vec::new(), None);
    for text in texts {
        let (from, to) = day_range(text, now)?;
        if from > to {
            return Err(Failure::usage(format!("{text}: the range ends before it begins")));
        }
        if to.days_since(from) >= MAX_DAYS {
            return Err(Failure::usage(format!("{text}: that is more than a hundred years")));
        }
        for day in (0..=to.days_since(from)).map(|number| from.plus_days(number)) {
            if day > from && day.end() > now {
                open = Some(open.map_or(day, |first: Date| first.min(day)));
                break;
            }
            dates.push(day);
        }
    }
    dates.sort_unstable();
    dates.dedup();
    Ok((dates, open))
}

fn print_plan(session: &mut Session, days: &[PlannedDay], format: Format) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(&serde_json::json!({ "dry_run": true, "days": days }))?;
    } else if days.is_empty() {
        session.remark("nothing to rotate");
    } else {
        for day in days {
            let late = if day.segments > 0 { " (late arrivals)" } else { "" };
            session.line(&format!(
                "{}  {}{late}, {}; needs about {} in the archive, {} free",
                day.date,
                count(day.files, "file"),
                bytes(day.event_bytes),
                bytes(day.needed_bytes),
                bytes(day.free_bytes)
            ))?;
        }
        session.flush()?;
        for day in days {
            if let Some(lacks) = &day.lacks {
                session.warn(&format!("{}: {lacks}", day.date));
            }
        }
        session.flush()?;
        session.remark("a dry run: nothing was changed");
    }
    let all_fit = days.iter().all(|day| day.lacks.is_none());
    Ok(if all_fit { Exit::Done } else { Exit::Wrong })
}

fn print(
    session: &mut Session,
    report: &RotateReport,
    after: &RemoteFollowUp,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(&after.json(report)?)?;
    } else {
        for day in &report.days {
            let mut line = format!("{}  ", day.date);
            if day.segments.is_empty() {
                line.push_str("nothing new to archive");
            } else {
                line.push_str(&format!(
                    "{} into {} ({}, was {})",
                    count(day.events, "event"),
                    joined(&day.segments),
                    bytes(day.segment_bytes),
                    bytes(day.event_bytes)
                ));
            }
            if day.invalid > 0 {
                let are = verb(day.invalid, "is not a valid event", "are not valid events");
                line.push_str(&format!("; {} of them {are}", day.invalid));
            }
            if day.outlived > 0 {
                let are = verb(day.outlived, "is", "are");
                line.push_str(&format!(
                    "; {} of them {are} older than the policy keeps them (retain.grace)",
                    day.outlived
                ));
            }
            if day.already_archived > 0 {
                let were = verb(day.already_archived, "was", "were");
                line.push_str(&format!("; {} {were} archived already", day.already_archived));
            }
            if day.left > 0 {
                line.push_str(&format!("; {} left live", day.left));
            }
            session.line(&line)?;
        }
        if report.days.is_empty() && report.findings.is_empty() && !report.stopped {
            session.remark("nothing to rotate");
        }
    }
    session.flush()?;
    name_recovered(session, &report.recovered);
    name_findings(session, &report.findings);
    for remark in &report.remarks {
        session.remark_of(Some(&remark.path), &remark.to_string());
    }
    Ok(end_of_days(session, &report.findings, report.stopped, &report.left_days))
}

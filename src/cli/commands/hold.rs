//! `hlarchive hold`.

use crate::event::shown;
use crate::ops::hold::{HoldPicture, HoldReport, HoldSubject};
use crate::progress::Silent;
use clap::Subcommand;

use super::{name_findings, name_recovered};
use crate::cli::args::{Format, day_range};
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;
use crate::text::count;

/// Keep days or chains from expiring, whatever the policy says
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive hold add 2026-05-16 --reason 'the outage of that night'
  hlarchive hold list
  hlarchive hold release 12")]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Put a hold on days, or on a correlation id
    #[command(after_help = "\
Examples:
  hlarchive hold add 2026-05-16 --reason 'the outage of that night'
  hlarchive hold add 2026-05-01..2026-05-16 --reason audit
  hlarchive hold add --correlation-id deploy-882 --reason audit

Live events are held from the moment they are archived. A hold on an id keeps every segment that \
has it, also those that are rotated later. No policy or flag prunes or compacts what is held.

Exit codes:
  75  another hlarchive is at work on this archive")]
    Add {
        /// A day, or a range of days, both included
        #[arg(value_name = "DATE|DATE..DATE", required_unless_present = "correlation_id")]
        days: Option<String>,
        /// Every segment with an event of this correlation id
        #[arg(long, value_name = "ID", conflicts_with = "days")]
        correlation_id: Option<String>,
        /// The reason; it is kept in the manifest
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Show all holds, and what they keep
    #[command(after_help = "\
Examples:
  hlarchive hold list
  hlarchive hold list -o json | jq '.[].segments'")]
    List,
    /// Lift a hold
    #[command(after_help = "\
Examples:
  hlarchive hold release 12 --reason 'the audit is over'

Exit codes:
  66  no such hold
  75  another hlarchive is at work on this archive")]
    Release {
        /// The hold's number, as \"hlarchive hold list\" shows it
        #[arg(value_name = "HOLD")]
        id: u64,
        /// The reason; it is kept in the manifest
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        match self.action {
            Action::Add { days, correlation_id, reason } => {
                let on = match (correlation_id, days) {
                    (Some(id), _) => HoldSubject::CorrelationId(id),
                    (None, days) => {
                        let (from, to) = day_range(&days.unwrap_or_default(), session.now)?;
                        HoldSubject::Days(from, to)
                    }
                };
                if reason.trim().is_empty() {
                    return Err(Failure::usage("--reason: say why"));
                }
                let report = session.acting(Silent)?.hold(&on, &reason)?;
                let exit = print(session, &report, "holds", format)?;
                for hold in report.holds.iter().filter(|_| format != Format::Json) {
                    name_live(session, hold, &on)?;
                }
                Ok(exit)
            }
            Action::Release { id, reason } => {
                let report = session.acting(Silent)?.release(id, reason.as_deref())?;
                print(session, &report, "held", format)
            }
            Action::List => {
                let holds = session.history(Silent)?.holds()?;
                if format == Format::Json {
                    session.json(&holds)?;
                } else if holds.is_empty() {
                    session.remark("nothing is held");
                }
                for hold in holds.iter().filter(|_| format != Format::Json) {
                    line(session, hold, "holds")?;
                }
                Ok(Exit::Done)
            }
        }
    }
}

fn print(
    session: &mut Session,
    report: &HoldReport,
    verb: &str,
    format: Format,
) -> Result<Exit, Failure> {
    if format == Format::Json {
        session.json(report)?;
    } else {
        for hold in &report.holds {
            line(session, hold, verb)?;
        }
    }
    session.flush()?;
    name_recovered(session, &report.recovered);
    name_findings(session, &report.findings);
    Ok(if report.findings.is_empty() { Exit::Done } else { Exit::Wrong })
}

fn line(session: &mut Session, hold: &HoldPicture, verb: &str) -> Result<(), Failure> {
    let reason = hold.reason.as_deref().map(|reason| format!(": {}", shown(reason)));
    let live = hold.live_days.len() as u64;
    let mut kept = Vec::new();
    if live == 0 || !hold.segments.is_empty() {
        kept.push(count(hold.segments.len() as u64, "segment"));
    }
    if live > 0 {
        kept.push(count(live, "live day"));
    }
    session.line(&format!(
        "hold {} on {} {verb} {}{} ({}, {})",
        hold.id,
        hold.on,
        kept.join(" and "),
        reason.unwrap_or_default(),
        hold.by.as_deref().map_or_else(|| "unknown".to_owned(), shown),
        hold.time
    ))?;
    if let Some(expired) = &hold.expired {
        session.flush()?;
        session.warn(&format!("{expired} already, and cannot be held"));
    }
    Ok(())
}

/// Reports that days not archived yet are held all the same.
fn name_live(session: &mut Session, hold: &HoldPicture, on: &HoldSubject) -> Result<(), Failure> {
    session.flush()?;
    match hold.live_days.as_slice() {
        [] if hold.segments.is_empty() && hold.expired.is_none() => {
            let hint = match on {
                HoldSubject::CorrelationId(id) => session.store.hint_at_id(id),
                HoldSubject::Days(..) => String::new(),
            };
            let held = "new ones are held from the moment they are archived";
            session.remark(&format!("no event of it is here yet; {held}{hint}"));
        }
        [] => {}
        [day] => session
            .remark(&format!("{day} is still live; it is held from the moment it is archived")),
        [first, .., last] => session.remark(&format!(
            "{} from {first} to {last} are still live; each is held from the moment it is archived",
            count(hold.live_days.len() as u64, "day")
        )),
    }
    Ok(())
}

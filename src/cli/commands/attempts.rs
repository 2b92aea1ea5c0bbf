//! `hlarchive attempts`.

use hlarchive::archive::Expired;
use hlarchive::event::{Severity, Timestamp, shown};
use hlarchive::store::{Filter, Notices, Query, Store, Unreached};
use hlarchive::views::attempts::{Afterwards, Attempt, Collector, Range, TYPES};

use super::count;
use super::nothing::Nothing;
use crate::cli::args::{Format, TimeArgs};
use crate::cli::exit::{Exit, Failure, lacking};
use crate::cli::output::short_time;
use crate::cli::session::Session;
use crate::cli::table::{fit, shrink, total, width};
use hlarchive::views::chain::span;

/// Show what was tried already, and whether it helped
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive attempts --service mosquitto --since '1d ago'
  hlarchive attempts --service mosquitto --node pi4 --unresolved
  hlarchive attempts --since 2h -o json | jq '.attempts[].tries'

Every remediation_started of the range. Its end is the remediation_completed (or \
remediation_failed) of the same correlation id, service and node that follows: never one whose \
payload names another action or attempt, first one that agrees in them, and else the k-th end for \
the k-th start that is still open. TRY counts the tries of the same action on the same service and \
node within the range. The next service_recovered or service_unhealthy of the service on the node \
says how it was afterwards. What comes after --until still decides; what began up to a day before \
--since keeps its own end.

With -o json: since, until, attempts (timestamp, correlation_id, node, service, source, action, \
attempt, number, tries, completed, failed, duration_us, afterwards (recovered, unhealthy or \
unknown), afterwards_us, path, segment), started, completed, failed, unresolved, stray_ends (ends \
in the range whose start is not known), expired (days, segments, events, first_day, last_day: \
what could have held more, or null) and unreached (days, reason: what lies elsewhere and could not \
be asked, or null). Where there is none, searched (since, until, days_live, days_archived, complete, \
unknown: field, value, did_you_mean) says what was looked at.

Exit codes:
  1   there is no such attempt
  74  something could not be read, so attempts or their ends may be missing
  75  some of it lies elsewhere and could not be reached")]
pub(in crate::cli) struct Args {
    /// Only what did not complete, or after which the service did not recover
    #[arg(long)]
    unresolved: bool,
    #[command(flatten)]
    time: TimeArgs,
    /// On this node; this and the following flags may be repeated
    #[arg(long, value_name = "NODE", help_heading = "Which attempts")]
    node: Vec<String>,
    /// For this service
    #[arg(long, value_name = "SERVICE", help_heading = "Which attempts")]
    service: Vec<String>,
    /// Whose payload names this action
    #[arg(long, value_name = "ACTION", help_heading = "Which attempts")]
    action: Vec<String>,
    /// Started by this source
    #[arg(long, value_name = "SOURCE", help_heading = "Which attempts")]
    source: Vec<String>,
    /// With this correlation id
    #[arg(long, value_name = "ID", help_heading = "Which attempts")]
    correlation_id: Vec<String>,
}

/// What is printed as JSON.
#[derive(serde::Serialize)]
pub(in crate::cli) struct Report {
    since: Option<String>,
    until: Option<String>,
    pub(in crate::cli) attempts: Vec<Attempt>,
    started: usize,
    completed: usize,
    failed: usize,
    unresolved: usize,
    stray_ends: u64,
    expired: Option<Expired>,
    unreached: Option<Unreached>,
}

/// Which attempts are asked for. Several values of one list are alternatives.
#[derive(Debug, Default)]
pub(in crate::cli) struct Wanted {
    pub(in crate::cli) range: Range,
    pub(in crate::cli) unresolved: bool,
    pub(in crate::cli) nodes: Vec<String>,
    pub(in crate::cli) services: Vec<String>,
    pub(in crate::cli) actions: Vec<String>,
    pub(in crate::cli) sources: Vec<String>,
    pub(in crate::cli) correlation_ids: Vec<String>,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        let (since, until) = self.time.range(session.now)?;
        let wanted = Wanted {
            range: Range { since, until },
            unresolved: self.unresolved,
            nodes: self.node,
            services: self.service,
            actions: self.action,
            sources: self.source,
            correlation_ids: self.correlation_id,
        };
        let (report, mut notices) = look(&session.store, &wanted, session.now, &|| false)?;
        let mut nothing =
            Nothing::of(&session.store, || wanted.query(), report.attempts.is_empty())?;
        if format == Format::Json {
            session.json(&nothing.with(&report))?;
        } else if !report.attempts.is_empty() {
            table(session, &report)?;
        }
        session.flush()?;
        session.notices(&mut notices);
        session.end_notices();
        if notices.any_cost() {
            return Ok(lacking(&notices));
        }
        if report.attempts.is_empty() {
            let kind = if wanted.unresolved { "unresolved " } else { "" };
            if format == Format::Json {
                session.warn_of_nowhere()?;
            } else {
                nothing.tell(session, Some(&format!("there is no such {kind}attempt")))?;
            }
            return Ok(Exit::Wrong);
        }
        Ok(Exit::Done)
    }
}

/// The attempts that are asked for, and what was passed over. Ends early when `stop` says so.
pub(in crate::cli) fn look(
    store: &Store,
    wanted: &Wanted,
    now: Timestamp,
    stop: &dyn Fn() -> bool,
) -> hlarchive::Result<(Report, Notices)> {
    let filter = Filter {
        types: TYPES.map(str::to_owned).to_vec(),
        nodes: wanted.nodes.clone(),
        services: wanted.services.clone(),
        since: wanted.range.read_from(),
        ..Filter::default()
    };
    let mut events = store.events(Query { filter, ..Query::default() })?;
    let mut collector = Collector::new(wanted.range).at(now);
    for event in &mut events {
        if !collector.take(&event?) || stop() {
            break;
        }
    }
    let notices = std::mem::take(events.notices());
    let (mut attempts, stray_ends) = collector.finish();
    attempts.retain(|attempt| wanted.holds(attempt));
    let tally = |what: fn(&Attempt) -> bool| attempts.iter().filter(|a| what(a)).count();
    let report = Report {
        since: wanted.range.since.map(|time| time.to_string()),
        until: wanted.range.until.map(|time| time.to_string()),
        started: attempts.len(),
        completed: tally(|attempt| attempt.completed),
        failed: tally(|attempt| attempt.failed),
        unresolved: tally(Attempt::is_unresolved),
        stray_ends,
        expired: notices.expired().cloned(),
        unreached: notices.unreached().cloned(),
        attempts,
    };
    Ok((report, notices))
}

impl Wanted {
    /// The same as a query, to see what an empty answer was looked for in.
    pub(in crate::cli) fn query(&self) -> Query {
        let filter = Filter {
            nodes: self.nodes.clone(),
            services: self.services.clone(),
            sources: self.sources.clone(),
            correlation_ids: self.correlation_ids.clone(),
            since: self.range.since,
            until: self.range.until,
            ..Filter::default()
        };
        Query { filter, ..Query::default() }
    }

    fn holds(&self, attempt: &Attempt) -> bool {
        let among = |wanted: &[String], value: Option<&str>| {
            wanted.is_empty() || wanted.iter().any(|wanted| Some(wanted.as_str()) == value)
        };
        (!self.unresolved || attempt.is_unresolved())
            && among(&self.actions, attempt.action.as_deref())
            && among(&self.sources, Some(&attempt.source))
            && among(&self.correlation_ids, Some(&attempt.correlation_id))
    }
}

const HEADERS: [&str; 8] =
    ["STARTED", "NODE", "SERVICE", "ACTION", "TRY", "ENDED", "AFTERWARDS", "CORRELATION ID"];

fn row(attempt: &Attempt) -> [String; 8] {
    let ended = match (attempt.duration_us, attempt.failed) {
        (Some(duration), true) => format!("failed {}", span(duration)),
        (Some(duration), false) => span(duration),
        (None, true) if attempt.clock_stepped => "failed, clock stepped".to_owned(),
        (None, false) if attempt.clock_stepped => "yes, clock stepped".to_owned(),
        (None, _) => "no".to_owned(),
    };
    let afterwards = match attempt.afterwards {
        Afterwards::Recovered => "recovered",
        Afterwards::Unhealthy => "unhealthy",
        Afterwards::Unknown => "unknown",
    };
    [
        short_time(attempt.started),
        shown(&attempt.node),
        shown(&attempt.service),
        attempt.action.as_deref().map_or_else(|| "-".to_owned(), shown),
        format!("{}/{}", attempt.number, attempt.tries),
        ended,
        afterwards.to_owned(),
        shown(&attempt.correlation_id),
    ]
}

fn table(session: &mut Session, report: &Report) -> Result<(), Failure> {
    let most = session.width();
    let rows: Vec<[String; 8]> = report.attempts.iter().map(row).collect();
    let widths = widths(&rows, most);
    let header = line(&HEADERS.map(str::to_owned), &widths, most);
    let header = session.paint.faint(&header);
    session.line(&header)?;
    for (row, attempt) in rows.iter().zip(&report.attempts) {
        let text = line(row, &widths, most);
        let severity = if attempt.afterwards == Afterwards::Unhealthy || attempt.failed {
            Severity::Error
        } else if attempt.is_unresolved() {
            Severity::Warning
        } else {
            Severity::Info
        };
        let painted = session.paint.severity(severity, &text);
        session.line(&painted)?;
    }
    let (unresolved, failed) = (report.unresolved, report.failed);
    let mut summary = count(report.started as u64, "attempt");
    summary.push_str(&format!(", {} completed", report.completed));
    if failed > 0 {
        summary.push_str(&format!(" ({failed} of them failed)"));
    }
    summary.push_str(&format!(", {unresolved} unresolved"));
    let summary = most.map_or_else(|| summary.clone(), |most| fit(&summary, most));
    let painted = if unresolved > 0 { session.paint.bad(&summary) } else { summary };
    session.line(&painted)
}

fn widths(rows: &[[String; 8]], most: Option<usize>) -> [usize; 8] {
    let mut widths = HEADERS.map(width);
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell).min(36));
        }
    }
    // The last column needs no space after it.
    let Some(room) = most.map(|most| most + 2) else { return widths };
    let wide = widths;
    shrink(&mut widths, &[(7, 10)], room);
    shrink(&mut widths, &[(1, 6), (2, 7), (3, 7)], room);
    if total(&widths) > room {
        // An id cut down that far links nothing any more.
        widths = wide;
        widths[7] = 0;
        shrink(&mut widths, &[(1, 4), (2, 7), (3, 6)], room);
    }
    widths
}

fn line(row: &[String; 8], widths: &[usize; 8], most: Option<usize>) -> String {
    let mut line = String::new();
    for (cell, room) in row.iter().zip(widths).filter(|(_, room)| **room > 0) {
        let cell = fit(cell, *room);
        line.push_str(&cell);
        line.extend(std::iter::repeat_n(' ', room.saturating_sub(width(&cell)) + 2));
    }
    let line = line.trim_end();
    most.map_or_else(|| line.to_owned(), |most| fit(line, most))
}

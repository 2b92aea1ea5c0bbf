//! `hlarchive attempts`.

use crate::event::{Severity, shown};
use crate::ops::answers::attempts::{AttemptQuery, AttemptReport, attempts, horizon};
use crate::views::attempts::{ActionSummary, Attempt, AttemptOutcome, StartRange};

use super::nothing::Nothing;
use crate::cli::args::{Format, TimeArgs};
use crate::cli::exit::{Exit, Failure, lacking};
use crate::cli::output::short_time;
use crate::cli::session::Session;
use crate::cli::table::{fit, line, shrink, total, width};
use crate::text::{count, span};

/// Show earlier attempts, and whether they helped
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive attempts --service mosquitto --since '1d ago'
  hlarchive attempts --service mosquitto --node pi4 --unresolved
  hlarchive attempts --service mosquitto -n 0
  hlarchive attempts --since 2h -o json | jq '.by_action'

Every remediation_started of the range, newest first, and a summary by action. Its end is the \
remediation_completed (or remediation_failed) of the same correlation id, service and node that \
follows: never one whose payload names another action or attempt, first one that agrees in them, \
and else the k-th end for the k-th start that is still open. TRY counts the tries of the same \
action on the same service and node within the range. Events after --until still decide; an \
attempt up to a day before --since keeps its own end.

An attempt is judged by the next service_recovered or service_unhealthy (node_online or \
node_offline) of the same service and node, only up to the next attempt on them and within \
--within after its end (or its start, where no end is known):
  helped      the next event was a recovery
  no effect   the next event was not a recovery, or none came in time
  failed      its end says so, whatever came later
  superseded  the next attempt began before any such event
  unknown     the time is not over, or nothing reports the state

A table shows the newest 12, JSON all of them, unless -n says otherwise; -n 0 shows only the \
summary.

With -o json: since, until, within_seconds, attempts (timestamp, correlation_id, node, service, \
source, action, attempt, outcome (helped, no_effect, failed, superseded or unknown), number, \
tries, completed, failed, duration_us, afterwards (the next event before the next attempt, \
however late: recovered, unhealthy or unknown), afterwards_us, path, segment), by_action (action, \
tries, helped, no_effect, failed, superseded, unknown, last_helped; even with --unresolved it \
counts what helped), started, completed, failed, unresolved, stray_ends (ends in the range whose \
start is not known), expired (days, segments, events, first_day, last_day: days that could have \
held more, or null) and unreached (days, reason: remote days that could not be read, or null). If \
there is none, searched (since, until, days_live, days_archived, complete, unknown: field, value, \
did_you_mean) says what was searched.

Exit codes:
  1   no matching attempts
  74  something could not be read, so attempts or their ends may be missing
  75  a part is remote and could not be reached")]
pub(in crate::cli) struct Args {
    /// Only attempts that did not help, or are not known to have helped
    #[arg(long)]
    unresolved: bool,
    /// Time after its end in which an attempt may help [default: the policy's, 30m]
    #[arg(long, value_name = "DURATION")]
    within: Option<String>,
    /// Oldest first
    #[arg(long)]
    reverse: bool,
    /// Show the newest N attempts [default: 12 in a table, else all]
    #[arg(short = 'n', long, value_name = "NUMBER")]
    limit: Option<usize>,
    #[command(flatten)]
    time: TimeArgs,
    /// Only this node; this and the following flags may be repeated
    #[arg(long, value_name = "NODE", help_heading = "Which attempts")]
    node: Vec<String>,
    /// Only this service
    #[arg(long, value_name = "SERVICE", help_heading = "Which attempts")]
    service: Vec<String>,
    /// Only this action, as the payload names it
    #[arg(long, value_name = "ACTION", help_heading = "Which attempts")]
    action: Vec<String>,
    /// Only attempts that this source started
    #[arg(long, value_name = "SOURCE", help_heading = "Which attempts")]
    source: Vec<String>,
    /// Only this correlation id
    #[arg(long, value_name = "ID", help_heading = "Which attempts")]
    correlation_id: Vec<String>,
}

/// The default number of attempts in a table: with their summary they fit on a screen of 24
/// lines.
const FEW: usize = 12;

/// The number of actions that a table sums up.
const FEW_ACTIONS: usize = 6;

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        let (since, until) = self.time.range(session.now)?;
        let wanted = AttemptQuery {
            range: StartRange { since, until },
            within: horizon(self.within.as_deref(), || session.answer_rules())?,
            unresolved: self.unresolved,
            nodes: self.node,
            services: self.service,
            actions: self.action,
            sources: self.source,
            correlation_ids: self.correlation_id,
        };
        let (mut report, mut notices) = attempts(&session.store, &wanted, session.now, &|| false)?;
        let most = match (self.limit, format) {
            (Some(most), _) => most,
            (None, Format::Table) => FEW,
            _ => usize::MAX,
        };
        let found = report.started > 0;
        let beyond = report.attempts.len().saturating_sub(most);
        report.attempts.truncate(most);
        if self.reverse {
            report.attempts.reverse();
        }
        let mut nothing = Nothing::of(&session.store, || wanted.query(), !found)?;
        if format == Format::Json {
            session.json(&nothing.with(&report))?;
        } else if found {
            table(session, &report, beyond, self.reverse)?;
        }
        session.flush()?;
        session.notices(&mut notices);
        session.end_notices();
        if notices.any_cost() {
            return Ok(lacking(&notices));
        }
        if !found {
            let kind = if wanted.unresolved { "unresolved " } else { "" };
            if format == Format::Json {
                session.warn_of_nowhere()?;
            } else {
                nothing.tell(session, Some(&format!("no matching {kind}attempts")))?;
            }
            return Ok(Exit::Wrong);
        }
        Ok(Exit::Done)
    }
}

const HEADERS: [&str; 8] =
    ["STARTED", "NODE", "SERVICE", "ACTION", "TRY", "ENDED", "OUTCOME", "CORRELATION ID"];

fn row(attempt: &Attempt) -> [String; 8] {
    let ended = match (attempt.duration_us, attempt.failed) {
        (Some(duration), true) => format!("failed {}", span(duration)),
        (Some(duration), false) => span(duration),
        (None, true) if attempt.clock_stepped => "failed, clock stepped".to_owned(),
        (None, false) if attempt.clock_stepped => "yes, clock stepped".to_owned(),
        (None, _) => "no".to_owned(),
    };
    [
        short_time(attempt.started),
        shown(&attempt.node),
        shown(&attempt.service),
        attempt.action.as_deref().map_or_else(|| "-".to_owned(), shown),
        format!("{}/{}", attempt.number, attempt.tries),
        ended,
        attempt.outcome.describe().to_owned(),
        shown(&attempt.correlation_id),
    ]
}

fn table(
    session: &mut Session,
    report: &AttemptReport,
    beyond: usize,
    oldest_first: bool,
) -> Result<(), Failure> {
    let most = session.width();
    let fits = |text: &str| most.map_or_else(|| text.to_owned(), |most| fit(text, most));
    let older = format!("{} before these; -n shows more", count(beyond as u64, "attempt"));
    if oldest_first && beyond > 0 && !report.attempts.is_empty() {
        session.line(&fits(&older))?;
    }
    let rows: Vec<[String; 8]> = report.attempts.iter().map(row).collect();
    let widths = widths(&rows, most);
    if !rows.is_empty() {
        let header = line(&HEADERS.map(str::to_owned), &widths, most);
        let header = session.paint.faint(&header);
        session.line(&header)?;
    }
    for (row, attempt) in rows.iter().zip(&report.attempts) {
        let text = line(row, &widths, most);
        let severity = match attempt.outcome {
            AttemptOutcome::Helped => Severity::Info,
            AttemptOutcome::NoEffect | AttemptOutcome::Failed => Severity::Error,
            AttemptOutcome::Superseded | AttemptOutcome::Unknown => Severity::Warning,
        };
        let painted = session.paint.severity(severity, &text);
        session.line(&painted)?;
    }
    if !oldest_first && beyond > 0 && !report.attempts.is_empty() {
        session.line(&fits(&older))?;
    }
    let (unresolved, failed) = (report.unresolved, report.failed);
    let mut summary = count(report.started as u64, "attempt");
    summary.push_str(&format!(", {} completed", report.completed));
    if failed > 0 {
        summary.push_str(&format!(" ({failed} of them failed)"));
    }
    summary.push_str(&format!(", {unresolved} unresolved"));
    let summary = fits(&summary);
    let painted = if unresolved > 0 { session.paint.bad(&summary) } else { summary };
    session.line(&painted)?;
    for sum in report.by_action.iter().take(FEW_ACTIONS) {
        session.line(&fits(&in_words(sum)))?;
    }
    let others = report.by_action.len().saturating_sub(FEW_ACTIONS);
    if others > 0 {
        session.line(&fits(&format!(
            "and {}; -o json has them",
            count(others as u64, "other action")
        )))?;
    }
    Ok(())
}

/// Formats "rollback helped 4 of 5 (1 failed); last helped 2026-05-16 10:00:00".
fn in_words(sum: &ActionSummary) -> String {
    let action = sum.action.as_deref().map_or_else(|| "no action named".to_owned(), shown);
    let mut words = format!("{} helped {} of {}", fit(&action, 30), sum.helped, sum.tries);
    let others = [
        (sum.no_effect, "no effect"),
        (sum.failed, "failed"),
        (sum.superseded, "superseded"),
        (sum.unknown, "unknown"),
    ];
    let others: Vec<String> = others
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if !others.is_empty() {
        words.push_str(&format!(" ({})", others.join(", ")));
    }
    if let Some(time) = sum.last_helped {
        words.push_str(&format!("; last helped {}", short_time(time)));
    }
    words
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
    shrink(&mut widths, &[(7, 10)], room);
    if total(&widths) > room {
        // An id cut that short is useless, and the action says most.
        widths[7] = 0;
        shrink(&mut widths, &[(1, 4), (2, 7), (3, 6)], room);
    }
    widths
}

//! `hlarchive status`.

use crate::event::{Date, shown};
use crate::history::machine;
use crate::ops::answers::status::{StatusReport, standing_status};
use crate::ops::metrics::{LastEnd, of_status};
use crate::ops::status::{LastRun, StatusOptions};

use crate::cli::args::{Format, instant};
use crate::cli::calendar::{calendar, first_day};
use crate::cli::exit::{Exit, Failure};
use crate::cli::metrics::{Measured, MetricsArgs, Place};
use crate::cli::output::short_time;
use crate::cli::session::Session;
use crate::cli::table::{fit, wrap};
use crate::text::{bytes, count};

/// Show the state of the history, and what needs attention
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive status
  hlarchive status --since '30 days ago' --calendar
  hlarchive status -q -o json | jq '.problems, .findings'

Attention is needed (exit code 1) when, however long ago, a service is unhealthy without a later \
recovery, a node is offline without a later return, or something failed or was critical and \
nothing succeeded since, on that service and node or in that chain; when, since --since, invalid \
files are live or were archived, or a conflict was recorded; when a day should have been archived \
two days ago, does not fit into the archive, or the next rotate or prune would refuse; when a \
segment has had no copy for two days though the policy names a place for copies; when the last \
rotate, verify or prune failed; when the manifest's last line is torn, or there is no history at \
all.

Every deployment_failed and failed remediation is a problem; of other failures those of severity \
error and critical. Runs since --since without a reported end after an hour are counted as \
unfinished, which needs no attention by itself. Each problem comes with the command that shows \
more.

Runs write their outcome to the archive, if they may, and to the file of --metrics-file; status \
reads both. Without one it is /var/lib/hlarchive/hlarchive.prom for the machine's own archive, \
/opt/homelab/events-archive. A failure stands until the same run, or one of everything, succeeds; \
that of a verify with --head or --public-key, until one with them succeeds.

The calendar has a column per week and a row per weekday. Its shades are quarters of the busiest \
day; ! has invalid archived files, h is held, + has late arrivals in their own segment.

With -o json: time, since, attention, problems (kind, type, severity, since, last, node, service, \
correlation_id, path, error, next; the worst and newest first), unended (count, since, \
correlation_id, next), findings (path, reason), live (days, files, bytes, first_day, last_day), \
archived (days, segments, events, bytes, ratio, first_day, last_day, holds, held_days, expired, \
copied, elsewhere), last_rotate and last_prune (time, segment, by), last_runs (by operation: \
time, exit_code, seconds, findings, success_time and, of verify, witness, segments, \
segments_read_whole), next_rotate and next_prune (as with --dry-run), new_invalid, live_invalid, \
new_conflicts and, with --calendar, calendar (by day: events, archived, held, late, invalid).

Exit codes:
  1   something needs attention, and is named
  74  something could not be read, so a problem may be missing
  75  the tree's archive is not here, so a problem may be missing")]
pub(in crate::cli) struct Args {
    /// How far back invalid files, conflicts and unfinished runs are reported
    /// [default: 7 days ago]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Draw the last year, as on a terminal
    #[arg(long)]
    calendar: bool,
    /// Use this time, trusting it over the manifest
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    #[command(flatten)]
    metrics: MetricsArgs,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        let place = self.metrics.place(&session.store);
        // A user who only looks need not be able to write there.
        let is_asked = |place: &Place| {
            place.is_named && (session.is_typed("--metrics-file") || place.is_ours())
        };
        let measures = place.clone().filter(is_asked);
        session.measured = measures.map(|place| Measured::look("status", place));
        if let Some(text) = &self.now {
            session.now = instant("--now", text, session.now)?;
        }
        let since = instant("--since", self.since.as_deref().unwrap_or("7d"), session.now)?;
        let policy = session.policy()?;
        let context = session.context()?;
        let options = StatusOptions {
            since,
            calendar_from: first_day(session.now.date()),
            trust_now: self.now.is_some(),
            spool: machine::spool(),
            metrics: place.map(|place| place.path),
        };
        let (mut report, cost) = standing_status(&session.store, &policy, &context, &options)?;
        report.attention |= session.warn_of_nowhere()?;
        report.calendar = self.calendar.then(|| {
            let days = report.status.calendar.iter();
            let days = days.map(|(date, day)| (date.to_string(), serde_json::json!(day)));
            serde_json::Value::Object(days.collect())
        });
        let attention = report.attention;
        session.measured(|| {
            let unended = report.unended.as_ref().map_or(0, |runs| runs.count);
            of_status(&report.status, report.problems.len() as u64, unended, attention)
        });
        if format == Format::Json {
            session.json(&report)?;
        } else {
            screen(session, &report)?;
            if self.calendar || std::io::IsTerminal::is_terminal(&std::io::stdout()) {
                let blocks = session.draws_blocks();
                let today = session.now.date();
                let columns = session.width().unwrap_or(80);
                for line in calendar(&report.status.calendar, today, columns, blocks, session.paint)
                {
                    session.line(&line)?;
                }
            }
        }
        session.flush()?;
        Ok(match (cost, attention) {
            (true, _) => Exit::Io,
            _ if report.status.is_away => Exit::Busy,
            (false, true) => Exit::Wrong,
            (false, false) => Exit::Done,
        })
    }
}

/// The columns before the values.
const LABEL: usize = 11;

/// The number of problems and findings that fit on a screen beside the rest.
const FEW: usize = 5;

fn screen(session: &mut Session, report: &StatusReport) -> Result<(), Failure> {
    let status = &report.status;
    let line = if report.attention { "needs attention" } else { "all is well" };
    // The verdict covers only what was checked.
    let days = [status.live.first_day, status.archived.first_day];
    let line = match days.into_iter().flatten().min() {
        _ if report.only_since.is_some() => {
            format!("{line}; by events since {}, older ones are remote", short_time(report.since))
        }
        Some(first) => format!("{line}; by all events since {first}"),
        None => format!("{line}; there are no events"),
    };
    let line = fit(&line, session.width().unwrap_or(80));
    let line = if report.attention { session.paint.bad(&line) } else { session.paint.good(&line) };
    session.line(&line)?;
    let verbose = session.global.verbose;
    let room = session.width().unwrap_or(80).saturating_sub(LABEL);
    let problems = report.problems.iter().map(|problem| {
        let service = problem.service.as_deref().map(|name| format!(" {}", shown(name)));
        let error = problem.error.as_deref().map(|error| format!(": {error}"));
        let time = short_time(problem.since);
        let line = format!(
            "{} {}{} {}{}",
            time.get(..16).unwrap_or(&time),
            shown(&problem.node),
            service.unwrap_or_default(),
            shown(problem.describe()),
            error.unwrap_or_default()
        );
        let line = if verbose { line } else { fit(&line, room) };
        (line, shown(&problem.next))
    });
    let problems: Vec<(String, String)> = problems.collect();
    let most = if verbose { usize::MAX } else { FEW };
    for (number, (line, next)) in problems.iter().take(most).enumerate() {
        value(session, "problem", line)?;
        // Only the worst, so that everything fits on the screen.
        if verbose || number == 0 {
            value(session, "", next)?;
        }
    }
    beyond(session, "problem", problems.len().saturating_sub(most))?;
    if let Some(runs) = &report.unended {
        let what = count(runs.count, "run");
        let text = format!(
            "{what} since {} reported no end ({})",
            short_time(report.since).get(..10).unwrap_or_default(),
            shown(&runs.next)
        );
        value(session, "unended", &text)?;
    }
    few(session, "see to", status.findings.iter().map(ToString::to_string).collect())?;
    if let Some(runs) = report.clock_stepped {
        let they = if runs == 1 { "it" } else { "they" };
        let runs = count(runs, "run");
        let text = format!("{runs} ended before {they} began: a clock was set back");
        value(session, "clock", &text)?;
    }
    if let Some(future) = &status.archived.future {
        value(session, "clock", &future.to_string())?;
    }
    let live = &status.live;
    let range = |first: Option<Date>, last: Option<Date>| match (first, last) {
        (Some(first), Some(last)) if first == last => format!(", {first}"),
        (Some(first), Some(last)) => format!(", {first} to {last}"),
        _ => String::new(),
    };
    let days = range(live.first_day, live.last_day);
    value(
        session,
        "live",
        &format!(
            "{}, {}, {}{days}",
            count(live.days, "day"),
            count(live.files, "file"),
            bytes(live.bytes)
        ),
    )?;
    let archived = &status.archived;
    let ratio = archived.ratio.map(|ratio| format!(", compressed {ratio:.1}:1"));
    let days = range(archived.first_day, archived.last_day);
    value(
        session,
        "archived",
        &format!(
            "{}, {}, {}{}{days}",
            count(archived.days, "day"),
            count(archived.events, "event"),
            bytes(archived.bytes),
            ratio.unwrap_or_default()
        ),
    )?;
    if let Some(copied) = archived.copied {
        let there = match archived.elsewhere {
            0 => String::new(),
            number => format!("; {number} are only remote"),
        };
        value(
            session,
            "copied",
            &format!("{copied} of {}{there}", count(archived.segments, "segment")),
        )?;
    }
    if archived.holds > 0 {
        let text = format!(
            "{} of the archive, by {}",
            count(archived.held_days, "day"),
            count(archived.holds, "hold")
        );
        value(session, "held", &text)?;
    }
    if let Some(expired) = &archived.expired {
        let days = range(Some(expired.first_day), Some(expired.last_day));
        let text =
            format!("{}, {}{days}", count(expired.days, "day"), count(expired.events, "event"));
        value(session, "expired", &text)?;
    }
    let run = |operation| status.last_runs.get(operation);
    let rotated = last(run("rotate"), status.last_rotate.as_ref());
    value(session, "rotate", &format!("last: {rotated}"))?;
    let due = &status.next_rotate;
    let next = match due.as_slice() {
        [] => "nothing".to_owned(),
        [first, ..] => format!(
            "{} from {} on, {}, {}",
            count(due.len() as u64, "day"),
            first.date,
            count(due.iter().map(|day| day.files).sum(), "file"),
            bytes(due.iter().map(|day| day.event_bytes).sum())
        ),
    };
    value(session, "", &format!("next: {next}"))?;
    let verified = match run("verify") {
        Some(run) => ended(run),
        None => "not known".to_owned(),
    };
    value(session, "verify", &format!("last: {verified}"))?;
    let pruned = last(run("prune"), status.last_prune.as_ref());
    value(session, "prune", &format!("last: {pruned}"))?;
    let plan = &status.next_prune;
    let next = match plan.expiring.as_slice() {
        [] => "nothing".to_owned(),
        [first, ..] => format!(
            "{} from {} on, {}",
            count(plan.expiring.len() as u64, "segment"),
            first.date,
            bytes(plan.expiring.iter().map(|gone| gone.bytes).fold(0, u64::saturating_add))
        ),
    };
    value(session, "", &format!("next: {next}"))
}

/// Formats the last time that an operation ran, and how it ended; if that is not known,
/// since no run wrote metrics or another one came later, the last record and who wrote it.
fn last(run: Option<&LastEnd>, record: Option<&LastRun>) -> String {
    match (run, record) {
        (Some(run), record) if record.is_none_or(|record| record.time <= run.time) => ended(run),
        (_, Some(record)) => {
            let by = record.by.as_deref().map(|by| format!(" by {}", shown(by)));
            format!("{}{}", short_time(record.time), by.unwrap_or_default())
        }
        (_, None) => "nothing yet".to_owned(),
    }
}

fn ended(run: &LastEnd) -> String {
    let mut text = short_time(run.time);
    text.push_str(&match run.exit_code {
        0 => ", went well".to_owned(),
        code if run.failed() => format!(", exit code {code}"),
        _ => ", stopped on request".to_owned(),
    });
    if let Some(findings) = run.findings.filter(|findings| *findings > 0) {
        text.push_str(&format!(", {}", count(findings, "finding")));
    }
    match (run.segments, run.segments_read_whole) {
        (Some(all), Some(whole)) if all == whole => {
            text.push_str(&format!(", {} read in full", count(all, "segment")));
        }
        (Some(all), Some(whole)) => {
            text.push_str(&format!(", {whole} of {} read in full", count(all, "segment")));
        }
        _ => {}
    }
    text
}

fn few(session: &mut Session, label: &str, lines: Vec<String>) -> Result<(), Failure> {
    let most = if session.global.verbose { usize::MAX } else { FEW };
    let more = lines.len().saturating_sub(most);
    for line in lines.into_iter().take(most) {
        value(session, label, &crate::text::visible(&line))?;
    }
    beyond(session, label, more)
}

fn beyond(session: &mut Session, label: &str, more: usize) -> Result<(), Failure> {
    match more {
        0 => Ok(()),
        more => value(session, label, &format!("and {more} more (--verbose)")),
    }
}

/// Formats a label and its value, wrapped at the screen's width.
fn value(session: &mut Session, label: &str, text: &str) -> Result<(), Failure> {
    let width = session.width().unwrap_or(80);
    for (number, part) in wrap(text, width.saturating_sub(LABEL).max(9)).iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        session.line(&fit(&format!("{label:LABEL$}{part}"), width))?;
    }
    Ok(())
}

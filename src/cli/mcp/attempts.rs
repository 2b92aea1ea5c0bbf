//! The tool that reports earlier attempts.

use crate::event::EventPath;
use crate::store::Looked;
use crate::views::attempts::{Attempt, StartRange};
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};

use super::call::{Answer, Call, Passed, Trouble, answer};
use super::events::looked;
use super::page::{Left, Room, limit};
use crate::Timestamp;
use crate::cli::args::TimeArgs;
use crate::ops::answers::attempts::{AttemptQuery, AttemptReport, attempts as look, horizon};

/// The arguments of attempts. Several values of one list are alternatives; different
/// members must all hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Attempts {
    /// Started not before this: a date, a timestamp, "yesterday", "2h ago". Without it: ever.
    since: Option<String>,
    /// Started only before this; a date means the end of that day.
    until: Option<String>,
    /// Hosts.
    node: Vec<String>,
    /// Services to be repaired.
    service: Vec<String>,
    /// Actions, as the payload of `remediation_started` names them, such as "restart".
    action: Vec<String>,
    /// Sources that started the attempts.
    source: Vec<String>,
    /// Correlation ids.
    correlation_id: Vec<String>,
    /// Only attempts that did not help, or are not known to have helped.
    unresolved: bool,
    /// How long after its end an attempt may have helped, such as "30m". Default: the policy's.
    within: Option<String>,
    /// The maximum number of attempts in this answer, 1 to 500. Default 3: `by_action` sums up all.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The next of the previous answer, with all other arguments the same.
    next: Option<String>,
}

/// The default number of attempts in one answer: the newest ones, so that with the summary
/// by action an answer stays within about a thousand tokens.
const FEW: u64 = 3;

/// The number of actions in one answer.
const MAX_ACTIONS: usize = 12;

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    /// The report with the attempts of this page; its numbers are those of all.
    report: AttemptReport,
    /// Actions that `by_action` leaves out.
    #[serde(skip_serializing_if = "is_zero")]
    more_actions: usize,
    #[serde(flatten)]
    left: Left,
    #[serde(flatten)]
    passed: Passed,
    /// The places searched, if nothing was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Looked>,
}

pub(super) fn attempts(call: &Call, asked: Attempts) -> Answer {
    call.must_exist()?;
    let most = limit(asked.limit.or(Some(FEW)))?;
    let (now, after) = place(asked.next.as_deref(), call.now)?;
    let (since, until) = TimeArgs::of(asked.since, asked.until).range(now)?;
    let wanted = AttemptQuery {
        range: StartRange { since, until },
        within: horizon(asked.within.as_deref(), || {
            call.policy().map(|policy| policy.answers).unwrap_or_default()
        })?,
        unresolved: asked.unresolved,
        nodes: asked.node,
        services: asked.service,
        actions: asked.action,
        sources: asked.source,
        correlation_ids: asked.correlation_id,
    };
    let stop = || call.go_on().is_err();
    let (mut report, mut notices) = look(call.store(), &wanted, now, &stop)?;
    call.go_on()?;
    let searched = report.attempts.is_empty().then(|| looked(call, &wanted.query())).transpose()?;
    let all = std::mem::take(&mut report.attempts);
    let begin = begin(&all, after.as_ref())?;
    let (mut page, mut room) = (Vec::new(), Room::of(most));
    let mut rest = all.into_iter().skip(begin).peekable();
    while let Some(attempt) = rest.peek() {
        let bytes = answer(attempt)?.len();
        // Attempts of one name, in conflict with each other, stay together.
        let is_twin = page.last().is_some_and(|last: &Attempt| last.path == attempt.path);
        if !is_twin && !room.holds(bytes) {
            break;
        }
        room.take(bytes);
        page.extend(rest.next());
    }
    let beyond = rest.count();
    let left = match page.last() {
        Some(last) if beyond > 0 => {
            let next = format!("{}:{}", now.micros(), last.path);
            Left::after("attempts", next, &format!("{beyond} more attempts follow"))
        }
        _ => Left::nothing(),
    };
    let passed = Passed::of(&mut notices);
    report.attempts = page;
    let more_actions = report.by_action.len().saturating_sub(MAX_ACTIONS);
    report.by_action.truncate(MAX_ACTIONS);
    answer(&Told { report, more_actions, left, passed, searched })
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Returns where the page begins: after the last attempt of the previous page.
fn begin(all: &[Attempt], after: Option<&EventPath>) -> Result<usize, Trouble> {
    let Some(after) = after.map(ToString::to_string) else { return Ok(0) };
    let last = all.iter().rposition(|attempt| attempt.path == after);
    last.map(|last| last + 1).ok_or_else(|| {
        Trouble(
            "next: the attempt where the last page ended is not in this answer; leave next out \
             to start over, or give the same arguments as before"
                .to_owned(),
        )
    })
}

fn place(next: Option<&str>, now: Timestamp) -> Result<(Timestamp, Option<EventPath>), Trouble> {
    let Some(next) = next else { return Ok((now, None)) };
    let parse = || {
        let (time, path) = next.split_once(':')?;
        Some((Timestamp::from_micros(time.parse().ok()?), Some(path.parse().ok()?)))
    };
    parse().ok_or_else(|| super::page::unknown(next))
}

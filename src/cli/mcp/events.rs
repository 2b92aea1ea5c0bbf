//! The tools that give events: list, trace and show.

use crate::archive::Expired;
use crate::event::Severity;
use crate::store::{FoundEvent, Looked, Notices, Order, PageCursor, Query, Scope, Unreached};
use crate::views::trace::{Step, TraceSummary, Tracer};
use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::call::{Answer, Call, Passed, Trouble, answer};
use super::page::{BYTES, Left, Room, behind, limit, numbers, place, raw};
use super::words::{InOrder, Level, Reach};
use crate::cli::args::{FilterArgs, TextArgs, dates};
use crate::cli::commands::trace::StepLine;
use crate::ops::answers::trace::{Named, Tries, named};

/// The arguments of list. Several values of one list are alternatives; different members
/// must all hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct List {
    /// Days (UTC) the events are filed under: "2026-05-16", "today", "yesterday". Without
    /// date, since and until: today.
    date: Vec<String>,
    /// Not before this: a date, a timestamp, "yesterday", "2h ago".
    since: Option<String>,
    /// Before this time; a date means the end of that day.
    until: Option<String>,
    /// A time, or the UUID or path of an event, to list what happened around it.
    around: Option<String>,
    /// So long before and after around: "10m" (the default), "1h".
    within: Option<String>,
    /// Hosts where the events happened.
    node: Vec<String>,
    /// Types, such as `deployment_failed` or `service_unhealthy`.
    #[serde(rename = "type")]
    event_type: Vec<String>,
    /// Severities, exactly these.
    severity: Vec<Level>,
    /// This severity or a worse one.
    min_severity: Option<Level>,
    /// Services concerned.
    service: Vec<String>,
    /// Components that emitted the events, such as "deploy.sh".
    source: Vec<String>,
    /// Correlation ids.
    correlation_id: Vec<String>,
    /// Regular expressions (lower case: any case) for the text "path=value" of one of an event's
    /// values, such as "disk full" or "error=.*OOM".
    grep: Vec<String>,
    /// Conditions on values; all must hold: "payload.stage=pull", "payload.attempt>=3",
    /// "payload.error~OOM", "payload.url" (exists), "!payload.url".
    #[serde(rename = "where")]
    conditions: Vec<String>,
    /// Use `latest_first` to see the newest events on the first page.
    order: InOrder,
    /// Which half of the history. Default: both.
    scope: Reach,
    /// The maximum number of events in this answer, 1 to 500. Default 100.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The next of the previous answer, with all other arguments the same.
    next: Option<String>,
}

/// The number of events of one name that a page may have beyond its limit.
const TWINS: usize = 8;

/// The gaps of an answer.
#[derive(Serialize)]
struct Lacking {
    #[serde(flatten)]
    passed: Passed,
    expired: Option<Expired>,
    unreached: Option<Unreached>,
}

impl Lacking {
    fn of(notices: &mut Notices) -> Self {
        let (expired, unreached) = (notices.expired().cloned(), notices.unreached().cloned());
        Self { passed: Passed::of(notices), expired, unreached }
    }

    /// Adds the gaps of a further query, if unreadable files were not reported yet.
    fn add(&mut self, notices: &mut Notices) {
        if self.passed.is_complete() && notices.any_cost() {
            self.passed = Passed::of(notices);
        }
    }
}

#[derive(Serialize)]
struct Listed {
    events: Vec<Box<RawValue>>,
    #[serde(flatten)]
    left: Left,
    #[serde(flatten)]
    lacking: Lacking,
    /// True if only today was searched, since no other time was given.
    only_today: bool,
    /// The places searched, if nothing was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Looked>,
}

pub(super) fn list(call: &Call, wanted: List) -> Answer {
    call.must_exist()?;
    let most = limit(wanted.limit)?;
    let (now, after) = place(wanted.next.as_deref(), call.now)?;
    let filter = FilterArgs {
        since: wanted.since,
        until: wanted.until,
        around: wanted.around,
        within: wanted.within,
        node: wanted.node,
        event_type: wanted.event_type,
        severity: wanted.severity.into_iter().map(Severity::from).collect(),
        min_severity: wanted.min_severity.map(Severity::from),
        service: wanted.service,
        source: wanted.source,
        correlation_id: wanted.correlation_id,
        text: TextArgs { grep: wanted.grep, conditions: wanted.conditions, ..TextArgs::default() },
    };
    let mut days = dates(&wanted.date, now)?;
    let only_today = days.is_empty() && !filter.has_time();
    if only_today {
        days.push(now.date());
    }
    let order = match wanted.order {
        InOrder::EarliestFirst => Order::Forward,
        InOrder::LatestFirst => Order::Reverse,
    };
    let scope = match wanted.scope {
        Reach::Everything => Scope::Everything,
        Reach::Live => Scope::Live,
        Reach::Archived => Scope::Archived,
    };
    let query = Query {
        filter: filter.filter(now, call.store())?,
        dates: days,
        order,
        after,
        // One more shows whether there are more; a few, whether they have the same name.
        limit: Some((most + TWINS) as u64),
        scope,
        ..Query::default()
    };
    let mut events = call.store().events(query.clone())?;
    let (mut rows, mut room) = (Vec::new(), Room::of(most));
    let (mut last, mut left) = (None::<PageCursor>, Left::nothing());
    let more = |last: &PageCursor| Left::after("list", behind(now, last), "more events may follow");
    for event in &mut events {
        call.go_on()?;
        let event = event?;
        let row = row(&event);
        // Two events of one name have one place: a page does not end between them.
        let is_twin = last.as_ref().is_some_and(|last| *last.path() == event.path);
        if !is_twin && !room.holds(row.len()) {
            left = last.as_ref().map_or_else(Left::nothing, more);
            break;
        }
        room.take(row.len());
        rows.push(raw(row)?);
        last = PageCursor::of(&event);
    }
    if rows.len() == most + TWINS {
        left = last.as_ref().map_or_else(Left::nothing, more);
    }
    let is_empty = rows.is_empty() && query.after.is_none();
    let searched = is_empty.then(|| looked(call, &query)).transpose()?;
    let lacking = Lacking::of(events.notices());
    answer(&Listed { events: rows, left, lacking, only_today, searched })
}

/// Returns where an empty answer was searched for.
pub(super) fn looked(call: &Call, query: &Query) -> Result<Looked, Trouble> {
    let looked = call.store().looked(query, &|| call.stop_requested())?;
    call.go_on()?;
    Ok(looked)
}

/// Renders an event as `list -o ndjson` prints it, or a stand-in for one that is too large
/// or that JSON readers would reject.
fn row(event: &FoundEvent) -> String {
    let mut text = Vec::new();
    event.write_json(&mut text);
    if text.len() <= BYTES / 2
        && serde_json::from_slice::<Value>(&text).is_ok()
        && let Ok(text) = String::from_utf8(text)
    {
        return text;
    }
    let head = event.head().ok();
    let cut = |text: &str| text.chars().take(200).collect::<String>();
    serde_json::json!({
        "timestamp": head.as_ref().map(|head| head.timestamp.to_string()),
        "node": head.as_ref().map(|head| cut(&head.node)),
        "type": head.as_ref().map(|head| cut(&head.event_type)),
        "severity": head.as_ref().map(|head| head.severity.as_str()),
        "service": head.as_ref().map(|head| cut(&head.service)),
        "correlation_id": head.as_ref().map(|head| cut(&head.correlation_id)),
        "_path": event.path.to_string(),
        "_segment": event.segment.as_ref().map(ToString::to_string),
        "_bytes": event.bytes.len(),
        "_left_out": "too large for a page, or with numbers out of range: show gives it by _path",
    })
    .to_string()
}

/// The arguments of trace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trace {
    /// The correlation id, such as "deploy-882", or a prefix that no other id has.
    correlation_id: String,
    /// The maximum number of steps in this answer, 1 to 500. Default 100.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The next of the previous answer, with all other arguments the same.
    next: Option<String>,
}

#[derive(Serialize)]
struct Traced {
    correlation_id: String,
    steps: Vec<Box<RawValue>>,
    #[serde(flatten)]
    summary: Value,
    #[serde(flatten)]
    left: Left,
    #[serde(flatten)]
    lacking: Lacking,
    /// The places searched, if nothing was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<Looked>,
}

pub(super) fn trace(call: &Call, wanted: Trace) -> Answer {
    call.must_exist()?;
    let most = limit(wanted.limit)?;
    let (now, after) = place(wanted.next.as_deref(), call.now)?;
    let stop = || call.stop_requested();
    let Named { id, mut events, looked: searched } =
        named(call.store(), wanted.correlation_id, &stop)?;
    call.go_on()?;
    // The outcome follows from the entire chain, whichever part of it is shown.
    let (mut tracer, mut tries) = (Tracer::at(now), Tries::of(&id));
    let (mut rows, mut room) = (Vec::new(), Room::of(most));
    let (mut last, mut beyond) = (None::<PageCursor>, 0_u64);
    for event in &mut events {
        call.go_on()?;
        let event = event?;
        let Ok(head) = event.head() else { continue };
        tries.see(&event);
        let step = tracer.step(&head, &event.path.to_string());
        if after.as_ref().is_some_and(|after| !after.is_before(&event, Order::Forward)) {
            continue;
        }
        let row = step_row(&step, &event)?;
        let is_twin = last.as_ref().is_some_and(|last| *last.path() == event.path);
        if beyond == 0 && (is_twin || room.holds(row.len())) {
            room.take(row.len());
            rows.push(raw(row)?);
            last = PageCursor::of(&event);
        } else {
            beyond += 1;
        }
    }
    let left = match &last {
        Some(last) if beyond > 0 => {
            Left::after("trace", behind(now, last), &format!("{beyond} more steps follow"))
        }
        _ => Left::nothing(),
    };
    let mut lacking = Lacking::of(events.notices());
    let rules = call.policy().map(|policy| policy.answers).unwrap_or_default();
    let stop = || call.go_on().is_err();
    let (tried, mut more) = tries.look(call.store(), rules, now, &stop)?;
    call.go_on()?;
    lacking.add(&mut more);
    let mut told = tracer.finish();
    if let Some(told) = &mut told {
        told.set_tried(&tried);
    }
    let summary = summary(told)?;
    answer(&Traced { correlation_id: id, steps: rows, summary, left, lacking, searched })
}

fn step_row(step: &Step, event: &FoundEvent) -> Answer {
    let mut line = StepLine {
        step,
        path: event.path.to_string(),
        segment: event.segment.as_ref().map(ToString::to_string),
    };
    let text = answer(&line)?;
    if text.len() <= BYTES / 2 {
        return Ok(text);
    }
    // Fields of foreign events may be of any length.
    let cut = |text: &str| text.chars().take(200).collect::<String>();
    let short = Step {
        node: cut(&step.node),
        event_type: cut(&step.event_type),
        service: cut(&step.service),
        source: cut(&step.source),
        ..step.clone()
    };
    line.step = &short;
    answer(&line)
}

fn summary(summary: Option<TraceSummary>) -> Result<Value, Trouble> {
    match summary {
        Some(summary) => serde_json::to_value(summary)
            .map_err(|error| Trouble(format!("the outcome is lost: {error}"))),
        None => Ok(serde_json::json!({
            "events": 0, "first": null, "last": null, "duration_us": null,
            "outcome": "unknown", "failure": null, "cause": null, "also": [], "tried": [],
            "open": [],
        })),
    }
}

/// The arguments of show.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Show {
    /// The UUID in the event's file name, or a prefix that no other has, or the event's
    /// path DATE/NODE/FILE, which other tools give as path or _path.
    event: String,
    /// The next of the previous answer, for an event too large for one answer.
    next: Option<String>,
}

pub(super) fn show(call: &Call, wanted: &Show) -> Answer {
    call.must_exist()?;
    let [offset] = numbers(wanted.next.as_deref())?;
    let found = call.store().find(&call.store().named(&wanted.event)?)?;
    let reason = found.head().err().map(|error| error.to_string());
    let mut text = Vec::new();
    if reason.is_none() && offset == 0 {
        found.write_json(&mut text);
        if text.len() <= BYTES && serde_json::from_slice::<Value>(&text).is_ok() {
            return String::from_utf8(text).map_err(|error| Trouble(error.to_string()));
        }
    }
    let bytes = &found.bytes;
    let mut end = bytes.len().min(offset.saturating_add(BYTES));
    // Not within a character.
    while end < bytes.len() && end > offset + 4 && bytes[end] & 0xc0 == 0x80 {
        end -= 1;
    }
    let part = bytes.get(offset..end).ok_or_else(|| {
        Trouble(format!("next: the event has {} bytes; leave it out to start over", bytes.len()))
    })?;
    let left = if end < bytes.len() {
        Left::after("show", end.to_string(), &format!("{} more bytes follow", bytes.len() - end))
    } else {
        Left::nothing()
    };
    answer(&serde_json::json!({
        "_path": found.path.to_string(),
        "_segment": found.segment.as_ref().map(ToString::to_string),
        "_bytes": bytes.len(),
        "_offset": offset,
        "_not_an_event": reason,
        "_is_utf8": std::str::from_utf8(part).is_ok(),
        "_text": String::from_utf8_lossy(part),
        "next": left.next(),
        "left": left.words(),
    }))
}

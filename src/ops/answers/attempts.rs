//! Remediation attempts, and whether they helped.

use std::collections::BTreeSet;

use crate::archive::Expired;
use crate::policy::{AnswerRules, Span};
use crate::store::{Filter, Notices, Order, Query, Store, Unreached};
use crate::text::shown;
use crate::views::attempts::{
    ActionSummary, Attempt, AttemptCollector, HEALTH_TYPES, StartRange, TYPES, by_action,
};
use crate::{History, Result, Timestamp};

impl History {
    /// Begins a query for remediation attempts and their outcomes.
    pub fn attempts(&self) -> Attempts<'_> {
        let within = self.policy.answers;
        Attempts { history: self, query: AttemptQuery { within, ..AttemptQuery::default() } }
    }
}

/// A query for remediation attempts: what was tried, and whether it helped.
///
/// Several values of one condition are alternatives; different conditions must all hold.
///
/// ```
/// use hlarchive::History;
/// use serde_json::json;
///
/// # fn main() -> hlarchive::Result<()> {
/// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
/// # let root = directory.path().join("events");
/// let history = History::open(&root)?;
/// let started = history.emit("remediation_started").service("mosquitto");
/// started.payload(json!({"action": "restart_container"})).send()?;
///
/// let tried = history.attempts().service("mosquitto").unresolved().report()?;
/// assert_eq!(tried.attempts[0].action.as_deref(), Some("restart_container"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "attempts are looked for by report()"]
pub struct Attempts<'h> {
    history: &'h History,
    query: AttemptQuery,
}

impl Attempts<'_> {
    /// Asks for attempts on this node.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.query.nodes.push(node.into());
        self
    }

    /// Asks for attempts for this service.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.query.services.push(service.into());
        self
    }

    /// Asks for attempts whose payload names this action.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.query.actions.push(action.into());
        self
    }

    /// Asks for attempts with this correlation id.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.query.correlation_ids.push(id.into());
        self
    }

    /// Asks for attempts that did not help, or are not known to have helped.
    pub fn unresolved(mut self) -> Self {
        self.query.unresolved = true;
        self
    }

    /// Asks for attempts that began then or later, such as `90d` or `2026-05-16`.
    ///
    /// Fails with [`Error::Usage`](crate::Error::Usage) if the text is not a time.
    pub fn since(mut self, text: &str) -> Result<Self> {
        self.query.range.since = Some(self.history.time(text)?);
        Ok(self)
    }

    /// Finds the attempts, newest first; whether one helped is judged by all events of its service.
    pub fn report(&self) -> Result<AttemptReport> {
        let now = self.history.context.now();
        attempts(&self.history.store, &self.query, now, &|| self.history.progress.stop_requested())
            .map(|(report, _)| report)
    }
}

/// Attempts, and their totals.
#[derive(Debug, serde::Serialize)]
#[non_exhaustive]
pub struct AttemptReport {
    /// The earliest start that was asked for.
    pub since: Option<String>,
    /// The end of the range, exclusive.
    pub until: Option<String>,
    /// Time after its end within which an attempt may have helped.
    pub within_seconds: u64,
    /// The attempts, newest first unless another order was asked for.
    pub attempts: Vec<Attempt>,
    /// Totals by action, for all attempts that began in the range.
    pub by_action: Vec<ActionSummary>,
    /// Number of attempts that began.
    pub started: usize,
    /// Number of them that reported an end.
    pub completed: usize,
    /// Number of them that failed.
    pub failed: usize,
    /// Number of them that did not help, or are not known to have helped.
    pub unresolved: usize,
    /// Ends in the range whose start is not known.
    pub stray_ends: u64,
    /// Expired days that could have held more.
    pub expired: Option<Expired>,
    /// Remote days that could not be read.
    pub unreached: Option<Unreached>,
}

/// Conditions on attempts. Several values of one list are alternatives.
#[derive(Debug, Clone, Default)]
pub(crate) struct AttemptQuery {
    pub(crate) range: StartRange,
    pub(crate) within: AnswerRules,
    pub(crate) unresolved: bool,
    pub(crate) nodes: Vec<String>,
    pub(crate) services: Vec<String>,
    pub(crate) actions: Vec<String>,
    pub(crate) sources: Vec<String>,
    pub(crate) correlation_ids: Vec<String>,
}

/// The longest horizon.
const MAX_WITHIN: u64 = 30 * 86_400;

/// Returns the horizon that was asked for, or that of the policy.
pub(crate) fn horizon(
    asked: Option<&str>,
    policy: impl FnOnce() -> AnswerRules,
) -> Result<AnswerRules> {
    let Some(text) = asked else { return Ok(policy()) };
    let bad = |reason: String| crate::Error::Usage(format!("--within {}: {reason}", shown(text)));
    let within: Span =
        text.parse().map_err(|error: crate::policy::SpanError| bad(error.to_string()))?;
    if !(1..=MAX_WITHIN).contains(&within.seconds()) {
        return Err(bad("expected a duration from 1s to 30d, such as 30m".to_owned()));
    }
    Ok(AnswerRules { within })
}

/// Returns the matching attempts, newest first, and what was skipped. Ends early if `stop` returns
/// true.
pub(crate) fn attempts(
    store: &Store,
    wanted: &AttemptQuery,
    now: Timestamp,
    stop: &dyn Fn() -> bool,
) -> Result<(AttemptReport, Notices)> {
    let filter = Filter {
        types: TYPES.map(str::to_owned).to_vec(),
        nodes: wanted.nodes.clone(),
        services: wanted.services.clone(),
        since: wanted.range.read_from(),
        ..Filter::default()
    };
    let mut events = store.events(Query { filter, ..Query::default() })?;
    let within = wanted.within.within.micros().unwrap_or(i64::MAX);
    let mut collector = AttemptCollector::new(wanted.range).at(now).within(within);
    for event in &mut events {
        if !collector.take(&event?) || stop() {
            break;
        }
    }
    let notices = std::mem::take(events.notices());
    if let Some(since) = wanted.range.read_from() {
        let silent = collector.silent();
        for heard in heard_before(store, since, silent, stop)? {
            collector.heard_before(heard);
        }
    }
    let (mut attempts, stray_ends) = collector.finish();
    attempts.reverse();
    attempts.retain(|attempt| wanted.holds(attempt));
    // Failures are judged by the successes, too.
    let by_action = by_action(attempts.iter());
    attempts.retain(|attempt| !wanted.unresolved || attempt.is_unresolved());
    let tally = |what: fn(&Attempt) -> bool| attempts.iter().filter(|a| what(a)).count();
    let report = AttemptReport {
        since: wanted.range.since.map(|time| time.to_string()),
        until: wanted.range.until.map(|time| time.to_string()),
        within_seconds: wanted.within.within.seconds(),
        by_action,
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

/// Returns those of these services, each with its node, that have any event before `until`. Reads
/// backwards, so that it is cheap if there is one.
fn heard_before(
    store: &Store,
    until: Timestamp,
    mut silent: BTreeSet<[String; 2]>,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<[String; 2]>> {
    let mut heard = Vec::new();
    if silent.is_empty() {
        return Ok(heard);
    }
    let each = |part: usize| {
        let values: BTreeSet<&String> = silent.iter().map(|subject| &subject[part]).collect();
        values.into_iter().cloned().collect()
    };
    let filter = Filter {
        types: HEALTH_TYPES.map(str::to_owned).to_vec(),
        services: each(0),
        nodes: each(1),
        until: Some(until),
        ..Filter::default()
    };
    let query = Query { filter, order: Order::Reverse, ..Query::default() };
    for event in &mut store.events(query)? {
        let event = event?;
        let Ok(head) = event.head() else { continue };
        let subject = [head.service.to_string(), head.node.to_string()];
        if silent.remove(&subject) {
            heard.push(subject);
        }
        if silent.is_empty() || stop() {
            break;
        }
    }
    Ok(heard)
}

impl AttemptQuery {
    /// Returns the same conditions as a query, to report where an empty answer was looked for.
    pub(crate) fn query(&self) -> Query {
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
        among(&self.actions, attempt.action.as_deref())
            && among(&self.sources, Some(&attempt.source))
            && among(&self.correlation_ids, Some(&attempt.correlation_id))
    }
}

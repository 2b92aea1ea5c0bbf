//! Open problems: the open part of the [state](super::standing), a row for each service and node,
//! and the number of runs that never reported an end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::standing::{ProblemSlot, Standing, Stretch, may_tell as may_stand};
use crate::event::{EventHead, Severity, Timestamp};

pub(crate) use super::standing::ProblemKind;

/// A run younger than this is taken to be still at work.
pub(crate) const PATIENCE_MICROS: i64 = 3600 * Timestamp::MICROS_PER_SECOND;

/// How long before its start an end may be dated and still be taken for its end: the size of a
/// clock step when a time server first answers.
const MAX_STEP_MICROS: i64 = 120 * Timestamp::MICROS_PER_SECOND;

/// The kinds of runs that must end.
const RUNS: [&str; 2] = ["deployment", "remediation"];

/// One open problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The type of the last event that reported it.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The severity of that event.
    pub severity: Severity,
    /// The time of the first event that reported it after the last that reported otherwise.
    pub since: Timestamp,
    /// The time of the last event that reported it.
    pub last: Timestamp,
    /// The host.
    pub node: String,
    /// The service, if one is concerned.
    pub service: Option<String>,
    /// The correlation id of the last event.
    pub correlation_id: String,
    /// The identity of the last event.
    pub path: String,
    /// The informative part of its payload.
    pub error: Option<String>,
    /// The command that shows more.
    pub next: String,
}

impl Problem {
    /// Returns the kind as a clause that follows a name.
    pub fn describe(&self) -> &str {
        match self.kind {
            ProblemKind::NodeOffline => "offline",
            ProblemKind::ServiceUnhealthy => "unhealthy",
            ProblemKind::Failed | ProblemKind::Alarm => &self.event_type,
        }
    }
}

/// Returns the open problems: one for each kind on a service and node, represented by its last
/// event. The worst first, and among those the newest.
pub(crate) fn problems(standing: &Standing) -> Vec<Problem> {
    let mut rows: BTreeMap<(&str, &Option<String>, ProblemKind), (Timestamp, &Stretch)> =
        BTreeMap::new();
    for (ProblemSlot { service, node, kind, .. }, bad) in standing.open() {
        let row = rows.entry((node, service, *kind)).or_insert((bad.first, bad));
        row.0 = row.0.min(bad.first);
        if (bad.last.time, &bad.last.path) > (row.1.last.time, &row.1.last.path) {
            row.1 = bad;
        }
    }
    let problem = |((node, service, kind), (since, bad)): (
        (&str, &Option<String>, ProblemKind),
        (Timestamp, &Stretch),
    )| {
        let last = &bad.last;
        Problem {
            kind,
            event_type: last.event_type.clone(),
            severity: last.severity,
            since,
            last: last.time,
            node: node.to_owned(),
            service: service.clone(),
            correlation_id: last.correlation_id.clone(),
            path: last.path.clone(),
            error: last.error.clone(),
            next: next(&last.correlation_id),
        }
    };
    let mut problems: Vec<Problem> = rows.into_iter().map(problem).collect();
    problems.sort_by(|a, b| {
        let worst = b.severity.cmp(&a.severity).then(b.since.cmp(&a.since));
        worst.then_with(|| (a.kind, &a.node, &a.service).cmp(&(b.kind, &b.node, &b.service)))
    });
    problems
}

/// Returns the shell command that shows a chain.
fn next(id: &str) -> String {
    let dashes = if id.starts_with('-') { "-- " } else { "" };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&b);
    if !id.is_empty() && id.bytes().all(is_plain) {
        return format!("hlarchive trace {dashes}{id}");
    }
    if id.chars().any(char::is_control) {
        let mut text = String::new();
        for c in id.chars() {
            match c {
                '\\' | '\'' => text.extend(['\\', c]),
                c if c.is_control() => {
                    let mut bytes = [0; 4];
                    let bytes = c.encode_utf8(&mut bytes).bytes();
                    text.extend(
                        bytes.flat_map(|b| format!("\\x{b:02x}").chars().collect::<Vec<_>>()),
                    );
                }
                c => text.push(c),
            }
        }
        return format!("hlarchive trace {dashes}$'{text}'");
    }
    format!("hlarchive trace {dashes}'{}'", id.replace('\'', r"'\''"))
}

/// Runs that never reported an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unended {
    /// Their number.
    pub count: u64,
    /// The start of the oldest.
    pub since: Timestamp,
    /// The correlation id of the newest.
    pub correlation_id: String,
    /// The command that shows more of it.
    pub next: String,
}

/// A run: its kind, correlation id and service. The node is left out, since another one may
/// report the end.
type Run = (&'static str, String, String);

/// Counts the runs that did not end, from events in time order. Memory grows with their number.
pub(crate) struct Runs {
    now: Timestamp,
    open: BTreeMap<Run, Vec<Timestamp>>,
    /// Ends of the last two minutes without a start.
    early: Vec<(Timestamp, Run)>,
    /// Starts after such an end: it is theirs, if they get no other.
    stepped: Vec<(Timestamp, Run)>,
}

/// Reports whether an event of this type may concern problems or runs, for a query.
pub(crate) fn may_tell(kind: &str) -> bool {
    may_stand(kind) || matches!(run_of(kind), Some((_, true)))
}

/// Returns the kind of run that a type starts (true) or ends (false).
fn run_of(kind: &str) -> Option<(&'static str, bool)> {
    RUNS.iter().find_map(|run| match kind.strip_prefix(run)? {
        "_started" => Some((*run, true)),
        "_completed" | "_failed" => Some((*run, false)),
        _ => None,
    })
}

impl Runs {
    /// Starts counting, as of `now`.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { now, open: BTreeMap::new(), early: Vec::new(), stepped: Vec::new() }
    }

    /// Takes the next event, in time order.
    pub(crate) fn take(&mut self, head: &EventHead<'_>) {
        let Some((what, is_start)) = run_of(&head.event_type) else { return };
        if head.timestamp > self.now {
            return;
        }
        let run = (what, head.correlation_id.to_string(), head.service.to_string());
        let oldest = head.timestamp.micros().saturating_sub(MAX_STEP_MICROS);
        self.early.retain(|(time, _)| time.micros() >= oldest);
        if is_start {
            self.begin(head.timestamp, run);
        } else {
            self.end(head.timestamp, run);
        }
    }

    fn begin(&mut self, time: Timestamp, run: Run) {
        if let Some(place) = self.early.iter().rposition(|(_, ended)| *ended == run) {
            // By name, an end sorts before its start when both have the same time.
            if self.early.remove(place).0 == time {
                return;
            }
            self.stepped.push((time, run.clone()));
        }
        self.open.entry(run).or_default().push(time);
    }

    fn end(&mut self, time: Timestamp, run: Run) {
        match self.open.get_mut(&run) {
            Some(open) => {
                open.remove(0);
                if open.is_empty() {
                    self.open.remove(&run);
                }
            }
            None => self.early.push((time, run)),
        }
    }

    /// Returns the runs that did not end within an hour, and how many ended before they began, so
    /// that a clock must have been set back.
    pub(crate) fn finish(mut self) -> (Option<Unended>, u64) {
        let mut clock_stepped = 0;
        for (time, run) in self.stepped {
            let Some(open) = self.open.get_mut(&run) else { continue };
            let before = open.len();
            open.retain(|since| *since != time);
            clock_stepped += (before - open.len()) as u64;
        }
        let now = self.now;
        let is_late = |since: &Timestamp| now.micros() - since.micros() >= PATIENCE_MICROS;
        let (mut count, mut oldest) = (0, None);
        let mut newest: Option<(Timestamp, &String)> = None;
        for ((_, id, _), open) in &self.open {
            for since in open.iter().copied().filter(is_late) {
                count += 1;
                oldest = Some(oldest.map_or(since, |oldest: Timestamp| oldest.min(since)));
                newest = newest.max(Some((since, id)));
            }
        }
        let unended = oldest.zip(newest).map(|(since, (_, id))| Unended {
            count,
            since,
            correlation_id: id.clone(),
            next: next(id),
        });
        (unended, clock_stepped)
    }
}

#[cfg(test)]
mod tests;

//! A causal chain as a story: what happened when, and how it ended.
//!
//! Events are told one by one in time order, so a chain of any length takes no memory.

use serde::Serialize;

use super::attempts::MAX_STEP_MICROS;
use super::detail::detail;
use super::word::reports_failure;
use crate::event::{EventHead, Timestamp};

/// How a chain stands after its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It completed, and nothing had failed.
    Completed,
    /// Something failed, and later it was well again.
    Recovered,
    /// Something failed, and a remediation completed; whether it helped was not reported.
    Remediated,
    /// Something failed, and a remediation began that has not completed.
    Remediating,
    /// Something failed, and nothing better was reported since.
    Failed,
    /// It started, and its end was not reported.
    Running,
    /// Nothing in it tells.
    Unknown,
}

impl Outcome {
    /// The outcome as a clause.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Recovered => "failed, then recovered",
            Self::Remediated => "failed, then remediated; recovery not reported",
            Self::Remediating => "failed; remediation has not completed",
            Self::Failed => "failed",
            Self::Running => "started; its end is not reported",
            Self::Unknown => "no outcome reported",
        }
    }
}

/// What one event tells about the chain.
enum Sign {
    Began,
    Completed,
    Failed,
    RemediationBegan,
    RemediationCompleted,
    Well,
    None,
}

impl Sign {
    fn of(event: &EventHead<'_>) -> Self {
        match event.event_type.as_ref() {
            "service_unhealthy" | "node_offline" => Self::Failed,
            "remediation_started" => Self::RemediationBegan,
            "node_online" => Self::Well,
            end if end.ends_with("_completed") && reports_failure(event) => Self::Failed,
            "remediation_completed" => Self::RemediationCompleted,
            // Most types, those that others added among them, speak by their endings.
            other if other.ends_with("_started") => Self::Began,
            other if other.ends_with("_failed") => Self::Failed,
            other if other.ends_with("_completed") => Self::Completed,
            other if other.ends_with("_recovered") => Self::Well,
            _ => Self::None,
        }
    }
}

/// One event of a chain, as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Microseconds since the chain's first event.
    pub offset_us: i64,
    /// When it happened.
    pub timestamp: String,
    /// The host.
    pub node: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: String,
    /// How bad it is.
    pub severity: &'static str,
    /// The service concerned.
    pub service: String,
    /// The component that emitted it.
    pub source: String,
    /// The telling part of its payload.
    pub detail: Option<String>,
    /// Whether it is dated later than now, and so tells nothing yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub future: bool,
}

/// The chain as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Events in the chain.
    pub events: u64,
    /// The first event's timestamp.
    pub first: String,
    /// The last event's timestamp.
    pub last: String,
    /// Microseconds from the first event to the last.
    pub duration_us: i64,
    /// How it stands.
    pub outcome: Outcome,
    /// The telling part of the latest failure, if anything failed.
    pub failure: Option<String>,
    /// Events that are dated later than now, and decide nothing.
    #[serde(skip_serializing_if = "is_zero")]
    pub future: u64,
    /// Whether an end is dated before its start, so that a clock must have been set back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A run as far as its start and its end name it alike.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    what: String,
    service: String,
    node: String,
}

impl Run {
    fn of(event: &EventHead<'_>) -> Self {
        let what = event.event_type.rsplit_once('_').map_or("", |(what, _)| what);
        Self {
            what: what.to_owned(),
            service: event.service.to_string(),
            node: event.node.to_string(),
        }
    }
}

/// Tells a chain.
#[derive(Debug, Default)]
pub struct Tracer {
    /// What is later has not happened; without one, everything has.
    now: Option<Timestamp>,
    future: u64,
    clock_stepped: bool,
    /// The run that began last and has not ended.
    begun: Option<Run>,
    /// The end that came last, if its start had not been told.
    early_end: Option<(Timestamp, Run)>,
    events: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    failed: bool,
    state: State,
    failure: Option<String>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Nothing,
    Running,
    Completed,
    Failed,
    Remediating,
    Remediated,
    Well,
}

impl Tracer {
    /// Begins, as things stand at `now`: what is dated later is told, and decides nothing.
    pub fn at(now: Timestamp) -> Self {
        Self { now: Some(now), ..Self::default() }
    }

    /// Takes the next event of the chain, in time order.
    pub fn step(&mut self, event: &EventHead<'_>) -> Step {
        let first = self.first.map_or(event.timestamp, |first| first.min(event.timestamp));
        self.first = Some(first);
        self.last = Some(self.last.map_or(event.timestamp, |last| last.max(event.timestamp)));
        self.events += 1;
        let telling = detail(event.payload.get());
        let future = self.now.is_some_and(|now| event.timestamp > now);
        self.future += u64::from(future);
        let sign = if future { Sign::None } else { Sign::of(event) };
        match sign {
            Sign::Began | Sign::RemediationBegan if self.ended_before(event) => {
                self.clock_stepped = true;
            }
            Sign::Began => {
                self.begun = Some(Run::of(event));
                self.state = State::Running;
            }
            Sign::Completed => {
                self.end(event);
                self.state = State::Completed;
            }
            Sign::Failed => {
                self.end(event);
                self.failed = true;
                self.state = State::Failed;
                self.failure.clone_from(&telling);
            }
            Sign::RemediationBegan => {
                self.begun = Some(Run::of(event));
                self.state = State::Remediating;
            }
            Sign::RemediationCompleted => {
                self.end(event);
                self.state = State::Remediated;
            }
            Sign::Well => self.state = State::Well,
            Sign::None => {}
        }
        Step {
            offset_us: event.timestamp.micros() - first.micros(),
            timestamp: event.timestamp.to_string(),
            node: event.node.to_string(),
            event_type: event.event_type.to_string(),
            severity: event.severity.as_str(),
            service: event.service.to_string(),
            source: event.source.to_string(),
            detail: telling,
            future,
        }
    }

    /// Remembers an end whose start was not told: it may be dated later.
    fn end(&mut self, event: &EventHead<'_>) {
        let is_end =
            event.event_type.ends_with("_completed") || event.event_type.ends_with("_failed");
        let run = Run::of(event);
        if !is_end {
            return;
        }
        if self.begun.as_ref() == Some(&run) {
            (self.begun, self.early_end) = (None, None);
        } else {
            self.early_end = Some((event.timestamp, run));
        }
    }

    /// Whether the end of what begins here was told already, as of a moment ago.
    fn ended_before(&mut self, event: &EventHead<'_>) -> bool {
        let oldest = event.timestamp.micros().saturating_sub(MAX_STEP_MICROS);
        let run = Run::of(event);
        let is_its = |(time, ended): &(Timestamp, Run)| time.micros() >= oldest && *ended == run;
        self.early_end.take_if(|end| is_its(end)).is_some()
    }

    /// How the chain stands; `None` when it has no event.
    pub fn finish(self) -> Option<Summary> {
        let (first, last) = (self.first?, self.last?);
        let outcome = match (self.state, self.failed) {
            (State::Nothing, _) => Outcome::Unknown,
            (State::Running, _) => Outcome::Running,
            (State::Completed | State::Well, true) => Outcome::Recovered,
            (State::Completed | State::Well | State::Remediated, false) => Outcome::Completed,
            (State::Failed, _) => Outcome::Failed,
            (State::Remediating, _) => Outcome::Remediating,
            (State::Remediated, true) => Outcome::Remediated,
        };
        Some(Summary {
            events: self.events,
            first: first.to_string(),
            last: last.to_string(),
            duration_us: last.micros() - first.micros(),
            outcome,
            failure: self.failure,
            future: self.future,
            clock_stepped: self.clock_stepped,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn outcome(types: &[&str]) -> Outcome {
        let mut tracer = Tracer::default();
        for (minute, event_type) in types.iter().enumerate() {
            let (event_type, payload) = event_type.split_once(' ').unwrap_or((event_type, "{}"));
            let text = format!(
                r#"{{"timestamp":"2026-05-16T10:{minute:02}:00Z","node":"pi4","type":"{event_type}","severity":"info","source":"s","service":"all","correlation_id":"c","payload":{payload}}}"#
            );
            tracer.step(&EventHead::parse(text.as_bytes()).unwrap());
        }
        tracer.finish().unwrap().outcome
    }

    #[test]
    fn the_outcome_follows_from_the_last_event_that_tells() {
        for (types, wanted) in [
            (&["deployment_started"][..], Outcome::Running),
            (&["deployment_started", "deployment_completed"], Outcome::Completed),
            (&["deployment_started", "deployment_failed"], Outcome::Failed),
            (&["deployment_failed", "remediation_started"], Outcome::Remediating),
            (
                &["deployment_failed", "remediation_started", "remediation_completed"],
                Outcome::Remediated,
            ),
            (
                &["service_unhealthy", "remediation_completed", "service_recovered"],
                Outcome::Recovered,
            ),
            (&["remediation_completed {\"success\":false}"], Outcome::Failed),
            (&["config_reloaded"], Outcome::Unknown),
            (&["backup_started", "backup_completed"], Outcome::Completed),
            // Of the minute before: the clock was set back.
            (&["backup_completed", "backup_started"], Outcome::Completed),
            (&["backup_failed", "backup_started"], Outcome::Failed),
            (&["backup_completed", "deployment_started"], Outcome::Running),
            (&["backup_started", "backup_completed", "backup_started"], Outcome::Running),
            (&["backup_completed", "x", "x", "backup_started"], Outcome::Running),
        ] {
            assert_eq!(outcome(types), wanted, "{types:?}");
        }
    }

    #[test]
    fn a_chain_without_events_has_no_summary() {
        assert_eq!(Tracer::default().finish(), None);
    }
}

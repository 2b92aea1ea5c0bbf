//! A causal chain as a story: what happened when, how it began, and how it ended.
//!
//! Events come one by one in time order, so a chain of any length takes no more memory than its
//! summary.
//!
//! The chain is as well as the worst of its services on their nodes: while one is bad, the chain
//! is not called recovered.

mod summary;
mod troubles;

pub use summary::{ChainFailure, OpenTrouble, Outcome, Remediation, Step, TraceSummary, Why};

use super::attempts::MAX_STEP_MICROS;
use super::detail::detail;
use super::word::Word;
use crate::event::{EventHead, Timestamp};
use troubles::{Troubles, Worst};

/// The part of a run that its start and its end share.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RunKey {
    what: String,
    service: String,
    node: String,
}

impl RunKey {
    fn of(event: &EventHead<'_>) -> Self {
        let what = event.event_type.rsplit_once('_').map_or("", |(what, _)| what);
        Self {
            what: what.to_owned(),
            service: event.service.to_string(),
            node: event.node.to_string(),
        }
    }
}

/// Builds a trace from a chain's events.
#[derive(Debug, Default)]
pub(crate) struct Tracer {
    /// Later events have not happened; without it, all have.
    now: Option<Timestamp>,
    future: u64,
    clock_stepped: bool,
    /// The last run that began and has not ended.
    begun: Option<RunKey>,
    /// The last end, if its start has not come yet.
    early_end: Option<(Timestamp, RunKey)>,
    events: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    state: ChainState,
    troubles: Troubles,
}

#[derive(Debug, Default, Clone, Copy)]
enum ChainState {
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
    /// Starts a trace as of `now`: what is dated later is shown, and decides nothing.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { now: Some(now), ..Self::default() }
    }

    /// Takes the chain's next event, in time order, and its identity.
    pub(crate) fn step(&mut self, event: &EventHead<'_>, path: &str) -> Step {
        let first = self.first.map_or(event.timestamp, |first| first.min(event.timestamp));
        self.first = Some(first);
        self.last = Some(self.last.map_or(event.timestamp, |last| last.max(event.timestamp)));
        self.events += 1;
        let telling = detail(event.payload.get());
        let future = self.now.is_some_and(|now| event.timestamp > now);
        self.future += u64::from(future);
        if !future {
            self.hear(event, path);
        }
        Step {
            offset_us: event.timestamp.micros() - first.micros(),
            timestamp: event.timestamp,
            node: event.node.to_string(),
            event_type: event.event_type.to_string(),
            severity: event.severity,
            service: event.service.to_string(),
            source: event.source.to_string(),
            detail: telling,
            future,
        }
    }

    fn hear(&mut self, event: &EventHead<'_>, path: &str) {
        let word = Word::of(event);
        if matches!(word, Word::Began | Word::Attempted) && self.ended_before(event) {
            self.clock_stepped = true;
            return;
        }
        self.troubles.take(word, event, path);
        match word {
            Word::Began => {
                self.begun = Some(RunKey::of(event));
                self.state = ChainState::Running;
            }
            Word::Attempted => {
                self.begun = Some(RunKey::of(event));
                self.state = ChainState::Remediating;
            }
            Word::Done => {
                self.end(event);
                self.state = ChainState::Completed;
            }
            Word::AttemptDone => {
                self.end(event);
                self.state = ChainState::Remediated;
            }
            Word::Failed | Word::AttemptFailed | Word::Unhealthy | Word::Offline | Word::Alarm => {
                self.end(event);
                self.state = ChainState::Failed;
            }
            Word::Recovered | Word::Online => self.state = ChainState::Well,
            Word::Nothing => {}
        }
    }

    /// Remembers an end without a start: it may be dated later.
    fn end(&mut self, event: &EventHead<'_>) {
        let is_end =
            event.event_type.ends_with("_completed") || event.event_type.ends_with("_failed");
        let run = RunKey::of(event);
        if !is_end {
            return;
        }
        if self.begun.as_ref() == Some(&run) {
            (self.begun, self.early_end) = (None, None);
        } else {
            self.early_end = Some((event.timestamp, run));
        }
    }

    /// Reports whether the end of what starts here has come already, as of a moment ago.
    fn ended_before(&mut self, event: &EventHead<'_>) -> bool {
        let oldest = event.timestamp.micros().saturating_sub(MAX_STEP_MICROS);
        let run = RunKey::of(event);
        let is_its = |(time, ended): &(Timestamp, RunKey)| time.micros() >= oldest && *ended == run;
        self.early_end.take_if(|end| is_its(end)).is_some()
    }

    /// Returns the summary; `None` when the chain has no event.
    pub(crate) fn finish(mut self) -> Option<TraceSummary> {
        let (first, last) = (self.first?, self.last?);
        let (cause, also, more_also) = self.troubles.failures();
        let failed = cause.is_some();
        let outcome = match (self.troubles.worst(), self.state) {
            (Worst::Bad, _) => Outcome::Failed,
            (Worst::Remediating, _) | (Worst::Nothing, ChainState::Remediating) => {
                Outcome::Remediating
            }
            (Worst::Remediated | Worst::Nothing, ChainState::Running) => Outcome::Running,
            (Worst::Remediated, _) => Outcome::Remediated,
            (Worst::Nothing, ChainState::Nothing) => Outcome::Unknown,
            (Worst::Nothing, _) if failed => Outcome::Recovered,
            (Worst::Nothing, _) if self.troubles.any_running() => Outcome::Running,
            (Worst::Nothing, _) => Outcome::Completed,
        };
        let (open, more_open) = self.troubles.open();
        Some(TraceSummary {
            events: self.events,
            first,
            last,
            duration_us: last.micros() - first.micros(),
            outcome,
            failure: cause.as_ref().and_then(|cause| cause.text.clone()),
            cause,
            also,
            more_also,
            tried: Vec::new(),
            more_tried: 0,
            open,
            more_open,
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
            tracer.step(&EventHead::parse(text.as_bytes()).unwrap(), "p");
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

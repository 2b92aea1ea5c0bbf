//! Attempts: every remediation that was started, whether it completed, how often the same thing
//! was tried, and whether it helped.
//!
//! Two rules decide, and both consider only what came after an attempt's start:
//!
//! * **Matching ends.** An end (`remediation_completed` or `remediation_failed`) belongs to an
//!   attempt of the same correlation id, service and node that began before it and is still open.
//!   It never belongs to an attempt whose payload names another `action` or `attempt` than its
//!   own. Of the remaining ones it takes that with which it agrees in most of these members, and
//!   among equals the oldest: so without such members the k-th end is that of the k-th open
//!   start, and with them a lost end leaves only its own start open. An attempt without an end
//!   takes one that is dated up to [`MAX_STEP_MICROS`] before its start: the clock was set back
//!   in between.
//! * **Whether it helped.** An attempt is judged by the next report on the same service and node
//!   ([`word_of`]), whatever its correlation id, and only up to the next attempt on the same
//!   service and node and within a horizon after its end ([`AttemptOutcome`]). At the very
//!   instant of the start only a recovery counts: being unhealthy is why the attempt began.
//!
//! Events dated later than now have not happened: they count when their time has come.
//!
//! Memory grows with the number of attempts and of services, not with that of events.

mod actions;
mod collect;
mod ends;

use serde::Serialize;

pub use actions::ActionSummary;
pub(crate) use actions::by_action;
pub(crate) use collect::AttemptCollector;
pub(super) use ends::action_and_attempt;

use super::word::Word;
use crate::archive::SegmentPlace;
use crate::event::{EventHead, Timestamp};

/// The types that concern attempts, for a query.
pub(crate) const TYPES: [&str; 7] = [
    "remediation_started",
    "remediation_completed",
    "remediation_failed",
    "service_recovered",
    "service_unhealthy",
    "node_online",
    "node_offline",
];

/// The types that report the health of a service or a node, for a query.
pub(crate) const HEALTH_TYPES: [&str; 4] =
    ["service_recovered", "service_unhealthy", "node_online", "node_offline"];

/// How long before its start an end may be dated and still be taken for its end: the size of a
/// clock step when a time server first answers.
pub(crate) const MAX_STEP_MICROS: i64 = 120 * Timestamp::MICROS_PER_SECOND;

/// The default horizon after its end within which an attempt is judged.
pub(crate) const WITHIN_MICROS: i64 = 30 * 60 * Timestamp::MICROS_PER_SECOND;

/// The next report on a service after an attempt, before another one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// It is healthy again.
    Recovered,
    /// It is unhealthy, still or again.
    Unhealthy,
    /// There was no report.
    Unknown,
}

/// Reads the health of a service or a node, if the event reports it.
pub(crate) fn word_of(event: &EventHead<'_>) -> Option<Afterwards> {
    if !HEALTH_TYPES.contains(&event.event_type.as_ref()) {
        return None;
    }
    match Word::of(event) {
        Word::Recovered | Word::Online => Some(Afterwards::Recovered),
        Word::Unhealthy | Word::Offline => Some(Afterwards::Unhealthy),
        _ => None,
    }
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The next report was a recovery, before the next attempt and within the horizon.
    Helped,
    /// The next report was that the service is unhealthy, or the horizon passed without a
    /// recovery.
    NoEffect,
    /// Its end reports a failure, whatever came later.
    Failed,
    /// The next attempt began before any report and before the horizon.
    Superseded,
    /// The horizon has not passed yet, or the service's health was never reported.
    Unknown,
}

impl AttemptOutcome {
    /// Returns the outcome in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Helped => "helped",
            Self::NoEffect => "no effect",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
        }
    }
}

/// One remediation that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// Its start.
    #[serde(rename = "timestamp")]
    pub started: Timestamp,
    /// Its correlation id.
    pub correlation_id: String,
    /// The host.
    pub node: String,
    /// The service concerned.
    pub service: String,
    /// The component that tried.
    pub source: String,
    /// The payload's `action`, as text.
    pub action: Option<String>,
    /// The payload's `attempt`, as text.
    pub attempt: Option<String>,
    /// Its outcome.
    pub outcome: AttemptOutcome,
    /// Its number among the tries of the same action on the same service and node, from 1.
    pub number: u64,
    /// The number of such tries in the range.
    pub tries: u64,
    /// True if its end was reported, good or bad.
    pub completed: bool,
    /// True if the reported end is a failure.
    pub failed: bool,
    /// Microseconds from its start to its end; none where the clock was set back in between.
    pub duration_us: Option<i64>,
    /// True if its end is dated before its start, so that a clock must have been set back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
    /// The next report on the service before the next attempt, however late.
    pub afterwards: Afterwards,
    /// Microseconds from its start until that report.
    pub afterwards_us: Option<i64>,
    /// The identity of the event that started it.
    pub path: String,
    /// The segment that holds that event; none while live.
    pub segment: Option<SegmentPlace>,
}

impl Attempt {
    /// Reports whether it still needs attention: it is not known to have helped.
    pub fn is_unresolved(&self) -> bool {
        self.outcome != AttemptOutcome::Helped
    }
}

/// A range of starts: the attempts that are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StartRange {
    /// The earliest instant.
    pub since: Option<Timestamp>,
    /// The end of the range, exclusive.
    pub until: Option<Timestamp>,
}

impl StartRange {
    /// Returns the time from which to read: a day before the range, so that the end of what was
    /// started just before it is not taken for that of something within.
    pub(crate) fn read_from(&self) -> Option<Timestamp> {
        let day = Timestamp::MICROS_PER_DAY;
        self.since.map(|since| Timestamp::from_micros(since.micros().saturating_sub(day)))
    }

    fn holds(&self, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

#[cfg(test)]
mod tests;

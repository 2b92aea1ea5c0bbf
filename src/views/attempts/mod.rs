//! What was tried already: every remediation that was started, whether it completed, how
//! often the same thing was tried, and whether it helped.
//!
//! Two rules decide, and both look only at what came after an attempt's start:
//!
//! * **Which end is whose.** An end (`remediation_completed` or `remediation_failed`) belongs
//!   to an attempt of the same correlation id, service and node that began before it and is
//!   still open. It is never that of an attempt whose payload names another `action` or
//!   `attempt` than the end's own. Of those left it is the one with which it agrees in most of
//!   these members, and of these the oldest: so without such members the k-th end is that of
//!   the k-th open start, and with them a lost end leaves its own start open and no other.
//!   Of an attempt that no end was found for, one that is dated up to [`MAX_STEP_MICROS`]
//!   before its start is the end after all: the clock was set back in between.
//! * **Whether it helped.** An attempt is judged by the next word of the same service and node
//!   ([`word_of`]), whatever its correlation id, and only up to the next attempt on the same
//!   service and node and within a horizon after its end ([`AttemptOutcome`]). Of the very instant of
//!   the start only a recovery counts: being unhealthy is why somebody began.
//!
//! What is dated later than now has not happened: it counts when its time is here.
//!
//! What is remembered grows with the number of attempts and of services, not with that of
//! events.

mod actions;
mod collect;
mod ends;

use serde::Serialize;

pub use actions::{ActionSummary, by_action};
pub use collect::AttemptCollector;
pub(super) use ends::action_and_attempt;

use super::word::Word;
use crate::event::{EventHead, Timestamp};

/// The types that tell of attempts, for a query.
pub const TYPES: [&str; 7] = [
    "remediation_started",
    "remediation_completed",
    "remediation_failed",
    "service_recovered",
    "service_unhealthy",
    "node_online",
    "node_offline",
];

/// The types by which somebody reports how a service or a node is, for a query.
pub const HEALTH_TYPES: [&str; 4] =
    ["service_recovered", "service_unhealthy", "node_online", "node_offline"];

/// How long before its start an end may be dated and still be taken for its end: as far as
/// a clock is set back by the first answer of a time server.
pub const MAX_STEP_MICROS: i64 = 120 * Timestamp::MICROS_PER_SECOND;

/// How long after its end an attempt is judged where nobody says otherwise.
pub const WITHIN_MICROS: i64 = 30 * 60 * Timestamp::MICROS_PER_SECOND;

/// What the next word of a service was after an attempt, before another one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// It is well again.
    Recovered,
    /// It is unhealthy, still or again.
    Unhealthy,
    /// Nothing was heard.
    Unknown,
}

/// Reads how a service or a node is, if the event tells that.
pub fn word_of(event: &EventHead<'_>) -> Option<Afterwards> {
    if !HEALTH_TYPES.contains(&event.event_type.as_ref()) {
        return None;
    }
    match Word::of(event) {
        Word::Recovered | Word::Online => Some(Afterwards::Recovered),
        Word::Unhealthy | Word::Offline => Some(Afterwards::Unhealthy),
        _ => None,
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// The next word was a recovery, before the next attempt and within the horizon.
    Helped,
    /// The next word was that the service is unhealthy, or the horizon passed without a
    /// recovery.
    NoEffect,
    /// Its end says that it failed, whatever came later.
    Failed,
    /// The next attempt began before anything was heard and before the horizon.
    Superseded,
    /// The horizon has not passed yet, or nobody ever reported how this service is.
    Unknown,
}

impl AttemptOutcome {
    /// The outcome in words.
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
    /// When it was started.
    #[serde(rename = "timestamp")]
    pub started: Timestamp,
    /// What links it with other events.
    pub correlation_id: String,
    /// The host.
    pub node: String,
    /// The service concerned.
    pub service: String,
    /// Who tried.
    pub source: String,
    /// What was tried: the payload's `action`, as text.
    pub action: Option<String>,
    /// The number that the payload's `attempt` gives it, as text.
    pub attempt: Option<String>,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// Which of the tries of the same action on the same service and node it is, from 1.
    pub number: u64,
    /// How many such tries the range holds.
    pub tries: u64,
    /// Whether its end was reported, a good one or not.
    pub completed: bool,
    /// Whether the end that was reported says that it failed.
    pub failed: bool,
    /// Microseconds from its start to its end; none where the clock was set back in between.
    pub duration_us: Option<i64>,
    /// Whether its end is dated before its start, so that a clock must have been set back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
    /// The next word of the service before the next attempt, however late.
    pub afterwards: Afterwards,
    /// Microseconds from its start until that was reported.
    pub afterwards_us: Option<i64>,
    /// The identity of the event that started it.
    pub path: String,
    /// The segment that event lies in; none while live.
    pub segment: Option<String>,
}

impl Attempt {
    /// Whether somebody should still look after it: it is not known to have helped.
    pub fn is_unresolved(&self) -> bool {
        self.outcome != AttemptOutcome::Helped
    }
}

/// Which attempts are asked for: those that were started in this range.
#[derive(Debug, Clone, Copy, Default)]
pub struct StartRange {
    /// The earliest instant.
    pub since: Option<Timestamp>,
    /// The first instant that is too late.
    pub until: Option<Timestamp>,
}

impl StartRange {
    /// Where reading must begin: a day before the range, so that the end of what was started
    /// just before it is not taken for that of something within.
    pub fn read_from(&self) -> Option<Timestamp> {
        let day = Timestamp::MICROS_PER_DAY;
        self.since.map(|since| Timestamp::from_micros(since.micros().saturating_sub(day)))
    }

    fn holds(&self, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

#[cfg(test)]
mod tests;

//! How long something was down, and how often: outages of services and of nodes.
//!
//! Pure over events in time order. What decides:
//!
//! * **Things.** An outage is one of a service on a node, or of a node as a whole; these are
//!   told apart, also while they overlap.
//! * **Beginning.** `service_unhealthy`, `node_offline`, or a critical event of a type that
//!   tells no more ([`Word::Alarm`](super::word::Word::Alarm)). What is said again while the
//!   outage is open begins no other. A failure (`deployment_failed`) begins none: the version
//!   before may still be running, and whoever watches the service says when it is not.
//! * **End.** `service_recovered` of the same service and node, or `node_online`. An outage of
//!   which nothing but alarms told also ends with any success there: a type that ends in
//!   `_recovered` or `_completed`, unless its payload says that it failed.
//! * **Flapping.** What goes down again sooner than [`OutageRange::min_gap_us`] after it was well has
//!   not been well: it is the same outage, with one flap more.
//! * **Cause.** The telling part of the first bad word that has one; but where a failure of the
//!   same chain, service and node came up to [`BEFORE_MICROS`] before, that of the failure.
//! * **Attempts.** Remediations that began while it was open; of a node those of service `all`.
//!   The last one that began before the recovery preceded it, unless it failed.
//!
//! What is dated later than now has not happened. What is remembered grows with the number
//! of services and nodes, and with the outages and attempts of the answer.

mod collect;
mod figures;

use serde::Serialize;

use crate::event::Timestamp;

pub use collect::OutageCollector;
pub use figures::Figures;

/// The types that tell of outages, for a query; alarms may have any type.
pub const TYPES: [&str; 9] = [
    UNHEALTHY,
    RECOVERED,
    "node_offline",
    "node_online",
    "remediation_started",
    "remediation_completed",
    "remediation_failed",
    FAILURES[0],
    FAILURES[1],
];

const UNHEALTHY: &str = "service_unhealthy";
const RECOVERED: &str = "service_recovered";

/// The failures that may be told as a cause.
const FAILURES: [&str; 2] = ["deployment_failed", "healthcheck_failed"];

/// The service that stands for all of a node.
const ALL: &str = "all";

/// How long before an outage, or before the next of its like, a failure may be its cause.
pub const BEFORE_MICROS: i64 = 600 * Timestamp::MICROS_PER_SECOND;

/// What is up for a shorter time than this is taken to be down still, if nobody says otherwise.
pub const MIN_GAP_SECONDS: u64 = 60;

/// Which outages are asked for: those that were open at some instant of a range.
#[derive(Debug, Clone, Copy)]
pub struct OutageRange {
    /// The earliest instant; without one, the figures of each thing begin with the first word
    /// about it.
    pub since: Option<Timestamp>,
    /// The first instant that is too late.
    pub until: Option<Timestamp>,
    /// Microseconds that a thing must have been well between two outages.
    pub min_gap_us: i64,
    /// What is later has not happened.
    pub now: Timestamp,
}

impl OutageRange {
    /// Returns everything up to `now`, with the usual gap.
    pub fn at(now: Timestamp) -> Self {
        let min_gap_us = MIN_GAP_SECONDS as i64 * Timestamp::MICROS_PER_SECOND;
        Self { since: None, until: None, min_gap_us, now }
    }

    /// Whether an outage was open at some instant of the range.
    fn holds(&self, outage: &Outage) -> bool {
        let since = self.since.unwrap_or(Timestamp::MIN);
        let is_late = self.until.is_some_and(|until| outage.from >= until);
        !is_late && (outage.from >= since || outage.to.is_none_or(|to| to > since))
    }
}

/// How an attempt ended, by its own report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptEnd {
    /// It completed.
    Completed,
    /// It failed.
    Failed,
}

/// A remediation that began while an outage was open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutageAttempt {
    /// When it began.
    pub timestamp: Timestamp,
    /// What was tried: the payload's `action`, as text.
    pub action: Option<String>,
    /// Who tried.
    pub source: String,
    /// What links it with other events.
    pub correlation_id: String,
    /// How it ended; none where that was not reported.
    pub ended: Option<AttemptEnd>,
    /// Whether it is the last that began before the recovery, and did not fail.
    pub preceded_recovery: bool,
    /// The identity of the event that began it.
    pub path: String,
}

/// A stretch of time in which something was down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// The host.
    pub node: String,
    /// The service; none where it is the node as a whole.
    pub service: Option<String>,
    /// The first bad word.
    pub from: Timestamp,
    /// The recovery; none while it is open.
    pub to: Option<Timestamp>,
    /// Whole seconds from one to the other, or until now, rounded to the nearest.
    pub seconds: u64,
    /// Whether no recovery was reported so far.
    pub open: bool,
    /// How often it was well in between for less than the least gap.
    pub flaps: u64,
    /// The type of the first bad word.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Why, in the words of the event that told first.
    pub cause: Option<String>,
    /// What links the first bad word with other events.
    pub correlation_id: String,
    /// The identity of the event with the first bad word.
    pub path: String,
    /// How many attempts began meanwhile.
    pub tries: u64,
    /// What was tried meanwhile, earliest first.
    pub attempts: Vec<OutageAttempt>,
    /// Whether it is open, and a recovery of its chain is dated shortly before it: a clock may
    /// have been set back in between.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
}

impl Outage {
    /// Returns how long it lasted, or lasts so far, in microseconds.
    pub fn micros(&self, now: Timestamp) -> i64 {
        self.to.unwrap_or(now).micros().saturating_sub(self.from.micros()).max(0)
    }
}

/// The outages of a range, open ones first, then the newest; and what they come to for each
/// service and node, open ones first, then the longest in all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutageAnswer {
    /// Figures of the things that had any.
    pub services: Vec<Figures>,
    /// Each outage, whole, also where it began before the range or ended after it.
    pub outages: Vec<Outage>,
}

/// Returns whole seconds, rounded to the nearest.
fn seconds(micros: i64) -> u64 {
    let second = Timestamp::MICROS_PER_SECOND.unsigned_abs();
    micros.max(0).unsigned_abs().saturating_add(second / 2) / second
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

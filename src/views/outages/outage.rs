//! An outage and what is told with it, and which outages are asked for.

use serde::Serialize;

use crate::event::Timestamp;

/// The default gap: what is up for a shorter time counts as still down.
pub(crate) const MIN_GAP_SECONDS: u64 = 60;

/// A range of time, for the outages that were open at some instant of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutageRange {
    /// The earliest instant; without it, each thing's figures begin with the first report on it.
    pub since: Option<Timestamp>,
    /// The end of the range, exclusive.
    pub until: Option<Timestamp>,
    /// Microseconds for which a thing must have been well between two outages.
    pub min_gap_us: i64,
    /// Later events have not happened.
    pub now: Timestamp,
}

impl OutageRange {
    /// Returns everything up to `now`, with the usual gap.
    pub(crate) fn at(now: Timestamp) -> Self {
        let min_gap_us = MIN_GAP_SECONDS as i64 * Timestamp::MICROS_PER_SECOND;
        Self { since: None, until: None, min_gap_us, now }
    }

    /// Reports whether an outage was open at some instant of the range.
    pub(super) fn holds(&self, outage: &Outage) -> bool {
        let since = self.since.unwrap_or(Timestamp::MIN);
        let is_late = self.until.is_some_and(|until| outage.from >= until);
        !is_late && (outage.from >= since || outage.to.is_none_or(|to| to > since))
    }
}

/// The end of an attempt, by its own report.
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
    /// Its start.
    pub timestamp: Timestamp,
    /// The payload's `action`, as text.
    pub action: Option<String>,
    /// The component that tried.
    pub source: String,
    /// Its correlation id.
    pub correlation_id: String,
    /// Its end; none if not reported.
    pub ended: Option<AttemptEnd>,
    /// True if it is the last that began before the recovery, and did not fail.
    pub preceded_recovery: bool,
    /// The identity of the event that began it.
    pub path: String,
}

/// A period in which something was down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// The host.
    pub node: String,
    /// The service; none for the entire node.
    pub service: Option<String>,
    /// The first bad word.
    pub from: Timestamp,
    /// The recovery; none while it is open.
    pub to: Option<Timestamp>,
    /// Seconds from one to the other, or until now, rounded to the nearest.
    pub seconds: u64,
    /// True if no recovery was reported so far.
    pub open: bool,
    /// The number of recoveries in between that were shorter than the minimum gap.
    pub flaps: u64,
    /// The type of the first bad word.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The reason, in the words of the first event that gave one.
    pub cause: Option<String>,
    /// The correlation id of the first bad word.
    pub correlation_id: String,
    /// The identity of the event with the first bad word.
    pub path: String,
    /// The number of attempts meanwhile.
    pub tries: u64,
    /// The attempts meanwhile, earliest first.
    pub attempts: Vec<OutageAttempt>,
    /// True if it is open, and a recovery of its chain is dated shortly before it: a clock may
    /// have been set back in between.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
}

impl Outage {
    /// Returns how long it lasted, or lasts so far, in microseconds.
    pub(crate) fn micros(&self, now: Timestamp) -> i64 {
        self.to.unwrap_or(now).micros().saturating_sub(self.from.micros()).max(0)
    }
}

/// Converts to whole seconds, rounded to the nearest.
pub(super) fn seconds(micros: i64) -> u64 {
    let second = Timestamp::MICROS_PER_SECOND.unsigned_abs();
    micros.max(0).unsigned_abs().saturating_add(second / 2) / second
}

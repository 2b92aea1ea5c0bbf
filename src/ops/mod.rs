//! The verbs: operations on a history.
//!
//! Each operation takes the store, its options and a [`Progress`](crate::progress::Progress), and
//! returns a report of plain data. The time, the host and the randomness come in through
//! [`Context`]. A problem with one file or one day is a [`Finding`] in the report and never stops
//! the rest.

pub(crate) mod answers;
mod audit;
mod bond;
mod clock;
pub(crate) mod compact;
pub(in crate::ops) mod derived;
pub(crate) mod emit;
pub(crate) mod evidence;
pub(crate) mod export;
mod findings;
pub(crate) mod hold;
pub(crate) mod import;
pub(crate) mod inspect;
mod intake;
mod job;
pub(crate) mod manifest;
pub(crate) mod metrics;
pub(crate) mod prune;
pub(crate) mod remote;
pub(crate) mod restore;
pub(crate) mod rotate;
pub(crate) mod sign;
pub(crate) mod standing;
pub(crate) mod status;
pub(crate) mod sync;
mod unfinished;
pub(crate) mod verify;

use std::fmt;

use crate::event::Timestamp;

pub(in crate::ops) use findings::Findings;

/// Tolerance for events dated ahead of the clock: the clocks of two machines are never quite the
/// same.
pub(crate) const FUTURE_MICROS: i64 = 600 * crate::event::Timestamp::MICROS_PER_SECOND;

/// Reports whether a time is so far ahead of `now` that a clock must be wrong.
pub(crate) fn is_future(time: Timestamp, now: Timestamp) -> bool {
    time.micros() > now.micros().saturating_add(FUTURE_MICROS)
}

/// One problem: its place, and a description.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, or the event's identity.
    pub path: String,
    /// The problem, and what it means.
    pub reason: String,
    /// True if it is only that remote data cannot be reached.
    #[serde(skip)]
    pub is_away: bool,
}

impl Finding {
    /// Creates a finding.
    pub(crate) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), is_away: false }
    }

    /// Converts an error to a finding about `path`, without naming the path twice.
    pub(crate) fn of(path: impl Into<String>, error: &crate::Error) -> Self {
        let path = path.into();
        let reason = error.reason_at(&path);
        Self { path, reason, is_away: error.is_away() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// Reports whether a count is zero: reports leave it out then.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

//! The verbs: what is done to a history.
//!
//! Each operation takes the store, its options and a [`Progress`](crate::progress::Progress),
//! and gives back a report of plain data. The time, the host and the randomness come in
//! through [`Context`]. What goes wrong with one file or one day is a [`Finding`] in the
//! report and never stops the rest.

mod audit;
mod bond;
mod clock;
pub mod compact;
pub(in crate::ops) mod derived;
pub mod emit;
pub mod evidence;
pub mod export;
mod findings;
pub mod hold;
pub mod import;
pub mod inspect;
mod intake;
pub mod manifest;
pub mod metrics;
pub mod prune;
pub mod remote;
pub mod restore;
pub mod rotate;
pub mod sign;
pub mod standing;
pub mod status;
pub mod sync;
mod unfinished;
pub mod verify;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::archive::By;
use crate::event::Timestamp;
use crate::policy::{AuditRules, Keep, RetainRules};
use crate::segment::Sha256Hash;

pub(in crate::ops) use findings::Findings;

/// How far ahead of the clock an event may be dated before that is worth a word: the clocks
/// of two machines are never quite the same.
pub const FUTURE_MICROS: i64 = 600 * crate::event::Timestamp::MICROS_PER_SECOND;

/// Returns whether a time is so far ahead of `now` that a clock must be wrong.
pub(crate) fn is_future(time: Timestamp, now: Timestamp) -> bool {
    time.micros() > now.micros().saturating_add(FUTURE_MICROS)
}

/// Gives the name of a user, as `/etc/passwd` has it; the number of one whom it does not name.
pub fn user_name(uid: u32) -> String {
    crate::fs::user_name(uid).unwrap_or_else(|| uid.to_string())
}

/// Who acts, and when. All that an operation must not find out by itself.
#[derive(Debug, Clone)]
pub struct Context {
    /// The time, as the caller knows it.
    pub now: Timestamp,
    /// Who acts, for the manifest.
    pub by: By,
    /// What is told of the action, beside its record.
    pub audit: AuditRules,
    /// How long events are kept: what comes in may be older than that.
    pub retain: RetainRules,
    seed: [u8; 32],
    /// Shared by all clones, so that none draws what another one drew.
    drawn: Arc<AtomicU64>,
}

impl Context {
    /// A context. `seed` must be random: ids of events and names of temporary files
    /// follow from it.
    pub fn new(now: Timestamp, by: By, seed: [u8; 32]) -> Self {
        let (audit, retain) = (AuditRules::default(), RetainRules::default());
        Self { now, by, audit, retain, seed, drawn: Arc::default() }
    }

    /// The same, for actions that are told as the policy says.
    #[must_use]
    pub fn with_audit(self, audit: AuditRules) -> Self {
        Self { audit, ..self }
    }

    /// The same, where events are kept as the policy says.
    #[must_use]
    pub fn with_retain(self, retain: RetainRules) -> Self {
        Self { retain, ..self }
    }

    /// Whether something of this time is older than it is kept.
    fn outlives(&self, time: Timestamp, keep: Keep) -> bool {
        prune::is_over(keep, time, self.now)
    }

    /// Fresh random bytes.
    pub(crate) fn draw(&self) -> [u8; 32] {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        let mut input = [0; 40];
        input[..32].copy_from_slice(&self.seed);
        input[32..].copy_from_slice(&drawn.to_le_bytes());
        Sha256Hash::of(&input).0
    }

    /// A number that no other process has, for the name of a temporary file.
    pub(crate) fn next_token(&self) -> u64 {
        let mut token = [0; 8];
        token.copy_from_slice(&self.draw()[..8]);
        u64::from_le_bytes(token)
    }
}

/// One thing that is wrong: where, and what.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, or the event's identity.
    pub path: String,
    /// What is wrong, and what it means.
    pub reason: String,
    /// Whether it is only that what lies elsewhere cannot be reached.
    #[serde(skip)]
    pub is_away: bool,
}

impl Finding {
    /// A finding.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), is_away: false }
    }

    /// An error as a finding about `path`, without naming the path twice.
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

/// For counts that reports leave out where there is nothing to count.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

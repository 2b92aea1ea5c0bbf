//! The verbs: what is done to a history.
//!
//! Each operation takes the store, its options and a [`Progress`](crate::progress::Progress),
//! and gives back a report of plain data. The time, the host and the randomness come in
//! through [`Context`]. What goes wrong with one file or one day is a [`Finding`] in the
//! report and never stops the rest.

pub mod emit;
pub mod manifest;
pub mod restore;
pub mod rotate;
pub mod verify;

use std::cell::Cell;
use std::fmt;

use crate::archive::By;
use crate::event::Timestamp;

/// Who acts, and when.
#[derive(Debug, Clone)]
pub struct Context {
    /// The time, as the caller knows it.
    pub now: Timestamp,
    /// Who acts, for the manifest.
    pub by: By,
    /// A number that no other process has, for names of temporary files.
    pub token: u64,
    drawn: Cell<u64>,
}

impl Context {
    /// A context; `token` must be random.
    pub fn new(now: Timestamp, by: By, token: u64) -> Self {
        Self { now, by, token, drawn: Cell::new(0) }
    }

    /// A fresh token.
    pub(crate) fn next_token(&self) -> u64 {
        let drawn = self.drawn.get();
        self.drawn.set(drawn + 1);
        self.token.wrapping_add(drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// One thing that is wrong: where, and what.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// The file, or the event's identity.
    pub path: String,
    /// What is wrong, and what it means.
    pub reason: String,
}

impl Finding {
    /// A finding.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }

    /// An error as a finding about `path`, without naming the path twice.
    pub(crate) fn of(path: impl Into<String>, error: &crate::Error) -> Self {
        let reason = match error {
            crate::Error::Corrupt { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        Self { path: path.into(), reason }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

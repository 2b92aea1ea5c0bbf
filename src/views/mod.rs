//! The answers: events turned into meaning.
//!
//! Everything here is pure over events that come in one by one, in time order; nothing
//! is read from a disk, and nothing is collected that grows with their number; what grows
//! with the answer, as a list of attempts does, grows with nothing else.

pub mod attempts;
pub mod chain;
pub mod detail;
pub mod problems;
pub mod trace;

use crate::event::Timestamp;

/// A time as events have it.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn as_text<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

//! The answers: events turned into meaning.
//!
//! Everything here is pure over events that come in one by one, in time order; nothing
//! is read from a disk, and nothing is collected that grows with their number; what grows
//! with the answer, as a list of attempts does, grows with nothing else.

pub(crate) mod attempts;
pub(crate) mod chain;
pub(crate) mod count;
pub(crate) mod detail;
pub(crate) mod outages;
pub(crate) mod problems;
pub(crate) mod standing;
pub(crate) mod trace;
pub(crate) mod word;

//! The answers: events turned into meaning.
//!
//! Everything here is pure over events that come in one by one, in time order; nothing
//! is read from a disk, and nothing is collected that grows with their number; what grows
//! with the answer, as a list of attempts does, grows with nothing else.

pub mod attempts;
pub mod chain;
pub mod detail;
pub mod outages;
pub mod problems;
pub mod standing;
pub mod trace;
pub mod word;

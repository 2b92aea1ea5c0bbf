//! Questions to a history, and their answers: events, chains, attempts, outages, how things
//! stand. They only read.

pub(crate) mod attempts;
pub(crate) mod events;
pub(crate) mod outages;
pub(crate) mod status;
pub(crate) mod trace;

//! Read-only queries to a history, and their answers: events, chains, attempts, outages, status.

pub(crate) mod attempts;
pub(crate) mod count;
pub(crate) mod events;
pub(crate) mod outages;
pub(crate) mod status;
pub(crate) mod trace;

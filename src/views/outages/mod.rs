//! Outages of services and of nodes: how long something was down, and how often.
//!
//! Pure over events in time order. The rules:
//!
//! * **Things.** An outage concerns a service on a node, or an entire node; these are kept apart,
//!   even while they overlap.
//! * **Beginning.** `service_unhealthy`, `node_offline`, or a critical event of a type that says
//!   no more ([`Word::Alarm`](super::word::Word::Alarm)). A repetition while the outage is open
//!   begins no other. A failure (`deployment_failed`) begins none: the previous version may still
//!   be running, and whatever watches the service says when it is not.
//! * **End.** `service_recovered` of the same service and node, or `node_online`. An outage that
//!   only alarms reported also ends with any success there: a type that ends in `_recovered` or
//!   `_completed`, unless its payload reports a failure.
//! * **Flapping.** What goes down again sooner than [`OutageRange::min_gap_us`] after it was well
//!   has not been well: it is the same outage, with one more flap.
//! * **Cause.** The informative part of the first bad word that has one; but if a failure of the
//!   same chain, service and node came up to [`BEFORE_MICROS`] before, that of the failure.
//! * **Attempts.** Remediations that began while it was open; for a node, those of service `all`.
//!   The last one that began before the recovery preceded it, unless it failed.
//!
//! Events dated later than now have not happened. Memory grows with the number of services and
//! nodes, and with the outages and attempts of the answer.

mod collect;
mod figures;
mod outage;

use serde::Serialize;

use crate::event::Timestamp;

pub(crate) use collect::OutageCollector;
pub use figures::Figures;
use outage::seconds;
pub use outage::{AttemptEnd, Outage, OutageAttempt};
pub(crate) use outage::{MIN_GAP_SECONDS, OutageRange};

/// The types that concern outages, for a query; alarms may have any type.
pub(crate) const TYPES: [&str; 9] = [
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

/// The failures that may be reported as a cause.
const FAILURES: [&str; 2] = ["deployment_failed", "healthcheck_failed"];

/// The service that stands for an entire node.
const ALL: &str = "all";

/// How long before an outage, or before the next of its kind, a failure may be its cause.
pub(crate) const BEFORE_MICROS: i64 = 600 * Timestamp::MICROS_PER_SECOND;

/// The outages of a range, open ones first, then the newest; and the figures of each service and
/// node, open ones first, then the longest in all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OutageAnswer {
    /// The figures of things that had any.
    pub services: Vec<Figures>,
    /// Each outage in full, even where it began before the range or ended after it.
    pub outages: Vec<Outage>,
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

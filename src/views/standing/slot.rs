//! Problems that can be open, and what is remembered of each.

use serde::{Deserialize, Serialize};

use crate::event::{Severity, Timestamp};

/// The kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// A node went offline, and did not come back.
    NodeOffline,
    /// A service is unhealthy, and did not recover.
    ServiceUnhealthy,
    /// Something failed, and nothing has succeeded since.
    Failed,
    /// Something critical happened, and nothing has succeeded since.
    Alarm,
}

/// The identity of an open problem; each chain's failure has its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ProblemSlot {
    /// The service; none of a node.
    pub service: Option<String>,
    /// The host.
    pub node: String,
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The correlation id of a failure or an alarm.
    pub chain: Option<String>,
}

/// A bad word, and its event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Bad {
    /// The time of the event.
    pub time: Timestamp,
    /// The identity of the event.
    pub path: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its severity.
    pub severity: Severity,
    /// The correlation id of the event.
    pub correlation_id: String,
    /// The informative part of its payload.
    pub error: Option<String>,
}

/// The bad words of a slot since the last good one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stretch {
    /// The time of the first.
    pub first: Timestamp,
    /// The last.
    pub last: Bad,
    /// True if the last was read from its event, and not from a summary.
    #[serde(skip)]
    pub is_seen: bool,
}

/// The times at which a service on a node was last well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Well {
    pub(super) recovered: Option<Timestamp>,
    pub(super) succeeded: Option<Timestamp>,
}

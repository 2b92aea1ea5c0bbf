//! Holds: what must not expire, whatever the policy says, until the hold is lifted.
//!
//! A hold is a record, and is lifted by that record's number. A hold that this version does not
//! understand holds everything.

use super::{By, Manifest, Op, Record, SegmentName};
use crate::event::{Date, Timestamp};

/// The scope of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldScope {
    /// Every segment of these days, both included.
    Days(Date, Date),
    /// Every segment that has an event with this correlation id.
    CorrelationId(String),
    /// A scope of a newer version: everything, to be on the safe side.
    Everything,
}

impl HoldScope {
    fn of(record: &Record) -> Self {
        match (&record.correlation_id, record.date) {
            (Some(id), None) => Self::CorrelationId(id.clone()),
            (None, Some(date)) => Self::Days(date, record.to.unwrap_or(date)),
            _ => Self::Everything,
        }
    }

    /// Reports whether it holds a segment by its day alone. For a correlation id only the
    /// segment's content can tell.
    pub fn holds_day(&self, segment: &SegmentName) -> bool {
        match self {
            Self::Days(from, to) => (*from..=*to).contains(&segment.date),
            Self::CorrelationId(_) => false,
            Self::Everything => true,
        }
    }
}

impl std::fmt::Display for HoldScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Days(from, to) if from == to => from.fmt(f),
            Self::Days(from, to) => write!(f, "{from}..{to}"),
            Self::CorrelationId(id) => {
                write!(f, "correlation id {}", crate::event::shown(id))
            }
            Self::Everything => f.write_str("everything (a hold of a newer version)"),
        }
    }
}

/// A hold that has not been lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The number of its record.
    pub id: u64,
    /// The scope.
    pub scope: HoldScope,
    /// The time it was placed.
    pub time: Timestamp,
    /// The person who placed it.
    pub by: Option<By>,
    /// The reason.
    pub reason: Option<String>,
}

impl Hold {
    /// Returns the hold that a record places.
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            id: record.seq,
            scope: HoldScope::of(record),
            time: record.time,
            by: record.by.clone(),
            reason: record.reason.clone(),
        }
    }
}

impl Manifest {
    /// Returns the holds that have not been lifted, oldest first.
    pub fn holds(&self) -> Vec<Hold> {
        let mut holds: Vec<Hold> = Vec::new();
        for record in self.records() {
            match record.op {
                Op::Hold => holds.push(Hold::of(record)),
                Op::Release => holds.retain(|hold| Some(hold.id) != record.hold),
                _ => {}
            }
        }
        holds
    }
}

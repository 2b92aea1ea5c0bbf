//! Holds: what must not expire, whatever the policy says, until somebody lifts the hold.
//!
//! A hold is a record; its number is what it is lifted by. A hold that this version does
//! not understand holds everything.

use super::{By, Manifest, Op, Record, SegmentName};
use crate::event::{Date, Timestamp};

/// What a hold is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldScope {
    /// Every segment of these days, both included.
    Days(Date, Date),
    /// Every segment that has an event with this correlation id.
    CorrelationId(String),
    /// Something that a newer version put on hold: everything, to be on the safe side.
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

    /// Whether it holds a segment by its day alone. Of a correlation id only the segment's
    /// content can tell.
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

/// A hold that was not lifted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The number of its record.
    pub id: u64,
    /// What it is on.
    pub scope: HoldScope,
    /// When it was put there.
    pub time: Timestamp,
    /// By whom.
    pub by: Option<By>,
    /// Why.
    pub reason: Option<String>,
}

impl Hold {
    /// The hold that a record puts on something.
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
    /// The holds that were not lifted, oldest first.
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

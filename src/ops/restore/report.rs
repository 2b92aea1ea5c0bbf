//! Options and report of a restore.

use std::path::PathBuf;

use serde::Serialize;

use crate::archive::{Expired, Record, SegmentName};
use crate::event::Date;
use crate::ops::{Finding, is_zero};
use crate::store::Filter;

/// The target of restored events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreTarget {
    /// Below this directory, which is created if it is missing.
    Directory(PathBuf),
    /// Back into the live tree. The next rotate of the day recognizes them as archived and removes
    /// them again.
    Live,
}

/// Options of a restore.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Only these days; empty for every day with matching events.
    pub dates: Vec<Date>,
    /// Only events that match it. An empty filter also restores files that are not events.
    pub(crate) filter: Filter,
    /// The target.
    pub target: RestoreTarget,
    /// True to include events that are still live. Ignored for a restore into the live tree.
    pub live: bool,
}

impl RestoreOptions {
    /// Restores everything, live events too, below a directory.
    pub fn to(directory: impl Into<PathBuf>) -> Self {
        let target = RestoreTarget::Directory(directory.into());
        Self { dates: Vec::new(), filter: Filter::default(), target, live: true }
    }

    /// Restores archived events back into the live tree.
    pub fn to_live() -> Self {
        let (dates, filter) = (Vec::new(), Filter::default());
        Self { dates, filter, target: RestoreTarget::Live, live: false }
    }

    /// Restores this day only; may be repeated.
    #[must_use]
    pub fn day(mut self, date: Date) -> Self {
        self.dates.push(date);
        self
    }

    /// Restores only events with this correlation id; may be repeated.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.filter.correlation_ids.push(id.into());
        self
    }

    /// Reports whether a segment may match: the times of its events decide, whatever day they are
    /// filed under.
    pub(super) fn wants(&self, date: Date, record: &Record) -> bool {
        if !self.dates.is_empty() {
            return self.dates.contains(&date);
        }
        let (since, until) = (self.filter.since, self.filter.until);
        let (first, last) = record.span();
        since.is_none_or(|since| last.is_none_or(|last| last >= since))
            && until.is_none_or(|until| first.is_none_or(|first| first < until))
    }
}

/// A report of what a restore did, or, for a plan, would do.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct RestoreReport {
    /// The directory that holds the events now.
    pub target: String,
    /// The days, in order.
    pub days: Vec<RestoredDay>,
    /// The expired data of these days, which is not restored.
    pub expired: Option<Expired>,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub recovered: Vec<Finding>,
    /// Problems: damage, and files that are in the way.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
    /// The days that were not restored, or not entirely, because of it.
    pub left_days: Vec<Date>,
}

/// One day of a restore.
#[derive(Debug, Clone, Serialize)]
pub struct RestoredDay {
    /// The day.
    pub date: Date,
    /// The segments that were read.
    pub segments: Vec<SegmentName>,
    /// Number of matching events.
    pub events: u64,
    /// Their size.
    pub event_bytes: u64,
    /// Number of files written now; in a plan, zero.
    pub restored: u64,
    /// Number of files that existed already with the same bytes.
    pub already_there: u64,
    /// Number of the events that are live, and not archived.
    #[serde(skip_serializing_if = "is_zero")]
    pub live: u64,
}

impl RestoredDay {
    /// Returns the report of a day of which nothing was read yet.
    pub(super) fn begin(date: Date) -> Self {
        Self {
            date,
            segments: Vec::new(),
            events: 0,
            event_bytes: 0,
            restored: 0,
            already_there: 0,
            live: 0,
        }
    }
}

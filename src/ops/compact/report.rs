//! Options and reports of compaction.

use serde::Serialize;

use crate::archive::SegmentName;
use crate::event::Date;
use crate::ops::Finding;

/// Options of a compaction.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CompactOptions {
    /// Only these days; empty for all.
    pub dates: Vec<Date>,
}

/// Segments that would be merged.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedCompaction {
    /// Their day.
    pub date: Date,
    /// Their retention class, if they have one.
    pub class: Option<String>,
    /// The segments.
    pub segments: Vec<SegmentName>,
    /// The events in them.
    pub events: u64,
    /// Their total size.
    pub segment_bytes: u64,
}

/// Segments that were merged.
#[derive(Debug, Clone, Serialize)]
pub struct Compacted {
    /// Their day.
    pub date: Date,
    /// Their retention class, if they have one.
    pub class: Option<String>,
    /// The new segment.
    pub segment: SegmentName,
    /// The segments that it replaces.
    pub supersedes: Vec<SegmentName>,
    /// The events in it.
    pub events: u64,
    /// Its size.
    pub segment_bytes: u64,
}

/// A plan of what would be done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CompactPlan {
    /// Planned merges, by day and class.
    pub days: Vec<PlannedCompaction>,
    /// Held segments, which stay as they are.
    pub remarks: Vec<Finding>,
}

/// A report of what was done.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct CompactReport {
    /// Merged segments, by day and class.
    pub days: Vec<Compacted>,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub recovered: Vec<Finding>,
    /// Segments that stay as they are for a good reason.
    pub remarks: Vec<Finding>,
    /// Problems.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
    /// The days that were not reached because of it.
    pub left_days: Vec<Date>,
}

//! What is to be compacted, and what became of it.

use serde::Serialize;

use crate::archive::SegmentName;
use crate::event::Date;
use crate::ops::Finding;

/// What to compact.
#[derive(Debug, Clone, Default)]
pub struct CompactOptions {
    /// Only these days; empty for all.
    pub dates: Vec<Date>,
}

/// Segments that would become one.
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
    /// Their size together.
    pub segment_bytes: u64,
}

/// Segments that became one.
#[derive(Debug, Clone, Serialize)]
pub struct Compacted {
    /// Their day.
    pub date: Date,
    /// Their retention class, if they have one.
    pub class: Option<String>,
    /// The new segment.
    pub segment: SegmentName,
    /// The segments whose place it takes.
    pub supersedes: Vec<SegmentName>,
    /// The events in it.
    pub events: u64,
    /// Its size.
    pub segment_bytes: u64,
}

/// What would be done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CompactPlan {
    /// What would become one, by day and class.
    pub days: Vec<PlannedCompaction>,
    /// What is held, and so stays as it is.
    pub remarks: Vec<Finding>,
}

/// What was done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CompactReport {
    /// What became one, by day and class.
    pub days: Vec<Compacted>,
    /// What an earlier, interrupted run left, and what was done about it.
    pub recovered: Vec<Finding>,
    /// What stays as it is for a good reason.
    pub remarks: Vec<Finding>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// Whether the caller asked to stop before all was done.
    pub stopped: bool,
    /// The days that stay as they are because of it.
    pub left_days: Vec<Date>,
}

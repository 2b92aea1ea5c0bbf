//! What is to be rotated, and what became of it.

use serde::Serialize;

use crate::archive::SegmentName;
use crate::event::Date;
use crate::ops::{Finding, is_zero};

/// What to rotate.
#[derive(Debug, Clone, Default)]
pub struct RotateOptions {
    /// Only these days, closed ones, even within the policy's `keep_live`; empty for
    /// every closed day past it.
    pub dates: Vec<Date>,
    /// The caller vouches for [`Context::now`](crate::Context::now): no comparison with the newest record.
    pub trust_now: bool,
}

/// A day that would be rotated.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedDay {
    /// The day.
    pub date: Date,
    /// Files that may be events.
    pub files: u64,
    /// Segments that the day has already.
    pub segments: u64,
    /// Size of the files that are not archived yet.
    pub event_bytes: u64,
    /// What they need in the archive, about.
    pub needed_bytes: u64,
    /// What is free where the archive lies.
    pub free_bytes: u64,
    /// Why the day does not fit into the archive, if it does not.
    pub lacks: Option<String>,
}

/// What was done to one day.
#[derive(Debug, Clone, Serialize)]
pub struct RotatedDay {
    /// The day.
    pub date: Date,
    /// The new segments, by path in the archive.
    pub segments: Vec<SegmentName>,
    /// Events archived now.
    pub events: u64,
    /// Among them files that are no events, archived as they are.
    pub invalid: u64,
    /// Among them those that are older than the policy keeps them, and stay for its grace.
    #[serde(skip_serializing_if = "is_zero")]
    pub outlived: u64,
    /// How many of them came late: the day was archived before.
    pub late: u64,
    /// How many of them have the name of another event that is archived already.
    pub conflicts: u64,
    /// Size of the event files archived now.
    pub event_bytes: u64,
    /// Size of the new segments.
    pub segment_bytes: u64,
    /// Live files removed because an earlier segment holds them already.
    pub already_archived: u64,
    /// Live files removed.
    pub removed: u64,
    /// Live files of the day that stay.
    pub left: u64,
}

impl RotatedDay {
    /// Returns the report of a day to which nothing was done yet.
    pub(super) fn begin(date: Date) -> Self {
        Self {
            date,
            segments: Vec::new(),
            events: 0,
            invalid: 0,
            outlived: 0,
            late: 0,
            conflicts: 0,
            event_bytes: 0,
            segment_bytes: 0,
            already_archived: 0,
            removed: 0,
            left: 0,
        }
    }
}

/// What a rotation did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RotateReport {
    /// The days that were worked on, in order.
    pub days: Vec<RotatedDay>,
    /// What an earlier, interrupted run left, and what was done about it.
    pub recovered: Vec<Finding>,
    /// What is wrong: each thing that was left as it is.
    pub findings: Vec<Finding>,
    /// What is remarkable, but not wrong.
    pub remarks: Vec<Finding>,
    /// Whether the caller asked to stop before all was done.
    pub stopped: bool,
    /// The days that stay as they are because of it.
    pub left_days: Vec<Date>,
}

//! Options and report of a rotation.

use serde::Serialize;

use crate::archive::SegmentName;
use crate::event::Date;
use crate::ops::{Finding, is_zero};

/// Options of a rotation.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RotateOptions {
    /// Only these days, closed ones, even within the policy's `keep_live`; empty for every closed
    /// day past it.
    pub dates: Vec<Date>,
    /// True if the caller vouches for [`Context::now`](crate::Context::now): no comparison with the
    /// newest record.
    pub trust_now: bool,
}

/// A day that would be rotated.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedDay {
    /// The day.
    pub date: Date,
    /// Number of files that may be events.
    pub files: u64,
    /// Number of segments that the day has already.
    pub segments: u64,
    /// Size of the files that are not archived yet.
    pub event_bytes: u64,
    /// The space they need in the archive, approximately.
    pub needed_bytes: u64,
    /// The free space of the archive's file system.
    pub free_bytes: u64,
    /// The reason if the day does not fit into the archive.
    pub lacks: Option<String>,
}

/// A report of one day.
#[derive(Debug, Clone, Serialize)]
pub struct RotatedDay {
    /// The day.
    pub date: Date,
    /// The new segments, by path in the archive.
    pub segments: Vec<SegmentName>,
    /// Number of events archived now.
    pub events: u64,
    /// Number of files among them that are not events, archived as is.
    pub invalid: u64,
    /// Number of them that are older than the policy keeps them, and stay for its grace.
    #[serde(skip_serializing_if = "is_zero")]
    pub outlived: u64,
    /// Number of them that came late: the day was archived before.
    pub late: u64,
    /// Number of them that have the name of another event that is archived already.
    pub conflicts: u64,
    /// Size of the event files archived now.
    pub event_bytes: u64,
    /// Size of the new segments.
    pub segment_bytes: u64,
    /// Number of live files removed because an earlier segment holds them already.
    pub already_archived: u64,
    /// Number of live files removed.
    pub removed: u64,
    /// Number of live files of the day that stay.
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

/// A report of a rotation.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct RotateReport {
    /// The processed days, in order.
    pub days: Vec<RotatedDay>,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub recovered: Vec<Finding>,
    /// Problems: each thing that was left as it is.
    pub findings: Vec<Finding>,
    /// Remarkable facts that are not wrong.
    pub remarks: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
    /// The days that stay as they are because of it.
    pub left_days: Vec<Date>,
}

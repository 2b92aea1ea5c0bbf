//! Marks of events and segments.

use super::log::{Mark, MarkLog};
use crate::archive::{Record, SegmentName};
use crate::event::Date;

/// Maximum number of entries appended together.
pub(super) const MAX_ENTRIES: usize = 4096;

pub(super) fn event_mark(log: &MarkLog, date: Date, node: &str, name: &str) -> Mark {
    log.mark(&[date.text().as_str(), "/", node, "/", name])
}

/// Returns the mark of a segment's exact bytes under its name.
pub(super) fn segment_mark(log: &MarkLog, name: &SegmentName, record: &Record) -> Mark {
    let sha256 = record.sha256.map(|hash| hash.to_string()).unwrap_or_default();
    log.mark(&["segment ", &name.to_string(), " ", &sha256])
}

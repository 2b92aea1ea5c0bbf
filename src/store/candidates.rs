//! Which segments are worth opening, as far as the manifest and the catalogue tell.

use std::collections::{HashMap, HashSet};

use super::Query;
use super::row::{EVER, archived_bounds, bounds};
use crate::archive::{SegmentName, SegmentRow};
use crate::segment::Sha256Hash;

/// Whether a segment can hold an answer, as far as its row and the catalogue tell. The times
/// of its events decide, and not the day that they are filed under.
pub(super) fn may_answer(query: &Query, without: &HashSet<Sha256Hash>, row: &SegmentRow) -> bool {
    query.wants_partition(row.name.date)
        && !row.sha256.is_some_and(|sha256| without.contains(&sha256))
        && match (row.first, row.last) {
            (Some(first), Some(last)) => query.filter.meets(first.micros(), last.micros()),
            // No event is in it, or nobody wrote down when they were.
            _ => row.events > 0 || query.wants(row.name.date),
        }
}

/// Returns the places in time that the events of a segment can have.
pub(super) fn span(row: &SegmentRow) -> (i64, i64) {
    match (row.first, row.last) {
        (Some(first), Some(last)) => archived_bounds(row.name.date, first, last),
        _ if row.events > 0 => EVER,
        _ => bounds(row.name.date),
    }
}

/// Whether a segment took the place of others that are all among the sources: they are
/// open, and stay readable, so that it has nothing new. (To read it as well would do no
/// harm: one event from two places is given once.)
pub(super) fn is_open_already(known: &HashMap<SegmentName, bool>, row: &SegmentRow) -> bool {
    let old = &row.supersedes;
    !old.is_empty() && old.iter().all(|name| known.get(name) == Some(&true))
}

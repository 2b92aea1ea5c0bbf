//! Which segments are worth opening, as far as the manifest and the catalogue tell.

use std::collections::{HashMap, HashSet};

use super::Filter;
use crate::archive::{SegmentName, SegmentRow};
use crate::segment::Sha256Hash;

/// Whether a segment can hold an answer, as far as its row and the catalogue tell.
pub(super) fn may_answer(filter: &Filter, without: &HashSet<Sha256Hash>, row: &SegmentRow) -> bool {
    !row.sha256.is_some_and(|sha256| without.contains(&sha256))
        && filter.since.is_none_or(|since| row.last.is_none_or(|last| last >= since))
        && filter.until.is_none_or(|until| row.first.is_none_or(|first| first < until))
}

/// Whether a segment took the place of others that are all among the sources: they are
/// open, and stay readable, so that it has nothing new. (To read it as well would do no
/// harm: one event from two places is given once.)
pub(super) fn is_open_already(known: &HashMap<SegmentName, bool>, row: &SegmentRow) -> bool {
    let old = &row.supersedes;
    !old.is_empty() && old.iter().all(|name| known.get(name) == Some(&true))
}

//! Sources that wait for their turn, and the boundary of what was given.

use crate::store::Order;
use crate::store::row::{OwnedSortKey, SortKey};
use crate::store::sources::EventSource;

/// A source in the queue: by its bound, first queued first.
pub(super) struct Queued {
    pub(super) bound: i64,
    pub(super) end: i64,
    pub(super) number: u64,
    pub(super) source: EventSource,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.bound, self.number).cmp(&(other.bound, other.number))
    }
}

/// The boundary between rows that were given and rows that were not.
pub(super) enum Watermark {
    /// The first possible place at an instant.
    Instant(i64),
    Key(OwnedSortKey),
}

impl Watermark {
    pub(super) fn is_after(&self, place: SortKey<'_>, order: Order) -> bool {
        match self {
            Self::Key(mark) => place.compare_shared(&mark.sort_key(), order).is_lt(),
            Self::Instant(time) if order == Order::Forward => place.time < *time,
            Self::Instant(time) => place.time > *time,
        }
    }
}

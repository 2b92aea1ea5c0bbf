//! An event that was found, and its place in the answer.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::archive::SegmentPlace;
use crate::event::{
    Date, Event, EventHead, EventName, EventPath, InvalidEvent, PathRef, Timestamp,
    write_with_location,
};

use super::Order;

/// One event of an answer, with where it lies.
#[derive(Debug, Clone)]
pub struct FoundEvent {
    /// Its identity.
    pub path: EventPath,
    /// The segment it lies in; none while live.
    pub segment: Option<Arc<SegmentPlace>>,
    /// The file's bytes.
    pub bytes: Box<[u8]>,
}

impl FoundEvent {
    /// An event that was read by other means than a query; none while live.
    pub fn new(path: EventPath, segment: Option<Arc<SegmentPlace>>, bytes: Box<[u8]>) -> Self {
        Self { path, segment, bytes }
    }

    /// The event's fields; what is found has been parsed before, so this succeeds.
    pub fn head(&self) -> Result<EventHead<'_>, InvalidEvent> {
        EventHead::parse(&self.bytes)
    }

    /// The event, owned.
    ///
    /// Fails with [`Error::BadEvent`](crate::Error::BadEvent), which names it, where the file
    /// is not an event.
    pub fn event(&self) -> crate::Result<Event> {
        let refused = |error: InvalidEvent| crate::Error::bad_event(self.path.to_string(), error.0);
        Event::parse(&self.bytes).map_err(refused)
    }

    /// Appends the event as one line of JSON with `_path` and `_segment`, without newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let segment = self.segment.as_ref().map(ToString::to_string);
        write_with_location(&self.bytes, &self.path, segment.as_deref(), out);
    }
}

/// The earliest and the latest place in time.
pub(super) const EVER: (i64, i64) = (Timestamp::MIN.micros(), Timestamp::MAX.micros());

/// Returns an event's place in time: its timestamp, whatever day it is filed under.
///
/// Live files are chosen by the instants in their names, before they are read. Where a name
/// claims an instant that is more than a day from the timestamp, nobody expected the event
/// there: it is then held within a day of the day that it is filed under.
pub(super) fn place_in_time(path: PathRef<'_>, timestamp: Timestamp) -> i64 {
    if is_misnamed(path, timestamp) { clamp(path.date(), timestamp) } else { timestamp.micros() }
}

/// Whether neither the day that an event is filed under nor its name lead to its timestamp.
pub(super) fn is_misnamed(path: PathRef<'_>, timestamp: Timestamp) -> bool {
    let (earliest, latest) = bounds(path.date());
    let time = timestamp.micros();
    !(earliest..=latest).contains(&time)
        && claimed(path.name())
            .is_some_and(|claimed| (claimed.micros() - time).abs() > Timestamp::MICROS_PER_DAY)
}

/// The instant that a name claims; a stray copy's claims that of the event it was copied from.
fn claimed(name: &str) -> Option<Timestamp> {
    let timestamp = |name: &str| EventName::parse(name).map(|parts| parts.timestamp);
    timestamp(name).or_else(|| timestamp(&[EventName::stem(name)?, ".json"].concat()))
}

/// How many bytes of a name a stray copy shares with what it was copied from: all of a name but
/// what others add to it.
pub(super) fn shared_len(name: &str) -> u8 {
    let stem = EventName::stem(name).unwrap_or(name);
    // No name has more than 255 bytes.
    u8::try_from(stem.len()).unwrap_or(u8::MAX)
}

/// Returns the places in time that archived events of a day can have whose timestamps lie
/// between these two.
pub(super) fn archived_bounds(date: Date, first: Timestamp, last: Timestamp) -> (i64, i64) {
    let (earliest, latest) = bounds(date);
    // One whose name leads nowhere is held within a day of its day.
    (first.micros().min(latest), last.micros().max(earliest))
}

/// Holds a time within a day of the day that its event is filed under: so days can be read
/// one after the other.
pub(crate) fn clamp(date: Date, timestamp: Timestamp) -> i64 {
    let (earliest, latest) = bounds(date);
    timestamp.micros().clamp(earliest, latest)
}

/// The earliest and latest place in time that events of a partition can have.
pub(crate) fn bounds(date: Date) -> (i64, i64) {
    (
        date.start().micros() - Timestamp::MICROS_PER_DAY,
        date.end().micros() + Timestamp::MICROS_PER_DAY - 1,
    )
}

/// What rows are sorted by: time, then identity as text. The fields are compared in turn, but of
/// the name first what an event shares with its stray copies: so these stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SortKey<'a> {
    pub(super) time: i64,
    /// The timestamp where days come one after the other, and `time` is held near the day's.
    pub(super) tie: i64,
    pub(super) date: Date,
    pub(super) node: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) shared_len: u8,
}

impl SortKey<'_> {
    fn shared(&self) -> (i64, i64, Date, &[u8], &[u8]) {
        let shared = self.name.get(..usize::from(self.shared_len)).unwrap_or(self.name);
        (self.time, self.tie, self.date, self.node, shared)
    }

    /// Compares what an event has in common with its stray copies.
    pub(super) fn compare_shared(&self, other: &SortKey<'_>, order: Order) -> Ordering {
        match order {
            Order::Forward => self.shared().cmp(&other.shared()),
            Order::Reverse => other.shared().cmp(&self.shared()),
        }
    }

    pub(super) fn compare(&self, other: &SortKey<'_>, order: Order) -> Ordering {
        let own = (self.name.len(), self.name).cmp(&(other.name.len(), other.name));
        self.compare_shared(other, order).then(match order {
            Order::Forward => own,
            Order::Reverse => own.reverse(),
        })
    }
}

/// A place that outlives its row.
#[derive(Debug, Clone)]
pub(super) struct OwnedSortKey {
    pub(super) time: i64,
    tie: i64,
    date: Date,
    node: Box<[u8]>,
    name: Box<[u8]>,
    shared_len: u8,
}

impl OwnedSortKey {
    pub(super) fn of(place: SortKey<'_>) -> Self {
        let SortKey { time, tie, date, node, name, shared_len } = place;
        Self { time, tie, date, node: node.into(), name: name.into(), shared_len }
    }

    pub(super) fn sort_key(&self) -> SortKey<'_> {
        SortKey {
            time: self.time,
            tie: self.tie,
            date: self.date,
            node: &self.node,
            name: &self.name,
            shared_len: self.shared_len,
        }
    }
}

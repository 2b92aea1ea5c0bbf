//! An event in an answer, and its place there.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::archive::SegmentPlace;
use crate::event::{
    Date, Event, EventHead, EventName, EventPath, InvalidEvent, PathRef, Timestamp,
    write_with_location,
};

/// Earliest or latest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Earliest first.
    #[default]
    Forward,
    /// Latest first.
    Reverse,
}

/// One event of an answer, and where it was found.
#[derive(Debug, Clone)]
pub struct FoundEvent {
    /// Its identity.
    pub path: EventPath,
    /// The segment it is in; none while live.
    pub segment: Option<Arc<SegmentPlace>>,
    /// The file's bytes.
    pub bytes: Box<[u8]>,
}

impl FoundEvent {
    /// Wraps an event that was read by other means than a query; no segment while live.
    pub(crate) fn new(
        path: EventPath,
        segment: Option<Arc<SegmentPlace>>,
        bytes: Box<[u8]>,
    ) -> Self {
        Self { path, segment, bytes }
    }

    /// Parses the event's fields; an event in an answer was parsed before, so this succeeds.
    pub(crate) fn head(&self) -> Result<EventHead<'_>, InvalidEvent> {
        EventHead::parse(&self.bytes)
    }

    /// Parses the event into owned fields.
    ///
    /// Fails with [`Error::BadEvent`](crate::Error::BadEvent), which names it, if the file
    /// is not an event.
    pub fn event(&self) -> crate::Result<Event> {
        let refused = |error: InvalidEvent| crate::Error::bad_event(self.path.to_string(), error.0);
        Event::parse(&self.bytes).map_err(refused)
    }

    /// Appends the event as one line of JSON with `_path` and `_segment`, without newline.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        let segment = self.segment.as_ref().map(ToString::to_string);
        write_with_location(&self.bytes, &self.path, segment.as_deref(), out);
    }
}

/// The earliest and latest time.
pub(super) const EVER: (i64, i64) = (Timestamp::MIN.micros(), Timestamp::MAX.micros());

/// Returns the time that orders an event: its timestamp, whatever day it is filed under.
///
/// Live files are chosen by the instants in their names, before they are read. Where a name
/// claims an instant more than a day from the timestamp, no query would look for the event there:
/// its time is then clamped to within a day of the day it is filed under.
pub(super) fn place_in_time(path: PathRef<'_>, timestamp: Timestamp) -> i64 {
    if is_misnamed(path, timestamp) { clamp(path.date(), timestamp) } else { timestamp.micros() }
}

/// Reports whether neither an event's day nor its name leads to its timestamp.
pub(super) fn is_misnamed(path: PathRef<'_>, timestamp: Timestamp) -> bool {
    let (earliest, latest) = bounds(path.date());
    let time = timestamp.micros();
    !(earliest..=latest).contains(&time)
        && claimed(path.name())
            .is_some_and(|claimed| (claimed.micros() - time).abs() > Timestamp::MICROS_PER_DAY)
}

/// Returns the instant that a name claims; that of a stray copy is its original's.
fn claimed(name: &str) -> Option<Timestamp> {
    let timestamp = |name: &str| EventName::parse(name).map(|parts| parts.timestamp);
    timestamp(name).or_else(|| timestamp(&[EventName::stem(name)?, ".json"].concat()))
}

/// Returns how many bytes of its name a stray copy shares with its original: all but what others
/// append to it.
pub(super) fn shared_len(name: &str) -> u8 {
    let stem = EventName::stem(name).unwrap_or(name);
    // No name has more than 255 bytes.
    u8::try_from(stem.len()).unwrap_or(u8::MAX)
}

/// Returns the times that a day's archived events can have if their timestamps lie between these
/// two.
pub(super) fn archived_bounds(date: Date, first: Timestamp, last: Timestamp) -> (i64, i64) {
    let (earliest, latest) = bounds(date);
    // An event whose name leads nowhere is held within a day of its day.
    (first.micros().min(latest), last.micros().max(earliest))
}

/// Clamps a time to within a day of the day its event is filed under, so that days can be read
/// one after the other.
pub(crate) fn clamp(date: Date, timestamp: Timestamp) -> i64 {
    let (earliest, latest) = bounds(date);
    timestamp.micros().clamp(earliest, latest)
}

/// Returns the earliest and latest time that events of a partition can have.
pub(crate) fn bounds(date: Date) -> (i64, i64) {
    (
        date.start().micros() - Timestamp::MICROS_PER_DAY,
        date.end().micros() + Timestamp::MICROS_PER_DAY - 1,
    )
}

/// The sort key of rows: time, then identity as text. Fields are compared in turn; of the name,
/// first the part shared with stray copies, so that these stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SortKey<'a> {
    pub(super) time: i64,
    /// The timestamp, where days come one after the other and `time` is clamped.
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

    /// Compares only what an event has in common with its stray copies.
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

/// A sort key that outlives its row.
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

//! A place in an answer from which another query can continue.
//!
//! It names the last event that was given, not a number of events: what arrives, is archived or
//! expires between two pages moves no boundary.

use std::fmt;
use std::str::FromStr;

use super::row::{SortKey, place_in_time, shared_len};
use super::{FoundEvent, Order};
use crate::event::{EventPath, Malformed, Timestamp, shown};

/// The place of an event in answers of either order, as text `MICROSECONDS:DATE/NODE/FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageCursor {
    time: i64,
    path: EventPath,
}

impl PageCursor {
    /// Returns the place of this event; none if it is not a valid event.
    pub fn of(event: &FoundEvent) -> Option<Self> {
        let timestamp = event.head().ok()?.timestamp;
        let time = place_in_time(event.path.borrowed(), timestamp);
        Some(Self { time, path: event.path.clone() })
    }

    /// Reports whether an event comes after this place in an answer of this order.
    pub fn is_before(&self, event: &FoundEvent, order: Order) -> bool {
        Self::of(event)
            .is_some_and(|other| other.sort_key().compare(&self.sort_key(), order).is_gt())
    }

    /// Returns the identity of the event at this place.
    pub fn path(&self) -> &EventPath {
        &self.path
    }

    pub(super) fn sort_key(&self) -> SortKey<'_> {
        SortKey {
            time: self.time,
            tie: 0,
            date: self.path.date,
            node: self.path.node.as_str().as_bytes(),
            name: self.path.name.as_str().as_bytes(),
            shared_len: shared_len(self.path.name.as_str()),
        }
    }
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.time, self.path)
    }
}

impl FromStr for PageCursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(format!("\"{}\" is no place in an answer", shown(text)));
        let (time, path) = text.split_once(':').ok_or_else(malformed)?;
        let path: EventPath = path.parse()?;
        let time: i64 = time.parse().map_err(|_| malformed())?;
        // No answer contains this event at this time.
        if place_in_time(path.borrowed(), Timestamp::from_micros(time)) != time {
            return Err(malformed());
        }
        Ok(Self { time, path })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::stream::{Amounts, EventStream};
    use crate::store::{Query, Store};

    /// Events of three days and two nodes, some filed under a day that is not their own, some
    /// of one instant.
    fn history() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("events");
        for number in 0..60_u32 {
            let day = 16 + number % 3;
            let of = if number % 7 == 0 { 14 + number % 5 } else { day };
            let node = if number % 2 == 0 { "nas" } else { "pi4" };
            let folder = root.join(format!("2026-05-{day}")).join(node);
            fs::create_dir_all(&folder).unwrap();
            // Some names claim a day that is neither the event's nor its directory's.
            let claimed = if number % 11 == 0 { 1 + number % 28 } else { day };
            let second = number / 4 % 60;
            fs::write(
                folder.join(format!(
                    "202605{claimed:02}T0000{second:02}Z_node_online_0196d8a2-0000-7000-8000-0000000000\
                     {number:02}.json"
                )),
                format!(
                    "{{\"timestamp\":\"2026-05-{of}T00:00:{second:02}Z\",\"node\":\"{node}\",\
                     \"type\":\"node_online\",\"severity\":\"info\",\"source\":\"test\",\
                     \"service\":\"all\",\"correlation_id\":\"c\",\"payload\":{{}}}}\n"
                ),
            )
            .unwrap();
        }
        let store = Store::new(root, None);
        (directory, store)
    }

    #[test]
    fn an_answer_goes_on_behind_any_of_its_events() {
        let (_directory, store) = history();
        // Buffers so small that rows are dropped and read again.
        let amounts = Amounts {
            buffer_bytes: 2000,
            give_bytes: 500,
            buffer_rows: 4,
            block_files: 5,
            batch_bytes: 1000,
        };
        for order in [Order::Forward, Order::Reverse] {
            let all = |after: Option<PageCursor>, limit| {
                let query = Query { order, after, limit, ..Query::default() };
                let events = EventStream::open(&store, query, amounts).unwrap();
                events.map(|event| event.unwrap().path).collect::<Vec<_>>()
            };
            let events: Vec<FoundEvent> = {
                let query = Query { order, ..Query::default() };
                store.events(query).unwrap().map(Result::unwrap).collect()
            };
            let paths: Vec<_> = events.iter().map(|event| event.path.clone()).collect();
            assert_eq!((paths.len(), all(None, None)), (60, paths.clone()));
            for (number, event) in events.iter().enumerate() {
                let cursor = PageCursor::of(event).unwrap();
                assert_eq!(cursor.to_string().parse::<PageCursor>().unwrap(), cursor);
                let rest = &paths[number + 1..];
                assert_eq!(all(Some(cursor.clone()), None), rest, "{order:?} {cursor}");
                let few = &rest[..rest.len().min(3)];
                assert_eq!(all(Some(cursor.clone()), Some(3)), few, "{order:?} {cursor}");
                for (other, event) in events.iter().enumerate() {
                    assert_eq!(cursor.is_before(event, order), other > number);
                }
            }
        }
    }

    #[test]
    fn a_text_that_names_no_place_is_refused() {
        let path = "2026-05-16/pi4/20260516T000000Z_x_0196d8a2-0000-7000-8000-000000000000.json";
        for bad in ["", ":", path, "1:", "x:y", &format!("0:{path}"), &format!("9999999999:{path}")]
        {
            assert!(bad.parse::<PageCursor>().is_err(), "{bad}");
        }
    }
}

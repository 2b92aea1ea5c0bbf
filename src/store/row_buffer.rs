//! Rows while they are sorted: small, with all their text in a few pieces of memory.
//!
//! A day has hundreds of thousands of events. An allocation for each name and each body would
//! cost more time than reading them, and more memory than their bytes take.

use std::sync::Arc;

use super::row::{FoundEvent, SortKey, clamp, place_in_time, shared_len};
use crate::archive::SegmentPlace;
use crate::event::{Date, PathRef, Timestamp};

/// Node, name and bytes of many events of a day, back to back.
#[derive(Debug)]
struct Arena {
    date: Date,
    segment: Option<Arc<SegmentPlace>>,
    text: Vec<u8>,
}

/// One event of an answer that is not final yet.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The time that orders it.
    pub(super) time: i64,
    tie: i64,
    arena: Arc<Arena>,
    at: usize,
    len: u32,
    node_len: u8,
    name_len: u8,
    shared_len: u8,
}

impl Row {
    fn text(&self) -> &[u8] {
        &self.arena.text[self.at..self.at + self.size_of_text()]
    }

    fn size_of_text(&self) -> usize {
        usize::from(self.node_len) + usize::from(self.name_len) + self.len as usize
    }

    /// Returns the event's bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.text()[usize::from(self.node_len) + usize::from(self.name_len)..]
    }

    /// Returns its identity.
    pub(super) fn path(&self) -> PathRef<'_> {
        let SortKey { date, node, name, .. } = self.sort_key();
        PathRef::from_valid(date, node, name)
    }

    pub(super) fn segment(&self) -> Option<&SegmentPlace> {
        self.arena.segment.as_deref()
    }

    pub(super) fn sort_key(&self) -> SortKey<'_> {
        let (node, rest) = self.text().split_at(usize::from(self.node_len));
        let name = &rest[..usize::from(self.name_len)];
        let (time, tie, date) = (self.time, self.tie, self.arena.date);
        SortKey { time, tie, date, node, name, shared_len: self.shared_len }
    }

    /// Returns the memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        std::mem::size_of::<Self>() + self.size_of_text()
    }

    /// Copies the row into memory of its own.
    pub(super) fn to_found(&self) -> FoundEvent {
        let segment = self.arena.segment.clone();
        FoundEvent::new(self.path().to_path(), segment, self.bytes().into())
    }
}

/// Collects the rows of one source.
pub(super) struct RowBuilder {
    date: Date,
    segment: Option<Arc<SegmentPlace>>,
    text: Vec<u8>,
    places: Vec<PendingRow>,
    day_by_day: bool,
}

/// A row whose text buffer is still growing.
struct PendingRow {
    time: i64,
    tie: i64,
    at: usize,
    len: u32,
    node_len: u8,
    name_len: u8,
    shared_len: u8,
}

impl RowBuilder {
    /// Starts the rows of a day's live files, or of one of its segments.
    pub(super) fn new(date: Date, segment: Option<Arc<SegmentPlace>>) -> Self {
        Self { date, segment, text: Vec::new(), places: Vec::new(), day_by_day: false }
    }

    /// Sets whether days come one after the other in the order.
    pub(super) fn day_by_day(mut self, is: bool) -> Self {
        self.day_by_day = is;
        self
    }

    /// Adds an event of the day.
    pub(super) fn add(&mut self, path: PathRef<'_>, bytes: &[u8], timestamp: Timestamp) {
        let (time, tie) = if self.day_by_day {
            (clamp(self.date, timestamp), timestamp.micros())
        } else {
            (place_in_time(path, timestamp), 0)
        };
        self.add_at(path, bytes, (time, tie));
    }

    fn add_at(&mut self, path: PathRef<'_>, bytes: &[u8], (time, tie): (i64, i64)) {
        // No name has more than 255 bytes, and no event more than MAX_EVENT_BYTES.
        let short = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
        self.places.push(PendingRow {
            time,
            tie,
            at: self.text.len(),
            len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            node_len: short(path.node()),
            name_len: short(path.name()),
            shared_len: shared_len(path.name()),
        });
        self.text.extend_from_slice(path.node().as_bytes());
        self.text.extend_from_slice(path.name().as_bytes());
        self.text.extend_from_slice(bytes);
    }

    /// Returns the rows that were added.
    pub(super) fn finish(mut self) -> Vec<Row> {
        self.text.shrink_to_fit();
        let arena = Arena { date: self.date, segment: self.segment, text: self.text };
        let arena = Arc::new(arena);
        let row = |found: PendingRow| Row {
            time: found.time,
            tie: found.tie,
            arena: Arc::clone(&arena),
            at: found.at,
            len: found.len,
            node_len: found.node_len,
            name_len: found.name_len,
            shared_len: found.shared_len,
        };
        self.places.into_iter().map(row).collect()
    }
}

/// Frees the memory of dropped rows that the remaining ones keep alive: what is held is at most
/// half as much again as the rows take.
pub(super) fn compact(rows: &mut [Row]) {
    let of = |row: &Row| Arc::as_ptr(&row.arena).addr();
    rows.sort_unstable_by_key(of);
    for rows in rows.chunk_by_mut(|a, b| of(a) == of(b)) {
        let Some(arena) = rows.first().map(|row| Arc::clone(&row.arena)) else { continue };
        let used: usize = rows.iter().map(Row::size_of_text).sum();
        if used + used / 2 >= arena.text.len() {
            continue;
        }
        let mut compacted = RowBuilder::new(arena.date, arena.segment.clone());
        compacted.text.reserve_exact(used);
        for row in &*rows {
            compacted.add_at(row.path(), row.bytes(), (row.time, row.tie));
        }
        for (row, compacted) in rows.iter_mut().zip(compacted.finish()) {
            *row = compacted;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Vec<Row> {
        let date: Date = "2026-05-16".parse().unwrap();
        let mut rows = RowBuilder::new(date, None);
        for number in 0..count {
            let path = format!("2026-05-16/küche/{number}.json");
            let time = Timestamp::from_micros(date.start().micros() + number as i64);
            rows.add(PathRef::parse(&path).unwrap(), format!("{{{number}}}").as_bytes(), time);
        }
        rows.finish()
    }

    #[test]
    fn a_row_gives_back_what_was_added() {
        for (number, row) in rows(12).iter().enumerate() {
            let found = row.to_found();
            assert_eq!(found.path.to_string(), format!("2026-05-16/küche/{number}.json"));
            assert_eq!(&*found.bytes, format!("{{{number}}}").as_bytes());
            assert!(row.path() == found.path);
        }
    }

    #[test]
    fn rows_that_went_do_not_hold_on_to_memory() {
        let mut rows = rows(100);
        let all = Arc::downgrade(&rows[0].arena);
        rows.retain(|row| row.time % 10 == 0);
        let before: Vec<String> = rows.iter().map(|row| row.path().to_string()).collect();
        compact(&mut rows);
        assert!(all.upgrade().is_none());
        let held = rows[0].arena.text.len();
        assert_eq!(held, rows.iter().map(Row::size_of_text).sum::<usize>());
        rows.sort_by_key(|row| row.time);
        assert_eq!(rows.iter().map(|row| row.path().to_string()).collect::<Vec<_>>(), before);
        // Where most rows stay, nothing is copied.
        let same = Arc::clone(&rows[0].arena);
        rows.pop();
        compact(&mut rows);
        assert!(Arc::ptr_eq(&same, &rows[0].arena));
    }
}

//! The merge: many days, segments and files into one ordered answer, in bounded memory.
//!
//! The history is seen as *sources* (a day not yet opened, a frame of a segment, a block of live
//! files), each with a bound before which it holds nothing. The stream reads sources in the order
//! of their bounds into one buffer of rows; a row is final once no unread source can hold an
//! earlier one. When rows that are not final outgrow the buffer, the latest are dropped and their
//! sources put back, to be read again after the earlier ones were given. So memory is bounded for
//! any range and any timestamps, and a normal day is read once.

mod queue;
mod rows;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use queue::{Queued, Watermark};

use super::notice::Notices;
use super::row::{FoundEvent, OwnedSortKey};
use super::row_buffer::Row;
use super::source::Reading;
use super::sources::{EventSource, Opened};
use super::{Order, PageCursor, Query, Store};
use crate::Result;

/// Limits on what is held and read at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amounts {
    /// Bytes of rows, and of listings of live days, that are held at once.
    pub(super) buffer_bytes: usize,
    /// Bytes of rows after which final ones are given.
    pub(super) give_bytes: usize,
    /// Minimum number of rows held at once within a limit, even if fewer are wanted.
    pub(super) buffer_rows: usize,
    /// Live files read together.
    pub(super) block_files: usize,
    /// Maximum size of frames read together.
    pub(super) batch_bytes: u64,
}

impl Default for Amounts {
    fn default() -> Self {
        Self {
            buffer_bytes: 44 << 20,
            give_bytes: 12 << 20,
            buffer_rows: 4096,
            block_files: 2048,
            batch_bytes: 6 << 20,
        }
    }
}

/// Bytes of events handled together; a larger event is handled alone.
const HANDED_BYTES: usize = 8 << 20;

/// The answer to a [`Query`], one event after another.
pub struct EventStream {
    reading: Reading,
    amounts: Amounts,
    order: Order,
    remaining: u64,
    sources: BinaryHeap<Reverse<Queued>>,
    number: u64,
    /// Rows read, not yet final, unsorted.
    rows: Vec<Row>,
    rows_bytes: usize,
    /// Row bytes at which finality is re-checked.
    give_at: usize,
    /// Rows from here on were dropped; their sources wait in `put_back`.
    cutoff: Option<OwnedSortKey>,
    put_back: Vec<Queued>,
    /// Rows up to this place are not wanted.
    after: Option<PageCursor>,
    /// Rows before this were given already.
    watermark: Option<Watermark>,
    /// Final rows, sorted.
    ready: std::vec::IntoIter<Row>,
    notices: Notices,
}

impl Store {
    /// Returns the events that match a query, in its order.
    pub fn events(&self, query: Query) -> Result<EventStream> {
        EventStream::open(self, query, Amounts::default())
    }
}

impl EventStream {
    pub(super) fn open(store: &Store, query: Query, amounts: Amounts) -> Result<Self> {
        let order = query.order;
        let remaining = query.limit.unwrap_or(u64::MAX);
        let after = query.after.clone();
        let mut notices = Notices::default();
        let (reading, days) = Reading::open(store, query, amounts.block_files, &mut notices)?;
        let mut stream = Self {
            reading,
            amounts,
            order,
            remaining,
            sources: BinaryHeap::new(),
            number: 0,
            rows: Vec::new(),
            rows_bytes: 0,
            give_at: amounts.give_bytes,
            cutoff: None,
            put_back: Vec::new(),
            after,
            watermark: None,
            ready: Vec::new().into_iter(),
            notices,
        };
        for (date, (earliest, latest)) in days {
            stream.queue(earliest, latest, EventSource::Day(date));
        }
        Ok(stream)
    }

    /// Returns the notices so far; ask again at the end.
    pub fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }

    /// Reports whether there are more events.
    pub fn has_more(&mut self) -> Result<bool> {
        if self.ready.len() == 0 && self.remaining > 0 {
            self.fill(&|| false)?;
        }
        Ok(self.ready.len() > 0)
    }

    /// Returns how many segment files were opened so far.
    #[cfg(feature = "internals")]
    pub fn segments_opened(&self) -> u64 {
        self.reading.segments_opened
    }

    /// Handles the next events, at most `limit`, in parallel parts of at most
    /// [`PART`](Self::PART), and returns the results in order. Huge events come in fewer at a
    /// time. Empty at the end, and once `stops` returns true; it is called before each piece is
    /// read.
    pub fn next_parts<T: Send>(
        &mut self,
        limit: usize,
        stops: &dyn Fn() -> bool,
        handle: impl Fn(&mut dyn Iterator<Item = FoundEvent>) -> T + Sync,
    ) -> Result<Vec<T>> {
        if self.ready.len() == 0 && self.remaining > 0 {
            self.fill(stops)?;
        }
        let mut bytes = 0;
        let fits = |row: &&Row| {
            bytes += row.size();
            bytes <= HANDED_BYTES
        };
        let count = self.ready.as_slice().iter().take(limit).take_while(fits).count().max(1);
        let rows: Vec<Row> = self.ready.by_ref().take(count).collect();
        let handle = |rows: &[Row]| handle(&mut rows.iter().map(Row::to_found));
        Ok(if rows.len() <= Self::PART {
            rows.chunks(Self::PART).map(handle).collect()
        } else {
            rows.par_chunks(Self::PART).map(handle).collect()
        })
    }

    /// Events handled by one thread in a row.
    pub const PART: usize = 256;

    fn queue(&mut self, earliest: i64, latest: i64, source: EventSource) {
        // Reverse order is forward order of the negated time.
        let (bound, end) = match self.order {
            Order::Forward => (earliest, latest),
            Order::Reverse => (-latest, -earliest),
        };
        if self.after.as_ref().is_some_and(|after| end < self.signed(after.sort_key().time)) {
            return;
        }
        self.number += 1;
        self.sources.push(Reverse(Queued { bound, end, number: self.number, source }));
    }

    /// Reads sources until some rows are final; leaves `ready` empty at the end of all, and when
    /// stopped.
    fn fill(&mut self, stops: &dyn Fn() -> bool) -> Result<()> {
        while self.ready.len() == 0 {
            if stops() {
                self.remaining = 0;
                return Ok(());
            }
            let bound = self.sources.peek().map(|Reverse(queued)| queued.bound);
            let next = bound.filter(|bound| {
                self.cutoff.as_ref().is_none_or(|cutoff| *bound <= self.signed(cutoff.time))
            });
            let Some(bound) = next else {
                self.give_all();
                if self.ready.len() == 0 && self.sources.is_empty() {
                    return Ok(());
                }
                continue;
            };
            // Within a limit, no source is opened that can no longer matter.
            let may_do = self.rows.len() as u64 >= self.remaining;
            if may_do || self.rows_bytes >= self.give_at || self.is_full() {
                self.give_before(bound);
                if self.ready.len() > 0 {
                    return Ok(());
                }
            }
            if self.is_full() {
                // One event may be larger than the buffer. It is then held alone, and what may
                // come before it is still read.
                if self.drop_latest() {
                    continue;
                }
            }
            let Some(Reverse(queued)) = self.sources.pop() else { return Ok(()) };
            match queued.source {
                EventSource::Frame(..) if self.remaining == u64::MAX => self.read_frames(queued),
                _ => self.read(queued, stops)?,
            }
        }
        Ok(())
    }

    /// Reads a frame and the following ones in parallel. Only when all are wanted: within a limit
    /// the later ones may not be needed.
    fn read_frames(&mut self, first: Queued) {
        let mut batch = vec![first];
        let limit = 4 * rayon::current_num_threads();
        let mut bytes = 0_u64;
        while batch.len() < limit
            && let Some(Reverse(next)) = self.sources.peek()
            && self.cutoff.as_ref().is_none_or(|cutoff| next.bound <= self.signed(cutoff.time))
            && let EventSource::Frame(segment, frame) = &next.source
        {
            bytes = bytes.saturating_add(segment.cost(*frame));
            if bytes > self.amounts.batch_bytes {
                break;
            }
            batch.extend(self.sources.pop().map(|Reverse(queued)| queued));
        }
        let frames: Vec<_> = batch.iter().filter_map(|queued| queued.source.frame()).collect();
        let read = self.reading.read_frames(&frames);
        for (queued, mut found) in batch.into_iter().zip(read) {
            self.take_rows(&mut found.rows);
            self.put_back.push(queued);
            self.notices.add_all(found.notices);
        }
    }

    fn read(&mut self, queued: Queued, stops: &dyn Fn() -> bool) -> Result<()> {
        let mut opened = Opened::default();
        let mut source = queued.source;
        while let Some(rest) = self.reading.read(source, &mut opened, &mut self.notices)? {
            if stops() {
                return Ok(());
            }
            // A large source comes in parts, so that the buffer stays within bounds.
            self.take_rows(&mut opened.rows);
            if self.is_full() {
                self.drop_latest();
            }
            source = rest;
        }
        self.take_rows(&mut opened.rows);
        for (earliest, latest, source) in opened.sources.drain(..) {
            self.queue(earliest, latest, source);
        }
        if let Some(again) = opened.again {
            self.put_back.push(Queued {
                bound: queued.bound,
                end: queued.end,
                number: queued.number,
                source: again,
            });
        }
        Ok(())
    }

    fn signed(&self, time: i64) -> i64 {
        match self.order {
            Order::Forward => time,
            Order::Reverse => -time,
        }
    }
}

impl Iterator for EventStream {
    type Item = Result<FoundEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.len() == 0 {
            if self.remaining == 0 {
                return None;
            }
            if let Err(error) = self.fill(&|| false) {
                self.remaining = 0;
                return Some(Err(error));
            }
        }
        self.ready.next().map(|row| Ok(row.to_found()))
    }
}

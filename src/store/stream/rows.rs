//! Rows that were read: which are final, which are dropped for now, and which are given once.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::EventStream;
use super::queue::Watermark;
use crate::store::Order;
use crate::store::notice::Notice;
use crate::store::row::OwnedSortKey;
use crate::store::row_buffer::{self, Row};

impl EventStream {
    pub(super) fn take_rows(&mut self, rows: &mut Vec<Row>) {
        for row in rows.drain(..) {
            let place = row.sort_key();
            let given =
                self.watermark.as_ref().is_some_and(|mark| mark.is_after(place, self.order));
            let passed = self
                .after
                .as_ref()
                .is_some_and(|after| place.compare(&after.sort_key(), self.order).is_le());
            let later = self
                .cutoff
                .as_ref()
                .is_some_and(|cutoff| place.compare_shared(&cutoff.sort_key(), self.order).is_ge());
            if !given && !passed && !later {
                self.rows_bytes += row.size();
                self.rows.push(row);
            }
        }
    }

    /// Returns how many bytes of rows may be held; never too few, however large a day's listing
    /// is.
    fn max_bytes(&self) -> usize {
        let buffer = self.amounts.buffer_bytes;
        buffer.saturating_sub(self.reading.listed_bytes()).max(buffer / 5)
    }

    pub(super) fn is_full(&self) -> bool {
        let enough = usize::try_from(self.remaining).unwrap_or(usize::MAX).saturating_mul(4);
        self.rows_bytes > self.max_bytes() || self.rows.len() > enough.max(self.amounts.buffer_rows)
    }

    /// Makes rows final that no unread source can precede.
    pub(super) fn give_before(&mut self, bound: i64) {
        let order = self.order;
        let is_final = |row: &Row| match order {
            Order::Forward => row.time < bound,
            Order::Reverse => -row.time < bound,
        };
        self.give_at = self.rows_bytes + self.amounts.give_bytes;
        if self.rows.iter().any(is_final) {
            let (ready, rest) = std::mem::take(&mut self.rows).into_iter().partition(is_final);
            self.rows = rest;
            self.compact();
            self.put_back.retain(|queued| queued.end >= bound);
            self.watermark = Some(Watermark::Instant(self.signed(bound)));
            self.make_ready(ready);
        }
    }

    /// Makes all rows final, and continues with what was dropped.
    pub(super) fn give_all(&mut self) {
        self.rows_bytes = 0;
        self.give_at = self.amounts.give_bytes;
        let rows = std::mem::take(&mut self.rows);
        self.make_ready(rows);
        if let Some(cutoff) = self.cutoff.take() {
            let time = self.signed(cutoff.time);
            for queued in self.put_back.drain(..) {
                if queued.end >= time {
                    self.sources.push(Reverse(queued));
                }
            }
            self.watermark = Some(Watermark::Key(cutoff));
        } else {
            self.put_back.clear();
        }
    }

    /// Drops the later half of the rows, to be read again later. Returns whether there were any.
    pub(super) fn drop_latest(&mut self) -> bool {
        let order = self.order;
        self.rows.sort_by(|a, b| a.sort_key().compare(&b.sort_key(), order));
        let mut bytes = 0;
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let limit = self.max_bytes() / 2;
        let keep = self
            .rows
            .iter()
            .position(|row| {
                bytes += row.size();
                bytes > limit
            })
            .unwrap_or(self.rows.len())
            .clamp(1, wanted.max(1));
        // An event and its stray copies stay together, as do two copies of one event.
        let keep = keep
            + self.rows.get(keep.saturating_sub(1)).map_or(0, |last| {
                let same =
                    |row: &&Row| row.sort_key().compare_shared(&last.sort_key(), order).is_eq();
                self.rows[keep..].iter().take_while(same).count()
            });
        let Some(first_dropped) = self.rows.get(keep) else { return false };
        self.cutoff = Some(OwnedSortKey::of(first_dropped.sort_key()));
        self.rows.truncate(keep);
        self.compact();
        true
    }

    /// Recounts the size of the rows, after some were dropped.
    fn compact(&mut self) {
        row_buffer::compact(&mut self.rows);
        self.rows_bytes = self.rows.iter().map(Row::size).sum();
        self.give_at = self.rows_bytes + self.amounts.give_bytes;
    }

    fn make_ready(&mut self, mut rows: Vec<Row>) {
        let order = self.order;
        // Archived before live, so that an event that is both is given as archived.
        rows.sort_by(|a, b| {
            a.sort_key()
                .compare(&b.sort_key(), order)
                .then_with(|| a.segment().is_none().cmp(&b.segment().is_none()))
                .then_with(|| a.segment().cmp(&b.segment()))
        });
        let belong = |a: &Row, b: &Row| a.sort_key().compare_shared(&b.sort_key(), order).is_eq();
        let mut kept: Vec<Row> = Vec::with_capacity(rows.len());
        let mut rows = rows.into_iter().peekable();
        while let Some(first) = rows.next() {
            if !rows.peek().is_some_and(|next| belong(next, &first)) {
                kept.push(first);
                continue;
            }
            let mut together = vec![first];
            while let Some(row) = rows.next_if(|next| belong(next, &together[0])) {
                together.push(row);
            }
            self.settle_together(together, &mut kept);
        }
        kept.truncate(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        if self.remaining < u64::MAX {
            self.remaining -= kept.len() as u64;
        }
        self.ready = kept.into_iter();
    }

    /// Keeps each distinct content among an event and its stray copies once, under the event's
    /// own name if it has that content. Two contents under one name are two events.
    fn settle_together(&mut self, rows: Vec<Row>, kept: &mut Vec<Row>) {
        let mut best: HashMap<&[u8], usize> = HashMap::new();
        for (number, row) in rows.iter().enumerate() {
            let best = best.entry(row.bytes()).or_insert(number);
            if row.sort_key().name.len() < rows[*best].sort_key().name.len() {
                *best = number;
            }
        }
        let best: HashSet<usize> = best.into_values().collect();
        let mut last: Option<Row> = None;
        for (_, row) in rows.into_iter().enumerate().filter(|(number, _)| best.contains(number)) {
            if last.as_ref().is_some_and(|last| last.sort_key() == row.sort_key()) {
                self.notices.add(Notice::Conflict { path: row.path().to_path() });
            }
            kept.extend(last.replace(row));
        }
        kept.extend(last);
    }
}

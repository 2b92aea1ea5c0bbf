//! The sources of rows: days, frames of segments, blocks of live files.

mod days;
mod files;

use std::sync::{Arc, Weak};

pub(super) use days::Days;

use days::{add_live_days, groups, widen};

use super::archive_scan::ArchiveScan;
use super::frames::{self, FrameRows, PrefetchedFrames};
use super::notice::{Notice, Notices};
use super::sources::{EventSource, LiveFiles, MatchedFile, OpenSegment, Opened};
use super::{Order, Query, Store, step};
use crate::Result;
use crate::archive::SegmentName;
use crate::event::Date;
use crate::live::{Listing, LiveTree};

/// Limit on remote frames of coming days that are fetched together.
const WARM_FRAMES: usize = 64;
const WARM_BYTES: u64 = 8 << 20;

/// The open handles of one query.
pub(super) struct Reading {
    store: Store,
    query: Query,
    live: Option<LiveTree>,
    /// This machine's own archive, and then those of other hosts.
    archives: Vec<ArchiveScan>,
    /// Remote segments that may hold an answer, the next ones last: day, index of the archive,
    /// name.
    away: Vec<(Date, usize, SegmentName)>,
    ahead: PrefetchedFrames,
    block_files: usize,
    pub(super) segments_opened: u64,
    /// Listings of live days; those no longer in use are gone.
    listings: Vec<Weak<Listing>>,
}

impl Reading {
    /// Opens both halves, live first, and finds the days that can hold an answer, with their time
    /// spans.
    pub(super) fn open(
        store: &Store,
        query: Query,
        block_files: usize,
        notices: &mut Notices,
    ) -> Result<(Self, Days)> {
        step();
        let live = if query.scope.live() { store.live()? } else { None };
        let mut days = Days::new();
        if let Some(live) = &live {
            let (dates, unexpected) = live.dates()?;
            add_live_days(live, &dates, &query, &mut days)?;
            for entry in unexpected {
                notices.unexpected(&entry);
            }
        }
        step();
        let (archive, away) = store.readable_archive()?;
        if let Some(away) = away.filter(|_| query.scope.archived()) {
            notices.add(Notice::Away(away));
        }
        let mut archives = vec![ArchiveScan::load(None, archive, &query)?];
        let mut away = Vec::new();
        if query.scope.archived() {
            if !query.own_only {
                let peers = archives[0].peers_of(&query, notices)?;
                archives.extend(peers);
            }
            for (number, archive) in archives.iter().enumerate() {
                // A day that is neither live nor has a matching segment is done: whatever comes
                // into it from now on came after the question.
                for (date, span) in archive.days(&query) {
                    widen(&mut days, date, span);
                }
                away.extend(archive.away(&query).into_iter().map(|name| (name.date, number, name)));
            }
            if let Some(expired) = archives[0].expired(&query) {
                notices.add(Notice::Expired(expired));
            }
        }
        away.sort_unstable();
        if query.order == Order::Forward {
            away.reverse();
        }
        let reading = Self {
            store: store.clone(),
            query,
            live,
            archives,
            away,
            ahead: PrefetchedFrames::default(),
            block_files,
            segments_opened: 0,
            listings: Vec::new(),
        };
        Ok((reading, days))
    }

    /// Reads a source or a part of it, and returns what is left of it.
    pub(super) fn read(
        &mut self,
        source: EventSource,
        opened: &mut Opened,
        notices: &mut Notices,
    ) -> Result<Option<EventSource>> {
        match source {
            EventSource::Day(date) => {
                self.open_day(date, opened, notices)?;
                Ok(None)
            }
            EventSource::Frame(segment, frame) => {
                let frame = (segment, frame);
                for FrameRows { rows, notices: found } in
                    self.read_frames(std::slice::from_ref(&frame))
                {
                    opened.rows = rows;
                    notices.add_all(found);
                }
                opened.again = Some(EventSource::Frame(frame.0, frame.1));
                Ok(None)
            }
            EventSource::Live(files) => self.read_live(files, opened, notices),
            EventSource::MatchedFiles(files) => {
                self.read_known(files, opened, notices)?;
                Ok(None)
            }
        }
    }

    /// Reads frames that are [`EventSource::Frame`]s.
    pub(super) fn read_frames(&mut self, frames: &[(Arc<OpenSegment>, usize)]) -> Vec<FrameRows> {
        frames::read(frames, &self.query.filter, &mut self.ahead)
    }

    /// Returns the size of the current listings of live days, in bytes.
    pub(super) fn listed_bytes(&self) -> usize {
        let listings = self.listings.iter().filter_map(Weak::upgrade);
        listings
            .map(|listing| {
                listing.len() * (Listing::BYTES + size_of::<u32>() + size_of::<MatchedFile>())
            })
            .sum()
    }

    /// Lists the live day first, and only then asks the manifest for its segments: a file that
    /// rotation removes in between is then in a segment that the manifest names.
    fn open_day(&mut self, date: Date, opened: &mut Opened, notices: &mut Notices) -> Result<()> {
        step();
        if let Some(live) = &self.live {
            let listing = live.list(date)?;
            for entry in listing.unexpected() {
                notices.unexpected(entry);
            }
            notices.pass_over(live.passed_over());
            if !listing.is_empty() {
                let listing = Arc::new(listing);
                self.listings.retain(|other| other.strong_count() > 0);
                self.listings.push(Arc::downgrade(&listing));
                for ((earliest, latest), numbers) in groups(&listing, &self.query) {
                    let listing = Arc::clone(&listing);
                    let (large, times) = (Vec::new(), Vec::new());
                    let files = LiveFiles { listing, numbers, next: 0, large, times };
                    opened.sources.push((earliest, latest, EventSource::Live(files)));
                }
            }
        }
        if self.query.scope.archived() {
            self.add_new_segments(date, opened, notices)?;
        }
        Ok(())
    }

    /// Queues the day's segments that are not queued yet.
    fn add_new_segments(
        &mut self,
        date: Date,
        opened: &mut Opened,
        notices: &mut Notices,
    ) -> Result<()> {
        self.warm(date);
        for archive in &mut self.archives {
            archive.look_again(&self.store, &self.query, notices)?;
            self.segments_opened += archive.add_new(&self.query, date, opened, notices)?;
        }
        Ok(())
    }

    /// Fetches in parallel what will be needed of this day and the following ones; otherwise each
    /// frame would wait for its own round trip.
    fn warm(&mut self, date: Date) {
        let order = self.query.order;
        let is_due = |(next, ..): &(Date, usize, SegmentName)| match order {
            Order::Forward => *next <= date,
            Order::Reverse => *next >= date,
        };
        if self.query.limit.is_some() || !self.away.last().is_some_and(is_due) {
            return;
        }
        let (mut wanted, mut bytes) = (Vec::new(), 0);
        while bytes < WARM_BYTES
            && wanted.len() < WARM_FRAMES
            && let Some((_, number, name)) = self.away.pop()
        {
            let Some(archive) = self.archives.get(number) else { continue };
            let pieces = archive.pieces(&name, &self.query);
            bytes += pieces.iter().map(|(_, p)| p.range.end - p.range.start).sum::<u64>();
            wanted.extend(pieces);
        }
        self.ahead.fetch(wanted);
    }
}

//! The sources of rows: days, frames of segments, blocks of live files.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use rayon::prelude::*;

use super::archive_scan::ArchiveScan;
use super::filter::Verdict;
use super::frames::{self, FrameRows, PrefetchedFrames};
use super::notice::{Notice, Notices};
use super::row::{EVER, bounds, clamp, is_misnamed, place_in_time};
use super::row_buffer::RowBuilder;
use super::sources::{
    EventSource, LiveFiles, MatchedFile, MatchedFiles, OpenSegment, Opened, SizedFile,
};
use super::{Order, Query, Store, step};
use crate::Result;
use crate::archive::SegmentName;
use crate::event::{Date, EventPath, MAX_EVENT_BYTES, Timestamp};
use crate::live::{FileState, Listing, LiveTree};

/// Live files up to this size are read with their block; larger ones are only measured there, and
/// read when the block is done.
const MAX_SMALL: u64 = 8 << 10;

/// Bytes of larger files read together; one that exceeds this is read alone.
const MAX_TOGETHER: u64 = 8 << 20;

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

    fn read_live(
        &mut self,
        mut files: LiveFiles,
        opened: &mut Opened,
        notices: &mut Notices,
    ) -> Result<Option<EventSource>> {
        let listing = Arc::clone(&files.listing);
        if files.large.is_empty() {
            let end = (files.next + self.block_files).min(files.numbers.len());
            let bytes = MAX_SMALL as u32;
            let numbers = files.numbers[files.next..end].iter();
            let wanted: Vec<SizedFile> =
                numbers.map(|number| SizedFile { number: *number, bytes }).collect();
            let mut read = self.read_files(&listing, &wanted, opened, notices)?;
            files.times.append(&mut read.matched);
            files.large = read.larger;
            files.next = end;
        } else {
            let sizes = files.large.iter().map(|file| file.bytes);
            let rest = files.large.split_off(together(sizes));
            let wanted = std::mem::replace(&mut files.large, rest);
            let mut read = self.read_files(&listing, &wanted, opened, notices)?;
            files.times.append(&mut read.matched);
            name_changed(&listing, &read.larger, notices);
        }
        if files.next < files.numbers.len() || !files.large.is_empty() {
            return Ok(Some(EventSource::Live(files)));
        }
        let mut times = files.times;
        match self.query.order {
            Order::Forward => times.sort_unstable(),
            Order::Reverse => times.sort_unstable_by_key(|known| Reverse(*known)),
        }
        let to = times.len();
        let times = Arc::new(times);
        opened.again =
            Some(EventSource::MatchedFiles(MatchedFiles { listing, times, from: 0, to }));
        Ok(None)
    }

    /// Reads the first block of files whose times are known, and queues the rest.
    fn read_known(
        &mut self,
        files: MatchedFiles,
        opened: &mut Opened,
        notices: &mut Notices,
    ) -> Result<()> {
        let block = &files.times[files.from..(files.from + self.block_files).min(files.to)];
        let count = together(block.iter().map(|known| known.bytes)).min(block.len());
        let block = &block[..count];
        let end = files.from + block.len();
        let wanted: Vec<SizedFile> = block
            .iter()
            .map(|MatchedFile { number, bytes, .. }| SizedFile { number: *number, bytes: *bytes })
            .collect();
        let read = self.read_files(&files.listing, &wanted, opened, notices)?;
        name_changed(&files.listing, &read.larger, notices);
        if end < files.to {
            let (first, last) = (files.times[end].time, files.times[files.to - 1].time);
            let rest = MatchedFiles { from: end, ..files.clone() };
            opened.sources.push((
                first.min(last),
                first.max(last),
                EventSource::MatchedFiles(rest),
            ));
        }
        opened.again = Some(EventSource::MatchedFiles(MatchedFiles { to: end, ..files }));
        Ok(())
    }

    /// Reads live files in parallel, then looks for segments that hold what has vanished
    /// meanwhile. Larger files than asked for are not read, only measured.
    fn read_files(
        &mut self,
        listing: &Listing,
        wanted: &[SizedFile],
        opened: &mut Opened,
        notices: &mut Notices,
    ) -> Result<FilesRead> {
        let Some(live) = &self.live else { return Ok(FilesRead::default()) };
        step();
        let partition = live.partition(listing.date());
        let outcomes: Vec<(u32, EventPath, FileRead)> = wanted
            .par_iter()
            .map_init(Vec::new, |buffer, SizedFile { number, bytes }| {
                let path = listing.path(*number as usize);
                let limit = u64::from(*bytes).max(MAX_SMALL);
                let read = partition.read_up_to(&path.node, &path.name, buffer, limit);
                let outcome = match read {
                    Ok(FileState::Read(_)) => match self.query.filter.judge(buffer) {
                        Verdict::Match(timestamp) => FileRead::Match(taken(buffer), timestamp),
                        Verdict::Other => FileRead::Other,
                        Verdict::Invalid(reason) => FileRead::Invalid(reason),
                    },
                    Ok(FileState::Gone) => FileRead::Gone,
                    Ok(FileState::NotRegular(kind)) => {
                        FileRead::Invalid(format!("it is {kind}, not a file"))
                    }
                    Ok(FileState::TooLarge(size)) => match u32::try_from(size) {
                        Ok(bytes) if size <= MAX_EVENT_BYTES => FileRead::Large(bytes),
                        _ => FileRead::Invalid(format!("it has {size} bytes, more than any event")),
                    },
                    Ok(FileState::Changed) => FileRead::Unreadable(CHANGED.to_owned()),
                    Err(error) => FileRead::Unreadable(error.reason_at(path.to_string())),
                };
                if buffer.capacity() as u64 > 2 * MAX_SMALL {
                    *buffer = Vec::new();
                }
                (*number, path, outcome)
            })
            .collect();
        drop(partition);
        let day_by_day = self.query.day_by_day;
        let mut rows = RowBuilder::new(listing.date(), None).day_by_day(day_by_day);
        let mut read = FilesRead::default();
        for (number, path, outcome) in outcomes {
            match outcome {
                FileRead::Match(text, timestamp) => {
                    let time = if day_by_day {
                        clamp(path.date, timestamp)
                    } else {
                        place_in_time(path.borrowed(), timestamp)
                    };
                    read.matched.push(MatchedFile { time, number, bytes: text.len() as u32 });
                    rows.add(path.borrowed(), &text, timestamp);
                    if is_misnamed(path.borrowed(), timestamp) {
                        notices.add(Notice::Misnamed { path, timestamp });
                    }
                }
                FileRead::Large(bytes) => read.larger.push(SizedFile { number, bytes }),
                FileRead::Invalid(reason) => {
                    notices.add(Notice::Invalid { path, segment: None, reason });
                }
                FileRead::Unreadable(reason) => notices.add(Notice::Unreadable { path, reason }),
                FileRead::Other | FileRead::Gone => {}
            }
        }
        opened.rows.append(&mut rows.finish());
        // Not only when a file was gone: another one may stand in its place by now.
        if self.query.scope.archived() {
            self.add_new_segments(listing.date(), opened, notices)?;
        }
        Ok(read)
    }
}

/// The result of reading files together.
#[derive(Default)]
struct FilesRead {
    matched: Vec<MatchedFile>,
    /// Files that are larger than asked for, and so were only measured.
    larger: Vec<SizedFile>,
}

/// The reason why an existing file could not be read.
const CHANGED: &str = "it changed while it was read";

/// Reports files that have grown since they were measured: nothing that emits does that.
fn name_changed(listing: &Listing, grown: &[SizedFile], notices: &mut Notices) {
    for file in grown {
        let path = listing.path(file.number as usize);
        notices.add(Notice::Unreadable { path, reason: CHANGED.to_owned() });
    }
}

/// Returns how many files of these sizes are read together: at least one.
fn together(sizes: impl Iterator<Item = u32>) -> usize {
    let mut bytes = 0_u64;
    let fits = |size: &u32| {
        bytes += u64::from(*size);
        bytes <= MAX_TOGETHER
    };
    sizes.take_while(fits).count().max(1)
}

/// Takes the content out of the buffer, which is kept if small.
fn taken(buffer: &mut Vec<u8>) -> Box<[u8]> {
    if buffer.len() as u64 > MAX_SMALL {
        std::mem::take(buffer).into_boxed_slice()
    } else {
        buffer.as_slice().into()
    }
}

/// Days, and the time spans of what they hold.
pub(super) type Days = BTreeMap<Date, (i64, i64)>;

fn widen(days: &mut Days, date: Date, span: (i64, i64)) {
    let known = days.entry(date).or_insert(span);
    *known = (known.0.min(span.0), known.1.max(span.1));
}

/// Adds the live days that may hold an answer. An event may lie in any day's directory, so the
/// names in each are checked; no file is opened for that.
fn add_live_days(live: &LiveTree, dates: &[Date], query: &Query, days: &mut Days) -> Result<()> {
    let wanted = dates.iter().copied().filter(|date| query.wants_partition(*date));
    // When all days are read one after the other, names decide nothing.
    let by_name = !query.day_by_day || query.filter.since.is_some() || query.filter.until.is_some();
    for date in wanted {
        if query.wants(date) {
            widen(days, date, bounds(date));
        }
        if !by_name {
            continue;
        }
        live.stray_instants(date, &mut |instant| {
            let stray = stray_span(date, instant);
            let is_asked_for = query.wants(date) || stray_answers(query, instant);
            if is_asked_for {
                widen(days, date, if query.day_by_day { bounds(date) } else { stray });
            }
        })?;
    }
    Ok(())
}

/// Returns the possible times of a live file whose name claims an instant of another day, or
/// none: near that instant or near its day, depending on its timestamp.
fn stray_span(date: Date, instant: Option<Timestamp>) -> (i64, i64) {
    let Some(instant) = instant else { return EVER };
    let (earliest, latest) = bounds(date);
    let (from, to) = around(instant);
    (from.min(earliest), to.max(latest))
}

/// Returns the possible timestamps of a file whose name claims this instant.
fn around(instant: Timestamp) -> (i64, i64) {
    let day = Timestamp::MICROS_PER_DAY;
    (instant.micros() - day, instant.micros() + day)
}

/// Reports whether a query can match a live file whose name claims this instant.
fn stray_answers(query: &Query, instant: Option<Timestamp>) -> bool {
    instant.is_none_or(|instant| {
        let (from, to) = around(instant);
        query.filter.meets(from, to)
    })
}

/// Groups the files of a live day that may hold an answer by the instants their names claim: of
/// this day, of another day, or none, each with its time span. So one file that was filed years
/// late does not make its whole day come first.
fn groups(listing: &Listing, query: &Query) -> Vec<((i64, i64), Vec<u32>)> {
    let date = listing.date();
    let is_wanted = query.wants(date);
    let (mut own, mut strays, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut span: Option<(i64, i64)> = None;
    for number in 0..listing.len() {
        let instant = listing.instant(number);
        let is_own = instant.is_some_and(|instant| instant.date() == date);
        if !(is_wanted || !is_own && stray_answers(query, instant)) {
            continue;
        }
        let number = number as u32;
        if is_own || query.day_by_day {
            own.push(number);
        } else if instant.is_none() {
            unknown.push(number);
        } else {
            let (from, to) = stray_span(date, instant);
            span = Some(span.map_or((from, to), |span| (span.0.min(from), span.1.max(to))));
            strays.push(number);
        }
    }
    let groups = [(bounds(date), own), (span.unwrap_or(EVER), strays), (EVER, unknown)];
    groups.into_iter().filter(|(_, numbers)| !numbers.is_empty()).collect()
}

enum FileRead {
    Match(Box<[u8]>, Timestamp),
    Other,
    /// Larger than was to be read now, though within the limit for events.
    Large(u32),
    Invalid(String),
    Unreadable(String),
    Gone,
}

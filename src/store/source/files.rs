//! Live files, read block by block; what vanished meanwhile is looked for in segments.

use std::cmp::Reverse;
use std::sync::Arc;

use rayon::prelude::*;

use super::Reading;
use crate::Result;
use crate::event::{EventPath, MAX_EVENT_BYTES, Timestamp};
use crate::live::{FileState, Listing};
use crate::store::filter::Verdict;
use crate::store::notice::{Notice, Notices};
use crate::store::row::{clamp, is_misnamed, place_in_time};
use crate::store::row_buffer::RowBuilder;
use crate::store::sources::{EventSource, LiveFiles, MatchedFile, MatchedFiles, Opened, SizedFile};
use crate::store::{Order, step};

/// Live files up to this size are read with their block; larger ones are only measured there, and
/// read when the block is done.
const MAX_SMALL: u64 = 8 << 10;

/// Bytes of larger files read together; one that exceeds this is read alone.
const MAX_TOGETHER: u64 = 8 << 20;

enum FileRead {
    Match(Box<[u8]>, Timestamp),
    Other,
    /// Larger than was to be read now, though within the limit for events.
    Large(u32),
    Invalid(String),
    Unreadable(String),
    Gone,
}

impl Reading {
    pub(super) fn read_live(
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
    pub(super) fn read_known(
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
        let filter = &self.query.filter;
        let scan = filter.scan();
        let outcomes: Vec<(u32, EventPath, FileRead)> = wanted
            .par_iter()
            .map_init(Vec::new, |buffer, SizedFile { number, bytes }| {
                let path = listing.path(*number as usize);
                let limit = u64::from(*bytes).max(MAX_SMALL);
                let read = partition.read_up_to(&path.node, &path.name, buffer, limit);
                let outcome = match read {
                    Ok(FileState::Read(_)) => match filter.judge(buffer, scan.as_ref()) {
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

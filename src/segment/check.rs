//! Checks a complete segment: reads it once, front to back, and proves that it is what the writer
//! makes of the events inside it.

use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::bytes::SegmentBytes;
use super::facts::{FrameFacts, SegmentFacts};
use super::frame::{Frame, FrameLabel, decompress, plausible};
use super::index::Index;
use super::reader::{FrameInfo, MAX_INDEX_BYTES, layout};
use super::seek::{self, SKIPPABLE_HEADER_BYTES};
use super::tar;
use super::{SegmentSummary, Sha256Hash, TRAILER_BYTES};
use crate::event::{Date, EventPath};
use crate::{Error, Result};

/// The most bytes of frames that are decompressed together.
const MAX_TOGETHER: u64 = 16 << 20;

/// The result of checking a segment.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// The totals, recomputed from the events. `None` if a part of the segment could not be read.
    pub summary: Option<SegmentSummary>,
    /// The day of its events, or of its index if it has none.
    pub date: Option<Date>,
    /// The problems found, each a sentence.
    pub findings: Vec<String>,
}

/// Checks a segment's file: every frame and its checksum, every member's header, the order, the
/// index, the seek table, and that there is nothing else. Damage in one frame does not keep the
/// others from being checked. `progress` is advanced as bytes are read. Fails only if the file
/// cannot be read at all.
pub fn check(
    file: &SegmentBytes,
    path: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<CheckReport> {
    check_until(file, path, progress, &|| false)
}

/// A visitor of sound frames: gets each one's number and content, on any thread.
pub(crate) type EachFrame<'a> = &'a (dyn Fn(usize, &Frame) + Sync);

/// Checks like [`check`], and shows each sound frame to `each`.
pub(crate) fn check_showing(
    file: &SegmentBytes,
    path: &Path,
    progress: &(dyn Fn(u64) + Sync),
    each: EachFrame<'_>,
) -> Result<CheckReport> {
    check_with(file, path, progress, &|| false, each)
}

/// Checks like [`check`], but gives up with [`Error::Interrupted`] as soon as `stops` returns
/// true.
pub(crate) fn check_until(
    file: &SegmentBytes,
    path: &Path,
    progress: &(dyn Fn(u64) + Sync),
    stops: &dyn Fn() -> bool,
) -> Result<CheckReport> {
    check_with(file, path, progress, stops, &|_, _| {})
}

fn check_with(
    file: &SegmentBytes,
    path: &Path,
    progress: &(dyn Fn(u64) + Sync),
    stops: &dyn Fn() -> bool,
    each: EachFrame<'_>,
) -> Result<CheckReport> {
    let failed = |error| Error::io(path, "read", error);
    let file_bytes = file.len().map_err(failed)?;
    let tail_bytes = file_bytes.min(64 << 10).min(file.near_bytes().unwrap_or(u64::MAX));
    let mut tail = vec![0; tail_bytes as usize];
    file.read_exact_at(&mut tail, file_bytes - tail_bytes).map_err(failed)?;
    let layout = layout(file, file_bytes, &tail).map_err(failed)?;
    let mut checker = Checker {
        file,
        path,
        progress,
        stops,
        each,
        hasher: Sha256::new(),
        read_to: 0,
        facts: SegmentFacts::new(),
        date: None,
        last: None,
        findings: layout.damage.into_iter().collect(),
        whole: true,
        index_bytes: 0,
    };
    let frames = layout.frames.len();
    checker.frames(&layout.frames)?;
    let index_bytes = layout.index.map(|(_, bytes)| bytes);
    checker.rest(layout.trailer, index_bytes, &layout.entries, file_bytes)?;
    Ok(checker.finish(frames, file_bytes))
}

struct Checker<'a> {
    file: &'a SegmentBytes,
    path: &'a Path,
    progress: &'a (dyn Fn(u64) + Sync),
    stops: &'a dyn Fn() -> bool,
    each: EachFrame<'a>,
    hasher: Sha256,
    /// The number of bytes hashed so far.
    read_to: u64,
    facts: SegmentFacts,
    date: Option<Date>,
    last: Option<EventPath>,
    findings: Vec<String>,
    /// True if every frame could be read.
    whole: bool,
    index_bytes: u64,
}

/// The contents of one frame.
struct CheckedFrame {
    facts: FrameFacts,
    first: Option<EventPath>,
    last: Option<EventPath>,
}

impl Checker<'_> {
    fn read(&mut self, bytes: u64) -> Result<Vec<u8>> {
        let mut buffer = vec![0; bytes as usize];
        self.file
            .read_exact_at(&mut buffer, self.read_to)
            .map_err(|error| Error::io(self.path, "read", error))?;
        self.hasher.update(&buffer);
        self.read_to += bytes;
        (self.progress)(bytes);
        Ok(buffer)
    }

    fn frames(&mut self, frames: &[FrameInfo]) -> Result<()> {
        let mut number = 0;
        while number < frames.len() {
            if (self.stops)() {
                return Err(Error::Interrupted(self.path.display().to_string()));
            }
            let infos = &frames[number..number + together(&frames[number..])];
            let mut compressed = Vec::with_capacity(infos.len());
            let all: u64 = infos.iter().map(|info| u64::from(info.compressed)).sum();
            if all <= MAX_TOGETHER {
                let wanted = self.read_to..self.read_to + all;
                self.file.read_on(wanted).map_err(|error| Error::io(self.path, "read", error))?;
            }
            for info in infos {
                let bytes = u64::from(info.compressed);
                compressed.push(match plausible(bytes, u64::from(info.decompressed)) {
                    Ok(()) => Ok(self.read(bytes)?),
                    Err(reason) => {
                        self.skip(bytes);
                        Err(reason)
                    }
                });
            }
            let (path, each) = (self.path, self.each);
            let checked: Vec<Result<CheckedFrame, String>> = compressed
                .into_par_iter()
                .zip(infos)
                .enumerate()
                .map(|(place, (compressed, info))| {
                    let label = FrameLabel { path: path.to_owned(), number: number + place };
                    check_frame(compressed, info, label, each)
                })
                .collect();
            for (place, checked) in checked.into_iter().enumerate() {
                self.take(number + place, checked);
            }
            number += infos.len();
        }
        Ok(())
    }

    /// Skips bytes that cannot be what they claim. They are not even hashed: a sparse file has
    /// any number of them.
    fn skip(&mut self, bytes: u64) {
        self.whole = false;
        self.read_to += bytes;
    }

    fn take(&mut self, number: usize, checked: Result<CheckedFrame, String>) {
        let checked = match checked {
            Ok(checked) => checked,
            Err(reason) => {
                self.whole = false;
                self.findings.push(reason);
                return;
            }
        };
        if let Some(first) = &checked.first {
            let date = *self.date.get_or_insert(first.date);
            if first.date != date {
                self.findings.push(format!("frame {number}: {first} is of another day"));
            }
            if self.last.as_ref().is_some_and(|last| last >= first) {
                self.findings.push(format!("frame {number}: {first} is out of order or twice"));
            }
        }
        self.last = checked.last.or(self.last.take());
        self.facts.add(checked.facts);
    }

    /// Checks the tar's end, the index and the seek table in bounded memory: their claimed sizes
    /// are compared with the possible ones before they are read.
    fn rest(
        &mut self,
        trailer: Option<FrameInfo>,
        index_bytes: Option<u64>,
        entries: &[seek::SeekEntry],
        file_bytes: u64,
    ) -> Result<()> {
        if let Some(info) = trailer {
            let bytes = u64::from(info.compressed);
            let zeros = match plausible(bytes, u64::from(info.decompressed)) {
                Ok(()) => decompress(&self.read(bytes)?, u64::from(info.decompressed)),
                Err(reason) => {
                    self.skip(bytes);
                    Err(reason)
                }
            };
            match zeros {
                Ok(zeros) if zeros == [0; TRAILER_BYTES] => {}
                Ok(_) => self.findings.push("the tar does not end with 1024 zeros".to_owned()),
                Err(reason) => self.findings.push(format!("the tar's end: {reason}")),
            }
        }
        if let Some(index_bytes) = index_bytes {
            self.index(index_bytes)?;
        }
        let expected = seek::encode(entries);
        let rest_bytes = file_bytes.saturating_sub(self.read_to);
        // One more byte shows whether anything follows.
        let table = self.read(rest_bytes.min(expected.len() as u64 + 1))?;
        if rest_bytes > table.len() as u64 {
            self.skip(rest_bytes - table.len() as u64);
        }
        if table != expected {
            self.findings.push(
                "its seek table is not that of its frames, or something follows it".to_owned(),
            );
        }
        Ok(())
    }

    fn index(&mut self, bytes: u64) -> Result<()> {
        if bytes > MAX_INDEX_BYTES {
            self.skip(bytes);
            self.findings.push(format!("its index claims to have {bytes} bytes"));
            return Ok(());
        }
        self.index_bytes = bytes.saturating_sub(SKIPPABLE_HEADER_BYTES as u64);
        match Index::from_frame(&self.read(bytes)?) {
            Err(reason) => self.findings.push(reason),
            // Without all frames there is nothing to compare with; the damaged ones were
            // reported.
            Ok(index) if self.whole => {
                let date = *self.date.get_or_insert(index.date());
                if !index.encodes_to(&self.facts.encode_index(date)) {
                    self.findings.push("its index is not that of its events".to_owned());
                }
            }
            Ok(_) => {}
        }
        Ok(())
    }

    fn finish(self, frames: usize, file_bytes: u64) -> CheckReport {
        let summary = self.whole.then(|| SegmentSummary {
            sha256: Sha256Hash::finish(self.hasher),
            bytes: file_bytes,
            events: self.facts.events,
            invalid: self.facts.invalid,
            nodes: self.facts.nodes.clone(),
            first: self.facts.first,
            last: self.facts.last,
            content: self.facts.content(),
            frames: frames as u64,
            event_bytes: self.facts.event_bytes,
            index_bytes: self.index_bytes,
        });
        CheckReport { summary, date: self.date, findings: self.findings }
    }
}

/// Returns how many of the next frames are read and checked together: enough for every thread, in
/// bounded memory.
fn together(frames: &[FrameInfo]) -> usize {
    let mut bytes = 0;
    let limit = 8 * rayon::current_num_threads();
    let fits = frames.iter().take(limit).take_while(|info| {
        bytes += u64::from(info.decompressed);
        bytes <= MAX_TOGETHER
    });
    fits.count().max(1)
}

fn check_frame(
    compressed: Result<Vec<u8>, String>,
    info: &FrameInfo,
    label: FrameLabel,
    each: EachFrame<'_>,
) -> Result<CheckedFrame, String> {
    let number = label.number;
    let tar = compressed
        .and_then(|compressed| decompress(&compressed, u64::from(info.decompressed)))
        .map_err(|reason| format!("frame {number}: {reason}"))?;
    let frame = Frame::new(tar, label, None);
    let mut checked = CheckedFrame { facts: FrameFacts::new(), first: None, last: None };
    let mut last = None;
    for member in frame.members() {
        let member = member.map_err(|error| match error {
            Error::Corrupt { reason, .. } => reason,
            other => other.to_string(),
        })?;
        let timestamp = checked.facts.add(member.path, member.bytes);
        if tar::mtime(member.path, timestamp) != member.mtime {
            return Err(format!("frame {number}: the time of {} is not its own", member.path));
        }
        checked.first.get_or_insert_with(|| member.path.to_path());
        last = Some(member.path);
    }
    checked.last = last.map(crate::event::PathRef::to_path);
    each(number, &frame);
    Ok(checked)
}

/// The tar's end must be exactly this long.
const _: () = assert!(TRAILER_BYTES == 2 * tar::BLOCK);

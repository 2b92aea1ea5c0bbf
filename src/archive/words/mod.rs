//! Exclusion of frames by words: a small file that saves readers from unpacking most of the
//! archive when they look for a text.
//!
//! A search in texts would have to unpack every frame of every year. This file is an inverted
//! index: it has the words of all events, and for each the frames that it occurs in. A text that
//! is looked for consists of parts of words; a frame without a word for each of them cannot hold
//! it. Words that most frames have take next to no room, since their frames are ranges.
//!
//! It is derived and never trusted over a segment, as the catalogue is: a segment that it does not
//! list is searched, the last writer leaves its SHA-256 in the lock, and `verify` looks whether
//! each word of a segment is listed.

mod file;
mod letters;
mod table;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use rayon::prelude::*;

use super::layout::WORDS;
use super::{ArchiveDir, ArchiveLock, Manifest, Noted, SegmentName};
use crate::event::{EventHead, each_leaf};
use crate::segment::{Frame, PackedFrame, SegmentReader, Sha256Hash};
use crate::{Error, Result};
pub(crate) use file::Words;
use letters::{MAX_WORD, each_word};
use table::{FrameWords, Table};

/// Maximum bytes of tar that are unpacked together.
const MAX_TOGETHER: u64 = 8 << 20;

/// The most distinct words of a frame that are noted. Whoever emits noise makes it slow to search,
/// and no more.
const MAX_WORDS: usize = 1 << 16;

/// The size that the file may have whatever the archive's, in bytes, and the part of the archive
/// that it may have besides.
const FREE_BYTES: u64 = 256 << 10;
const PART: u64 = 50;

/// Returns the words of a frame's events; `None` if one of them is not an event, or has too many.
fn words_of(frame: &Frame) -> Option<FrameWords> {
    let (mut words, mut paths) = (FrameWords::new(), HashSet::<Box<str>>::new());
    let mut word = Vec::with_capacity(64);
    for member in frame.members() {
        let bytes = member.ok()?.bytes;
        EventHead::parse(bytes).ok()?;
        let mut fits = true;
        let mut note = |found: &[u8]| {
            fits &= found.len() <= MAX_WORD;
            if !words.contains(found) {
                words.insert(found.into());
            }
        };
        each_leaf(std::str::from_utf8(bytes).ok()?, &mut |path, leaf| {
            if !paths.contains(path) {
                paths.insert(path.into());
                each_word(path, &mut word, &mut note);
            }
            if let Some(text) = leaf.text() {
                each_word(text, &mut word, &mut note);
            }
        });
        if !fits || words.len() > MAX_WORDS || paths.len() > MAX_WORDS {
            return None;
        }
    }
    Some(words)
}

/// Returns the words of a segment's frames; `None` if they are not to be listed. Fails if the
/// segment is not here, or cannot be read.
fn words_of_segment(archive: &ArchiveDir, name: &SegmentName) -> Result<Option<Vec<FrameWords>>> {
    let path = archive.segment_path(name);
    let reader = SegmentReader::open_day(archive.open_segment(name)?, &path, name.date)?;
    if reader.away().is_some() || reader.damage().is_some() {
        return Err(Error::corrupt(&path, "its words cannot be read here".to_owned()));
    }
    let mut words = Vec::new();
    let mut together: Vec<PackedFrame> = Vec::new();
    let mut bytes = 0;
    let last = reader.frames().len().checked_sub(1);
    for number in 0..reader.frames().len() {
        let packed = reader.fetch_frame(number)?;
        bytes += packed.tar_bytes();
        together.push(packed);
        if bytes < MAX_TOGETHER && Some(number) != last {
            continue;
        }
        bytes = 0;
        let frames: Result<Vec<Option<FrameWords>>> = std::mem::take(&mut together)
            .into_par_iter()
            .map(|packed| Ok(words_of(&packed.unpack()?)))
            .collect();
        for frame in frames? {
            let Some(frame) = frame else { return Ok(None) };
            words.push(frame);
        }
    }
    Ok(Some(words))
}

/// Adds the segments that are not listed yet and leaves out those that are gone. The whole file is
/// built anew if it is not as the last writer left it.
pub(super) fn refresh(
    archive: &ArchiveDir,
    manifest: &Manifest,
    token: u64,
    lock: &ArchiveLock,
) -> Result<()> {
    let there: HashMap<Sha256Hash, u64> = manifest
        .segments()
        .filter_map(|(_, record)| Some((record.sha256?, record.bytes.unwrap_or(0))))
        .collect();
    let old = Words::load(archive).filter(|old| lock.noted(Noted::Words) == Some(old.hash()));
    let listed: HashSet<Sha256Hash> =
        old.iter().flat_map(Words::segments).map(|(segment, _)| segment).collect();
    let mut is_changed = listed.iter().any(|segment| !there.contains_key(segment));
    let is_missing = there.keys().any(|segment| !listed.contains(segment));
    if old.is_some() && !is_changed && !is_missing {
        return Ok(());
    }
    let mut table = old.as_ref().and_then(Words::table).unwrap_or_default();
    table.retain(&there);
    let sizes = table.segments.iter().filter_map(|(segment, _)| there.get(segment));
    let mut budget = sizes.fold(FREE_BYTES, |sum, bytes| sum.saturating_add(bytes / PART));
    let mut size = table.bytes();
    for (name, record) in manifest.segments() {
        let Some(sha256) = record.sha256.filter(|sha256| !listed.contains(sha256)) else {
            continue;
        };
        // What is remote or damaged is searched, and considered again by the next writer.
        let Ok(words) = words_of_segment(archive, name) else { continue };
        is_changed = true;
        budget = budget.saturating_add(record.bytes.unwrap_or(0) / PART);
        let Some(words) = words else {
            size += table.add_unlisted(sha256);
            continue;
        };
        let grown = table.add(sha256, words);
        if size + grown > budget.min(file::MAX_BYTES) {
            table.drop_last();
            size += table.add_unlisted(sha256);
        } else {
            size += grown;
        }
    }
    if !is_changed && (old.is_some() || !archive.has_entry(WORDS)) {
        return Ok(());
    }
    let Some(bytes) = table.encode().filter(|_| !table.segments.is_empty()) else {
        return remove(archive, lock);
    };
    // It is not synced: one that is not whole is not used, and built anew.
    archive.stage(token, &mut &bytes[..])?.replace(WORDS)?;
    lock.note(Noted::Words, Sha256Hash::of(&bytes));
    Ok(())
}

/// Removes the file to free space. The next run that completes it builds it anew.
pub(crate) fn remove(archive: &ArchiveDir, _lock: &ArchiveLock) -> Result<()> {
    archive.dir().remove(WORDS).map(drop)
}

/// The frames that can hold a text, by their segment: how many it has, and the numbers of those.
/// Of a segment that is not here nothing is known.
#[derive(Debug, Default)]
pub(crate) struct Candidates(HashMap<Sha256Hash, (usize, Vec<usize>)>);

impl Candidates {
    /// Returns the frames that can hold one of these texts, of which every event that is looked for
    /// has one. What cannot be read excludes nothing.
    pub(crate) fn of(archive: &ArchiveDir, pieces: &[&str]) -> Self {
        Self::in_file(archive, pieces).unwrap_or_default()
    }

    fn in_file(archive: &ArchiveDir, pieces: &[&str]) -> Option<Self> {
        if pieces.iter().any(|piece| letters::needles(piece).is_empty()) {
            return None;
        }
        let words = Words::load(archive)?;
        let frames = words.segments().last()?.1.end;
        let mut holds = vec![false; frames as usize];
        for piece in pieces {
            let of_piece = words.frames_with(piece, frames)?;
            holds.iter_mut().zip(of_piece).for_each(|(all, one)| *all |= one);
        }
        let listed = words.segments().filter(|(_, frames)| !frames.is_empty());
        let of_segment = |frames: Range<u32>| {
            let holds = &holds[frames.start as usize..frames.end as usize];
            let numbers = holds.iter().enumerate().filter_map(|(at, holds)| holds.then_some(at));
            (holds.len(), numbers.collect())
        };
        Some(Self(listed.map(|(segment, frames)| (segment, of_segment(frames))).collect()))
    }

    /// Returns the segments that cannot hold the text.
    pub(crate) fn without(&self) -> impl Iterator<Item = Sha256Hash> + '_ {
        self.0.iter().filter(|(_, (_, numbers))| numbers.is_empty()).map(|(segment, _)| *segment)
    }

    /// Returns the frames of a segment that can hold the text, of as many as it has; `None` if
    /// nothing is known.
    pub(crate) fn frames(&self, segment: Option<Sha256Hash>, count: usize) -> Option<&[usize]> {
        let (frames, numbers) = self.0.get(&segment?)?;
        (*frames == count).then_some(numbers)
    }
}

/// The content of the file, for comparison with the segments.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    table: Table,
    /// The numbers of each segment's frames.
    frames: HashMap<Sha256Hash, Range<u32>>,
}

impl Listed {
    /// Reads the file; without a sound one nothing is listed.
    pub(crate) fn load(archive: &ArchiveDir) -> Self {
        let read = Words::load(archive).and_then(|words| {
            let table = words.table()?;
            let listed = words.segments().filter(|(_, frames)| !frames.is_empty());
            Some(Self { frames: listed.collect(), table })
        });
        read.unwrap_or_default()
    }

    /// Reports whether a frame of a segment has a word that is not listed, so that a search would
    /// miss it.
    pub(crate) fn lacks_words(&self, segment: Sha256Hash, number: usize, frame: &Frame) -> bool {
        let Some(frames) = self.frames.get(&segment) else { return false };
        let number = u32::try_from(number).ok().and_then(|number| frames.start.checked_add(number));
        let Some(number) = number.filter(|number| *number < frames.end) else { return false };
        let holds = |word: &[u8]| {
            self.table.words.get(word).is_some_and(|ranges| {
                let after = ranges.partition_point(|range| range.end <= number);
                ranges.get(after).is_some_and(|range| range.contains(&number))
            })
        };
        // A frame with anything that is not an event is not listed.
        words_of(frame).is_none_or(|words| !words.iter().all(|word| holds(word)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! The table of words in memory: which frames of which segments have each word.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use crate::segment::Sha256Hash;

/// The frames that have a word: ranges of numbers that ascend and do not touch.
pub(super) type Ranges = Vec<Range<u32>>;

/// The words of one frame.
pub(super) type FrameWords = HashSet<Box<[u8]>>;

/// The bytes that a segment, a word besides its letters, and a range take in the file, about.
const SEGMENT_BYTES: usize = 36;
const WORD_BYTES: usize = 10;
const RANGE_BYTES: usize = 3;

/// Which frames have each word. Frames are numbered through all segments.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The segments and their numbers of frames; 0 if nothing is said of a segment.
    pub(super) segments: Vec<(Sha256Hash, u32)>,
    /// The words, in lower case.
    pub(super) words: BTreeMap<Box<[u8]>, Ranges>,
}

impl Table {
    /// Returns the number of all frames.
    pub(super) fn frames(&self) -> u32 {
        self.segments.iter().map(|(_, frames)| *frames).sum()
    }

    /// Returns the bytes that all of it takes in the file, about.
    pub(super) fn bytes(&self) -> u64 {
        let of_word =
            |word: &[u8], ranges: &Ranges| word.len() + WORD_BYTES + RANGE_BYTES * ranges.len();
        let words: usize = self.words.iter().map(|(word, ranges)| of_word(word, ranges)).sum();
        (words + SEGMENT_BYTES * self.segments.len()) as u64
    }

    /// Adds a segment and the words of its frames. Returns by how much [`bytes`](Self::bytes)
    /// grows.
    pub(super) fn add(&mut self, segment: Sha256Hash, frames: Vec<FrameWords>) -> u64 {
        let first = self.frames();
        let mut grown = SEGMENT_BYTES;
        self.segments.push((segment, frames.len() as u32));
        for (frame, words) in (first..).zip(frames) {
            for word in words {
                let length = word.len();
                let ranges = self.words.entry(word).or_default();
                if ranges.is_empty() {
                    grown += length + WORD_BYTES;
                }
                match ranges.last_mut() {
                    Some(last) if last.end == frame => last.end += 1,
                    _ => {
                        ranges.push(frame..frame + 1);
                        grown += RANGE_BYTES;
                    }
                }
            }
        }
        grown as u64
    }

    /// Adds a segment of which nothing is said: it is always searched.
    pub(super) fn add_unlisted(&mut self, segment: Sha256Hash) -> u64 {
        self.add(segment, Vec::new())
    }

    /// Removes the segment that was added last, with what only it has.
    pub(super) fn drop_last(&mut self) {
        let Some((_, frames)) = self.segments.pop() else { return };
        let end = self.frames();
        if frames == 0 {
            return;
        }
        self.words.retain(|_, ranges| {
            while let Some(last) = ranges.last_mut() {
                if last.start < end {
                    last.end = last.end.min(end);
                    break;
                }
                ranges.pop();
            }
            !ranges.is_empty()
        });
    }

    /// Keeps only some segments, and what they have.
    pub(super) fn retain(&mut self, keeps: &HashMap<Sha256Hash, u64>) {
        if self.segments.iter().all(|(segment, _)| keeps.contains_key(segment)) {
            return;
        }
        // The frames that stay, each range with its new start.
        let mut stays = Vec::new();
        let (mut old, mut new) = (0, 0);
        self.segments.retain(|(segment, frames)| {
            let is_kept = keeps.contains_key(segment);
            if is_kept {
                stays.push((old..old + frames, new));
                new += frames;
            }
            old += frames;
            is_kept
        });
        self.words.retain(|_, ranges| {
            let mut moved = Ranges::new();
            let mut stays = stays.iter().peekable();
            for range in ranges.iter() {
                while let Some((stay, to)) = stays.peek() {
                    let (start, end) = (range.start.max(stay.start), range.end.min(stay.end));
                    if start < end {
                        let at = to + (start - stay.start);
                        match moved.last_mut() {
                            Some(last) if last.end == at => last.end = at + (end - start),
                            _ => moved.push(at..at + (end - start)),
                        }
                    }
                    if stay.end > range.end {
                        break;
                    }
                    stays.next();
                }
            }
            *ranges = moved;
            !ranges.is_empty()
        });
    }
}

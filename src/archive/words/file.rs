//! The bytes of the file `words`.

use std::io::Read;
use std::ops::Range;

use super::letters::{MAX_WORD, needles};
use super::table::{Ranges, Table};
use crate::archive::ArchiveDir;
use crate::archive::layout::WORDS;
use crate::fs;
use crate::segment::{Sha256Hash, varint};

/// "HLWD" and the version.
const MAGIC: [u8; 8] = *b"HLWD\x01\0\0\0";

/// The number of bytes before the segments: the magic number, and four sizes.
const HEADER: usize = 8 + 4 * 4;

/// The number of bytes of a segment: its SHA-256, and its number of frames.
const SEGMENT: usize = 36;

/// The number of bytes of the SHA-256 at the end.
const HASH: usize = 32;

/// The largest valid file, in bytes. It is read in full.
pub(super) const MAX_BYTES: u64 = 32 << 20;

/// A sound file.
#[derive(Debug)]
pub(crate) struct Words {
    bytes: Vec<u8>,
    segments: Range<usize>,
    dictionary: Range<usize>,
    starts: Range<usize>,
    postings: Range<usize>,
}

impl Words {
    /// Reads the file; `None` unless it is there and sound.
    pub(crate) fn load(archive: &ArchiveDir) -> Option<Self> {
        let file = fs::open_regular(archive.fd(), WORDS).ok()?;
        let size = file.metadata().ok()?.len();
        if size > MAX_BYTES {
            return None;
        }
        let mut bytes = Vec::with_capacity(size as usize + 1);
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
        Self::parse(bytes)
    }

    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let body = bytes.len().checked_sub(HASH)?;
        if bytes.get(..MAGIC.len())? != MAGIC || Sha256Hash::of(&bytes[..body]).0 != bytes[body..] {
            return None;
        }
        let size = |at: usize| Some(number(bytes.get(MAGIC.len() + 4 * at..)?)? as usize);
        let (count, words) = (size(0)?, size(1)?);
        let mut at = HEADER;
        let mut part = |bytes: usize| {
            let start = at;
            at = start.checked_add(bytes)?;
            Some(start..at)
        };
        let segments = part(count.checked_mul(SEGMENT)?)?;
        let dictionary = part(size(2)?)?;
        let starts = part(words.checked_mul(4)?)?;
        let postings = part(size(3)?)?;
        if postings.end != body || !is_dictionary(&bytes[dictionary.clone()], words) {
            return None;
        }
        Some(Self { bytes, segments, dictionary, starts, postings })
    }

    /// Returns the SHA-256 of the whole file.
    pub(super) fn hash(&self) -> Sha256Hash {
        Sha256Hash::of(&self.bytes)
    }

    /// Returns the segments, each with the numbers of its frames; none if nothing is said of it.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Sha256Hash, Range<u32>)> + '_ {
        let mut first = 0_u32;
        self.bytes[self.segments.clone()].chunks_exact(SEGMENT).filter_map(move |row| {
            let (hash, frames) = row.split_at(32);
            let start = first;
            first = first.checked_add(number(frames)?)?;
            Some((Sha256Hash(hash.try_into().ok()?), start..first))
        })
    }

    fn dictionary(&self) -> &[u8] {
        &self.bytes[self.dictionary.clone()]
    }

    /// Returns the frames that have a word, by its number. `None` if they cannot be read.
    fn ranges(&self, word: usize) -> Option<Ranges> {
        let start = number(self.bytes[self.starts.clone()].get(4 * word..)?)? as usize;
        let mut rest = self.bytes[self.postings.clone()].get(start..)?;
        let count = varint::take(&mut rest)?;
        let mut ranges = Ranges::new();
        let mut end = 0_u32;
        for _ in 0..count {
            let start = end.checked_add(u32::try_from(varint::take(&mut rest)?).ok()?)?;
            let length = u32::try_from(varint::take(&mut rest)?).ok()?.checked_add(1)?;
            end = start.checked_add(length)?;
            ranges.push(start..end);
        }
        Some(ranges)
    }

    /// Returns the frames that can hold a text, for each frame whether it does. `None` if nothing
    /// can be said.
    pub(super) fn frames_with(&self, piece: &str, frames: u32) -> Option<Vec<bool>> {
        let needles = needles(piece);
        if needles.is_empty() {
            return None;
        }
        let mut all = vec![true; frames as usize];
        for needle in needles {
            let mut holds = vec![false; frames as usize];
            for word in self.words_with(&needle) {
                for range in self.ranges(word)? {
                    holds.get_mut(range.start as usize..range.end as usize)?.fill(true);
                }
            }
            all.iter_mut().zip(holds).for_each(|(all, holds)| *all &= holds);
        }
        Some(all)
    }

    /// Returns the numbers of the words that have this between their newlines.
    fn words_with(&self, needle: &[u8]) -> Vec<usize> {
        let dictionary = self.dictionary();
        let finder = memchr::memmem::Finder::new(needle);
        let mut found = Vec::new();
        let (mut from, mut counted, mut newlines) = (0, 0, 0);
        while let Some(at) = finder.find(&dictionary[from..]) {
            // The first letter: the newline before it ends the word before.
            let letter = from + at + usize::from(needle[0] == b'\n');
            newlines += memchr::memchr_iter(b'\n', &dictionary[counted..letter]).count();
            counted = letter;
            found.push(newlines - 1);
            let Some(end) = memchr::memchr(b'\n', &dictionary[letter..]) else { break };
            from = letter + end;
        }
        found
    }

    /// Returns the table, to be changed.
    pub(super) fn table(&self) -> Option<Table> {
        let segments = self.segments();
        let segments = segments.map(|(segment, frames)| (segment, frames.end - frames.start));
        let mut table = Table { segments: segments.collect(), ..Table::default() };
        let words = self.dictionary().split(|byte| *byte == b'\n').filter(|word| !word.is_empty());
        for (number, word) in words.enumerate() {
            table.words.insert(word.into(), self.ranges(number)?);
        }
        Some(table)
    }
}

impl Table {
    /// Returns the file; `None` if it would be too large.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let (mut dictionary, mut starts, mut postings) = (vec![b'\n'], Vec::new(), Vec::new());
        for (word, ranges) in &self.words {
            dictionary.extend_from_slice(word);
            dictionary.push(b'\n');
            starts.extend_from_slice(&u32::try_from(postings.len()).ok()?.to_le_bytes());
            varint::put(&mut postings, ranges.len() as u64);
            let mut end = 0;
            for range in ranges {
                varint::put(&mut postings, u64::from(range.start - end));
                varint::put(&mut postings, u64::from(range.end - range.start - 1));
                end = range.end;
            }
        }
        let mut bytes = MAGIC.to_vec();
        for size in [self.segments.len(), self.words.len(), dictionary.len(), postings.len()] {
            bytes.extend_from_slice(&u32::try_from(size).ok()?.to_le_bytes());
        }
        for (segment, frames) in &self.segments {
            bytes.extend_from_slice(&segment.0);
            bytes.extend_from_slice(&frames.to_le_bytes());
        }
        for part in [dictionary, starts, postings] {
            bytes.extend_from_slice(&part);
        }
        let hash = Sha256Hash::of(&bytes);
        bytes.extend_from_slice(&hash.0);
        (bytes.len() as u64 <= MAX_BYTES).then_some(bytes)
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?))
}

/// Reports whether these are so many words, ascending, each between two newlines.
fn is_dictionary(bytes: &[u8], words: usize) -> bool {
    let (Some(inner), true) = (bytes.strip_prefix(b"\n"), bytes.ends_with(b"\n")) else {
        return false;
    };
    if inner.is_empty() {
        return words == 0;
    }
    let mut before: &[u8] = b"";
    let mut count = 0;
    for word in inner[..inner.len() - 1].split(|byte| *byte == b'\n') {
        if word <= before || word.len() > MAX_WORD || !word.iter().all(u8::is_ascii_lowercase) {
            return false;
        }
        before = word;
        count += 1;
    }
    count == words
}

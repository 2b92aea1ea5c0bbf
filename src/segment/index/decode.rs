//! Reads an index: bounds first, then values.

use super::{
    BLOCK_VALUES, FRAME_BYTES, Field, FrameStats, HEADER_BYTES, MAGIC, MAX_BYTES, MAX_VALUE_BYTES,
    Posting, VERSION, cut, varint,
};
use crate::event::{Date, Timestamp};
use crate::segment::seek::{self, SKIPPABLE_HEADER_BYTES};
use crate::segment::{INDEX_MAGIC, Sha256Hash, codec};
use crate::{Error, Result};

/// The index of a segment.
#[derive(Debug)]
pub struct Index {
    payload: Vec<u8>,
    date: Date,
    frame_count: usize,
    sections: [Section; 6],
}

#[derive(Debug, Clone, Copy)]
struct Section {
    start: usize,
    len: usize,
    values: u32,
}

impl Section {
    fn blocks(&self) -> usize {
        (self.values as usize).div_ceil(BLOCK_VALUES)
    }

    /// Reports whether its blocks follow one another. Overlapping blocks would let a small index
    /// list a value any number of times.
    fn has_blocks_in_order(&self, payload: &[u8]) -> bool {
        let mut min = self.blocks() * 4;
        min <= self.len
            && (0..self.blocks()).all(|number| {
                let offset = u32_at(payload, self.start + number * 4) as usize;
                let fits = (min..=self.len).contains(&offset);
                min = offset;
                fits
            })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map_or(0, u64::from_le_bytes)
}

impl Index {
    /// Reads the index from its skippable frame.
    pub(in crate::segment) fn from_frame(frame: &[u8]) -> Result<Self, String> {
        let bytes = frame.len().saturating_sub(SKIPPABLE_HEADER_BYTES);
        let content = frame
            .strip_prefix(&seek::skippable_header(INDEX_MAGIC, bytes))
            .ok_or("the frame of its index is damaged")?;
        let named = |reason: String| format!("its index is damaged: {reason}");
        let size = codec::stated_size(content, MAX_BYTES).map_err(named)?;
        Self::parse(codec::unpack_to_keep(content, size).map_err(named)?)
    }

    /// Parses the bytes of an index; fails if they are not sound.
    pub(in crate::segment) fn parse(payload: Vec<u8>) -> Result<Self, String> {
        if payload.len() < HEADER_BYTES || payload[..4] != MAGIC {
            return Err("its index frame does not hold an index".to_owned());
        }
        let version = u16::from_le_bytes([payload[4], payload[5]]);
        if version != VERSION {
            return Err(format!(
                "its index has version {version}; this program reads version {VERSION}"
            ));
        }
        let end = payload.len();
        let wrong = || "its index contradicts itself".to_owned();
        let frame_count = u32_at(&payload, 8) as usize;
        let frames_end = frame_count
            .checked_mul(FRAME_BYTES)
            .and_then(|bytes| bytes.checked_add(HEADER_BYTES))
            .filter(|frames_end| *frames_end <= end)
            .ok_or_else(wrong)?;
        if usize::from(u16::from_le_bytes([payload[6], payload[7]])) != Field::ALL.len() {
            return Err(wrong());
        }
        let date = std::str::from_utf8(&payload[88..98])
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(wrong)?;
        let mut sections = [Section { start: 0, len: 0, values: 0 }; 6];
        for (number, section) in sections.iter_mut().enumerate() {
            let at = 104 + number * 12;
            *section = Section {
                start: u32_at(&payload, at) as usize,
                len: u32_at(&payload, at + 4) as usize,
                values: u32_at(&payload, at + 8),
            };
            let fits = section.start >= frames_end
                && section.start.checked_add(section.len).is_some_and(|to| to <= end)
                && section.has_blocks_in_order(&payload);
            if !fits {
                return Err(wrong());
            }
        }
        Ok(Self { payload, date, frame_count, sections })
    }

    /// Reports whether these are the bytes of the index.
    pub(in crate::segment) fn encodes_to(&self, bytes: &[u8]) -> bool {
        self.payload == bytes
    }

    /// Returns the indexed part of a value: long values are cut.
    pub fn known_part(value: &str) -> &str {
        cut(value)
    }

    /// Returns the day that all events are filed under.
    pub fn date(&self) -> Date {
        self.date
    }

    /// Returns the number of members, valid or not.
    pub fn events(&self) -> u64 {
        u64_at(&self.payload, 16)
    }

    /// Returns the number of members that are not valid events.
    pub fn invalid(&self) -> u64 {
        u64_at(&self.payload, 24)
    }

    /// Returns the earliest timestamp; `None` if there is no valid event.
    pub fn first(&self) -> Option<Timestamp> {
        instant(self.i64_at(32), i64::MAX)
    }

    /// Returns the latest timestamp; `None` if there is no valid event.
    pub fn last(&self) -> Option<Timestamp> {
        instant(self.i64_at(40), i64::MIN)
    }

    /// Returns the size of all event files together, in bytes.
    pub fn event_bytes(&self) -> u64 {
        u64_at(&self.payload, 48)
    }

    /// Returns the content digest.
    pub fn content(&self) -> Sha256Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(&self.payload[56..88]);
        Sha256Hash(hash)
    }

    /// Returns the number of frames that hold events.
    pub fn frame_count(&self) -> usize {
        self.frame_count
    }

    /// Returns the totals of a frame; all zero for one that does not exist.
    pub fn frame(&self, number: usize) -> FrameStats {
        if number >= self.frame_count {
            return FrameStats { events: 0, invalid: 0, first: None, last: None };
        }
        let at = HEADER_BYTES + number * FRAME_BYTES;
        FrameStats {
            events: u32_at(&self.payload, at),
            invalid: u32_at(&self.payload, at + 4),
            first: instant(self.i64_at(at + 8), i64::MAX),
            last: instant(self.i64_at(at + 16), i64::MIN),
        }
    }

    fn i64_at(&self, at: usize) -> i64 {
        u64_at(&self.payload, at) as i64
    }

    /// Returns the number of distinct values of a field.
    pub fn value_count(&self, field: Field) -> u32 {
        self.sections[field as usize].values
    }

    /// Counts the blocks whose first value is not greater than this one; the last of them is the
    /// one that can contain it.
    fn blocks_up_to(&self, field: Field, value: &[u8]) -> Result<usize> {
        let (mut low, mut high) = (0, self.block_count(field));
        while low < high {
            let middle = low.midpoint(high);
            let mut block = self.block(field, middle)?;
            let first = block.next_value()?.ok_or_else(broken)?;
            if first.as_slice() <= value { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Returns the frames in which a field has a value, ascending. Long values are cut, so a
    /// frame may hold another value with the same beginning.
    pub fn lookup(&self, field: Field, value: &str) -> Result<Vec<Posting>> {
        let value = cut(value).as_bytes();
        let Some(number) = self.blocks_up_to(field, value)?.checked_sub(1) else {
            return Ok(Vec::new());
        };
        let mut block = self.block(field, number)?;
        while let Some(found) = block.next_value()? {
            if found.as_slice() == value {
                return block.postings(self.frame_count);
            }
            block.skip_postings()?;
        }
        Ok(Vec::new())
    }

    /// Returns the values of a field that begin with a prefix, in order. Values that were cut for
    /// the index are left out, since their ends are not known.
    pub fn with_prefix(&self, field: Field, prefix: &str) -> Result<Vec<String>> {
        self.first_with_prefix(field, prefix, usize::MAX)
    }

    /// Returns the first `limit` of them.
    pub fn first_with_prefix(
        &self,
        field: Field,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<String>> {
        let prefix = prefix.as_bytes();
        let first = self.blocks_up_to(field, prefix)?.saturating_sub(1);
        let mut found = Vec::new();
        for number in first..self.block_count(field) {
            let mut block = self.block(field, number)?;
            while let Some(value) = block.next_value()? {
                block.skip_postings()?;
                if value.starts_with(prefix) {
                    if found.len() == limit {
                        return Ok(found);
                    }
                    if value.len() < MAX_VALUE_BYTES - 3 {
                        found.push(String::from_utf8(value).map_err(|_| broken())?);
                    }
                } else if value.as_slice() > prefix {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Returns the last of them.
    pub fn last_with_prefix(&self, field: Field, prefix: &str) -> Result<Option<String>> {
        let prefix = prefix.as_bytes();
        // No byte of UTF-8 is as large, so this is after all values with the prefix.
        let end = self.blocks_up_to(field, &[prefix, &[0xff]].concat())?;
        let Some(number) = end.checked_sub(1) else { return Ok(None) };
        let mut last = None;
        let mut block = self.block(field, number)?;
        while let Some(value) = block.next_value()? {
            block.skip_postings()?;
            if value.starts_with(prefix) && value.len() < MAX_VALUE_BYTES - 3 {
                last = Some(value);
            }
        }
        last.map(|value| String::from_utf8(value).map_err(|_| broken())).transpose()
    }

    /// Returns every value of a field in order, with its frames.
    pub fn values(
        &self,
        field: Field,
    ) -> impl Iterator<Item = Result<(String, Vec<Posting>)>> + '_ {
        (0..self.block_count(field)).flat_map(move |number| {
            let mut values = Vec::new();
            let mut read = || -> Result<()> {
                let mut block = self.block(field, number)?;
                while let Some(value) = block.next_value()? {
                    let value = String::from_utf8(value).map_err(|_| broken())?;
                    values.push(Ok((value, block.postings(self.frame_count)?)));
                }
                Ok(())
            };
            if let Err(error) = read() {
                values.push(Err(error));
            }
            values
        })
    }

    fn block_count(&self, field: Field) -> usize {
        self.sections[field as usize].blocks()
    }

    fn block(&self, field: Field, number: usize) -> Result<Block<'_>> {
        let section = self.sections[field as usize];
        let bytes = &self.payload[section.start..section.start + section.len];
        let offset = |number: usize| u32_at(bytes, number * 4) as usize;
        let is_last = number + 1 == section.blocks();
        let end = if is_last { section.len } else { offset(number + 1) };
        let rest = bytes.get(offset(number)..end).ok_or_else(broken)?;
        let values = (section.values as usize - number * BLOCK_VALUES).min(BLOCK_VALUES);
        Ok(Block { rest, values, before: Vec::new() })
    }
}

fn instant(micros: i64, none: i64) -> Option<Timestamp> {
    (micros != none).then(|| Timestamp::from_micros(micros))
}

fn broken() -> Error {
    Error::corrupt("index", "it contradicts itself")
}

/// Sixteen values, each coded against the one before.
struct Block<'a> {
    rest: &'a [u8],
    values: usize,
    before: Vec<u8>,
}

impl Block<'_> {
    fn number(&mut self) -> Result<usize> {
        let number = varint::take(&mut self.rest).ok_or_else(broken)?;
        usize::try_from(number).map_err(|_| broken())
    }

    fn next_value(&mut self) -> Result<Option<Vec<u8>>> {
        if self.values == 0 {
            return Ok(None);
        }
        self.values -= 1;
        let shared = self.number()?;
        let len = self.number()?;
        let suffix = self.rest.get(..len).ok_or_else(broken)?;
        self.rest = &self.rest[len..];
        if shared > self.before.len() || shared + len > MAX_VALUE_BYTES {
            return Err(broken());
        }
        self.before.truncate(shared);
        self.before.extend_from_slice(suffix);
        Ok(Some(self.before.clone()))
    }

    fn postings(&mut self, frames: usize) -> Result<Vec<Posting>> {
        let count = self.number()?;
        // Each posting takes at least two bytes.
        if count > frames || count > self.rest.len() / 2 {
            return Err(broken());
        }
        let mut postings = Vec::with_capacity(count);
        let mut frame = 0_usize;
        for _ in 0..count {
            frame = frame.checked_add(self.number()?).filter(|f| *f < frames).ok_or_else(broken)?;
            let events = u32::try_from(self.number()?).map_err(|_| broken())?;
            postings.push(Posting { frame: frame as u32, events });
        }
        Ok(postings)
    }

    fn skip_postings(&mut self) -> Result<()> {
        let count = self.number()?;
        for _ in 0..count.saturating_mul(2) {
            self.number()?;
        }
        Ok(())
    }
}

//! Writes a segment.
//!
//! Members are collected into frames; full frames are compressed in parallel, a bounded number at
//! a time, and written in order. The bytes do not depend on the number of threads.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use super::facts::{FrameFacts, SegmentFacts};
use super::seek::{self, SeekEntry};
use super::{INDEX_MAGIC, MAX_FRAME_BYTES, Sha256Hash, TRAILER_BYTES, codec, tar};
use crate::event::{Date, EventPath, Timestamp};
use crate::{Error, Result};

/// The most bytes of tar that wait to be compressed, not counting the last frame.
const MAX_FULL_BYTES: u64 = 16 << 20;

/// The largest tar, in bytes, that is cut into at least [`MIN_SMALL_FRAMES`] frames, so that one
/// changed bit costs at most a quarter of a quiet day.
const MAX_SMALL_BYTES: u64 = 2 << 20;

/// The number of data frames of a small segment that has as many members, none of them larger
/// than the others together.
const MIN_SMALL_FRAMES: u64 = 4;

/// The options for writing a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentOptions {
    /// The zstd level, 1 to 22.
    pub level: i32,
    /// The bytes of tar in a frame; a larger member gets a frame of its own. A segment of at most
    /// 2 MiB of tar is cut into at least four frames regardless.
    pub frame_size: u64,
}

impl Default for SegmentOptions {
    fn default() -> Self {
        Self { level: 9, frame_size: 512 << 10 }
    }
}

/// The totals of a segment, as written; reading it back must give the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentSummary {
    /// The SHA-256 of the whole file.
    pub sha256: Sha256Hash,
    /// The size in bytes.
    pub bytes: u64,
    /// The number of members, valid or not.
    pub events: u64,
    /// The number of members that are not valid events.
    pub invalid: u64,
    /// The number of members by node directory.
    pub nodes: BTreeMap<String, u64>,
    /// The earliest timestamp.
    pub first: Option<Timestamp>,
    /// The latest timestamp.
    pub last: Option<Timestamp>,
    /// The content digest.
    pub content: Sha256Hash,
    /// The number of frames that hold events.
    pub frames: u64,
    /// The size of all event files together, in bytes.
    pub event_bytes: u64,
    /// The size of the index in the file, in bytes.
    pub index_bytes: u64,
}

/// The members of a frame.
#[derive(Debug, Default)]
struct RawFrame {
    members: Vec<(EventPath, usize)>,
    data: Vec<u8>,
    tar_bytes: u64,
}

impl RawFrame {
    fn push(&mut self, path: EventPath, bytes: &[u8]) {
        self.tar_bytes += tar_bytes(&path, bytes);
        self.members.push((path, bytes.len()));
        self.data.extend_from_slice(bytes);
    }
}

fn tar_bytes(path: &EventPath, bytes: &[u8]) -> u64 {
    tar::member_bytes(path, bytes.len()) as u64
}

/// Writes one segment.
pub struct SegmentWriter<W: Write> {
    out: W,
    /// The file's name in errors.
    path: PathBuf,
    date: Date,
    options: SegmentOptions,
    hasher: Sha256,
    bytes: u64,
    entries: Vec<SeekEntry>,
    facts: SegmentFacts,
    /// All members, as long as the segment may turn out to be a small one.
    small: Option<RawFrame>,
    frame: RawFrame,
    full: Vec<RawFrame>,
    full_bytes: u64,
    last: Option<EventPath>,
}

impl<W: Write> SegmentWriter<W> {
    /// Begins a segment of a day's events. `path` names the file in errors.
    pub fn new(out: W, path: &Path, date: Date, options: SegmentOptions) -> Self {
        Self {
            out,
            path: path.to_owned(),
            date,
            options,
            hasher: Sha256::new(),
            bytes: 0,
            entries: Vec::new(),
            facts: SegmentFacts::new(),
            small: Some(RawFrame::default()),
            frame: RawFrame::default(),
            full: Vec::new(),
            full_bytes: 0,
            last: None,
        }
    }

    /// Adds a member. Members must come in ascending order and have the segment's day; the bytes
    /// need not be a valid event.
    pub fn add(&mut self, path: &EventPath, bytes: &[u8]) -> Result<()> {
        let refused = |reason: &str| {
            Err(Error::Refused(format!("{path} cannot be the next member: {reason}")))
        };
        if path.date != self.date {
            return refused("it is not of the segment's day");
        }
        if self.last.as_ref().is_some_and(|last| last >= path) {
            return refused("it is out of order or twice");
        }
        if tar_bytes(path, bytes) > MAX_FRAME_BYTES {
            return refused("it is larger than any event");
        }
        self.last = Some(path.clone());
        let Some(small) = &mut self.small else {
            return self.place(path.clone(), bytes, self.options.frame_size);
        };
        small.push(path.clone(), bytes);
        if small.tar_bytes > MAX_SMALL_BYTES {
            self.cut_small(self.options.frame_size)?;
        }
        Ok(())
    }

    /// Cuts the waiting members into frames of at most `frame_size` bytes of tar.
    fn cut_small(&mut self, frame_size: u64) -> Result<()> {
        let Some(small) = self.small.take() else { return Ok(()) };
        let mut rest = small.data.as_slice();
        for (path, size) in small.members {
            let (bytes, after) = rest.split_at(size);
            rest = after;
            self.place(path, bytes, frame_size)?;
        }
        Ok(())
    }

    /// Adds a member to the current frame, or begins the next one with it.
    fn place(&mut self, path: EventPath, bytes: &[u8], frame_size: u64) -> Result<()> {
        let over = self.frame.tar_bytes + tar_bytes(&path, bytes) > frame_size;
        if over && !self.frame.members.is_empty() {
            self.close_frame()?;
        }
        self.frame.push(path, bytes);
        Ok(())
    }

    fn close_frame(&mut self) -> Result<()> {
        self.full_bytes += self.frame.tar_bytes;
        self.full.push(std::mem::take(&mut self.frame));
        let enough = self.full.len() >= 2 * rayon::current_num_threads();
        // Frames of huge events are not collected.
        if enough || self.full_bytes >= MAX_FULL_BYTES {
            self.write_full()?;
        }
        Ok(())
    }

    fn write_full(&mut self) -> Result<()> {
        let level = self.options.level;
        self.full_bytes = 0;
        let done: Vec<Result<CompressedFrame, String>> = std::mem::take(&mut self.full)
            .par_iter()
            .map_init(|| codec::packer(level), |packer, frame| process(frame, packer.as_mut()))
            .collect();
        for frame in done {
            let frame = frame.map_err(|reason| {
                Error::io(&self.path, "compress", std::io::Error::other(reason))
            })?;
            self.write_frame(&frame.compressed, frame.tar_bytes)?;
            self.facts.add(frame.facts);
        }
        Ok(())
    }

    fn write_frame(&mut self, compressed: &[u8], decompressed: u64) -> Result<()> {
        self.entries.push(SeekEntry {
            compressed: compressed.len() as u32,
            decompressed: decompressed as u32,
        });
        self.write(compressed)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(|error| Error::io(&self.path, "write", error))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Writes the remaining members, the index and the seek table. Does not sync.
    pub fn finish(mut self) -> Result<(W, SegmentSummary)> {
        if let Some(small) = &self.small {
            let quarter = small.tar_bytes.div_ceil(MIN_SMALL_FRAMES);
            self.cut_small(self.options.frame_size.min(quarter))?;
        }
        if !self.frame.members.is_empty() {
            let frame = std::mem::take(&mut self.frame);
            self.full.push(frame);
        }
        self.write_full()?;
        let frames = self.entries.len() as u64;
        let failed =
            |reason: String| Error::io(&self.path, "compress", std::io::Error::other(reason));
        let mut packer = codec::packer(self.options.level).map_err(&failed)?;
        let mut pack =
            |bytes: &[u8]| packer.compress(bytes).map_err(|error| failed(error.to_string()));
        let trailer = pack(&[0; TRAILER_BYTES])?;
        let index = pack(&self.facts.encode_index(self.date))?;
        self.write_frame(&trailer, TRAILER_BYTES as u64)?;
        let header = seek::skippable_header(INDEX_MAGIC, index.len());
        self.entries
            .push(SeekEntry { compressed: (header.len() + index.len()) as u32, decompressed: 0 });
        self.write(&header)?;
        self.write(&index)?;
        let table = seek::encode(&self.entries);
        self.write(&table)?;
        self.out.flush().map_err(|error| Error::io(&self.path, "write", error))?;
        let content = self.facts.content();
        let summary = SegmentSummary {
            sha256: Sha256Hash::finish(self.hasher),
            bytes: self.bytes,
            events: self.facts.events,
            invalid: self.facts.invalid,
            nodes: self.facts.nodes,
            first: self.facts.first,
            last: self.facts.last,
            content,
            frames,
            event_bytes: self.facts.event_bytes,
            index_bytes: index.len() as u64,
        };
        Ok((self.out, summary))
    }
}

/// A frame that is ready to be written.
struct CompressedFrame {
    compressed: Vec<u8>,
    tar_bytes: u64,
    facts: FrameFacts,
}

fn process(
    frame: &RawFrame,
    packer: Result<&mut Compressor<'static>, &mut String>,
) -> Result<CompressedFrame, String> {
    let packer = packer.map_err(|reason| reason.clone())?;
    let mut facts = FrameFacts::new();
    let mut tar = Vec::with_capacity(frame.tar_bytes as usize);
    let mut rest = frame.data.as_slice();
    for (path, size) in &frame.members {
        let (bytes, after) = rest.split_at(*size);
        rest = after;
        let path = path.borrowed();
        let timestamp = facts.add(path, bytes);
        tar::append(&mut tar, path, tar::mtime(path, timestamp), bytes);
    }
    let compressed = packer.compress(&tar).map_err(|error| error.to_string())?;
    Ok(CompressedFrame { compressed, tar_bytes: tar.len() as u64, facts })
}

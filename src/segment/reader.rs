//! Reads a segment, by frame and in any order.

use std::path::{Path, PathBuf};

use super::bytes::{Away, SegmentBytes};
use super::frame::{Frame, FrameLabel, Member, PackedFrame, plausible};
use super::index::Index;
use super::seek::{self, SeekEntry};
use super::{MAX_FRAME_BYTES, TRAILER_BYTES, walk};
use crate::event::{Date, EventPath, PathRef};
use crate::{Error, Result};

/// The number of bytes read first: enough for the seek table and index of a usual day.
const TAIL_BYTES: u64 = 64 << 10;

/// The largest index that is read, in bytes.
pub(super) const MAX_INDEX_BYTES: u64 = 128 << 20;

/// The location of a frame with events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameInfo {
    /// The offset in the file.
    pub offset: u64,
    /// The size in the file, in bytes.
    pub compressed: u32,
    /// The size in memory, according to the seek table.
    pub decompressed: u32,
}

/// An open segment. Reads are positional, so threads may share it.
#[derive(Debug)]
pub struct SegmentReader {
    file: SegmentBytes,
    path: PathBuf,
    frames: Vec<FrameInfo>,
    index: Option<Index>,
    /// The size of the index in the file, with its frame's header.
    index_bytes: u64,
    /// The day that every member must have, if it is known.
    date: Option<Date>,
    damage: Option<String>,
}

/// The frames of a segment, by kind.
pub(super) struct Layout {
    pub(super) frames: Vec<FrameInfo>,
    pub(super) trailer: Option<FrameInfo>,
    /// The index frame's offset and size, including its header.
    pub(super) index: Option<(u64, u64)>,
    /// All entries, as the seek table should list them.
    pub(super) entries: Vec<SeekEntry>,
    pub(super) damage: Option<String>,
}

impl SegmentReader {
    /// Opens a segment. A damaged seek table is rebuilt by walking over the frames, and a damaged
    /// index is ignored; [`damage`](Self::damage) reports both. `path` names the file in errors.
    pub fn open(file: impl Into<SegmentBytes>, path: &Path) -> Result<Self> {
        let file = file.into();
        let failed = |error| Error::io(path, "read", error);
        let file_bytes = file.len().map_err(failed)?;
        let tail_bytes = file_bytes.min(TAIL_BYTES).min(file.near_bytes().unwrap_or(u64::MAX));
        let mut tail = vec![0; tail_bytes as usize];
        file.read_exact_at(&mut tail, file_bytes - tail_bytes).map_err(failed)?;
        let layout = layout(&file, file_bytes, &tail).map_err(failed)?;
        if layout.frames.is_empty() && layout.trailer.is_none() {
            let reason = layout.damage.unwrap_or_else(|| "it has no frames".to_owned());
            return Err(Error::corrupt(path, format!("this is not a segment: {reason}")));
        }
        let mut damage = layout.damage;
        let mut index = None;
        match layout.index {
            None => {
                damage.get_or_insert_with(|| "it has no index".to_owned());
            }
            Some((at, bytes)) => {
                match read_index(&file, at, bytes, &tail, file_bytes).map_err(failed)? {
                    Ok(found) if found.frame_count() == layout.frames.len() => index = Some(found),
                    Ok(_) => {
                        damage.get_or_insert_with(|| {
                            "its index lists another number of frames than it has".to_owned()
                        });
                    }
                    Err(reason) => {
                        damage.get_or_insert(reason);
                    }
                }
            }
        }
        let date = index.as_ref().map(Index::date);
        let index_bytes = layout.index.map_or(0, |(_, bytes)| bytes);
        let (path, frames) = (path.to_owned(), layout.frames);
        Ok(Self { file, path, frames, index, index_bytes, date, damage })
    }

    /// Opens a segment whose name says which day it holds. An index of another day counts as
    /// damaged, and a member of another day is an error: an event never turns up twice because a
    /// file was copied under another name.
    pub fn open_day(file: impl Into<SegmentBytes>, path: &Path, date: Date) -> Result<Self> {
        let mut reader = Self::open(file, path)?;
        if reader.index.as_ref().is_some_and(|index| index.date() != date) {
            reader.index = None;
            reader.damage.get_or_insert_with(|| "its index is of another day".to_owned());
        }
        reader.date = Some(date);
        Ok(reader)
    }

    /// Returns the index, if it is sound.
    pub fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    /// Returns the size of the index in the file, in bytes.
    pub fn index_bytes(&self) -> u64 {
        self.index_bytes
    }

    /// Returns the reason why the index or the seek table is not used.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Returns the frames that hold events.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// Announces that most of the file will be read, so that the kernel reads ahead.
    pub fn read_ahead(&self) {
        self.file.read_ahead();
    }

    /// Returns the segment if it is remote.
    pub fn away(&self) -> Option<&Away> {
        self.file.away()
    }

    /// Reads and decompresses a frame, and checks its checksum.
    pub fn read_frame(&self, number: usize) -> Result<Frame> {
        self.fetch_frame(number)?.unpack()
    }

    /// Reads a frame without decompressing it.
    pub fn fetch_frame(&self, number: usize) -> Result<PackedFrame> {
        self.pack(number, |info| {
            let mut compressed = vec![0; info.compressed as usize];
            self.file.read_exact_at(&mut compressed, info.offset)?;
            Ok(compressed)
        })
    }

    /// Returns a frame whose bytes are read by `read`, which gets their location and is not
    /// called if they cannot be a frame.
    pub fn pack(
        &self,
        number: usize,
        read: impl FnOnce(&FrameInfo) -> std::io::Result<Vec<u8>>,
    ) -> Result<PackedFrame> {
        let label = FrameLabel { path: self.path.clone(), number };
        let info = self.frames.get(number).ok_or_else(|| label.damage("it does not exist"))?;
        plausible(u64::from(info.compressed), MAX_FRAME_BYTES)
            .map_err(|reason| label.damage(&reason))?;
        let compressed = read(info).map_err(|error| Error::io(&self.path, "read", error))?;
        Ok(PackedFrame { compressed, label, date: self.date })
    }

    /// Fetches frames of a remote segment from this one on, for sequential reading. Returns the
    /// first frame that was not fetched.
    fn read_on(&self, number: usize) -> Result<usize> {
        let (Some(stride), Some(first)) = (self.file.stride(), self.frames.get(number)) else {
            return Ok(self.frames.len());
        };
        let end = |info: &FrameInfo| info.offset + u64::from(info.compressed);
        let within = |info: &&FrameInfo| end(info) - first.offset <= stride;
        let together = self.frames[number..].iter().take_while(within).count().max(1);
        let last = number + together - 1;
        plausible(u64::from(first.compressed), MAX_FRAME_BYTES)
            .map_err(|reason| FrameLabel { path: self.path.clone(), number }.damage(&reason))?;
        self.file
            .read_on(first.offset..end(&self.frames[last]))
            .map_err(|error| Error::io(&self.path, "read", error))?;
        Ok(last + 1)
    }

    /// Calls `visit` for each member in order; stops at the first error.
    pub fn for_each_member(&self, visit: &mut dyn FnMut(Member<'_>) -> Result<()>) -> Result<()> {
        let mut before: Option<EventPath> = None;
        let mut fetched_to = 0;
        for number in 0..self.frames.len() {
            if number >= fetched_to {
                fetched_to = self.read_on(number)?;
            }
            let frame = self.read_frame(number)?;
            let mut last = None;
            for member in frame.members() {
                let member = member?;
                // Within a frame the order was checked.
                if let Some(before) = before.take()
                    && before.borrowed().member_order() >= member.path.member_order()
                {
                    let label = FrameLabel { path: self.path.clone(), number };
                    return Err(label.damage(&format!("{} is out of order or twice", member.path)));
                }
                last = Some(member.path);
                visit(member)?;
            }
            before = last.map(PathRef::to_path).or(before);
        }
        Ok(())
    }
}

/// Returns the offset of a sound segment's tail: its index and the seek table after it. From
/// these and the segment's size, all frames can be found.
pub(crate) fn tail_offset(file: &SegmentBytes, path: &Path) -> Result<u64> {
    let failed = |error| Error::io(path, "read", error);
    let file_bytes = file.len().map_err(failed)?;
    let mut tail = vec![0; file_bytes.min(TAIL_BYTES) as usize];
    let at = file_bytes - tail.len() as u64;
    file.read_exact_at(&mut tail, at).map_err(failed)?;
    let layout = layout(file, file_bytes, &tail).map_err(failed)?;
    match (layout.index, layout.damage) {
        (Some((at, _)), None) => Ok(at),
        (_, damage) => {
            Err(Error::corrupt(path, damage.unwrap_or_else(|| "it has no index".to_owned())))
        }
    }
}

/// Finds the frames by the seek table if it is sound, otherwise by walking over them.
pub(super) fn layout(file: &SegmentBytes, file_bytes: u64, tail: &[u8]) -> std::io::Result<Layout> {
    match seek_table(file, file_bytes, tail)? {
        Ok(entries) => Ok(tell_apart(entries, None)),
        // Walking over the frames of a remote segment would take a request for each.
        Err(reason) if file.away().is_some() => Ok(tell_apart(Vec::new(), Some(reason))),
        Err(reason) => {
            let (mut entries, end) = walk::walk(file, file_bytes);
            // The damaged table itself may still look like a skippable frame.
            let is_table = |entry: &SeekEntry| entry.decompressed == 0;
            if entries.len() >= 2 && entries.iter().rev().take(2).all(is_table) {
                entries.pop();
            }
            let reason = if end < file_bytes && entries.last().is_none_or(|last| !is_table(last)) {
                format!("{reason}, and its frames cannot be followed beyond byte {end}")
            } else {
                reason
            };
            Ok(tell_apart(entries, Some(reason)))
        }
    }
}

fn seek_table(
    file: &SegmentBytes,
    file_bytes: u64,
    tail: &[u8],
) -> std::io::Result<Result<Vec<SeekEntry>, String>> {
    let bytes = match seek::frame_bytes(tail) {
        Ok(bytes) => bytes,
        Err(reason) => return Ok(Err(reason)),
    };
    let Some(before) = file_bytes.checked_sub(bytes as u64) else {
        return Ok(Err("its seek table is longer than the file".to_owned()));
    };
    let frame = if let Some(at) = tail.len().checked_sub(bytes) {
        tail[at..].to_vec()
    } else {
        let mut frame = vec![0; bytes];
        file.read_exact_at(&mut frame, before)?;
        frame
    };
    Ok(seek::decode(&frame, before).and_then(|entries| match entries.as_slice() {
        [.., end, index]
            if end.decompressed as usize == TRAILER_BYTES && index.decompressed == 0 =>
        {
            Ok(entries)
        }
        _ => Err("its seek table does not end with the tar's end and the index".to_owned()),
    }))
}

fn tell_apart(entries: Vec<SeekEntry>, damage: Option<String>) -> Layout {
    let mut layout =
        Layout { frames: Vec::new(), trailer: None, index: None, entries: Vec::new(), damage };
    let mut offset = 0;
    for (number, entry) in entries.iter().enumerate() {
        let info =
            FrameInfo { offset, compressed: entry.compressed, decompressed: entry.decompressed };
        let from_end = entries.len() - number;
        if from_end == 1 && entry.decompressed == 0 {
            layout.index = Some((offset, u64::from(entry.compressed)));
        } else if from_end <= 2 && entry.decompressed as usize == TRAILER_BYTES {
            layout.trailer = Some(info);
        } else {
            layout.frames.push(info);
        }
        offset += u64::from(entry.compressed);
    }
    if layout.damage.is_none() && (layout.trailer.is_none() || layout.index.is_none()) {
        layout.damage = Some("its last two frames are not the tar's end and the index".to_owned());
    }
    layout.entries = entries;
    layout
}

/// Reads the index from its frame; the outer error is the disk's, the inner one the index's.
fn read_index(
    file: &SegmentBytes,
    at: u64,
    bytes: u64,
    tail: &[u8],
    file_bytes: u64,
) -> std::io::Result<Result<Index, String>> {
    if bytes > MAX_INDEX_BYTES {
        return Ok(Err(format!("its index claims to have {bytes} bytes")));
    }
    let tail_start = file_bytes - tail.len() as u64;
    let frame = if let Some(start) = at.checked_sub(tail_start) {
        tail[start as usize..(start + bytes) as usize].to_vec()
    } else {
        let mut frame = vec![0; bytes as usize];
        file.read_exact_at(&mut frame, at)?;
        frame
    };
    Ok(Index::from_frame(&frame))
}

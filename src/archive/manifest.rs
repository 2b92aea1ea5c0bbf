//! Reads the manifest: what happened to the archive, and which segments are in it.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::AsFd;

use rayon::prelude::*;
use rustix::io::Errno;

use super::chain;
use super::layout::MANIFEST;
use super::{ArchiveDir, NewRecord, Op, Record, SegmentName};
use crate::event::Date;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The longest line that is read, in bytes. A usual record has a few hundred.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// The number of bytes read at once.
const CHUNK_BYTES: u64 = 1 << 20;

/// The number of lines that is worth starting threads for.
const MANY_LINES: usize = 128;

/// The most lines that are parsed together: a record takes much more memory than a short line.
const MAX_LINES: usize = 4096;

/// The number of times a manifest is read that changes meanwhile.
const TRIES: usize = 10;

/// The most damaged lines that are reported; then reading stops. A file with that many is not a
/// manifest, and reporting each line of it could take any amount of memory.
const MAX_DAMAGES: usize = 1000;

/// The remains of a crash at the manifest's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// The number of bytes that are not a record. May be zero if only the last newline is
    /// missing.
    pub bytes: u64,
}

/// The state of a file, to see whether it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size: i64,
    modified: (i64, u64),
}

/// The records of an archive, oldest first, each checked against the chain.
#[derive(Debug, Default)]
pub struct Manifest {
    /// The number of lines before the first that was read, and the hash of the last of them.
    before: (u64, Sha256Hash),
    records: Vec<Record>,
    hashes: Vec<Sha256Hash>,
    /// The segments in the archive, and the records that added them.
    segments: BTreeMap<SegmentName, usize>,
    torn: Option<Torn>,
    /// The number of bytes up to the end of the last complete record, without its newline if that
    /// is torn.
    pub(super) sound_bytes: u64,
    /// True if the last complete record lacks its newline.
    pub(super) lacks_newline: bool,
    /// A zero byte in the last record, as its offset in the file and its original value.
    pub(super) lost_byte: Option<(u64, u8)>,
    stamp: Option<Stamp>,
}

impl Manifest {
    /// Reads the manifest; an archive without one is empty. A torn last line is skipped. Any
    /// other damage is an [`Error::Corrupt`] that names the line.
    pub fn load(archive: &ArchiveDir) -> Result<Self> {
        let (manifest, damages) = Self::load_checked(archive)?;
        match damages.into_iter().next() {
            None => Ok(manifest),
            Some(damage) => Err(Error::corrupt(
                archive.manifest_path(),
                format!(
                    "{damage}; \"hlarchive verify\" names every such line, and \"hlarchive \
                     manifest rebuild\" makes a new manifest from the segments"
                ),
            )),
        }
    }

    /// Reads the manifest as far as it can be read, and returns all damage.
    pub fn load_checked(archive: &ArchiveDir) -> Result<(Self, Vec<String>)> {
        Self::settled(&mut || Self::read(archive), &mut || Self::stamp_now(archive))
    }

    /// Reads until the result is sound or did not change meanwhile. A line that is being written
    /// looks torn, and one that is being repaired, seen half before and half after, looks damaged;
    /// real damage is there at the second look, too.
    fn settled(
        read: &mut dyn FnMut() -> Result<(Self, Vec<String>)>,
        stamp_now: &mut dyn FnMut() -> Result<Option<Stamp>>,
    ) -> Result<(Self, Vec<String>)> {
        let mut tries = 0;
        loop {
            let (manifest, damages) = read()?;
            tries += 1;
            let is_sound = damages.is_empty() && manifest.torn.is_none();
            if is_sound || tries >= TRIES || manifest.stamp == stamp_now()? {
                return Ok((manifest, damages));
            }
        }
    }

    fn read(archive: &ArchiveDir) -> Result<(Self, Vec<String>)> {
        let path = archive.manifest_path();
        let failed = |error: std::io::Error| Error::io(&path, "read", error);
        let mut file = match fs::open_regular(archive.fd(), MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Self::default(), Vec::new()));
            }
            Err(error) => return Err(Error::io(&path, "open", error)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
        let manifest = Self { stamp: Some(stamp(&stat)), ..Self::default() };
        manifest.read_on(&mut file).map_err(failed)
    }

    /// Parses the text of a manifest from a remote; `origin` names it in errors.
    pub fn of_text(text: &[u8], origin: &str) -> Result<Self> {
        let failed = |error| Error::io(origin, "read", error);
        let (manifest, damages) = Self::default().read_on(&mut &text[..]).map_err(failed)?;
        let torn = manifest.torn.map(|_| "its last line is torn".to_owned());
        match damages.into_iter().next().or(torn) {
            None => Ok(manifest),
            Some(damage) => Err(Error::corrupt(origin, damage)),
        }
    }

    /// Appends a record to a manifest that is not in its place yet, and to its text.
    pub fn extend(&mut self, text: &mut Vec<u8>, record: NewRecord) {
        let record = record.linked(self.next_seq(), self.head());
        let line = chain::line(&record);
        text.extend_from_slice(&line);
        text.push(b'\n');
        self.add(record, Sha256Hash::of(&line));
    }

    /// Reads the lines after a known one, which begins at `line`, ends at `end`, newline
    /// included, and is number `count`. The result has those lines only. `None` if that line is
    /// not the known one, or if the later ones are damaged: then the whole manifest must be read.
    pub(super) fn load_after(
        archive: &ArchiveDir,
        line: u64,
        end: u64,
        count: u64,
        head: Sha256Hash,
    ) -> Option<Self> {
        let mut file = fs::open_regular(archive.fd(), MANIFEST).ok()?;
        let stamp = stamp(&rustix::fs::fstat(&file).ok()?);
        let bytes = end.checked_sub(line).filter(|bytes| (2..=MAX_LINE_BYTES).contains(bytes))?;
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(line)).ok()?;
        let mut known = vec![0; usize::try_from(bytes).ok()?];
        file.read_exact(&mut known).ok()?;
        if Sha256Hash::of(known.strip_suffix(b"\n")?) != head {
            return None;
        }
        let manifest =
            Self { before: (count, head), stamp: Some(stamp), sound_bytes: end, ..Self::default() };
        let (manifest, damages) = manifest.read_on(&mut file).ok()?;
        damages.is_empty().then_some(manifest)
    }

    /// Reads the lines from the file's current position to its end.
    fn read_on(mut self, file: &mut dyn Read) -> std::io::Result<(Self, Vec<String>)> {
        let manifest = &mut self;
        let mut damages = Vec::new();
        let mut buffer = Vec::new();
        loop {
            if Read::take(&mut *file, CHUNK_BYTES).read_to_end(&mut buffer)? == 0 {
                break;
            }
            // The last complete line stays: only at the end of the file it is known to be the
            // last.
            let whole = memchr::memrchr_iter(b'\n', &buffer).nth(1).map_or(0, |at| at + 1);
            manifest.take_lines(&buffer[..whole], &mut damages);
            buffer.drain(..whole);
            if damages.len() >= MAX_DAMAGES {
                let number = manifest.hashes.len();
                damages.push(format!("what follows line {number} was not read"));
                return Ok((self, damages));
            }
            if buffer.len() as u64 > MAX_LINE_BYTES {
                let number = manifest.hashes.len() + 1;
                damages.push(format!("line {number} is longer than any record"));
                return Ok((self, damages));
            }
        }
        let last = match buffer.split_last() {
            Some((_, text)) => memchr::memrchr(b'\n', text).map_or(0, |at| at + 1),
            None => return Ok((self, damages)),
        };
        manifest.take_lines(&buffer[..last], &mut damages);
        manifest.take_last_line(&buffer[last..], &mut damages);
        Ok((self, damages))
    }

    /// Adds complete lines, each with its newline, none of them the last.
    fn take_lines(&mut self, text: &[u8], damages: &mut Vec<String>) {
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let read = |line: &&[u8]| (line.len(), chain::read(&line[..line.len() - 1]));
        for lines in lines.chunks(MAX_LINES) {
            let read: Vec<(usize, chain::ChainLine)> = if lines.len() >= MANY_LINES {
                lines.par_iter().map(read).collect()
            } else {
                lines.iter().map(read).collect()
            };
            for (bytes, line) in read {
                self.take_line(line, damages);
                self.sound_bytes += bytes as u64;
            }
            if damages.len() >= MAX_DAMAGES {
                return;
            }
        }
    }

    /// Adds the last line, or handles what a crash left of it.
    fn take_last_line(&mut self, text: &[u8], damages: &mut Vec<String>) {
        let (line, newline) = match text.strip_suffix(b"\n") {
            Some(line) => (line, 1),
            None => (text, 0),
        };
        let mut whole = line;
        let mended;
        let lost_byte = if newline == 1 { chain::lost_byte(line) } else { None };
        if let Some((at, byte)) = lost_byte {
            self.torn = Some(Torn { bytes: 1 });
            self.lost_byte = Some((self.sound_bytes + at as u64, byte));
            mended = [&line[..at], &[byte], &line[at + 1..]].concat();
            whole = &mended;
        } else if newline == 0 || memchr::memchr(0, line).is_some() {
            // Any other file with this name is not a writer's to truncate.
            if self.hashes.is_empty() && !matches!(line.first(), None | Some(b'{' | 0)) {
                damages.push("it is not a manifest: line 1 is not a record".to_owned());
                return;
            }
            // The remains of a power cut: part of a line, or blocks of zeros.
            let sound = if newline == 0 { chain::unfinished_line(line).unwrap_or(0) } else { 0 };
            self.torn = Some(Torn { bytes: (line.len() - sound) as u64 + newline });
            if sound == 0 {
                return;
            }
            self.lacks_newline = true;
            whole = &line[..sound];
        }
        self.take_line(chain::read(whole), damages);
        self.sound_bytes += whole.len() as u64 + newline;
    }

    fn take_line(&mut self, line: chain::ChainLine, damages: &mut Vec<String>) {
        let number = self.hashes.len() + 1;
        match line.record {
            Ok(record) => {
                if record.prev != self.head() {
                    damages.push(format!(
                        "line {number} does not follow the line before it: a line was changed, \
                         removed or moved"
                    ));
                } else if record.seq != self.next_seq() {
                    damages.push(format!("line {number} has the wrong number {}", record.seq));
                }
                self.add(record, line.hash);
            }
            Err(reason) => {
                damages.push(format!("line {number} is damaged: {reason}"));
                // The next line links to this one, damaged as it is.
                self.hashes.push(line.hash);
            }
        }
    }

    /// Adds a record that is, or is about to be, the last line.
    pub(super) fn add(&mut self, record: Record, hash: Sha256Hash) {
        let number = self.records.len();
        if let Some(segment) = &record.segment {
            match record.op {
                Op::Rotate | Op::Import | Op::Compact => {
                    for old in record.supersedes.iter().flatten() {
                        self.segments.remove(old);
                    }
                    self.segments.insert(segment.clone(), number);
                }
                Op::Prune => {
                    self.segments.remove(segment);
                }
                _ => {}
            }
        }
        self.records.push(record);
        self.hashes.push(hash);
    }

    /// Returns the hashes of all lines, oldest first.
    pub(super) fn hashes(&self) -> &[Sha256Hash] {
        &self.hashes
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.before.0 + self.hashes.len() as u64 + 1
    }

    /// Returns every record, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Returns the hash of the last line; zeros if there is none.
    pub fn head(&self) -> Sha256Hash {
        self.hashes.last().copied().unwrap_or(self.before.1)
    }

    /// Reports whether the manifest once ended with this head, so that nothing up to it has
    /// changed since. The head of an empty manifest always matches.
    pub fn has_head(&self, head: Sha256Hash) -> bool {
        head == Sha256Hash::ZERO || self.hashes.contains(&head)
    }

    /// Returns the number of records that the manifest had when it ended with this head; `None`
    /// if it never did.
    pub fn records_at(&self, head: Sha256Hash) -> Option<u64> {
        if head == Sha256Hash::ZERO {
            return Some(0);
        }
        self.hashes.iter().rposition(|hash| *hash == head).map(|at| at as u64 + 1)
    }

    /// Returns the state of the file that was read.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Reports whether the file of a manifest exists.
    pub(super) fn exists(&self) -> bool {
        self.stamp.is_some()
    }

    /// Returns what a crash left at the end, if anything.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// Returns the segments in the archive, in order, with the records that added them.
    pub fn segments(&self) -> impl Iterator<Item = (&SegmentName, &Record)> {
        self.segments.iter().filter_map(|(name, number)| Some((name, self.records.get(*number)?)))
    }

    /// Reports whether a segment is in the archive.
    pub fn names(&self, segment: &SegmentName) -> bool {
        self.segments.contains_key(segment)
    }

    /// Returns the record of a segment that is in the archive.
    pub fn record_of(&self, segment: &SegmentName) -> Option<&Record> {
        self.segments.get(segment).and_then(|number| self.records.get(*number))
    }

    /// Returns the segments of one day.
    pub fn segments_of(&self, date: Date) -> impl Iterator<Item = (&SegmentName, &Record)> {
        let from = SegmentName { date, number: 0, class: None };
        self.segments
            .range(from..)
            .take_while(move |(name, _)| name.date == date)
            .filter_map(|(name, number)| Some((name, self.records.get(*number)?)))
    }

    /// Reloads the manifest if its file has changed; returns whether it did.
    pub fn reload_if_changed(&mut self, archive: &ArchiveDir) -> Result<bool> {
        if Self::stamp_now(archive)? == self.stamp {
            return Ok(false);
        }
        *self = Self::load(archive)?;
        Ok(true)
    }

    pub(super) fn stamp_now(archive: &ArchiveDir) -> Result<Option<Stamp>> {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::statat(archive.fd().as_fd(), MANIFEST, flags) {
            Ok(stat) => Ok(Some(stamp(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io(archive.manifest_path(), "look up", errno)),
        }
    }
}

/// The widths of the fields differ between machines.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
fn stamp(stat: &rustix::fs::Stat) -> Stamp {
    Stamp {
        inode: stat.st_ino as u64,
        size: stat.st_size as i64,
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u64),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

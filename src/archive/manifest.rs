//! The manifest, read: what happened to the archive, and which segments are in it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;

use rustix::io::Errno;

use super::chain;
use super::dir::MANIFEST;
use super::{ArchiveDir, Op, Record, SegmentName};
use crate::event::Date;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The longest line that is read, in bytes. A record has a few hundred.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// What a crash left at the manifest's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Bytes that are no record. May be zero, when only the last newline is missing.
    pub bytes: u64,
}

/// Which state of the file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: i64,
    modified: (i64, u64),
}

/// The records of an archive, oldest first, each checked against the chain.
#[derive(Debug, Default)]
pub struct Manifest {
    records: Vec<Record>,
    hashes: Vec<Sha256Hash>,
    /// The segments that are in the archive, and the records that put them there.
    segments: BTreeMap<SegmentName, usize>,
    torn: Option<Torn>,
    /// Bytes up to the end of the last whole record, without its newline if that is torn.
    pub(super) sound_bytes: u64,
    /// Whether the last whole record lacks its newline.
    pub(super) lacks_newline: bool,
    /// A byte of the last record that is zero, by its place in the file, and what it was.
    pub(super) lost_byte: Option<(u64, u8)>,
    stamp: Option<Stamp>,
}

impl Manifest {
    /// Reads the manifest; an archive without one is empty. A torn last line is stepped
    /// over. Any other damage is an [`Error::Corrupt`] that names the line.
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

    /// Reads the manifest as far as it can be read, and names all damage.
    pub fn load_checked(archive: &ArchiveDir) -> Result<(Self, Vec<String>)> {
        let path = archive.manifest_path();
        let failed = |error: std::io::Error| Error::io(&path, "read", error);
        let file = match fs::open_regular(archive.fd(), MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Self::default(), Vec::new()));
            }
            Err(error) => return Err(Error::io(&path, "open", error)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
        let mut manifest = Self { stamp: Some(stamp(&stat)), ..Self::default() };
        let mut damages = Vec::new();
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            let mut limited = std::io::Read::take(&mut reader, MAX_LINE_BYTES);
            let got = limited.read_until(b'\n', &mut line).map_err(failed)?;
            if got == 0 {
                break;
            }
            number += 1;
            let has_newline = line.last() == Some(&b'\n');
            if has_newline {
                line.pop();
            } else if got as u64 == MAX_LINE_BYTES {
                damages.push(format!("line {number} is longer than any record"));
                break;
            }
            let is_last = !has_newline || reader.fill_buf().map_err(failed)?.is_empty();
            manifest.take_line(&line, number, has_newline, is_last, &mut damages);
        }
        Ok((manifest, damages))
    }

    fn take_line(
        &mut self,
        line: &[u8],
        number: u64,
        has_newline: bool,
        is_last: bool,
        damages: &mut Vec<String>,
    ) {
        let mut whole = line;
        let mended;
        let lost_byte = if is_last && has_newline { chain::lost_byte(line) } else { None };
        if let Some((at, byte)) = lost_byte {
            self.torn = Some(Torn { bytes: 1 });
            self.lost_byte = Some((self.sound_bytes + at as u64, byte));
            mended = [&line[..at], &[byte], &line[at + 1..]].concat();
            whole = &mended;
        } else if is_last && (!has_newline || memchr::memchr(0, line).is_some()) {
            // What a power cut leaves: part of a line, or blocks of zeros.
            let length = chain::unfinished_line(line).filter(|_| !has_newline);
            let newline = u64::from(has_newline);
            let sound = length.unwrap_or(0);
            self.torn = Some(Torn { bytes: (line.len() - sound) as u64 + newline });
            if sound == 0 {
                return;
            }
            self.lacks_newline = true;
            whole = &line[..sound];
        }
        self.sound_bytes += whole.len() as u64 + u64::from(has_newline);
        let before = self.head();
        match chain::parse(whole) {
            Ok(record) => {
                if record.prev != before {
                    damages.push(format!(
                        "line {number} does not follow the line before it: a line was changed, \
                         removed or moved"
                    ));
                } else if record.seq != self.next_seq() {
                    damages.push(format!("line {number} has the wrong number {}", record.seq));
                }
                self.add(record, Sha256Hash::of(whole));
            }
            Err(reason) => {
                damages.push(format!("line {number} is damaged: {reason}"));
                // The next line's link is to this one, damaged as it is.
                self.hashes.push(Sha256Hash::of(whole));
            }
        }
    }

    /// Takes up a record that is, or is about to be, the last line.
    pub(super) fn add(&mut self, record: Record, hash: Sha256Hash) {
        let number = self.records.len();
        if let Some(segment) = &record.segment {
            match record.op {
                Op::Rotate | Op::Import => {
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

    pub(super) fn next_seq(&self) -> u64 {
        self.hashes.len() as u64 + 1
    }

    /// Every record, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The hash of the last line; zeros when there is none.
    pub fn head(&self) -> Sha256Hash {
        self.hashes.last().copied().unwrap_or(Sha256Hash::ZERO)
    }

    /// Whether the manifest once ended with this head, so that nothing up to it was
    /// changed since. The head of an empty manifest always fits.
    pub fn has_head(&self, head: Sha256Hash) -> bool {
        head == Sha256Hash::ZERO || self.hashes.contains(&head)
    }

    /// What a crash left at the end, if anything.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// The segments that are in the archive, in order, with the records that say so.
    pub fn segments(&self) -> impl Iterator<Item = (&SegmentName, &Record)> {
        self.segments.iter().filter_map(|(name, number)| Some((name, self.records.get(*number)?)))
    }

    /// The segments of one day.
    pub fn segments_of(&self, date: Date) -> impl Iterator<Item = (&SegmentName, &Record)> {
        let from = SegmentName { date, number: 0, class: None };
        self.segments
            .range(from..)
            .take_while(move |(name, _)| name.date == date)
            .filter_map(|(name, number)| Some((name, self.records.get(*number)?)))
    }

    /// Reads the manifest again if its file is not the one that was read; whether it was.
    pub fn reload_if_changed(&mut self, archive: &ArchiveDir) -> Result<bool> {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        let now = match rustix::fs::statat(archive.fd().as_fd(), MANIFEST, flags) {
            Ok(stat) => Some(stamp(&stat)),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(Error::io(archive.manifest_path(), "look up", errno)),
        };
        if now == self.stamp {
            return Ok(false);
        }
        *self = Self::load(archive)?;
        Ok(true)
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

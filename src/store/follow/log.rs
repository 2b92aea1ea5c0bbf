//! The file in which a follower keeps what it saw, in the order in which it saw it.
//!
//! A header of 32 bytes and entries of 16, append-only:
//!
//! ```text
//! header  "HLFOLLOW"  version (u32)  zero (u32)  id (16 random bytes)
//! entry   what (u8)  day (i32, since 1970)  mark (10 bytes)  sum (u8)
//! ```
//!
//! All numbers are little-endian. A mark is the first bytes of the SHA-256 of the id and an
//! identity: so nobody can forge a name that passes for another one. An entry of zeros is none,
//! and the sum covers the entry's other bytes: a power cut leaves a torn end, which the next
//! opening cuts off. Any other damage is an error.
//!
//! The file is locked while it is open: two followers cannot give the same events.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, MemfdFlags, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::event::Date;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

const MAGIC: [u8; 8] = *b"HLFOLLOW";
const VERSION: u32 = 1;
const HEADER: u64 = 32;
const ENTRY: usize = 16;

/// Number of entries read at once.
const CHUNK: usize = 1 << 16;

/// The hash of a name in a few bytes.
pub(super) type Mark = [u8; 10];

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogEntry {
    /// A new event.
    Came(Date, Mark),
    /// An event that was there before, and is not news.
    Known(Date, Mark),
    /// A segment whose events all have an entry by now, or are not news.
    Segment(Mark),
    /// The beginning of the followed history: everything before was there already.
    Begin,
    /// A statement that everything up to this position was given.
    Given(u64),
}

impl LogEntry {
    fn to_bytes(self) -> [u8; ENTRY] {
        let (what, day, mark): (u8, i32, Mark) = match self {
            Self::Came(date, mark) => (1, number(date), mark),
            Self::Known(date, mark) => (2, number(date), mark),
            Self::Segment(mark) => (3, 0, mark),
            Self::Begin => (4, 0, [0; 10]),
            Self::Given(position) => {
                let mut mark = [0; 10];
                mark[..8].copy_from_slice(&position.to_le_bytes());
                (5, 0, mark)
            }
        };
        let mut bytes = [0; ENTRY];
        bytes[0] = what;
        bytes[1..5].copy_from_slice(&day.to_le_bytes());
        bytes[5..15].copy_from_slice(&mark);
        bytes[15] = sum(&bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8; ENTRY]) -> Option<Self> {
        let [what, d0, d1, d2, d3, mark @ .., _] = bytes;
        let date = || epoch().plus_days(i64::from(i32::from_le_bytes([*d0, *d1, *d2, *d3])));
        let entry = match what {
            1 => Self::Came(date(), *mark),
            2 => Self::Known(date(), *mark),
            3 => Self::Segment(*mark),
            4 => Self::Begin,
            5 => {
                let [p0, p1, p2, p3, p4, p5, p6, p7, ..] = *mark;
                Self::Given(u64::from_le_bytes([p0, p1, p2, p3, p4, p5, p6, p7]))
            }
            _ => return None,
        };
        (bytes[15] == sum(bytes)).then_some(entry)
    }
}

fn epoch() -> Date {
    crate::event::Timestamp::from_micros(0).date()
}

fn number(date: Date) -> i32 {
    date.days_since(epoch()) as i32
}

fn sum(bytes: &[u8; ENTRY]) -> u8 {
    bytes[..ENTRY - 1].iter().fold(0x5a, |sum: u8, byte| sum.rotate_left(1) ^ byte)
}

/// An open file of entries.
#[derive(Debug)]
pub(super) struct MarkLog {
    file: File,
    path: PathBuf,
    id: [u8; 16],
    entries: u64,
    lasting: bool,
}

impl MarkLog {
    /// Creates one in memory that lasts as long as the process.
    pub(super) fn in_memory(id: [u8; 16]) -> Result<Self> {
        let path = PathBuf::from("the list of what was seen");
        let file = rustix::fs::memfd_create("hlarchive-follow", MemfdFlags::CLOEXEC)
            .map_err(|errno| Error::io(&path, "create", errno))?;
        let log = Self { file: file.into(), path, id, entries: 0, lasting: false };
        log.write_header()?;
        Ok(log)
    }

    /// Creates a new file beside `path`; [`publish`](Self::publish) gives it its name.
    pub(super) fn create(path: &Path, id: [u8; 16]) -> Result<(Self, PathBuf)> {
        let [t0, t1, t2, t3, t4, t5, t6, t7, ..] = id;
        let token = u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        let temporary = path.with_file_name(fs::temp_name(token));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlags::CLOEXEC.bits() as i32)
            .open(&temporary)
            .map_err(|error| Error::io(path, "create", error))?;
        let log = Self { file, path: path.to_owned(), id, entries: 0, lasting: true };
        log.lock()?;
        log.write_header()?;
        Ok((log, temporary))
    }

    /// Gives a new file its name, unless that is taken by now.
    pub(super) fn publish(&self, temporary: &Path) -> Result<()> {
        self.sync()?;
        let named = || {
            let parent = fs::open_root(self.path.parent().unwrap_or(Path::new("/")))?;
            let (Some(old), Some(new)) =
                (temporary.file_name().and_then(|name| name.to_str()), self.path.file_name())
            else {
                return Err(Errno::INVAL);
            };
            // A name that is not UTF-8 is given by a link, which replaces nothing either.
            match new.to_str() {
                Some(new) => fs::rename_new(parent.as_fd(), old, parent.as_fd(), new)?,
                None => {
                    std::fs::hard_link(temporary, &self.path)
                        .and_then(|()| std::fs::remove_file(temporary))
                        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
                }
            }
            rustix::fs::fsync(&parent)
        };
        match named() {
            Err(Errno::EXIST) => Err(self.busy()),
            named => named.map_err(|errno| Error::io(&self.path, "create", errno)),
        }
    }

    /// Opens an existing file; `None` when there is none. Cuts off a torn end.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(path, "open", error)),
        };
        let failed = |error| Error::io(path, "read", error);
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Error::corrupt(path, "a cursor file is a file; this is not one"));
        }
        let mut log = Self { file, path: path.to_owned(), id: [0; 16], entries: 0, lasting: true };
        log.lock()?;
        let mut header = [0; HEADER as usize];
        let read = log.file.read_exact_at(&mut header, 0);
        if read.is_err() || header[..8] != MAGIC {
            return Err(Error::corrupt(path, "this is no cursor file of hlarchive"));
        }
        let [.., v0, v1, v2, v3] = header[..12] else { return Err(log.busy()) };
        let version = u32::from_le_bytes([v0, v1, v2, v3]);
        if version != VERSION {
            let reason = format!("it has version {version}; this program reads version {VERSION}");
            return Err(Error::corrupt(path, reason));
        }
        log.id.copy_from_slice(&header[16..]);
        log.entries = (log.file.metadata().map_err(failed)?.len() - HEADER) / ENTRY as u64;
        log.cut_torn_end()?;
        Ok(Some(log))
    }

    /// Cuts off a torn end. What comes after a torn entry was written together with it and never
    /// synced; it was not given, or a mark would say so. If a mark does, it is damage.
    fn cut_torn_end(&mut self) -> Result<()> {
        let (mut sound, mut torn, mut damaged) = (0, false, false);
        self.read_raw(0, &mut |_, bytes| {
            match LogEntry::from_bytes(bytes) {
                Some(LogEntry::Given(_) | LogEntry::Begin) if torn => damaged = true,
                Some(_) if !torn => sound += 1,
                _ => torn = true,
            }
            !damaged
        })?;
        if damaged {
            let reason = format!(
                "entry {} is damaged, so it cannot be told any more what was given; begin with a \
                 new cursor file",
                sound + 1
            );
            return Err(Error::corrupt(&self.path, reason));
        }
        self.entries = sound;
        let end = HEADER + sound * ENTRY as u64;
        let failed = |error| Error::io(&self.path, "write", error);
        if self.file.metadata().map_err(failed)?.len() != end {
            self.file.set_len(end).map_err(failed)?;
        }
        Ok(())
    }

    fn lock(&self) -> Result<()> {
        match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(()),
            Err(Errno::WOULDBLOCK) => Err(self.busy()),
            Err(errno) => Err(Error::io(&self.path, "lock", errno)),
        }
    }

    fn busy(&self) -> Error {
        Error::Refused(format!(
            "{}: another hlarchive is at work with this cursor file; try again when it has ended",
            self.path.display()
        ))
    }

    fn write_header(&self) -> Result<()> {
        let mut header = [0; HEADER as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[16..].copy_from_slice(&self.id);
        self.file.write_all_at(&header, 0).map_err(|error| Error::io(&self.path, "write", error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reports whether it outlives the process.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> u64 {
        self.entries
    }

    /// The hash of a name in a few bytes.
    pub(super) fn mark(&self, parts: &[&str]) -> Mark {
        let mut hasher = Sha256::new();
        hasher.update(self.id);
        for part in parts {
            hasher.update(part.as_bytes());
        }
        let mut mark = [0; 10];
        mark.copy_from_slice(&Sha256Hash::finish(hasher).0[..10]);
        mark
    }

    /// Returns a check that distinguishes the state at a position from that of any other file or
    /// position. Since only the end ever changes, the last entry before it vouches for all
    /// others.
    pub(super) fn check(&self, position: u64) -> Result<[u8; 8]> {
        let mut hasher = Sha256::new();
        hasher.update(self.id);
        hasher.update(position.to_le_bytes());
        if let Some(last) = position.checked_sub(1) {
            let mut bytes = [0; ENTRY];
            self.file
                .read_exact_at(&mut bytes, HEADER + last * ENTRY as u64)
                .map_err(|error| Error::io(&self.path, "read", error))?;
            hasher.update(bytes);
        }
        let mut check = [0; 8];
        check.copy_from_slice(&Sha256Hash::finish(hasher).0[..8]);
        Ok(check)
    }

    /// Appends entries; they are durable after [`sync`](Self::sync).
    pub(super) fn append(&mut self, entries: &[LogEntry]) -> Result<()> {
        let bytes: Vec<u8> = entries.iter().flat_map(|entry| entry.to_bytes()).collect();
        self.file
            .write_all_at(&bytes, HEADER + self.entries * ENTRY as u64)
            .map_err(|error| Error::io(&self.path, "write", error))?;
        self.entries += entries.len() as u64;
        Ok(())
    }

    /// Makes what was appended durable.
    pub(super) fn sync(&self) -> Result<()> {
        if self.lasting {
            rustix::fs::fdatasync(&self.file)
                .map_err(|errno| Error::io(&self.path, "sync", errno))?;
        }
        Ok(())
    }

    /// Passes the entries from a position on to `show`, until it returns false.
    pub(super) fn scan(
        &self,
        from: u64,
        visit: &mut dyn FnMut(u64, LogEntry) -> bool,
    ) -> Result<()> {
        self.read_raw(from, &mut |position, bytes| {
            LogEntry::from_bytes(bytes).is_none_or(|entry| visit(position, entry))
        })
    }

    fn read_raw(&self, from: u64, visit: &mut dyn FnMut(u64, &[u8; ENTRY]) -> bool) -> Result<()> {
        let mut buffer = vec![0; CHUNK * ENTRY];
        let mut position = from;
        while position < self.entries {
            let count = (self.entries - position).min(CHUNK as u64) as usize;
            let part = &mut buffer[..count * ENTRY];
            self.file
                .read_exact_at(part, HEADER + position * ENTRY as u64)
                .map_err(|error| Error::io(&self.path, "read", error))?;
            for bytes in part.as_chunks::<ENTRY>().0 {
                if !visit(position, bytes) {
                    return Ok(());
                }
                position += 1;
            }
        }
        Ok(())
    }
}

/// A temporary name that is removed on drop.
pub(super) struct Unnamed(pub(super) PathBuf);

impl Drop for Unnamed {
    fn drop(&mut self) {
        // After a rename it is gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

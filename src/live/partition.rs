//! The files of one day: reads them, and removes exactly those that were read.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::LiveTree;
use crate::event::{Date, FileName, MAX_EVENT_BYTES, NodeName, Timestamp};
use crate::fs;
use crate::{Error, Result};

/// The most directories that are kept open.
const MAX_OPEN: usize = 64;

/// The age, in microseconds, beyond which a temporary file belongs to no running emitter. If one
/// does own it, it finds its file gone and starts over.
const STALE_MICROS: i64 = 3600 * Timestamp::MICROS_PER_SECOND;

/// The identity of a file at the time it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// The device.
    pub dev: u64,
    /// The inode.
    pub inode: u64,
    /// The user it belongs to.
    pub owner: u32,
    /// The size in bytes.
    pub size: u64,
    /// The time its content last changed, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// The time its content or metadata last changed, in nanoseconds since 1970.
    pub ctime_ns: i64,
}

impl FileStamp {
    /// Returns a compact digest, for callers that keep millions of stamps.
    pub fn digest(&self) -> StampDigest {
        let Self { dev, inode, owner: _, size, mtime_ns, ctime_ns } = self;
        let mut hasher = Sha256::new();
        for number in [*dev, *inode, *size, mtime_ns.cast_unsigned(), ctime_ns.cast_unsigned()] {
            hasher.update(number.to_le_bytes());
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        StampDigest(digest)
    }
}

/// A [`FileStamp`] in 16 bytes, the first of its SHA-256: no two are equal by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StampDigest([u8; 16]);

/// The outcome of reading a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Its bytes were read; this was its identity just before.
    Read(FileStamp),
    /// It no longer exists.
    Gone,
    /// It is not a regular file.
    NotRegular(&'static str),
    /// It has this many bytes, more than the limit.
    TooLarge(u64),
    /// Its size changed while it was read.
    Changed,
}

/// The outcome of removing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It was removed.
    Removed,
    /// It was gone already.
    Gone,
    /// It is no longer the file that was read; it stays.
    Changed,
}

/// Reads and removes files of one day, from several threads.
#[derive(Debug)]
pub struct PartitionReader<'a> {
    tree: &'a LiveTree,
    date: Date,
    nodes: Mutex<HashMap<NodeName, Arc<OwnedFd>>>,
}

impl LiveTree {
    /// Returns a reader and remover for the files of a day.
    pub fn partition(&self, date: Date) -> PartitionReader<'_> {
        PartitionReader::new(self, date)
    }
}

impl<'a> PartitionReader<'a> {
    pub(super) fn new(tree: &'a LiveTree, date: Date) -> Self {
        Self { tree, date, nodes: Mutex::default() }
    }

    fn path(&self, node: &NodeName, name: &str) -> PathBuf {
        self.tree.root().join(self.date.to_string()).join(node.as_str()).join(name)
    }

    /// Returns the handle of a node's directory; `None` if it does not exist.
    fn directory(&self, node: &NodeName) -> Result<Option<Arc<OwnedFd>>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(directory) = nodes.get(node) {
            return Ok(Some(Arc::clone(directory)));
        }
        let opened = fs::open_dir(self.tree.fd(), &self.date.to_string())
            .and_then(|day| fs::open_dir(day.as_fd(), node.as_str()));
        match opened {
            Ok(directory) => {
                if nodes.len() >= MAX_OPEN {
                    nodes.clear();
                }
                let directory = Arc::new(directory);
                nodes.insert(node.clone(), Arc::clone(&directory));
                Ok(Some(directory))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io(self.path(node, ""), "open", errno)),
        }
    }

    /// Reads a file into `buffer`, replacing its content.
    pub fn read_into(
        &self,
        node: &NodeName,
        name: &FileName,
        buffer: &mut Vec<u8>,
    ) -> Result<FileState> {
        self.read_up_to(node, name, buffer, MAX_EVENT_BYTES)
    }

    /// Reads like [`read_into`](Self::read_into), except that a file of more than `limit` bytes
    /// is only [`FileState::TooLarge`]: for reading many at once in bounded memory.
    pub fn read_up_to(
        &self,
        node: &NodeName,
        name: &FileName,
        buffer: &mut Vec<u8>,
        limit: u64,
    ) -> Result<FileState> {
        buffer.clear();
        let Some(directory) = self.directory(node)? else { return Ok(FileState::Gone) };
        let failed =
            |action, errno: Errno| Error::io(self.path(node, name.as_str()), action, errno);
        let file = match fs::open_file(directory.as_fd(), name.as_str()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(FileState::Gone),
            Err(Errno::LOOP) => return Ok(FileState::NotRegular(fs::kind(FileType::Symlink))),
            // The error of opening a socket.
            Err(Errno::NXIO) => return Ok(FileState::NotRegular(fs::kind(FileType::Socket))),
            Err(errno) => return Err(failed("open", errno)),
        };
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed("read", errno))?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        if file_type != FileType::RegularFile {
            return Ok(FileState::NotRegular(fs::kind(file_type)));
        }
        let stamp = stamp(&stat);
        if stamp.size > limit {
            return Ok(FileState::TooLarge(stamp.size));
        }
        // One byte beyond the size: if it stays empty, the file ended where expected.
        let size = stamp.size as usize;
        buffer.resize(size + 1, 0);
        let mut filled = 0;
        while filled < buffer.len() {
            match rustix::io::read(&file, &mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    if filled == size {
                        // A short read of a regular file means its end.
                        break;
                    }
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(failed("read", errno)),
            }
        }
        buffer.truncate(filled);
        Ok(if filled == size { FileState::Read(stamp) } else { FileState::Changed })
    }

    /// Returns the size of a file in bytes, without opening it; `None` if it is gone.
    pub fn size_of(&self, node: &NodeName, name: &FileName) -> Result<Option<u64>> {
        Ok(self.stamp_of(node, name)?.map(|stamp| stamp.size))
    }

    /// Returns the identity of a file, without opening it; `None` if it is gone.
    pub fn stamp_of(&self, node: &NodeName, name: &FileName) -> Result<Option<FileStamp>> {
        let Some(directory) = self.directory(node)? else { return Ok(None) };
        match rustix::fs::statat(&*directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stamp(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io(self.path(node, name.as_str()), "look up", errno)),
        }
    }

    /// Removes a file if it is still the one that was read.
    pub fn remove(&self, node: &NodeName, name: &FileName, read: &StampDigest) -> Result<Removal> {
        let Some(directory) = self.directory(node)? else { return Ok(Removal::Gone) };
        let failed =
            |action, errno: Errno| Error::io(self.path(node, name.as_str()), action, errno);
        match rustix::fs::statat(&*directory, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if stamp(&stat).digest() == *read => {}
            Ok(_) => return Ok(Removal::Changed),
            Err(Errno::NOENT) => return Ok(Removal::Gone),
            Err(errno) => return Err(failed("look up", errno)),
        }
        match fs::unlink(directory.as_fd(), name.as_str()) {
            Ok(true) => Ok(Removal::Removed),
            Ok(false) => Ok(Removal::Gone),
            Err(errno) => Err(failed("remove", errno)),
        }
    }

    /// Removes the empty directories of the day, and temporary files in them whose emitters were
    /// interrupted long before `now`.
    pub fn remove_empty_dirs(&self, now: Timestamp) -> Result<()> {
        let day_name = self.date.to_string();
        let day_path = self.tree.root().join(&day_name);
        let day = match fs::open_dir(self.tree.fd(), &day_name) {
            Ok(day) => day,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(Error::io(&day_path, "open", errno)),
        };
        let mut nodes = Vec::new();
        fs::read_dir(day.as_fd(), &mut |name, file_type| {
            if let (Ok(text), FileType::Directory) = (name.to_str(), file_type) {
                nodes.extend(text.parse::<NodeName>());
            }
        })
        .map_err(|errno| Error::io(&day_path, "read", errno))?;
        for node in nodes {
            remove_stale(day.as_fd(), &node, now);
            remove_dir(day.as_fd(), node.as_str())
                .map_err(|errno| Error::io(day_path.join(node.as_str()), "remove", errno))?;
        }
        drop(day);
        remove_dir(self.tree.fd(), &day_name).map_err(|errno| Error::io(&day_path, "remove", errno))
    }
}

/// Removes temporary files that nobody writes to any more. Best effort: one that stays only keeps
/// its directory.
fn remove_stale(day: std::os::fd::BorrowedFd<'_>, node: &NodeName, now: Timestamp) {
    let Ok(directory) = fs::open_dir(day, node.as_str()) else { return };
    let mut stale = Vec::new();
    let _ = fs::read_dir(directory.as_fd(), &mut |name, file_type| {
        if let (Ok(text), FileType::RegularFile) = (name.to_str(), file_type)
            && fs::is_temp_name(text)
        {
            stale.push(text.to_owned());
        }
    });
    for name in stale {
        let stat = rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW);
        let old = stat.is_ok_and(|stat| {
            stamp(&stat).mtime_ns / 1000 < now.micros().saturating_sub(STALE_MICROS)
        });
        if old {
            let _ = fs::unlink(directory.as_fd(), &name);
        }
    }
}

/// Removes a directory if it is empty.
fn remove_dir(at: std::os::fd::BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    match rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::BUSY) | Ok(()) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The widths of the fields differ between machines.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
fn stamp(stat: &Stat) -> FileStamp {
    let nanoseconds =
        |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    FileStamp {
        dev: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        owner: stat.st_uid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
    }
}

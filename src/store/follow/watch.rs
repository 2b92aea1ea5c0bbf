//! Wake-ups when something arrives, where the kernel can tell.
//!
//! A wake-up says only that it is time for another look, so a spurious one does no harm, and a
//! missed one costs no more than the caller's poll interval. Before each look everything that
//! exists is watched ([`Watch::arm`]): what arrives after that wakes, what came before is seen by
//! the look.
//!
//! On network file systems the kernel does not report what other machines do, and watches are
//! scarce on some systems; then this fails, and the caller polls.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use walkdir::{DirEntry, WalkDir};

use crate::event::Date;
use crate::store::Store;
use crate::{Error, Result};

/// File systems that only this kernel changes, by their magic numbers in linux/magic.h: ext, XFS,
/// Btrfs, tmpfs, ZFS, F2FS, overlayfs, bcachefs, ramfs.
const LOCAL: [u64; 9] = [
    0xef53,
    0x5846_5342,
    0x9123_683e,
    0x0102_1994,
    0x2fc1_2fc1,
    0xf2f5_2010,
    0x794c_7630,
    0xca45_1a4e,
    0x8584_58f6,
];

/// Watches the directories of one history.
#[derive(Debug)]
pub(crate) struct Watch {
    handle: OwnedFd,
}

impl AsFd for Watch {
    /// Returns the descriptor; it is readable when something arrived.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Watch {
    /// Opens an inotify handle.
    pub(crate) fn new() -> Result<Self> {
        inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map(|handle| Self { handle })
            .map_err(|errno| Error::io("inotify", "open", errno))
    }

    /// Discards pending wake-ups, and watches everything that exists by now. Returns whether the
    /// event root does. An error means that something may arrive unnoticed.
    pub(crate) fn arm(&self, store: &Store) -> Result<bool> {
        self.drain()?;
        let is_there = self.add(store.root())?;
        self.add(store.archive_path())?;
        // Days, and the nodes in them. What has vanished since need not be watched.
        let is_meant = |entry: &DirEntry| {
            let is_day = |name: &str| name.parse::<Date>().is_ok();
            entry.file_type().is_dir()
                && (entry.depth() != 1 || entry.file_name().to_str().is_some_and(is_day))
        };
        let below = WalkDir::new(store.root()).min_depth(1).max_depth(2).into_iter();
        for directory in below.filter_entry(is_meant).flatten() {
            self.add(directory.path())?;
        }
        Ok(is_there)
    }

    /// Watches a directory, if it is there.
    fn add(&self, directory: &Path) -> Result<bool> {
        let failed = |errno| Error::io(directory, "watch", errno);
        let flags = WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        match rustix::fs::statfs(directory) {
            Ok(found) if LOCAL.contains(&(found.f_type as u64)) => {}
            Ok(_) => return Err(failed(Errno::OPNOTSUPP)),
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            Err(errno) => return Err(failed(errno)),
        }
        match inotify::add_watch(&self.handle, directory, flags) {
            // What cannot be read is reported by the look.
            Ok(_) | Err(Errno::ACCESS) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(errno) => Err(failed(errno)),
        }
    }

    fn drain(&self) -> Result<()> {
        let mut buffer = [0_u8; 4096];
        loop {
            match rustix::io::read(&self.handle, &mut buffer) {
                Ok(0) | Err(Errno::AGAIN) => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("inotify", "read", errno)),
            }
        }
    }
}

//! Being woken when something comes, where the kernel can tell.
//!
//! A wake-up says only that it is time for another look, so that one too many does no harm,
//! and one that is missed costs no more than the caller's patience: it looks now and then
//! all the same. Before each look everything is watched that is there ([`Watch::arm`]): what
//! comes after that wakes, what came before is seen by the look.
//!
//! On file systems of other machines the kernel tells nothing of what others do, and watches
//! are scarce on some systems; then this fails, and the caller looks at intervals.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use crate::store::Store;
use crate::{Error, Result};

/// File systems on which nobody but this kernel acts, by their magic numbers in linux/magic.h:
/// ext, XFS, Btrfs, tmpfs, ZFS, F2FS, overlayfs, bcachefs, ramfs.
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
pub struct Watch {
    handle: OwnedFd,
}

impl AsFd for Watch {
    /// Ready to be read when something came.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Watch {
    /// Gets ready to watch.
    pub fn new() -> Result<Self> {
        inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map(|handle| Self { handle })
            .map_err(|errno| Error::io("inotify", "open", errno))
    }

    /// Forgets what has come so far, and watches all that is there by now; whether the event
    /// root is. An error means that something may come unnoticed.
    pub fn arm(&self, store: &Store) -> Result<bool> {
        self.drain()?;
        let is_there = self.add(store.root())?;
        self.add(store.archive_path())?;
        if let Some(live) = store.live()? {
            for date in live.dates()?.0 {
                let day = store.root().join(date.to_string());
                self.add(&day)?;
                // A directory that vanishes meanwhile is none to be watched.
                for node in std::fs::read_dir(&day).into_iter().flatten().flatten() {
                    if node.file_type().is_ok_and(|kind| kind.is_dir()) {
                        self.add(&node.path())?;
                    }
                }
            }
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
            // What nobody can see into is told of by the look.
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

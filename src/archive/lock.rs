//! The lock that whoever changes an archive holds.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType};

use super::ArchiveDir;
use crate::fs::{self, kind};
use crate::{Error, Result};

/// Proof that this process, and no other, may change the archive. Given up on drop, and
/// by the kernel when the process ends in whatever way.
#[derive(Debug)]
pub struct ArchiveLock {
    _file: OwnedFd,
}

impl ArchiveDir {
    /// Takes the lock, or fails at once with [`Error::Busy`].
    pub fn lock(&self) -> Result<ArchiveLock> {
        let path = self.root().join("lock");
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NONBLOCK
            | OFlags::NOCTTY;
        let file = rustix::fs::openat(self.fd(), "lock", flags, Mode::from_raw_mode(0o644))
            .map_err(|errno| Error::io(&path, "open", errno))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| Error::io(&path, "look up", errno))?;
        let file_type = FileType::from_raw_mode(stat.st_mode);
        if file_type != FileType::RegularFile {
            let reason = format!("the lock is {}, not a file", kind(file_type));
            return Err(Error::corrupt(path, reason));
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // Beside it a lock of the other kind, for `is_locked` to see. It keeps
                // nobody out, so it does not matter where it cannot be had, or that the
                // kernel drops it when this process closes the file by another handle.
                let _ = rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
                Ok(ArchiveLock { _file: file })
            }
            Err(Errno::WOULDBLOCK) => Err(Error::Busy { path }),
            Err(errno) => Err(Error::io(&path, "lock", errno)),
        }
    }

    /// Whether another process holds the lock now. This takes no lock, not even for a
    /// moment, and writes nothing: whoever wants to work is not kept from it by readers.
    pub fn is_locked(&self) -> bool {
        let Ok(file) = fs::open_regular(self.fd(), "lock") else { return false };
        let wanted = Flock::from(FlockType::WriteLock);
        matches!(rustix::process::fcntl_getlk(&file, &wanted), Ok(Some(_)))
    }
}

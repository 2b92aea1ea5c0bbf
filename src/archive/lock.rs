//! The lock that whoever changes an archive holds.

use std::os::fd::OwnedFd;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::ArchiveDir;
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
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(self.fd(), "lock", flags, Mode::from_raw_mode(0o644))
            .map_err(|errno| Error::io(&path, "open", errno))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(ArchiveLock { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Error::Busy { path }),
            Err(errno) => Err(Error::io(&path, "lock", errno)),
        }
    }

    /// Whether a process holds the lock at this moment. Writes nothing.
    pub fn is_locked(&self) -> Result<bool> {
        let path = self.root().join("lock");
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(self.fd(), "lock", flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(Error::io(&path, "open", errno)),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(errno) => Err(Error::io(&path, "lock", errno)),
        }
    }
}

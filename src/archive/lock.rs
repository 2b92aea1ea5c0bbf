//! The lock that whoever changes an archive holds.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::ArchiveDir;
use crate::fs::kind;
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
            Ok(()) => Ok(ArchiveLock { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Error::Busy { path }),
            Err(errno) => Err(Error::io(&path, "lock", errno)),
        }
    }
}

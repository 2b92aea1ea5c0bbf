//! Free space on the archive's file system.

use std::os::fd::AsFd;
use std::path::Path;

use super::ArchiveDir;
use crate::fs;
use crate::{Error, Result};

/// The free space on a file system, for the calling user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// The free bytes.
    pub bytes: u64,
    /// The size of the file system in bytes; `None` if it does not say.
    pub total_bytes: Option<u64>,
    /// The number of files that can still be created; `None` if the file system does not count
    /// them.
    pub files: Option<u64>,
}

impl ArchiveDir {
    /// Returns the free space where this archive is.
    pub fn space(&self) -> Result<Space> {
        space(self.fd(), self.root())
    }
}

impl Space {
    /// Returns the free space where a new archive would be: in the nearest existing directory
    /// above it.
    pub fn above(root: &Path) -> Result<Self> {
        for directory in root.ancestors().skip(1) {
            let directory =
                if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            match fs::open_root(directory) {
                Ok(open) => return space(open.as_fd(), directory),
                Err(rustix::io::Errno::NOENT) => {}
                Err(errno) => return Err(Error::io(directory, "open", errno)),
            }
        }
        Err(Error::io(root, "open", rustix::io::Errno::NOENT))
    }
}

fn space(directory: std::os::fd::BorrowedFd<'_>, path: &Path) -> Result<Space> {
    let stat =
        rustix::fs::fstatvfs(directory).map_err(|errno| Error::io(path, "look at", errno))?;
    // Root may use the blocks reserved for it.
    let blocks = if rustix::process::geteuid().is_root() { stat.f_bfree } else { stat.f_bavail };
    let files = if rustix::process::geteuid().is_root() { stat.f_ffree } else { stat.f_favail };
    // A file system that does not report its size does not know its free space, either.
    let known = stat.f_blocks > 0;
    Ok(Space {
        bytes: if known { blocks.saturating_mul(stat.f_frsize) } else { u64::MAX },
        total_bytes: known.then(|| stat.f_blocks.saturating_mul(stat.f_frsize)),
        files: (stat.f_files > 0).then_some(files),
    })
}

//! What is free on the archive's file system.

use std::os::fd::AsFd;
use std::path::Path;

use super::ArchiveDir;
use crate::fs;
use crate::{Error, Result};

/// What is free on a file system, for who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes.
    pub bytes: u64,
    /// The size of the whole file system; none where it does not say.
    pub total_bytes: Option<u64>,
    /// Files that can still be made; none where the file system does not count them.
    pub files: Option<u64>,
}

impl ArchiveDir {
    /// What is free where this archive lies.
    pub fn space(&self) -> Result<Space> {
        space(self.fd(), self.root())
    }
}

impl Space {
    /// What is free where an archive that does not exist yet would lie: in the nearest
    /// directory above it that exists.
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
    // What is kept back for root is there for root.
    let blocks = if rustix::process::geteuid().is_root() { stat.f_bfree } else { stat.f_bavail };
    let files = if rustix::process::geteuid().is_root() { stat.f_ffree } else { stat.f_favail };
    // A file system that does not say how large it is does not know what is free, either.
    let known = stat.f_blocks > 0;
    Ok(Space {
        bytes: if known { blocks.saturating_mul(stat.f_frsize) } else { u64::MAX },
        total_bytes: known.then(|| stat.f_blocks.saturating_mul(stat.f_frsize)),
        files: (stat.f_files > 0).then_some(files),
    })
}

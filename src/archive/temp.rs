//! Puts new files into an archive: written under a temporary name, synced, then renamed.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rustix::fs::Advice;
use rustix::io::Errno;

use super::{ArchiveDir, ArchiveLock, SegmentName};
use crate::event::Date;
use crate::fs;
use crate::segment::{SegmentBytes, Sha256Hash};
use crate::{Error, Result};

/// A segment without a name. It is removed if dropped without [`publish`](Self::publish).
#[derive(Debug)]
pub struct TempSegment {
    file: File,
    folder: OwnedFd,
    folder_path: PathBuf,
    name: String,
    path: PathBuf,
    published: bool,
}

impl ArchiveDir {
    /// Begins a segment in the folder of a year. `token` must be fresh and random.
    pub fn create_temp(&self, date: Date, token: u64, _lock: &ArchiveLock) -> Result<TempSegment> {
        let year = date.year();
        let folder_name = format!("{year:04}");
        let folder_path = self.root().join(&folder_name);
        let failed = |errno: Errno| Error::io(&folder_path, "create", errno);
        let is_new = fs::make_dir(self.fd(), &folder_name).map_err(failed)?;
        // Also once if it existed: an interrupted run may have made it, or the archive itself, a
        // moment ago.
        if is_new || self.synced_year.load(Ordering::Relaxed) != year {
            rustix::fs::fsync(self.fd())
                .and_then(|()| fs::sync_above(self.fd(), &|_| true))
                .map_err(|errno| Error::io(self.root(), "sync", errno))?;
            self.synced_year.store(year, Ordering::Relaxed);
        }
        let folder = fs::open_dir(self.fd(), &folder_name)
            .map_err(|errno| Error::io(&folder_path, "open", errno))?;
        let name = fs::temp_name(token);
        let path = folder_path.join(&name);
        let file = fs::create_new(folder.as_fd(), &name, 0o444)
            .map_err(|errno| Error::io(&path, "create", errno))?;
        Ok(TempSegment {
            file: File::from(file),
            folder,
            folder_path,
            name,
            path,
            published: false,
        })
    }

    /// Writes a segment's checksum file. An existing one must have the same content.
    pub fn write_checksum(
        &self,
        name: &SegmentName,
        sha256: &Sha256Hash,
        token: u64,
        lock: &ArchiveLock,
    ) -> Result<()> {
        let text = Self::checksum_text(name, sha256);
        match self.read_checksum(name)? {
            Some(there) if there == text.as_bytes() => return Ok(()),
            Some(_) => {
                return Err(Error::corrupt(
                    self.root().join(name.folder()).join(name.checksum_name()),
                    "this checksum file is of another segment; it was left as it is",
                ));
            }
            None => {}
        }
        let mut temp = self.create_temp(name.date, token, lock)?;
        temp.file
            .write_all(text.as_bytes())
            .map_err(|error| Error::io(&temp.path, "write", error))?;
        temp.sync()?;
        temp.publish_as(&name.checksum_name())
    }
}

impl TempSegment {
    /// Returns the file, to write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns its temporary path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs everything that was written. A failure is final for this file: the kernel may from
    /// then on regard as written what it could not write.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.file).map_err(|errno| Error::io(&self.path, "sync", errno))
    }

    /// Reopens it, to be read back from the disk rather than from memory.
    pub fn reopen(&self) -> Result<SegmentBytes> {
        // Only advice: a file system in memory has nowhere else to read from.
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
        fs::open_regular(self.folder.as_fd(), &self.name)
            .map(SegmentBytes::from)
            .map_err(|error| Error::io(&self.path, "open", error))
    }

    /// Gives it its final name. Never replaces an existing file.
    pub fn publish(self, name: &SegmentName) -> Result<()> {
        self.publish_as(&name.file_name())
    }

    pub(super) fn publish_as(mut self, name: &str) -> Result<()> {
        let target = self.folder_path.join(name);
        fs::rename_new(self.folder.as_fd(), &self.name, self.folder.as_fd(), name)
            .map_err(|errno| Error::io(&target, "create", errno))?;
        self.published = true;
        rustix::fs::fsync(&self.folder).map_err(|errno| Error::io(&self.folder_path, "sync", errno))
    }
}

impl Drop for TempSegment {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is a leftover, which the next run removes.
            let _ = fs::unlink(self.folder.as_fd(), &self.name);
        }
    }
}

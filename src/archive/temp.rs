//! Puts new files into an archive: written under a temporary name, synced, then renamed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use rustix::fs::Advice;

use super::{ArchiveDir, ArchiveLock, SegmentName};
use crate::event::Date;
use crate::fs::{self, Dir, Staged};
use crate::segment::{SegmentBytes, Sha256Hash};
use crate::{Error, Result};

/// A segment without a name. It is removed if dropped without [`publish`](Self::publish).
#[derive(Debug)]
pub struct TempSegment {
    staged: Staged<Dir>,
    path: PathBuf,
}

impl ArchiveDir {
    /// Begins a segment in the folder of a year. `token` must be fresh and random.
    pub fn create_temp(&self, date: Date, token: u64, _lock: &ArchiveLock) -> Result<TempSegment> {
        let year = date.year();
        let folder = format!("{year:04}");
        let is_new = self.dir().make(&folder)?;
        // Also once if it existed: an interrupted run may have made it, or the archive itself, a
        // moment ago.
        if is_new || self.synced_year.load(Ordering::Relaxed) != year {
            self.dir().sync()?;
            fs::sync_above(self.fd(), &|_| true)
                .map_err(|errno| Error::io(self.root(), "sync", errno))?;
            self.synced_year.store(year, Ordering::Relaxed);
        }
        let staged = Staged::create(self.dir().dir(&folder)?, fs::temp_name(token), 0o444)?;
        let path = staged.path();
        Ok(TempSegment { staged, path })
    }

    /// Writes a file of the archive itself under a temporary name, and syncs it.
    pub(super) fn stage(&self, token: u64, from: &mut dyn Read) -> Result<Staged<&Dir>> {
        let mut staged = Staged::create(self.dir(), fs::temp_name(token), 0o644)?;
        staged.write_from(from)?;
        staged.sync()?;
        Ok(staged)
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
        temp.staged.write(text.as_bytes())?;
        temp.sync()?;
        temp.publish_as(&name.checksum_name())
    }
}

impl TempSegment {
    /// Returns the file, to write to.
    pub fn file(&self) -> &File {
        self.staged.file()
    }

    /// Returns its temporary path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Syncs everything that was written. A failure is final for this file.
    pub fn sync(&self) -> Result<()> {
        self.staged.sync()
    }

    /// Reopens it, to be read back from the disk rather than from memory.
    pub fn reopen(&self) -> Result<SegmentBytes> {
        // Only advice: a file system in memory has nowhere else to read from.
        let _ = rustix::fs::fadvise(self.file(), 0, None, Advice::DontNeed);
        self.staged.reopen().map(SegmentBytes::from)
    }

    /// Gives it its final name. Never replaces an existing file.
    pub fn publish(self, name: &SegmentName) -> Result<()> {
        self.publish_as(&name.file_name())
    }

    pub(super) fn publish_as(mut self, name: &str) -> Result<()> {
        self.staged.publish(name)?;
        self.staged.dir().sync()
    }
}

//! Removals from an archive's directory. Each call asks for the lock, which proves that nobody else
//! works on the files.

use std::path::PathBuf;

use rustix::fs::FileType;

use super::layout::NEXT_LOCK;
use super::{ArchiveDir, ArchiveLock, SegmentName};
use crate::fs::{self, Dir};
use crate::{Error, Result};

impl ArchiveDir {
    /// Removes only a segment's checksum file; the manifest knows its content.
    pub(crate) fn remove_checksum(&self, name: &SegmentName, _lock: &ArchiveLock) -> Result<()> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(()) };
        folder.remove(&name.checksum_name()).map(drop)
    }

    /// Removes a segment, its checksum file and its stub, as far as they exist. The caller must
    /// ensure that no event is lost.
    pub fn remove_segment(&self, name: &SegmentName, _lock: &ArchiveLock) -> Result<()> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(()) };
        let mut removed = false;
        for file in [name.file_name(), name.checksum_name(), name.stub_name()] {
            removed |= folder.remove(&file)?;
        }
        if removed { folder.sync() } else { Ok(()) }
    }

    /// Removes the temporary files of interrupted runs; returns their paths. The lock proves that
    /// no such run is alive.
    pub fn remove_leftovers(&self, lock: &ArchiveLock) -> Result<Vec<PathBuf>> {
        let mut removed = Vec::new();
        let next_lock = self.root().join(NEXT_LOCK);
        if self.remove_next_lock(lock).map_err(|errno| Error::io(&next_lock, "remove", errno))? {
            removed.push(next_lock);
        }
        let mut ignored = Vec::new();
        remove_leftovers_in(self.dir(), &mut removed)?;
        for folder in self.folders(&mut ignored)? {
            if let Some(folder) = self.folder(&folder)? {
                remove_leftovers_in(&folder, &mut removed)?;
            }
        }
        Ok(removed)
    }
}

fn remove_leftovers_in(folder: &Dir, removed: &mut Vec<PathBuf>) -> Result<()> {
    let mut names = Vec::new();
    folder.list(&mut |name, file_type| {
        if let (Ok(name), FileType::RegularFile) = (name.to_str(), file_type)
            && name.starts_with(fs::TEMP_PREFIX)
            && name != NEXT_LOCK
        {
            names.push(name.to_owned());
        }
    })?;
    for name in names {
        folder.remove(&name)?;
        removed.push(folder.path().join(&name));
    }
    Ok(())
}

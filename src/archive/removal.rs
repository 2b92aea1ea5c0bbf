//! Removals from an archive's directory. Each call asks for the lock, which proves that nobody else
//! works on the files.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::FileType;

use super::layout::NEXT_LOCK;
use super::{ArchiveDir, ArchiveLock, SegmentName};
use crate::fs;
use crate::{Error, Result};

impl ArchiveDir {
    /// Removes only a segment's checksum file; the manifest knows its content.
    pub(crate) fn remove_checksum(&self, name: &SegmentName, _lock: &ArchiveLock) -> Result<()> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(()) };
        let path = self.root().join(name.folder()).join(name.checksum_name());
        fs::unlink(folder.as_fd(), &name.checksum_name())
            .map(drop)
            .map_err(|errno| Error::io(path, "remove", errno))
    }

    /// Removes a segment, its checksum file and its stub, as far as they exist. The caller must
    /// ensure that no event is lost.
    pub fn remove_segment(&self, name: &SegmentName, _lock: &ArchiveLock) -> Result<()> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(()) };
        let mut removed = false;
        for file in [name.file_name(), name.checksum_name(), name.stub_name()] {
            let path = self.root().join(name.folder()).join(&file);
            removed |= fs::unlink(folder.as_fd(), &file)
                .map_err(|errno| Error::io(path, "remove", errno))?;
        }
        if !removed {
            return Ok(());
        }
        let path = self.root().join(name.folder());
        rustix::fs::fsync(&folder).map_err(|errno| Error::io(path, "sync", errno))
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
        let mut places = vec![(self.root().to_owned(), None)];
        for folder in self.folders(&mut ignored)? {
            places.push((self.root().join(&folder), self.folder(&folder)?));
        }
        for (path, folder) in places {
            let folder = folder.as_ref().map_or(self.fd(), OwnedFd::as_fd);
            let mut names = Vec::new();
            fs::read_dir(folder, &mut |name, file_type| {
                if let (Ok(name), FileType::RegularFile) = (name.to_str(), file_type)
                    && name.starts_with(fs::TEMP_PREFIX)
                    && name != NEXT_LOCK
                {
                    names.push(name.to_owned());
                }
            })
            .map_err(|errno| Error::io(&path, "read", errno))?;
            for name in names {
                let file = path.join(&name);
                fs::unlink(folder, &name).map_err(|errno| Error::io(&file, "remove", errno))?;
                removed.push(file);
            }
        }
        Ok(removed)
    }
}

//! The directory of a sync's fetched or outgoing files, until it is done.
//!
//! The directory belongs to the user who syncs and is closed to all others; anything else of its
//! name is refused. It lies in the archive, where emitters cannot write, or among temporary files,
//! and never in a tree. It is held by handle: whatever becomes of its name, nothing is read,
//! written or removed anywhere else.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::archive::ArchiveDir;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// Maximum depth of directories in it: `archive/YYYY/FILE` is the deepest, and rsync may have
/// created others of its own.
const MAX_DEPTH: usize = 16;

/// A directory that only this run uses.
#[derive(Debug)]
pub(super) struct Staging {
    parent: OwnedFd,
    name: String,
    path: PathBuf,
    directory: OwnedFd,
    /// True if it stays after a run that did not complete.
    is_kept: bool,
}

impl Staging {
    /// Opens the directory of this source in an archive, which an earlier run may have left: rsync
    /// continues with what is in it.
    pub(super) fn resume(archive: &ArchiveDir, source: &str) -> Result<Self> {
        let digest = Sha256Hash::of(source.as_bytes()).to_string();
        let name = format!("{}{}", fs::SYNC_PREFIX, &digest[..16]);
        Self::open(archive.fd(), archive.root(), name, true)
    }

    /// Creates a new one among temporary files. `token` must be fresh and random.
    pub(super) fn fresh(scratch: &Path, token: u64) -> Result<Self> {
        let parent = fs::open_root(scratch).map_err(|errno| Error::io(scratch, "open", errno))?;
        Self::open(parent.as_fd(), scratch, format!("{}{token:016x}", fs::SYNC_PREFIX), false)
    }

    fn open(at: BorrowedFd<'_>, above: &Path, name: String, is_kept: bool) -> Result<Self> {
        let path = above.join(&name);
        let failed = |errno: Errno| Error::io(&path, "create", errno);
        let foreign = |why: &str| {
            let path = path.display();
            Err(Error::Refused(format!(
                "{path}: {why}; a sync keeps there what it fetched, so it must belong to the \
                 user who syncs and be closed to all others (mode 0700): remove it, or sync as \
                 the user whose it is"
            )))
        };
        let is_new = fs::make_private_dir(at, &name).map_err(failed)?;
        if !is_new && !is_kept {
            return foreign("it is there already");
        }
        let directory = match fs::open_dir(at, &name) {
            Ok(directory) => directory,
            Err(Errno::NOTDIR | Errno::LOOP) => return foreign("it is not a directory"),
            Err(errno) => return Err(failed(errno)),
        };
        let stat = rustix::fs::fstat(&directory).map_err(failed)?;
        if !fs::is_own(&stat) {
            let (owner, mode) = (stat.st_uid, stat.st_mode & 0o7777);
            return foreign(&format!("it belongs to user {owner} and has mode {mode:04o}"));
        }
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Error::Busy { path, holder: None }),
            Err(errno) => return Err(failed(errno)),
        }
        let parent = at.try_clone_to_owned().map_err(|error| Error::io(&path, "open", error))?;
        Ok(Self { parent, name, path, directory, is_kept })
    }

    /// Returns its handle.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Creates a directory in it, if it does not exist, and opens it; the path names it in
    /// messages.
    pub(super) fn folder(&self, name: &str) -> Result<(OwnedFd, PathBuf)> {
        let path = self.path.join(name);
        let failed = |errno| Error::io(&path, "create", errno);
        fs::make_private_dir(self.fd(), name).map_err(failed)?;
        let opened = fs::open_dir(self.fd(), name).map_err(failed)?;
        Ok((opened, path))
    }

    /// Does the same, but empties the directory first.
    pub(super) fn empty_folder(&self, name: &str) -> Result<(OwnedFd, PathBuf)> {
        self.clear(name)?;
        self.folder(name)
    }

    /// Removes a directory in it, with its contents.
    pub(super) fn clear(&self, name: &str) -> Result<()> {
        clear(self.fd(), name, &self.path)
    }

    /// Removes it even if it would stay after a stop: its contents are worth nothing.
    pub(super) fn discard(&mut self) {
        self.is_kept = false;
    }

    /// Removes it.
    pub(super) fn remove(self) -> Result<()> {
        self.empty()?;
        rustix::fs::unlinkat(&self.parent, &self.name, rustix::fs::AtFlags::REMOVEDIR)
            .map_err(|errno| Error::io(&self.path, "remove", errno))
    }

    fn empty(&self) -> Result<()> {
        let mut names = Vec::new();
        fs::read_dir(self.fd(), &mut |name, _| names.extend(name.to_str().map(str::to_owned)))
            .map_err(|errno| Error::io(&self.path, "read", errno))?;
        names.iter().try_for_each(|name| self.clear(name))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.is_kept && self.empty().is_ok() {
            // By its name, and only if it is empty: it may be another one by now.
            let flags = rustix::fs::AtFlags::REMOVEDIR;
            let _ = rustix::fs::unlinkat(&self.parent, &self.name, flags);
        }
    }
}

/// Removes the entry of this name in a directory of ours, with its contents.
pub(super) fn clear(at: BorrowedFd<'_>, name: &str, path: &Path) -> Result<()> {
    fs::remove_all(at, name, MAX_DEPTH).map_err(|errno| Error::io(path.join(name), "remove", errno))
}

//! A directory that knows its path.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::{make_dir, open_dir, open_regular, read_dir, unlink};
use crate::{Error, Result};

/// An open directory, and the path that names it in errors. Everything in it is reached by the
/// handle, and no link in it is followed.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl Dir {
    /// Returns an open directory; `path` names it in errors.
    pub(crate) fn of(fd: OwnedFd, path: impl Into<PathBuf>) -> Self {
        Self { fd, path: path.into() }
    }

    /// Returns its handle.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in it; returns `None` if there is none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Self>> {
        match open_dir(self.fd(), name) {
            Ok(fd) => Ok(Some(Self::of(fd, self.path.join(name)))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.failed(name, "open")(errno)),
        }
    }

    /// Opens a directory in it.
    pub(crate) fn dir(&self, name: &str) -> Result<Self> {
        let fd = open_dir(self.fd(), name).map_err(self.failed(name, "open"))?;
        Ok(Self::of(fd, self.path.join(name)))
    }

    /// Creates a directory in it; returns whether it is new.
    pub(crate) fn make(&self, name: &str) -> Result<bool> {
        make_dir(self.fd(), name).map_err(self.failed(name, "create"))
    }

    /// Opens a regular file in it; returns `None` if nothing has that name.
    pub(crate) fn open(&self, name: &str) -> Result<Option<File>> {
        match open_regular(self.fd(), name) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(self.path.join(name), "open", error)),
        }
    }

    /// Reads up to `max` bytes of a regular file in it; returns `None` if nothing has that name.
    pub(crate) fn read(&self, name: &str, max: u64) -> Result<Option<Vec<u8>>> {
        let Some(file) = self.open(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(max)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::io(self.path.join(name), "read", error))?;
        Ok(Some(bytes))
    }

    /// Calls `entry` with the name and type of everything in it; see [`read_dir`].
    pub(crate) fn list(&self, entry: &mut dyn FnMut(&CStr, FileType)) -> Result<()> {
        read_dir(self.fd(), entry).map_err(|errno| Error::io(&self.path, "read", errno))
    }

    /// Removes a file from it; returns whether it existed.
    pub(crate) fn remove(&self, name: &str) -> Result<bool> {
        unlink(self.fd(), name).map_err(self.failed(name, "remove"))
    }

    /// Makes the names in it durable.
    pub(crate) fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.fd).map_err(|errno| Error::io(&self.path, "sync", errno))
    }

    /// Returns what makes an error of a failed call on an entry.
    pub(crate) fn failed(
        &self,
        name: &str,
        action: &'static str,
    ) -> impl Fn(Errno) -> Error + use<> {
        let path = self.path.join(name);
        move |errno| Error::io(&path, action, errno)
    }
}

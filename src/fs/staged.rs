//! Files that appear under their names when they are complete, or not at all.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use super::{Dir, create_new, open_regular, rename_new, unlink};
use crate::{Error, Result};

/// A new file under a temporary name. It is removed if it is dropped before it has its own; a
/// process that is stopped leaves it, and readers ignore it.
///
/// The order of a durable file is [`write`](Self::write), [`sync`](Self::sync),
/// [`publish`](Self::publish) or [`replace`](Self::replace), and [`Dir::sync`].
#[derive(Debug)]
pub(crate) struct Staged<D: Borrow<Dir>> {
    dir: D,
    name: String,
    file: File,
    is_named: bool,
}

impl<D: Borrow<Dir>> Staged<D> {
    /// Creates the file. Nothing may have this name.
    pub(crate) fn create(dir: D, name: String, mode: u32) -> Result<Self> {
        let at = dir.borrow();
        let file = create_new(at.fd(), &name, mode).map_err(at.failed(&name, "create"))?;
        Ok(Self { dir, name, file: File::from(file), is_named: false })
    }

    /// Returns the directory.
    pub(crate) fn dir(&self) -> &Dir {
        self.dir.borrow()
    }

    /// Returns the file, to write to.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Returns the file, for a writer that needs it alone.
    #[cfg(feature = "remote")]
    pub(crate) fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Returns the temporary path.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir().path().join(&self.name)
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| Error::io(self.path(), "write", error))
    }

    /// Appends all that a reader gives.
    pub(crate) fn write_from(&mut self, from: &mut dyn Read) -> Result<()> {
        let copied = std::io::copy(from, &mut self.file);
        copied.map(drop).map_err(|error| Error::io(self.path(), "write", error))
    }

    /// Syncs all that was written. A failure is final for this file: the kernel may from then on
    /// regard as written what it could not write.
    pub(crate) fn sync(&self) -> Result<()> {
        rustix::fs::fsync(&self.file).map_err(|errno| Error::io(self.path(), "sync", errno))
    }

    /// Opens it once more, for reading.
    pub(crate) fn reopen(&self) -> Result<File> {
        open_regular(self.dir().fd(), &self.name)
            .map_err(|error| Error::io(self.path(), "open", error))
    }

    /// Gives it its name, unless that is taken.
    pub(crate) fn publish(&mut self, name: &str) -> Result<()> {
        let dir = self.dir.borrow();
        rename_new(dir.fd(), &self.name, dir.fd(), name).map_err(dir.failed(name, "create"))?;
        self.is_named = true;
        Ok(())
    }

    /// Gives it its name, and takes that from any other file.
    pub(crate) fn replace(&mut self, name: &str) -> Result<()> {
        let dir = self.dir.borrow();
        rustix::fs::renameat(dir.fd(), &self.name, dir.fd(), name)
            .map_err(dir.failed(name, "replace"))?;
        self.is_named = true;
        Ok(())
    }
}

impl<D: Borrow<Dir>> Drop for Staged<D> {
    fn drop(&mut self) {
        if !self.is_named {
            // What cannot be removed now is a leftover, which the next run removes.
            let _ = unlink(self.dir.borrow().fd(), &self.name);
        }
    }
}

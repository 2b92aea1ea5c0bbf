//! The destination of exported files: written under a name with a leading dot, synced, and only
//! then given their own, which is never taken from another file.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::layout::{Partition, file_name};
use super::{ExportFormat, ExportTarget};
use crate::remote::Bucket;
use crate::segment::SegmentBytes;
use crate::{Error, Result, fs};

/// The longest name that a directory can have, in bytes.
const MAX_NAME: usize = 255;

/// The destination of an export.
pub(super) struct Outlet<'a> {
    format: ExportFormat,
    label: String,
    place: Arc<Place>,
    bucket: Option<&'a Bucket>,
    /// Files wait here until they are sent; removed when the export ends.
    _scratch: Option<tempfile::TempDir>,
}

/// A directory in which files are written.
struct Place {
    fd: OwnedFd,
    path: PathBuf,
    /// True if partitions have folders of their own here.
    has_folders: bool,
}

impl<'a> Outlet<'a> {
    pub(super) fn open(target: &'a ExportTarget<'a>, format: ExportFormat) -> Result<Self> {
        let label = target.to_string();
        match target {
            ExportTarget::Directory(path) => {
                fs::create_dir_all(path).map_err(|error| Error::io(path, "create", error))?;
                let place = Arc::new(Place::open(path, true)?);
                // Also if it existed: a run that was stopped may have created it a moment ago.
                fs::sync_above(place.fd.as_fd(), &|_| true)
                    .map_err(|errno| Error::io(path, "sync", errno))?;
                Ok(Self { format, label, place, bucket: None, _scratch: None })
            }
            ExportTarget::Bucket { bucket, scratch } => {
                let directory = tempfile::Builder::new()
                    .prefix("hlarchive-export-")
                    .tempdir_in(scratch)
                    .map_err(|error| Error::io(scratch, "write to", error))?;
                let place = Arc::new(Place::open(directory.path(), false)?);
                let bucket = Some(*bucket);
                Ok(Self { format, label, place, bucket, _scratch: Some(directory) })
            }
        }
    }

    /// Returns the name of a partition's file in messages.
    pub(super) fn shown(&self, partition: &Partition) -> String {
        format!("{}/{}", self.label.trim_end_matches('/'), partition.file(self.format))
    }

    /// Reports whether a partition's file exists already.
    pub(super) fn is_there(&self, partition: &Partition) -> Result<bool> {
        if let Some(bucket) = self.bucket {
            return Ok(bucket.size(&partition.file(self.format))?.is_some());
        }
        let is_too_long = |name: &String| name.len() > MAX_NAME;
        let found = if partition.folders().iter().any(is_too_long) {
            Err(Errno::NAMETOOLONG)
        } else {
            self.place.folder(partition, false).and_then(|folder| {
                let name = file_name(self.format);
                rustix::fs::statat(folder.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            })
        };
        match found {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(Error::io(self.shown(partition), "create", errno)),
        }
    }

    /// Syncs the name of a file that is skipped: the run that gave it may have been stopped, or
    /// have failed, before that was on the disk.
    pub(super) fn settle(&self, partition: &Partition) -> Result<()> {
        if self.bucket.is_some() {
            return Ok(());
        }
        self.place
            .folder(partition, false)
            .and_then(rustix::fs::fsync)
            .map_err(|errno| Error::io(self.shown(partition), "sync", errno))
    }

    /// Returns an error for a file that exists already.
    pub(super) fn taken(&self, partition: &Partition) -> Error {
        let reason = "it already exists, and nothing is overwritten; --resume skips what \
                      is there";
        let taken = io::Error::new(io::ErrorKind::AlreadyExists, reason);
        Error::io(self.shown(partition), "create", taken)
    }

    /// Begins a file of a partition; nothing is on the disk before the first write.
    pub(super) fn begin(&self, partition: &Partition, token: u64) -> PartFile {
        PartFile {
            place: Arc::clone(&self.place),
            partition: partition.clone(),
            name: fs::temp_name(token),
            file: None,
            is_made: false,
            bytes: 0,
        }
    }

    /// Gives a complete file its name, or sends it; returns its size.
    pub(super) fn publish(
        &self,
        mut part: PartFile,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<u64> {
        let partition = part.partition.clone();
        let shown = self.shown(&partition);
        if let Some(bucket) = self.bucket {
            part.rest()?;
            let object = partition.file(self.format);
            let file = File::from(part.reopen()?);
            bucket.put(&object, &SegmentBytes::from(file), progress)?;
            let there = bucket.size(&object)?;
            if there != Some(part.bytes) {
                let there = there.map_or_else(|| "nothing".to_owned(), |n| format!("{n} bytes"));
                let reason = format!("{} bytes were sent, and {there} arrived", part.bytes);
                return Err(Error::io(shown, "send", io::Error::other(reason)));
            }
            return Ok(part.bytes);
        }
        part.rest()?;
        let folder =
            self.place.folder(&partition, false).map_err(|e| Error::io(&shown, "create", e))?;
        let folder = folder.as_fd();
        match fs::rename_new(folder, &part.name, folder, &file_name(self.format)) {
            Err(Errno::EXIST) => return Err(self.taken(&partition)),
            outcome => outcome.map_err(|errno| Error::io(&shown, "create", errno))?,
        }
        part.is_made = false;
        rustix::fs::fsync(folder).map_err(|errno| Error::io(&shown, "sync", errno))?;
        Ok(part.bytes)
    }

    /// Syncs the folders of a day.
    pub(super) fn end_of_day(&self, partition: &Partition) -> Result<()> {
        if self.bucket.is_some() {
            return Ok(());
        }
        let [date, _] = partition.folders();
        let synced = match fs::open_dir(self.place.fd.as_fd(), &date) {
            // None of its partitions could have a file.
            Err(Errno::NOENT) => Ok(()),
            folder => folder.and_then(rustix::fs::fsync),
        };
        synced
            .and_then(|()| rustix::fs::fsync(&self.place.fd))
            .map_err(|errno| Error::io(self.place.path.join(date), "sync", errno))
    }
}

impl Place {
    fn open(path: &Path, has_folders: bool) -> Result<Self> {
        let fd = fs::open_root(path).map_err(|errno| Error::io(path, "create", errno))?;
        Ok(Self { fd, path: path.to_path_buf(), has_folders })
    }

    /// Opens the folder of a partition. No symbolic link below the target is followed.
    fn folder(&self, partition: &Partition, make: bool) -> Result<OwnedFd, Errno> {
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0)?;
        if self.has_folders {
            for name in partition.folders() {
                if make {
                    fs::make_dir(folder.as_fd(), &name)?;
                }
                folder = fs::open_dir(folder.as_fd(), &name)?;
            }
        }
        Ok(folder)
    }
}

/// A file without a final name. Removed if it is dropped before it has one.
pub(super) struct PartFile {
    place: Arc<Place>,
    partition: Partition,
    name: String,
    pub(super) file: Option<File>,
    pub(super) is_made: bool,
    /// Number of bytes written so far.
    pub(super) bytes: u64,
}

impl PartFile {
    /// Returns its current path.
    pub(super) fn path(&self) -> PathBuf {
        let mut path = self.place.path.clone();
        if self.place.has_folders {
            path.extend(self.partition.folders());
        }
        path.join(&self.name)
    }

    /// Appends bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.opened()?;
        self.write_all(bytes).map_err(|error| Error::io(self.path(), "write", error))
    }

    fn opened(&mut self) -> Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None if self.is_made => File::from(self.reopen()?),
            None => {
                let failed = |errno: Errno| Error::io(self.path(), "create", errno);
                let folder = self.place.folder(&self.partition, true).map_err(failed)?;
                // The first handle is at the end of the file, as those that follow.
                let file = fs::create_new(folder.as_fd(), &self.name, 0o666).map_err(failed)?;
                self.is_made = true;
                File::from(file)
            }
        };
        Ok(self.file.insert(file))
    }

    pub(super) fn reopen(&self) -> Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        self.place
            .folder(&self.partition, false)
            .and_then(|folder| rustix::fs::openat(folder, &self.name, flags, Mode::empty()))
            .map_err(|errno| Error::io(self.path(), "open", errno))
    }

    /// Syncs and closes it, since a process may not hold many files; the next write opens it again.
    /// A sync that fails is final: a later handle would not see the error.
    pub(super) fn rest(&mut self) -> Result<()> {
        if let Some(file) = self.file.take() {
            rustix::fs::fsync(&file).map_err(|errno| Error::io(self.path(), "sync", errno))?;
        }
        Ok(())
    }
}

impl Write for PartFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.opened().map_err(|error| match error {
            Error::Io { source, .. } => source,
            other => io::Error::other(other.to_string()),
        })?;
        let written = file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if self.is_made
            && let Ok(folder) = self.place.folder(&self.partition, false)
        {
            // If it cannot be removed now, its name is never taken for an export.
            let _ = fs::unlink(folder.as_fd(), &self.name);
        }
    }
}

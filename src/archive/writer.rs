//! Writes the manifest: one line for each action, synced before it counts.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::chain;
use super::layout::MANIFEST;
use super::{ArchiveDir, ArchiveLock, By, Manifest, NewRecord, Op, Record, Torn};
use crate::event::Timestamp;
use crate::fs;
use crate::{Error, Result};

/// Appends to the manifest. Only one writer exists, since the lock is exclusive.
#[derive(Debug)]
pub struct ManifestWriter<'a> {
    archive: &'a ArchiveDir,
    lock: &'a ArchiveLock,
    path: PathBuf,
    /// The file, opened (and created if missing) with the first record.
    file: Option<File>,
    bytes: u64,
    needs_newline: bool,
    manifest: Manifest,
    poisoned: bool,
}

impl<'a> ManifestWriter<'a> {
    /// Reads the manifest and prepares to append. A torn last line is dropped, or repaired if
    /// only a byte of it is lost, and a `mend` record says so; any other damage is an
    /// [`Error::Corrupt`].
    pub fn open(
        archive: &'a ArchiveDir,
        lock: &'a ArchiveLock,
        now: Timestamp,
        by: &By,
    ) -> Result<(Self, Option<Torn>)> {
        Self::open_if(archive, lock, now, by, &|_| Ok(()))
    }

    /// Opens like [`open`](Self::open), unless `accept` refuses the manifest as read; then
    /// nothing is written, not even a repair.
    pub fn open_if(
        archive: &'a ArchiveDir,
        lock: &'a ArchiveLock,
        now: Timestamp,
        by: &By,
        accept: &dyn Fn(&Manifest) -> Result<()>,
    ) -> Result<(Self, Option<Torn>)> {
        let manifest = Manifest::load(archive)?;
        accept(&manifest)?;
        let (torn, lost_byte) = (manifest.torn(), manifest.lost_byte);
        let mut writer = Self {
            archive,
            lock,
            path: archive.manifest_path(),
            file: None,
            bytes: manifest.sound_bytes,
            needs_newline: manifest.lacks_newline,
            manifest,
            poisoned: false,
        };
        if writer.manifest.exists() {
            // An interrupted run may have written what was just read without syncing it; events
            // will be removed on its account.
            let file = writer.open_file()?;
            rustix::fs::fsync(&file)
                .and_then(|()| rustix::fs::fsync(archive.fd()))
                .map_err(|errno| Error::io(&writer.path, "sync", errno))?;
            writer.file = Some(file);
        }
        if let Some(torn) = torn {
            let file = match writer.file.take() {
                Some(file) => file,
                None => writer.open_file()?,
            };
            // Synced separately, or a second power cut could mix old bytes with new ones.
            rustix::fs::ftruncate(&file, writer.bytes)
                .and_then(|()| rustix::fs::fsync(&file))
                .map_err(|errno| writer.cannot_mend(errno))?;
            if let Some((at, byte)) = lost_byte {
                // Synced with the record that follows; until then it can be found again.
                rustix::io::pwrite(&file, &[byte], at)
                    .map_err(|errno| Error::io(&writer.path, "mend", errno))?;
            }
            writer.file = Some(file);
            let mut record = NewRecord::new(now, Op::Mend);
            record.by = Some(by.clone());
            record.bytes = Some(torn.bytes);
            let note = match lost_byte {
                Some(_) => "a lost byte of the last line was put back",
                None => "a torn last line was dropped",
            };
            record.note = Some(note.to_owned());
            writer.append(record)?;
        }
        Ok((writer, torn))
    }

    /// Returns the manifest as it is now.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the lock that this writer was opened with.
    pub fn lock(&self) -> &'a ArchiveLock {
        self.lock
    }

    /// Reports whether a failed append left the state of the disk unknown. Then nothing more can
    /// be appended. An append that ran out of space is undone and does not count.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Appends a record; it is durable when this returns.
    pub fn append(&mut self, record: NewRecord) -> Result<&Record> {
        if self.poisoned {
            return Err(Error::Refused(format!(
                "{}: an earlier record could not be written; run the command again",
                self.path.display()
            )));
        }
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open_file()?,
        };
        let record = record.linked(self.manifest.next_seq(), self.manifest.head());
        let line = chain::line(&record);
        let mut bytes = Vec::with_capacity(line.len() + 2);
        if self.needs_newline {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
        let written = file.write_all_at(&bytes, self.bytes);
        let written = written.map_err(|error| Error::io(&self.path, "write", error));
        let recorded = written.and_then(|()| {
            // A complete line may be on the disk, or get there, although this fails.
            let synced = rustix::fs::fsync(&file);
            self.poisoned = synced.is_err();
            synced.map_err(|errno| Error::io(&self.path, "sync", errno))
        });
        if let Err(error) = recorded {
            // Readers skip what is left of it, and the next writer drops it.
            self.poisoned |= rustix::fs::ftruncate(&file, self.bytes).is_err();
            self.file = Some(file);
            return Err(error);
        }
        self.bytes += bytes.len() as u64;
        self.needs_newline = false;
        self.file = Some(file);
        let hash = crate::segment::Sha256Hash::of(&line);
        self.manifest.add(record, hash);
        self.manifest.records().last().ok_or_else(|| {
            Error::corrupt(&self.path, "the record that was just written is missing")
        })
    }

    /// Returns the error for a torn last line that could not be dropped.
    fn cannot_mend(&self, errno: Errno) -> Error {
        if errno != Errno::PERM {
            return Error::io(&self.path, "mend", errno);
        }
        Error::NeedsConsent(format!(
            "{}: its last line was torn by a crash, and the file may only be appended to; take \
             that off for one run (chattr -a)",
            self.path.display()
        ))
    }

    /// Opens the file; a new one is synced into the archive's directory.
    fn open_file(&self) -> Result<File> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mode = Mode::from_raw_mode(0o644);
        match rustix::fs::openat(self.archive.fd(), MANIFEST, flags, mode) {
            Err(Errno::NOENT) => {
                // An interrupted run may have made the archive itself a moment ago.
                fs::sync_above(self.archive.fd(), &|_| true)
                    .map_err(|errno| Error::io(self.archive.root(), "sync", errno))?;
                let flags = flags | OFlags::CREATE | OFlags::EXCL;
                let file = rustix::fs::openat(self.archive.fd(), MANIFEST, flags, mode)
                    .map_err(|errno| Error::io(&self.path, "create", errno))?;
                rustix::fs::fsync(self.archive.fd())
                    .map_err(|errno| Error::io(self.archive.root(), "sync", errno))?;
                Ok(file.into())
            }
            // Append-only (chattr +a): it can be written at its end, and nowhere else.
            Err(Errno::PERM) => {
                rustix::fs::openat(self.archive.fd(), MANIFEST, flags | OFlags::APPEND, mode)
                    .map(File::from)
                    .map_err(|errno| Error::io(&self.path, "open", errno))
            }
            opened => opened.map(File::from).map_err(|errno| Error::io(&self.path, "open", errno)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A descriptor that cannot be written to stands for a disk that accepts nothing more, not
    /// even a shorter length.
    #[test]
    fn after_a_record_that_could_not_be_undone_no_more_are_taken() {
        let directory = tempfile::tempdir().unwrap();
        let archive = ArchiveDir::create(directory.path()).unwrap();
        let lock = archive.lock().unwrap();
        let now: Timestamp = "2026-06-01T03:00:00Z".parse().unwrap();
        let by = By {
            user: "u".to_owned(),
            host: "h".to_owned(),
            command: "c".to_owned(),
            sudo_user: None,
        };
        let (mut writer, _) = ManifestWriter::open(&archive, &lock, now, &by).unwrap();
        writer.append(NewRecord::new(now, Op::Hold)).unwrap();
        assert!(!writer.is_poisoned());
        let before = std::fs::read(archive.manifest_path()).unwrap();
        writer.file = Some(File::open(archive.manifest_path()).unwrap());
        assert!(matches!(writer.append(NewRecord::new(now, Op::Hold)), Err(Error::Io { .. })));
        assert!(writer.is_poisoned());
        writer.file = None;
        let refused = writer.append(NewRecord::new(now, Op::Hold)).unwrap_err();
        assert!(refused.to_string().contains("run the command again"), "{refused}");
        assert_eq!(std::fs::read(archive.manifest_path()).unwrap(), before);
        assert_eq!(writer.manifest().records().len(), 1);
    }
}

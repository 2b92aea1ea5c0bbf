//! A cache of fetched frames, in a directory of bounded size.
//!
//! Objects never change, so cached pieces never grow stale. Each is stored after its SHA-256, and
//! is fetched again if that does not match. So is one that another user could have put there: a
//! file that is not ours, or that others may write to. Nothing that proves anything (verify,
//! `remote verify`) reads the cache. The least recently used pieces are removed first. Any
//! failure of the cache costs a request, and no answer.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use rustix::fs::{FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};

use crate::segment::{Piece, Sha256Hash};

/// The share that is freed in addition when the limit is reached: a tenth.
const SPARE: u64 = 10;

/// A directory of fetched pieces.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    limit: u64,
    /// The size of its content as far as this process knows; counted when the first piece is
    /// stored.
    size: Mutex<Option<u64>>,
}

impl Cache {
    /// Returns a cache of `limit` bytes in this directory, which is created when something is
    /// stored.
    pub(crate) fn new(directory: PathBuf, limit: u64) -> Self {
        Self { directory, limit, size: Mutex::default() }
    }

    fn path(&self, piece: &Piece) -> PathBuf {
        let Piece { object, range } = piece;
        let key = format!("{object}\n{}\n{}", range.start, range.end);
        self.directory.join(format!("{}.frame", Sha256Hash::of(key.as_bytes())))
    }

    /// Returns a cached piece.
    #[cfg_attr(not(feature = "remote"), allow(dead_code))]
    pub(super) fn get(&self, piece: &Piece) -> Option<Vec<u8>> {
        let wanted = piece.range.end.checked_sub(piece.range.start)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::open(self.path(piece), flags, Mode::empty()).ok()?;
        let stat = rustix::fs::fstat(&file).ok()?;
        let is_ours = stat.st_uid == rustix::process::geteuid().as_raw()
            && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
            && stat.st_mode & 0o022 == 0;
        if !is_ours {
            return None;
        }
        let mut file = fs::File::from(file);
        let mut own = [0; 32];
        file.read_exact(&mut own).ok()?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(wanted + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 != wanted || Sha256Hash::of(&bytes).0 != own {
            return None;
        }
        // The time it was last used; if that cannot be recorded, it is removed a little earlier.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        let _ = rustix::fs::futimens(&file, &times);
        Some(bytes)
    }

    /// Stores a piece, if there is room for it.
    #[cfg_attr(not(feature = "remote"), allow(dead_code))]
    pub(super) fn put(&self, piece: &Piece, bytes: &[u8]) {
        let needed = bytes.len() as u64 + 32;
        if needed > self.limit / SPARE {
            return;
        }
        let mut size = self.size.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        if size.is_none() && builder.create(&self.directory).is_err() {
            return;
        }
        let count = || files(&self.directory).iter().map(|(_, bytes, _)| bytes).sum();
        let before: u64 = size.unwrap_or_else(count);
        let there = if before + needed > self.limit { self.make_room(needed) } else { before };
        let written = tempfile::NamedTempFile::new_in(&self.directory).and_then(|mut file| {
            file.write_all(&Sha256Hash::of(bytes).0)?;
            file.write_all(bytes)?;
            file.persist(self.path(piece)).map_err(|error| error.error)
        });
        *size = Some(there + if written.is_ok() { needed } else { 0 });
    }

    /// Removes the least recently used pieces; returns the size of the rest.
    fn make_room(&self, needed: u64) -> u64 {
        let mut files = files(&self.directory);
        files.sort_by_key(|(used, ..)| *used);
        let mut size: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in files {
            if size + needed <= self.limit - self.limit / SPARE {
                break;
            }
            if fs::remove_file(path).is_ok() {
                size -= bytes;
            }
        }
        size
    }
}

/// Returns the files of a directory: the time of last use, the size and the path.
fn files(directory: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        Some((metadata.modified().ok()?, metadata.len(), entry.path()))
    });
    files.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn piece(number: u64) -> Piece {
        Piece { object: "x".into(), range: number * 100..number * 100 + 100 }
    }

    #[test]
    fn it_never_outgrows_its_size_and_keeps_what_was_used_last() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("cache"), 2000);
        let used = |number| fs::File::open(cache.path(&piece(number))).unwrap();
        for number in 0..100 {
            cache.put(&piece(number), &[number as u8; 100]);
            // The clock of files may be coarse; so each is a second later than the one before.
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number);
            used(number).set_modified(time).unwrap();
            let size: u64 = files(&cache.directory).iter().map(|(_, bytes, _)| bytes).sum();
            assert!(size <= 2000, "{size}");
        }
        assert_eq!(cache.get(&piece(99)).unwrap(), [99; 100]);
        assert_eq!(cache.get(&piece(0)), None);
    }

    #[test]
    fn what_was_damaged_or_is_too_large_counts_for_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().to_owned(), 2000);
        cache.put(&piece(1), &[1; 100]);
        for at in [0, 31, 32, 131] {
            let path = cache.path(&piece(1));
            let sound = fs::read(&path).unwrap();
            let mut text = sound.clone();
            text[at] ^= 1;
            fs::write(&path, text).unwrap();
            assert_eq!(cache.get(&piece(1)), None);
            fs::write(&path, &sound[..at]).unwrap();
            assert_eq!(cache.get(&piece(1)), None);
            fs::write(&path, sound).unwrap();
        }
        assert_eq!(cache.get(&piece(1)).unwrap(), [1; 100]);
        let large = Piece { object: "y".into(), range: 0..1000 };
        cache.put(&large, &[0; 1000]);
        assert_eq!(cache.get(&large), None);
    }
}

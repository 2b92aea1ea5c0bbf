//! The directory that evidence is written into: fresh, held by handle, and read back.
//!
//! Every file is new, is hashed as it is written, and is compared with that hash after it was read
//! back from the disk. The list of hashes comes last: a directory without it is not complete.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Advice;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::fs;
use crate::ops::Finding;
use crate::progress::{Progress, Unit};
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The list of all files but itself.
pub(super) const SUMS: &str = "SHA256SUMS";

/// Maximum number of folders that are kept open.
const MAX_OPEN: usize = 64;

/// Size of a chunk when files are read back, in bytes.
const CHUNK_BYTES: usize = 1 << 20;

/// A directory under construction.
pub(super) struct Outlet {
    path: PathBuf,
    root: OwnedFd,
    folders: HashMap<String, Arc<OwnedFd>>,
    /// The hashes of the files that were written, by path.
    sums: BTreeMap<String, Sha256Hash>,
    bytes: u64,
}

/// The totals of a complete directory.
pub(super) struct Whole {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The hash of the list of hashes.
    pub(super) sums: Sha256Hash,
}

impl Outlet {
    /// Refuses a path that cannot become such a directory, before anything is read for it.
    pub(super) fn check(path: &Path) -> Result<()> {
        match fs::open_root(path) {
            Ok(root) => check_empty(path, &root),
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Error::io(path, "create", errno)),
        }
    }

    /// Creates the directory. An existing one must be empty.
    pub(super) fn create(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|error| Error::io(path, "create", error))?;
        let root = fs::open_root(path).map_err(|errno| Error::io(path, "create", errno))?;
        check_empty(path, &root)?;
        let (folders, sums) = (HashMap::new(), BTreeMap::new());
        Ok(Self { path: path.to_owned(), root, folders, sums, bytes: 0 })
    }

    fn failed(&self, name: &str, action: &'static str) -> impl Fn(io::Error) -> Error + use<> {
        let path = self.path.join(name);
        move |error| Error::io(&path, action, error)
    }

    /// Opens the folder of a file; no link is followed to it.
    fn folder(&mut self, name: &str) -> Result<Arc<OwnedFd>> {
        let below = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(folder) = self.folders.get(below) {
            return Ok(Arc::clone(folder));
        }
        let failed = self.failed(name, "create");
        let failed = |errno: Errno| failed(errno.into());
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.root, 0).map_err(failed)?;
        for part in below.split('/').filter(|part| !part.is_empty()) {
            fs::make_dir(folder.as_fd(), part).map_err(failed)?;
            folder = fs::open_dir(folder.as_fd(), part).map_err(failed)?;
        }
        if self.folders.len() >= MAX_OPEN {
            self.folders.clear();
        }
        let folder = Arc::new(folder);
        self.folders.insert(below.to_owned(), Arc::clone(&folder));
        Ok(folder)
    }

    /// Returns the hash of a file that was written.
    pub(super) fn hash_of(&self, name: &str) -> Option<Sha256Hash> {
        self.sums.get(name).copied()
    }

    /// Begins a file.
    pub(super) fn begin(&mut self, name: &str) -> Result<OutFile> {
        let folder = self.folder(name)?;
        let own = name.rsplit_once('/').map_or(name, |(_, own)| own).to_owned();
        let file = fs::create_new(folder.as_fd(), &own, 0o444)
            .map_err(|errno| self.failed(name, "create")(errno.into()))?;
        Ok(OutFile {
            folder,
            own,
            path: self.path.join(name),
            name: name.to_owned(),
            file: File::from(file),
            hasher: Sha256::new(),
            bytes: 0,
            is_whole: false,
        })
    }

    /// Records a complete file; returns its hash.
    pub(super) fn take(&mut self, mut file: OutFile) -> Sha256Hash {
        file.is_whole = true;
        let hash = Sha256Hash::finish(std::mem::take(&mut file.hasher));
        self.sums.insert(std::mem::take(&mut file.name), hash);
        self.bytes += file.bytes;
        hash
    }

    /// Writes a file; returns its hash.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<Sha256Hash> {
        let mut file = self.begin(name)?;
        file.append(bytes)?;
        Ok(self.take(file))
    }

    /// Syncs all of it, reads it back, and writes the list of hashes. A file that reads back
    /// differently is a finding. Returns `None` if the caller asked to stop.
    pub(super) fn finish(
        mut self,
        findings: &mut Vec<Finding>,
        progress: &dyn Progress,
    ) -> Result<Option<Whole>> {
        rustix::fs::syncfs(&self.root).map_err(|errno| self.failed("", "sync")(errno.into()))?;
        progress.begin("reading back", Some(self.sums.len() as u64), Unit::Files);
        let sums = std::mem::take(&mut self.sums);
        let mut text = String::new();
        for (name, hash) in &sums {
            if progress.stop_requested() {
                progress.end();
                return Ok(None);
            }
            let read = self.read_back(name).map_err(self.failed(name, "read"))?;
            if read != *hash {
                let reason = "read-back verification failed";
                let path = self.path.join(name).display().to_string();
                findings.push(Finding::new(path, reason));
            }
            text.push_str(&line(*hash, name));
            progress.advance(1);
        }
        progress.end();
        let mut file = self.begin(SUMS)?;
        file.append(text.as_bytes())?;
        rustix::fs::fsync(&file.file).map_err(|errno| self.failed(SUMS, "sync")(errno.into()))?;
        let sums = (sums.len() as u64, self.take(file));
        rustix::fs::fsync(&self.root)
            .and_then(|()| fs::sync_above(self.root.as_fd(), &|_| true))
            .map_err(|errno| self.failed("", "sync")(errno.into()))?;
        Ok(Some(Whole { files: sums.0 + 1, bytes: self.bytes, sums: sums.1 }))
    }

    fn read_back(&mut self, name: &str) -> io::Result<Sha256Hash> {
        let folder = self.folder(name).map_err(|error| match error {
            Error::Io { source, .. } => source,
            other => io::Error::other(other.to_string()),
        })?;
        let own = name.rsplit_once('/').map_or(name, |(_, own)| own);
        let mut file = fs::open_regular(folder.as_fd(), own)?;
        // Advice only: a file system in memory has nowhere else to read from.
        let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; CHUNK_BYTES]);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Sha256Hash::finish(hasher)),
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn check_empty(path: &Path, root: &OwnedFd) -> Result<()> {
    let failed = |error: io::Error| Error::io(path, "create", error);
    let mut is_empty = true;
    fs::read_dir(root.as_fd(), &mut |_, _| is_empty = false)
        .map_err(|errno| failed(errno.into()))?;
    if is_empty {
        return Ok(());
    }
    let reason = "this directory is not empty; name one that is empty, or that does not \
                  exist yet";
    Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, reason)))
}

/// Returns a line as `sha256sum` writes and checks it.
pub(super) fn line(hash: Sha256Hash, name: &str) -> String {
    // A name cannot hold a control character; with a backslash, the line begins with one.
    if name.contains('\\') {
        return format!("\\{hash}  {}\n", name.replace('\\', "\\\\"));
    }
    format!("{hash}  {name}\n")
}

/// A file under construction. Removed if it is dropped before it is complete.
pub(super) struct OutFile {
    folder: Arc<OwnedFd>,
    own: String,
    path: PathBuf,
    name: String,
    file: File,
    hasher: Sha256,
    bytes: u64,
    is_whole: bool,
}

impl OutFile {
    /// Appends bytes.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| Error::io(&self.path, "write", error))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if !self.is_whole {
            // If it cannot be removed, it is in a directory without its list of hashes.
            let _ = fs::unlink(self.folder.as_fd(), &self.own);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_directory_with_something_in_it_is_refused_and_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(".hidden"), "x").unwrap();
        let error = Outlet::create(place.path()).err().unwrap();
        assert_eq!(error.io_kind(), Some(io::ErrorKind::AlreadyExists));
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_was_changed_on_the_disk_before_it_was_read_back_is_found() {
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("a/b");
        let mut outlet = Outlet::create(&to).unwrap();
        outlet.write("x/one", b"1").unwrap();
        outlet.write("two", b"2").unwrap();
        std::fs::remove_file(to.join("two")).unwrap();
        std::fs::write(to.join("two"), "3").unwrap();
        let mut findings = Vec::new();
        let whole = outlet.finish(&mut findings, &Silent).unwrap().unwrap();
        assert_eq!((whole.files, findings.len()), (3, 1));
        assert!(findings[0].path.ends_with("/two"), "{findings:?}");
        let sums = std::fs::read(to.join(SUMS)).unwrap();
        assert_eq!(Sha256Hash::of(&sums), whole.sums);
        assert_eq!(
            String::from_utf8(sums).unwrap(),
            line(Sha256Hash::of(b"2"), "two") + &line(Sha256Hash::of(b"1"), "x/one")
        );
    }

    #[test]
    fn a_file_that_is_given_up_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let mut outlet = Outlet::create(place.path()).unwrap();
        let mut file = outlet.begin("half").unwrap();
        file.append(b"x").unwrap();
        drop(file);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        assert_eq!(outlet.hash_of("half"), None);
    }

    #[test]
    fn a_name_with_a_backslash_is_listed_as_sha256sum_does() {
        assert!(line(Sha256Hash::ZERO, r"a\b").ends_with("  a\\\\b\n"));
        assert!(line(Sha256Hash::ZERO, r"a\b").starts_with("\\0"));
    }
}

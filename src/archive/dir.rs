//! The archive's directory, and the layout of its files.

use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::SegmentName;
use super::layout::{
    CATALOGUE, HEADS, LOCK, MANIFEST, NEXT_RUNS, OVERVIEW, PEERS, RUNS, STATE, STUB_SUFFIX, WORDS,
};
use crate::event::{Date, EntryRole, NodeName, SharedLitter, shown};
use crate::fs::{self, Dir, UnexpectedEntry};
use crate::segment::{Fetch, Sha256Hash};
use crate::{Error, Result};

/// An open archive. All access goes through its directory handle.
#[derive(Debug)]
pub struct ArchiveDir {
    dir: Dir,
    /// The last year whose folder, and everything above it, was synced by this process.
    pub(super) synced_year: AtomicI32,
    /// The source of segments that are remote.
    pub(super) remote: Option<Arc<dyn Fetch>>,
    litter: SharedLitter,
}

/// A segment's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSegment {
    /// The name.
    pub name: SegmentName,
    /// The size in bytes.
    pub bytes: u64,
}

impl ArchiveDir {
    /// Opens an archive; `None` if the directory does not exist.
    pub fn open(root: &Path) -> Result<Option<Self>> {
        match fs::open_root(root) {
            Ok(dir) => Ok(Some(Self::at(root, dir))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io(root, "open", errno)),
        }
    }

    /// Reports whether an entry of this name exists, whatever it is.
    pub(super) fn has_entry(&self, name: &str) -> bool {
        rustix::fs::statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Opens an archive, and creates its directory if it is missing.
    pub fn create(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| Error::io(root, "create", error))?;
        let dir = fs::open_root(root).map_err(|errno| Error::io(root, "open", errno))?;
        Ok(Self::at(root, dir))
    }

    /// Returns an archive for an open directory; `root` names it in messages.
    pub(crate) fn at(root: &Path, dir: OwnedFd) -> Self {
        Self::over(Dir::of(dir, root))
    }

    fn over(dir: Dir) -> Self {
        let synced_year = AtomicI32::new(i32::MIN);
        let litter = SharedLitter::default();
        Self { dir, synced_year, remote: None, litter }
    }

    /// Replaces the list of names to be passed over.
    #[must_use]
    pub fn with_litter(mut self, litter: SharedLitter) -> Self {
        self.litter = litter;
        self
    }

    /// Reports whether an entry belongs to other programs, and is not disguised as one of this
    /// one's.
    fn passes_over(&self, name: &str) -> bool {
        !name.starts_with(fs::TEMP_PREFIX) && self.litter.get().covers(EntryRole::Other, name)
    }

    /// Sets the source of segments that are remote.
    #[must_use]
    pub fn with_remote(mut self, remote: Option<Arc<dyn Fetch>>) -> Self {
        self.remote = remote;
        self
    }

    pub(super) fn remote(&self) -> Option<&dyn Fetch> {
        self.remote.as_deref()
    }

    /// Returns the archives of other hosts that are mirrored in this one, by host.
    pub fn peers(&self) -> Result<Vec<(Arc<str>, Self)>> {
        let Some(folder) = self.folder(PEERS)? else { return Ok(Vec::new()) };
        let mut hosts = BTreeSet::new();
        entries(&folder, &mut |name, file_type| {
            if file_type == FileType::Directory
                && !self.litter.get().covers(EntryRole::Node, name)
                && name.parse::<NodeName>().is_ok()
            {
                hosts.insert(name.to_owned());
            }
        })?;
        let mut peers = Vec::with_capacity(hosts.len());
        for host in hosts {
            if let Some(dir) = folder.find(&host)? {
                let peer = Self::over(dir)
                    .with_remote(self.remote.clone())
                    .with_litter(self.litter.clone());
                peers.push((host.into(), peer));
            }
        }
        Ok(peers)
    }

    /// Returns the newest day that has a segment here, from file names alone.
    pub fn newest_day(&self) -> Result<Option<Date>> {
        let mut years = BTreeSet::new();
        entries(&self.dir, &mut |name, file_type| {
            let is_year = name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_digit());
            if is_year && file_type == FileType::Directory {
                years.insert(name.to_owned());
            }
        })?;
        for year in years.iter().rev() {
            let Some(folder) = self.folder(year)? else { continue };
            let mut newest = None;
            entries(&folder, &mut |name, _| {
                let date = name.get(..10).and_then(|date| date.parse::<Date>().ok());
                newest = newest.max(date);
            })?;
            if newest.is_some() {
                return Ok(newest);
            }
        }
        Ok(None)
    }

    /// Returns its directory.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Returns the user to whom its directory belongs.
    pub fn owner(&self) -> Option<u32> {
        rustix::fs::fstat(self.fd()).ok().map(|stat| stat.st_uid)
    }

    /// Returns the path of its manifest.
    pub fn manifest_path(&self) -> PathBuf {
        self.root().join(MANIFEST)
    }

    /// Returns the path of a segment.
    pub fn segment_path(&self, name: &SegmentName) -> PathBuf {
        self.root().join(name.folder()).join(name.file_name())
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.fd()
    }

    /// Returns its directory's handle with the path.
    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    pub(super) fn folder(&self, name: &str) -> Result<Option<Dir>> {
        self.dir.find(name)
    }

    /// Reports whether anything has this segment's name.
    pub fn has_segment(&self, name: &SegmentName) -> Result<bool> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(false) };
        for file in [name.file_name(), name.stub_name()] {
            match rustix::fs::statat(folder.fd(), file, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => return Ok(true),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::io(self.segment_path(name), "look up", errno)),
            }
        }
        Ok(false)
    }

    /// Returns the text of a segment's checksum file, as `sha256sum` writes it.
    pub fn checksum_text(name: &SegmentName, sha256: &Sha256Hash) -> String {
        format!("{sha256}  {}\n", name.file_name())
    }

    /// Returns the content of a segment's checksum file; `None` if there is none.
    pub fn read_checksum(&self, name: &SegmentName) -> Result<Option<Vec<u8>>> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(None) };
        // A checksum file has about a hundred bytes; reading one more exposes a forged one.
        folder.read(&name.checksum_name(), 4096)
    }

    /// Returns all segment files and all unexpected entries, sorted.
    pub fn segment_files(&self) -> Result<(Vec<FoundSegment>, Vec<UnexpectedEntry>)> {
        let mut found = Vec::new();
        let mut unexpected = Vec::new();
        for folder in self.folders(&mut unexpected)? {
            self.files_of(&folder, &mut found, &mut unexpected)?;
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        unexpected.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((found, unexpected))
    }

    pub(super) fn folders(
        &self,
        unexpected: &mut Vec<UnexpectedEntry>,
    ) -> Result<BTreeSet<String>> {
        let mut folders = BTreeSet::new();
        entries(&self.dir, &mut |name, file_type| {
            let entry = |reason: String| UnexpectedEntry::new(name, reason);
            let is_year = name.len() == 4 && name.bytes().all(|b| b.is_ascii_digit());
            match file_type {
                FileType::Directory if is_year => {
                    folders.insert(name.to_owned());
                }
                FileType::Directory if name == HEADS || name == PEERS => {}
                FileType::RegularFile
                    if name == MANIFEST
                        || name == CATALOGUE
                        || name == WORDS
                        || name == OVERVIEW
                        || name == STATE
                        || name == RUNS
                        || name == NEXT_RUNS
                        || name == LOCK
                        || name.starts_with("manifest.jsonl.replaced-") => {}
                FileType::RegularFile if name.starts_with(fs::TEMP_PREFIX) => {
                    unexpected.push(entry(leftover()));
                }
                _ if self.passes_over(name) => {}
                other => unexpected.push(entry(unknown(other))),
            }
        })?;
        Ok(folders)
    }

    fn files_of(
        &self,
        folder: &str,
        found: &mut Vec<FoundSegment>,
        unexpected: &mut Vec<UnexpectedEntry>,
    ) -> Result<()> {
        let Some(dir) = self.folder(folder)? else { return Ok(()) };
        let mut checksums = BTreeSet::new();
        let mut segments = BTreeSet::new();
        let mut stubs = BTreeSet::new();
        entries(&dir, &mut |name, file_type| {
            let entry = |reason: String| UnexpectedEntry::new(Path::new(folder).join(name), reason);
            let segment = |file_name: &str| {
                SegmentName::from_file_name(file_name).filter(|name| name.folder() == folder)
            };
            if file_type != FileType::RegularFile {
                if !self.passes_over(name) {
                    unexpected.push(entry(unknown(file_type)));
                }
            } else if name.starts_with(fs::TEMP_PREFIX) {
                unexpected.push(entry(leftover()));
            } else if let Some(name) = name.strip_suffix(".sha256").and_then(segment) {
                checksums.insert(name);
            } else if let Some(name) = name.strip_suffix(STUB_SUFFIX).and_then(segment) {
                // The manifest says what it stands for.
                stubs.insert(name);
            } else if let Some(name) = segment(name) {
                segments.insert(name);
            } else if !self.passes_over(name) {
                unexpected.push(entry(unknown(file_type)));
            }
        })?;
        for name in &checksums {
            if !segments.contains(name) {
                unexpected.push(UnexpectedEntry::new(
                    Path::new(folder).join(name.checksum_name()),
                    "a checksum file without its segment",
                ));
            }
        }
        for name in segments {
            let stat = rustix::fs::statat(dir.fd(), name.file_name(), AtFlags::SYMLINK_NOFOLLOW);
            match stat {
                Ok(stat) => {
                    found.push(FoundSegment {
                        name,
                        bytes: u64::try_from(stat.st_size).unwrap_or(0),
                    });
                }
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(Error::io(self.segment_path(&name), "look up", errno)),
            }
        }
        Ok(())
    }
}

/// Calls `entry` for everything in a folder; names that are not UTF-8 are converted lossily.
fn entries(folder: &Dir, entry: &mut dyn FnMut(&str, FileType)) -> Result<()> {
    folder.list(&mut |name, file_type| entry(&name.to_string_lossy(), file_type))
}

fn leftover() -> String {
    "a temporary file of a run that was stopped; the next rotate removes it".to_owned()
}

fn unknown(file_type: FileType) -> String {
    format!("{} that hlarchive did not put here", shown(fs::kind(file_type)))
}

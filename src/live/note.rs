//! The note by which a tree remembers its archive.
//!
//! One file beside the days, written by rotation. Everybody who emits may write to that
//! directory, so the note is no more than a claim: it counts only if its owner could have
//! rotated, nobody else can write to it, and it is about this tree. It is read by handle,
//! bounded, and never through a link.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};

use rustix::fs::Stat;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::staging::Staging;
use super::{LiveTree, NOTE};
use crate::event::Timestamp;
use crate::fs;
use crate::{Error, Result};

/// The largest note, in bytes; a usual one has a few hundred.
const MAX_BYTES: u64 = 16 << 10;

/// The identity of a tree's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeIdentity {
    /// The path, absolute and without links.
    pub root: String,
    /// The number of its file system.
    pub device: u64,
    /// Its inode number there.
    pub inode: u64,
}

/// A tree's record of its archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeNote {
    v: u32,
    /// The origin of the archive, as sixteen hexadecimal digits; `None` while the tree has no
    /// archive yet, and its operator has said that it starts with a new one.
    pub origin: Option<String>,
    /// The path of the archive at that time.
    pub archive: String,
    /// The time since which it is this one.
    pub since: Timestamp,
    /// The tree that the note is about.
    pub tree: TreeIdentity,
}

impl TreeNote {
    /// Returns the note of a tree.
    pub fn new(
        origin: Option<String>,
        archive: String,
        since: Timestamp,
        tree: TreeIdentity,
    ) -> Self {
        Self { v: 1, origin, archive, since, tree }
    }

    /// Returns the content of its file.
    fn text(&self) -> Vec<u8> {
        // Serializing numbers and texts into memory cannot fail.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// The result of looking for a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundNote {
    /// No note.
    Missing,
    /// A note that counts.
    Believed(TreeNote),
    /// Something that does not count, and the reason.
    Doubtful(String),
}

impl LiveTree {
    /// Returns the identity of the tree's directory.
    pub fn identity(&self) -> Result<TreeIdentity> {
        let stat = rustix::fs::fstat(self.fd())
            .map_err(|errno| Error::io(self.root(), "look up", errno))?;
        let root = std::fs::canonicalize(self.root())
            .map_err(|error| Error::io(self.root(), "look up", error))?;
        let root = root.to_string_lossy().into_owned();
        Ok(TreeIdentity { root, device: device(&stat), inode: inode(&stat) })
    }

    /// Reads the note; one whose owner is not `trusted` does not count.
    pub fn note(&self, trusted: &dyn Fn(u32) -> bool) -> FoundNote {
        let file = match fs::open_regular(self.fd(), NOTE) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return FoundNote::Missing,
            Err(error) => {
                let reason = crate::error::plain(&error);
                return FoundNote::Doubtful(format!("it cannot be read as a note: {reason}"));
            }
        };
        match self.judge(file, trusted) {
            Ok(note) => FoundNote::Believed(note),
            Err(reason) => FoundNote::Doubtful(reason),
        }
    }

    fn judge(&self, file: File, trusted: &dyn Fn(u32) -> bool) -> Result<TreeNote, String> {
        let failed = |error: std::io::Error| crate::error::plain(&error);
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
        if !trusted(stat.st_uid) {
            let owner = stat.st_uid;
            return Err(format!("it belongs to user {owner}, who does not rotate this tree"));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err("others than its owner may write to it".to_owned());
        }
        let mut text = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_BYTES {
            return Err("it is larger than any note".to_owned());
        }
        let note: TreeNote = serde_json::from_slice(&text)
            .map_err(|_| "it is not a note that hlarchive wrote".to_owned())?;
        if note.v != 1 {
            return Err(format!("it has version {}, which this program does not know", note.v));
        }
        let here = self.identity().map_err(|error| error.to_string())?;
        if note.tree.root != here.root && note.tree.inode != here.inode {
            return Err(format!("it is the note of another tree, {}", note.tree.root));
        }
        Ok(note)
    }

    /// Writes the note in a directory that nobody else can enter, syncs it, and moves it into
    /// place. `found` is what was there before: if it was nothing, nothing is replaced. `token`
    /// must be fresh and random.
    pub fn write_note(&self, note: &TreeNote, found: &FoundNote, token: u64) -> Result<()> {
        let path = self.root().join(NOTE);
        let failed = |errno: Errno| Error::io(&path, "create", errno);
        let staging = Staging::begin(self, token)?;
        let mut file = File::from(fs::create_new(staging.fd(), NOTE, 0o444).map_err(failed)?);
        file.write_all(&note.text()).map_err(|error| Error::io(&path, "write", error))?;
        // A failed sync is final, even an interrupted one.
        rustix::fs::fsync(&file).map_err(|errno| Error::io(&path, "sync", errno))?;
        match found {
            FoundNote::Missing => fs::rename_new(staging.fd(), NOTE, self.fd(), NOTE),
            _ => rustix::fs::renameat(staging.fd(), NOTE, self.fd(), NOTE),
        }
        .map_err(failed)?;
        drop(staging);
        rustix::fs::fsync(self.fd()).map_err(|errno| Error::io(self.root(), "sync", errno))
    }
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn device(stat: &Stat) -> u64 {
    stat.st_dev as u64
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn inode(stat: &Stat) -> u64 {
    stat.st_ino as u64
}

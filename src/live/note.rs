//! The note by which a tree remembers its archive.
//!
//! One file beside the days, written by whoever rotates. Everybody who emits may write to
//! that directory, so the note is no more than a claim: it counts when it belongs to somebody
//! who could have rotated, when nobody else can write to it, and when it is of this tree. It
//! is read by handle, bounded, and never through a link.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};

use rustix::fs::Stat;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::LiveTree;
use super::staging::Staging;
use crate::event::Timestamp;
use crate::fs;
use crate::{Error, Result};

/// Its name.
pub(crate) const NOTE: &str = ".hlarchive-archive";

/// A note has a few hundred bytes; what is larger is not one.
const MAX_BYTES: u64 = 16 << 10;

/// Which directory a tree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeIdentity {
    /// Its path, absolute and without links.
    pub root: String,
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

/// What a tree remembers of its archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeNote {
    v: u32,
    /// The origin of the archive, as sixteen hexadecimal digits; none while the tree has no
    /// archive yet, and somebody said that it begins with a new one.
    pub origin: Option<String>,
    /// Where the archive was.
    pub archive: String,
    /// Since when it is this one.
    pub since: Timestamp,
    /// The tree that it is the note of.
    pub tree: TreeIdentity,
}

impl TreeNote {
    /// The note of a tree.
    pub fn new(
        origin: Option<String>,
        archive: String,
        since: Timestamp,
        tree: TreeIdentity,
    ) -> Self {
        Self { v: 1, origin, archive, since, tree }
    }

    /// Its file's content.
    fn text(&self) -> Vec<u8> {
        // Numbers and texts into memory: this cannot fail.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

/// What was found in the note's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundNote {
    /// Nothing.
    Missing,
    /// A note that counts.
    Believed(TreeNote),
    /// Something that does not count, and why.
    Doubtful(String),
}

impl LiveTree {
    /// Which directory this is.
    pub fn identity(&self) -> Result<TreeIdentity> {
        let stat = rustix::fs::fstat(self.fd())
            .map_err(|errno| Error::io(self.root(), "look up", errno))?;
        let root = std::fs::canonicalize(self.root())
            .map_err(|error| Error::io(self.root(), "look up", error))?;
        let root = root.to_string_lossy().into_owned();
        Ok(TreeIdentity { root, device: device(&stat), inode: inode(&stat) })
    }

    /// Reads the note; one of an owner who is not among `trusted` does not count.
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

    /// Writes the note, in a directory that nobody else can enter; it is synced, and then
    /// moved to its place. `found` is what was there when somebody looked: where nothing
    /// was, nothing is replaced. `token` must be fresh and random.
    pub fn write_note(&self, note: &TreeNote, found: &FoundNote, token: u64) -> Result<()> {
        let path = self.root().join(NOTE);
        let failed = |errno: Errno| Error::io(&path, "create", errno);
        let staging = Staging::begin(self, token)?;
        let mut file = File::from(fs::create_new(staging.fd(), NOTE, 0o444).map_err(failed)?);
        file.write_all(&note.text()).map_err(|error| Error::io(&path, "write", error))?;
        // A failed sync is final, an interrupted one, too.
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

//! How things stand, by the events up to a line of the manifest: the file `state`.
//!
//! What is open now may have broken years ago, and to find it, years would have to be read. This
//! file has the sum of all events that the manifest's lines up to one of them brought in; a reader
//! goes on from there. What the sum means is for others: here it is bytes of JSON, bound to that
//! line by its place and its hash, with a SHA-256 at its end.
//!
//! It is derived: it can be removed at any time, and the next write makes it again. The last
//! writer leaves the SHA-256 of the file in the lock, where nobody else can write, so that the
//! next one does not go on from what somebody else put there.

use std::io::Read;

use serde::{Deserialize, Serialize};

use super::rebuild::Temp;
use super::{ArchiveDir, ArchiveLock, Manifest, overview};
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The file's name.
pub(super) const STATE: &str = "state";

/// The version that is written: it changes with what a word means and with what is told of it.
const VERSION: u32 = 1;

/// A larger file is none.
const MAX_BYTES: u64 = 64 << 20;

/// The line of the manifest that the sum ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateAnchor {
    hlarchive_state: u32,
    /// How many records it has up to there.
    pub(crate) records: u64,
    /// Where the last of them begins, and the bytes up to its end.
    last_line: u64,
    bytes: u64,
    /// Its hash.
    head: Sha256Hash,
}

impl StateAnchor {
    /// The manifest's lines that came later; `None` unless file and manifest belong together.
    pub(crate) fn newer(&self, archive: &ArchiveDir) -> Option<Manifest> {
        Manifest::load_after(archive, self.last_line, self.bytes, self.records, self.head)
    }

    /// Returns whether a manifest that was read whole has this line.
    pub(crate) fn is_of(&self, manifest: &Manifest) -> bool {
        manifest.hash_at(self.records) == Some(self.head)
    }
}

/// The file as it is, if it is sound: the line, and the sum.
pub(crate) fn read(archive: &ArchiveDir) -> Option<(StateAnchor, Vec<u8>)> {
    parse(&text_of(archive)?)
}

/// The same, if it is as the last run left it.
pub(crate) fn read_as_left(
    archive: &ArchiveDir,
    lock: &ArchiveLock,
) -> Option<(StateAnchor, Vec<u8>)> {
    let text = text_of(archive)?;
    parse(&text).filter(|_| lock.state() == Some(Sha256Hash::of(&text)))
}

fn parse(text: &[u8]) -> Option<(StateAnchor, Vec<u8>)> {
    let (signed, own) = text.split_at_checked(text.len().checked_sub(65)?)?;
    let own = own.strip_suffix(b"\n")?;
    if Sha256Hash::of(signed).to_string().as_bytes() != own {
        return None;
    }
    let signed = signed.strip_suffix(b"\n")?;
    let at = memchr::memchr(b'\n', signed)?;
    let bound: StateAnchor = serde_json::from_slice(&signed[..at]).ok()?;
    (bound.hlarchive_state == VERSION).then(|| (bound, signed[at + 1..].to_vec()))
}

/// Writes the sum of all that a manifest brought in.
pub(crate) fn write(
    archive: &ArchiveDir,
    manifest: &Manifest,
    token: u64,
    sum: &[u8],
    lock: &ArchiveLock,
) -> Result<()> {
    let Some((last_line, bytes)) = overview::last_line(archive, manifest)? else { return Ok(()) };
    let records = manifest.records().len() as u64;
    let head = manifest.head();
    let bound = StateAnchor { hlarchive_state: VERSION, records, last_line, bytes, head };
    let mut text = serde_json::to_vec(&bound).map_err(|error| {
        Error::io(archive.root().join(STATE), "write", std::io::Error::from(error))
    })?;
    text.push(b'\n');
    text.extend_from_slice(sum);
    text.push(b'\n');
    let own = Sha256Hash::of(&text);
    text.extend_from_slice(format!("{own}\n").as_bytes());
    if text.len() as u64 >= MAX_BYTES {
        return remove(archive);
    }
    let temp = Temp::write(archive, token, &mut &text[..])?;
    rustix::fs::renameat(archive.fd(), &temp.name, archive.fd(), STATE)
        .map_err(|errno| Error::io(archive.root().join(STATE), "replace", errno))?;
    lock.note_state(Sha256Hash::of(&text));
    Ok(())
}

/// Removes it.
pub(crate) fn remove(archive: &ArchiveDir) -> Result<()> {
    fs::unlink(archive.fd(), STATE)
        .map(drop)
        .map_err(|errno| Error::io(archive.root().join(STATE), "remove", errno))
}

fn text_of(archive: &ArchiveDir) -> Option<Vec<u8>> {
    let file = fs::open_regular(archive.fd(), STATE).ok()?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    Some(text)
}

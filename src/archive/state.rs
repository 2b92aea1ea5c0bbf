//! The standing of problems, by the events up to a line of the manifest: the file `state`.
//!
//! A problem that is open now may be years old, and to find it, years would have to be read. This
//! file has the sum of all events that the manifest's lines up to one of them brought in; a
//! reader continues from there. Other modules define what the sum means: here it is bytes of
//! JSON, bound to that line by its offset and its hash, with a SHA-256 at the end.
//!
//! It is derived: it can be removed at any time, and the next write makes it again. The last
//! writer leaves the SHA-256 of the file in the lock, where nobody else can write, so that the
//! next one does not continue from what somebody else put there.

use std::io::Read;

use serde::{Deserialize, Serialize};

use super::layout::STATE;
use super::{ArchiveDir, ArchiveLock, Manifest, Noted, overview};
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The version that is written: it changes with the meaning of a word and with what is counted.
const VERSION: u32 = 1;

/// The largest valid file, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// The line of the manifest that the sum ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateAnchor {
    hlarchive_state: u32,
    /// The number of records up to there.
    pub(crate) records: u64,
    /// The offset of the last of them, and the number of bytes up to its end.
    last_line: u64,
    bytes: u64,
    /// The hash of that line.
    head: Sha256Hash,
}

impl StateAnchor {
    /// Returns the later lines of the manifest; `None` unless file and manifest belong together.
    pub(crate) fn newer(&self, archive: &ArchiveDir) -> Option<Manifest> {
        Manifest::load_after(archive, self.last_line, self.bytes, self.records, self.head)
    }

    /// Reports whether a fully read manifest has this line.
    pub(crate) fn is_of(&self, manifest: &Manifest) -> bool {
        manifest.hash_at(self.records) == Some(self.head)
    }
}

/// Reads the file, if it is sound: the line, and the sum.
pub(crate) fn read(archive: &ArchiveDir) -> Option<(StateAnchor, Vec<u8>)> {
    parse(&text_of(archive)?)
}

/// Reads the file, if it is as the last run left it.
pub(crate) fn read_as_left(
    archive: &ArchiveDir,
    lock: &ArchiveLock,
) -> Option<(StateAnchor, Vec<u8>)> {
    let text = text_of(archive)?;
    parse(&text).filter(|_| lock.noted(Noted::State) == Some(Sha256Hash::of(&text)))
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

/// Writes the sum of all events that a manifest brought in.
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
    archive.stage(token, &mut &text[..])?.replace(STATE)?;
    lock.note(Noted::State, Sha256Hash::of(&text));
    Ok(())
}

/// Removes the file.
pub(crate) fn remove(archive: &ArchiveDir) -> Result<()> {
    archive.dir().remove(STATE).map(drop)
}

fn text_of(archive: &ArchiveDir) -> Option<Vec<u8>> {
    let file = fs::open_regular(archive.fd(), STATE).ok()?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    Some(text)
}

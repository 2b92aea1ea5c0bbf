//! The identity of an archive, and the event tree whose days it takes.
//!
//! An archive is identified by its origin: the beginning of the hash of its manifest's first
//! line. A backup has the same origin, and a rebuilt manifest takes it over in its first record.
//! The tree is named in the record with which the archive began to take its days.

use std::io::Read;

use super::chain;
use super::layout::MANIFEST;
use super::{ArchiveDir, Manifest, Op, Record, TreeRecord};
use crate::event::Timestamp;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The longest first line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// The identity in an archive's first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveIdentity {
    /// There is no record: nothing was ever archived here.
    New,
    /// There is a first line, but it is damaged.
    Unknown,
    /// The origin.
    Known(u64),
}

/// The event tree whose days an archive takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundTree<'a> {
    /// The tree.
    pub tree: &'a TreeRecord,
    /// The time since which it takes them.
    pub since: Timestamp,
    /// The host of the tree at that time.
    pub host: Option<&'a str>,
}

/// Returns the text of an origin.
pub(crate) fn origin_text(origin: u64) -> String {
    format!("{origin:016x}")
}

fn origin_of(first: &Record, hash_begins: u64) -> u64 {
    let taken_over = first.origin.as_deref().filter(|_| first.op == Op::Rebuild);
    taken_over.and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(hash_begins)
}

impl ArchiveDir {
    /// Reads the archive's identity from the first line of its manifest.
    pub fn identity(&self) -> Result<ArchiveIdentity> {
        let path = self.manifest_path();
        let mut file = match fs::open_regular(self.fd(), MANIFEST) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(ArchiveIdentity::New);
            }
            Err(error) => return Err(Error::io(path, "open", error)),
        };
        let mut text = Vec::new();
        let mut end = None;
        // Most first lines have less than a kilobyte.
        while end.is_none() && (text.len() as u64) < MAX_LINE_BYTES {
            let from = text.len();
            let read = Read::by_ref(&mut file).take(4096).read_to_end(&mut text);
            if read.map_err(|error| Error::io(&path, "read", error))? == 0 {
                break;
            }
            end = memchr::memchr(b'\n', &text[from..]).map(|at| from + at);
        }
        let whole = &text[..end.unwrap_or(text.len())];
        let line = chain::read(whole);
        Ok(match line.record {
            Ok(first) if first.seq == 1 && first.prev == Sha256Hash::ZERO => {
                ArchiveIdentity::Known(origin_of(&first, begins(&line.hash.0)))
            }
            // The remains of a crash during the very first record.
            Err(_) if end.is_none() && matches!(whole.first(), None | Some(b'{' | 0)) => {
                ArchiveIdentity::New
            }
            _ => ArchiveIdentity::Unknown,
        })
    }
}

/// Returns the first eight bytes of a hash as a number.
pub(super) fn begins(hash: &[u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(bytes)
}

impl Manifest {
    /// Returns the archive's origin, if its first record is intact.
    pub fn identity(&self) -> Option<u64> {
        let first = self.records().first().filter(|record| record.seq == 1)?;
        Some(origin_of(first, self.origin()?))
    }

    /// Returns the tree whose days the archive takes, if one was recorded.
    pub fn tree(&self) -> Option<BoundTree<'_>> {
        self.records().iter().rev().find_map(|record| {
            let tree = record.tree.as_ref()?;
            let host = record.by.as_ref().map(|by| by.host.as_str());
            Some(BoundTree {
                tree,
                since: tree.since.unwrap_or(record.time),
                host: tree.host.as_deref().or(host),
            })
        })
    }
}

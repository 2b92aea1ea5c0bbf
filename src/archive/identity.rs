//! Which archive this is, and whose days it takes.
//!
//! An archive is known by its origin: the beginning of the hash of its manifest's first line.
//! A backup of it has the same one, and a rebuilt manifest takes it over by a member of its
//! first record. The tree whose days it takes is told by a member of the record with which
//! that began.

use std::io::Read;

use super::chain;
use super::dir::MANIFEST;
use super::{ArchiveDir, Manifest, Op, Record, TreeRecord};
use crate::event::Timestamp;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The longest first line that is looked at, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// What an archive's first record says of which one it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveIdentity {
    /// There is no record, so nothing was ever archived here.
    New,
    /// There is a first line, but it is damaged.
    Unknown,
    /// The origin.
    Known(u64),
}

/// The tree whose days an archive takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundTree<'a> {
    /// Which one it is.
    pub tree: &'a TreeRecord,
    /// Since when.
    pub since: Timestamp,
    /// The host on which it was then.
    pub host: Option<&'a str>,
}

/// An origin as it is written.
pub fn origin_text(origin: u64) -> String {
    format!("{origin:016x}")
}

fn origin_of(first: &Record, hash_begins: u64) -> u64 {
    let taken_over = first.origin.as_deref().filter(|_| first.op == Op::Rebuild);
    taken_over.and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(hash_begins)
}

impl ArchiveDir {
    /// Which archive this is, by a look at the first line of its manifest.
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
            // What a crash leaves of the first record that was ever written.
            Err(_) if end.is_none() && matches!(whole.first(), None | Some(b'{' | 0)) => {
                ArchiveIdentity::New
            }
            _ => ArchiveIdentity::Unknown,
        })
    }
}

/// The first eight bytes of a hash as a number.
pub(super) fn begins(hash: &[u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(bytes)
}

impl Manifest {
    /// Which archive this is, if its first record is as it was written.
    pub fn identity(&self) -> Option<u64> {
        let first = self.records().first().filter(|record| record.seq == 1)?;
        Some(origin_of(first, self.origin()?))
    }

    /// The tree whose days the archive takes, if that was ever told.
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

//! Exclusion of segments by correlation id: a small file that saves readers from opening most of
//! them.
//!
//! Following an id through years would mean looking into every segment. This file has a Bloom
//! filter of each segment's ids (Bloom 1970; in blocks of a cache line after Putze, Sanders and
//! Singler 2007), so that a reader opens only the segments that may hold the id: those that do,
//! and about one in a hundred others.
//!
//! It is derived and never trusted over a segment. An entry stands for one file's exact bytes
//! (its SHA-256) and has a checksum; a segment without a sound entry is searched. The file can be
//! removed at any time: the next rotation makes it again. It is not synced, since its loss costs
//! nothing but time.
//!
//! A sound but false entry would hide events. So the last writer leaves the SHA-256 of the whole
//! file in the lock, where nobody else can write, and the next one rebuilds a file with another
//! hash from the segments; `verify` compares each entry with its segment.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};

use rayon::prelude::*;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::layout::CATALOGUE;
use super::{ArchiveDir, ArchiveLock, Manifest, Noted};
use crate::fs::{self, Staged};
use crate::segment::{Field, Index, SegmentReader, Sha256Hash};
use crate::{Error, Result};

/// "HLCT" and the version.
const HEADER: [u8; 8] = *b"HLCT\x01\0\0\0";

/// The number of bytes before an entry's filter: its size and the segment's SHA-256.
const ENTRY_HEADER: usize = 36;

/// The number of bytes after it: the first of the SHA-256 of all before them.
const CHECKSUM: usize = 8;

/// The size of a filter's block, in bytes. All bits of an id lie in one block.
const BLOCK: usize = 64;

/// The number of filter bits for each id, and of those that an id sets.
const BITS_PER_ID: usize = 12;
const PROBES: usize = 6;

/// The largest valid entry, in bytes: ten million ids fit.
const MAX_ENTRY: usize = 16 << 20;

/// The smallest catalogue that is written, padded with zeros. On a full disk it is removed to
/// free space, and some file systems store smaller files where removing them frees nothing for
/// others.
const MIN_BYTES: u64 = 8192;

/// The largest valid file, in bytes: a million segments with a thousand ids each need about as
/// much.
const MAX_BYTES: u64 = 2 << 30;

/// The number of bytes read at once.
const CHUNK: u64 = 1 << 20;

/// The number of entries that is worth starting threads for.
const MANY: usize = 512;

/// The positions of an id's bits in a filter of any size.
#[derive(Debug, Clone, Copy)]
struct Probe {
    block: u64,
    bits: u64,
}

impl Probe {
    fn of(id: &str) -> Self {
        let hash = Sha256Hash::of(Index::known_part(id).as_bytes()).0;
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&hash[at..at + 8]);
            u64::from_le_bytes(bytes)
        };
        Self { block: word(0), bits: word(8) }
    }

    /// Returns the byte and the bit in it, for each of an id's bits.
    fn places(self, filter_bytes: usize) -> impl Iterator<Item = (usize, u8)> {
        let blocks = (filter_bytes / BLOCK) as u128;
        let start = ((u128::from(self.block) * blocks) >> 64) as usize * BLOCK;
        (0..PROBES).map(move |probe| {
            let bit = (self.bits >> (9 * probe)) as usize % (8 * BLOCK);
            (start + bit / 8, 1 << (bit % 8))
        })
    }

    fn may_be_in(self, filter: &[u8]) -> bool {
        self.places(filter.len()).all(|(byte, bit)| filter[byte] & bit != 0)
    }
}

/// An entry of the file.
#[derive(Debug, Clone, Copy)]
struct CatalogueEntry<'a> {
    segment: Sha256Hash,
    filter: &'a [u8],
    checksum: [u8; CHECKSUM],
}

impl<'a> CatalogueEntry<'a> {
    /// Splits off the entry at the start, if it is complete; returns it and the rest.
    fn split(bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let size = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let filter = size.checked_sub(ENTRY_HEADER + CHECKSUM)?;
        let fits = size <= MAX_ENTRY && filter > 0 && filter.is_multiple_of(BLOCK);
        if fits { bytes.split_at_checked(size) } else { None }
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
        let segment = Sha256Hash(body.get(4..ENTRY_HEADER)?.try_into().ok()?);
        let checksum = checksum.try_into().ok()?;
        (checksum_of(body) == checksum).then_some(Self {
            segment,
            filter: &body[ENTRY_HEADER..],
            checksum,
        })
    }

    /// Returns the entry of a segment, from its index.
    fn make(segment: Sha256Hash, index: &Index) -> Result<Vec<u8>> {
        let ids = index.value_count(Field::CorrelationId) as usize;
        let blocks = (ids * BITS_PER_ID).div_ceil(8 * BLOCK).max(1);
        let size = ENTRY_HEADER + blocks * BLOCK + CHECKSUM;
        let mut entry = Vec::with_capacity(size);
        entry.extend_from_slice(&(size as u32).to_le_bytes());
        entry.extend_from_slice(&segment.0);
        entry.resize(size - CHECKSUM, 0);
        let filter = &mut entry[ENTRY_HEADER..];
        for value in index.values(Field::CorrelationId) {
            for (byte, bit) in Probe::of(&value?.0).places(filter.len()) {
                filter[byte] |= bit;
            }
        }
        let checksum = checksum_of(&entry);
        entry.extend_from_slice(&checksum);
        Ok(entry)
    }
}

fn checksum_of(body: &[u8]) -> [u8; CHECKSUM] {
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&Sha256Hash::of(body).0[..CHECKSUM]);
    checksum
}

/// Calls `visit` with the sound entries from the start of the file, many at a time, until one is
/// not sound; returns the number of bytes up to there. A missing file counts as empty.
fn walk(
    archive: &ArchiveDir,
    visit: &mut dyn FnMut(&[CatalogueEntry<'_>]),
) -> std::io::Result<u64> {
    let mut file = match fs::open_regular(archive.fd(), CATALOGUE) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut header = [0; HEADER.len()];
    if file.read_exact(&mut header).is_err() || header != HEADER {
        return Ok(0);
    }
    let mut sound = HEADER.len() as u64;
    let mut buffer = Vec::new();
    while Read::by_ref(&mut file).take(CHUNK).read_to_end(&mut buffer)? > 0 {
        let mut rest = buffer.as_slice();
        let mut whole = Vec::new();
        while let Some((entry, after)) = CatalogueEntry::split(rest) {
            whole.push(entry);
            rest = after;
        }
        let entries: Vec<Option<CatalogueEntry<'_>>> = if whole.len() >= MANY {
            whole.par_iter().map(|bytes| CatalogueEntry::parse(bytes)).collect()
        } else {
            whole.iter().map(|bytes| CatalogueEntry::parse(bytes)).collect()
        };
        let entries: Vec<CatalogueEntry<'_>> =
            entries.into_iter().map_while(|entry| entry).collect();
        visit(&entries);
        let bytes: usize = whole.iter().take(entries.len()).map(|entry| entry.len()).sum();
        sound += bytes as u64;
        if entries.len() < whole.len() || rest.len() > MAX_ENTRY {
            break;
        }
        let left = rest.len();
        buffer.drain(..buffer.len() - left);
    }
    Ok(sound)
}

/// Returns the segments that hold none of these ids. What cannot be read excludes nothing.
pub fn without(archive: &ArchiveDir, ids: &[String]) -> HashSet<Sha256Hash> {
    let probes: Vec<Probe> = ids.iter().map(|id| Probe::of(id)).collect();
    let mut without = HashSet::new();
    let walked = walk(archive, &mut |entries| {
        without.extend(
            entries
                .iter()
                .filter(|entry| !probes.iter().any(|probe| probe.may_be_in(entry.filter)))
                .map(|entry| entry.segment),
        );
    });
    if walked.is_err() {
        without.clear();
    }
    without
}

/// The checksums of each segment's entries, of which there should be one, for [`is_entry_of`].
pub(crate) type Checksums = HashMap<Sha256Hash, Vec<[u8; CHECKSUM]>>;

/// Returns the checksums of all entries.
pub(crate) fn checksums(archive: &ArchiveDir) -> Checksums {
    let mut checksums = Checksums::new();
    let _ = walk(archive, &mut |entries| {
        for entry in entries {
            checksums.entry(entry.segment).or_default().push(entry.checksum);
        }
    });
    checksums
}

/// Reports whether the entry with this checksum matches the segment's index.
pub(crate) fn is_entry_of(
    checksum: [u8; CHECKSUM],
    segment: Sha256Hash,
    index: &Index,
) -> Result<bool> {
    Ok(CatalogueEntry::make(segment, index)?.ends_with(&checksum))
}

/// Returns the SHA-256 of the file; `None` if it is missing or larger than any archive needs.
fn hash_of(archive: &ArchiveDir) -> Option<Sha256Hash> {
    let mut file = fs::open_regular(archive.fd(), CATALOGUE).ok()?;
    if file.metadata().ok()?.len() > MAX_BYTES {
        return None;
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK as usize];
    loop {
        match file.read(&mut buffer).ok()? {
            0 => return Some(Sha256Hash::finish(hasher)),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// Reports whether the file is as the last writer left it.
fn is_as_left(archive: &ArchiveDir, lock: &ArchiveLock) -> bool {
    hash_of(archive).is_some_and(|sha256| lock.noted(Noted::Catalogue) == Some(sha256))
}

/// Adds the segments that have no entry yet. Unsound entries are dropped, and the whole file if
/// it is not as the last writer left it.
pub fn complete(archive: &ArchiveDir, manifest: &Manifest, lock: &ArchiveLock) -> Result<()> {
    let path = archive.root().join(CATALOGUE);
    let failed = |action| {
        let path = path.clone();
        move |error: std::io::Error| Error::io(path, action, error)
    };
    let mut known = HashSet::new();
    let is_as_left = is_as_left(archive, lock);
    let sound = if is_as_left {
        walk(archive, &mut |entries| {
            known.extend(entries.iter().map(|entry| entry.segment));
        })
        .map_err(failed("read"))?
    } else {
        0
    };
    let missing: Vec<_> = manifest
        .segments()
        .filter_map(|(name, record)| Some((name, record.sha256?)))
        .filter(|(_, sha256)| !known.contains(sha256))
        .collect();
    if missing.is_empty() && (is_as_left || !archive.has_entry(CATALOGUE)) {
        return Ok(());
    }
    let mut file = open(archive).map_err(|errno| failed("open")(errno.into()))?;
    file.set_len(sound).map_err(failed("write"))?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(sound))
        .map_err(|errno| failed("write")(errno.into()))?;
    if sound == 0 {
        file.write_all(&HEADER).map_err(failed("write"))?;
    }
    for (name, sha256) in missing {
        let reader = archive.open_segment(name).and_then(|segment| {
            SegmentReader::open_day(segment, &archive.segment_path(name), name.date)
        });
        // A damaged segment gets no entry, so that it is searched.
        if let Some(entry) = reader.ok().as_ref().and_then(SegmentReader::index).and_then(|index| {
            CatalogueEntry::make(sha256, index).ok().filter(|entry| entry.len() <= MAX_ENTRY)
        }) {
            file.write_all(&entry).map_err(failed("write"))?;
        }
    }
    pad(&file).map_err(failed("write"))?;
    if let Some(sha256) = hash_of(archive) {
        lock.note(Noted::Catalogue, sha256);
    }
    Ok(())
}

/// Writes zeros up to the minimum size. No entry begins with one, so readers stop there.
fn pad(mut file: &File) -> std::io::Result<()> {
    let lacking = MIN_BYTES.saturating_sub(file.metadata()?.len());
    file.write_all(&vec![0; lacking as usize])
}

/// Removes the file to free space. The next run that completes it rebuilds it.
pub(crate) fn remove(archive: &ArchiveDir, _lock: &ArchiveLock) -> Result<()> {
    archive.dir().remove(CATALOGUE).map(drop)
}

/// Rewrites the file without the segments that are no longer in the archive.
pub(crate) fn drop_gone(
    archive: &ArchiveDir,
    manifest: &Manifest,
    token: u64,
    lock: &ArchiveLock,
) -> Result<()> {
    let path = archive.root().join(CATALOGUE);
    let there: HashSet<Sha256Hash> =
        manifest.segments().filter_map(|(_, record)| record.sha256).collect();
    let mut text = HEADER.to_vec();
    if !is_as_left(archive, lock) {
        return complete(archive, manifest, lock);
    }
    walk(archive, &mut |entries| {
        for entry in entries.iter().filter(|entry| there.contains(&entry.segment)) {
            let size = ENTRY_HEADER + entry.filter.len() + CHECKSUM;
            text.extend_from_slice(&(size as u32).to_le_bytes());
            text.extend_from_slice(&entry.segment.0);
            text.extend_from_slice(entry.filter);
            text.extend_from_slice(&entry.checksum);
        }
    })
    .map_err(|error| Error::io(&path, "read", error))?;
    text.resize(text.len().max(MIN_BYTES as usize), 0);
    // It is not synced: each entry has its checksum, and a lost one is added again.
    let mut staged = Staged::create(archive.dir(), fs::temp_name(token), 0o644)?;
    staged.write(&text)?;
    staged.replace(CATALOGUE)?;
    lock.note(Noted::Catalogue, Sha256Hash::of(&text));
    complete(archive, manifest, lock)
}

fn open(archive: &ArchiveDir) -> Result<File, Errno> {
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    rustix::fs::openat(archive.fd(), CATALOGUE, flags, Mode::from_raw_mode(0o644)).map(File::from)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! Names and records of an archive's remote copies, and of its evicted segments.
//!
//! The copy of an archive is stored under the name of its host. It consists of segments,
//! `HOST/2026/2026-05-16.SHA256.tar.zst`, and of pieces of the manifest,
//! `HOST/manifest/ORIGIN-FIRST-LAST-HEAD.jsonl`: complete lines, from the record FIRST to LAST,
//! whose hash is HEAD, of the manifest whose first line's hash begins with ORIGIN. Every name
//! follows from the content, so two contents never want one name, and nothing needs to be
//! overwritten, even where a store cannot refuse that.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::Read;

use super::chain;
use super::identity::begins;
use super::layout::MANIFEST;
pub(crate) use super::layout::PEERS;
use super::{ArchiveDir, ArchiveLock, Manifest, Op, PlaceRecord, Record, SegmentName};
use crate::event::Timestamp;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The folder below the host's that holds the pieces of its manifest.
pub(crate) const MANIFEST_FOLDER: &str = "manifest";

/// The largest piece of a manifest that is read, in bytes.
pub(crate) const MAX_PIECE_BYTES: u64 = 1 << 30;

/// Returns the name of a segment's object, below its host's.
pub(crate) fn segment_object(host: &str, name: &SegmentName, sha256: Sha256Hash) -> String {
    let file = name.file_name();
    let stem = file.strip_suffix(".tar.zst").unwrap_or(&file);
    format!("{host}/{}/{stem}.{sha256}.tar.zst", name.folder())
}

/// Returns the segment that an object is, by its name below its host's.
pub(crate) fn segment_of_object(object: &str) -> Option<(SegmentName, Sha256Hash)> {
    let (folder, file) = object.split_once('/')?;
    let (stem, digits) = file.strip_suffix(".tar.zst")?.rsplit_once('.')?;
    let name: SegmentName = format!("{folder}/{stem}.tar.zst").parse().ok()?;
    Some((name, digits.parse().ok()?))
}

/// The end of a message about a copy that is lost, if the segment's file is gone as well.
pub(crate) const FILE_GONE: &str = ", and its file is no longer here: look for a backup";

/// Returns the message about a segment whose only copy is gone.
pub(crate) fn only_copy_gone(object: &str) -> String {
    format!("its copy {object} is gone{FILE_GONE}")
}

/// A piece of a manifest, as described by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestPiece {
    /// The first eight bytes of the hash of the manifest's first line: a rebuilt manifest has
    /// another origin.
    pub origin: u64,
    /// The number of its first record.
    pub first: u64,
    /// The number of its last record.
    pub last: u64,
    /// The hash of its last line.
    pub head: Sha256Hash,
}

impl fmt::Display for ManifestPiece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, first, last, head } = self;
        write!(f, "{MANIFEST_FOLDER}/{origin:016x}-{first:010}-{last:010}-{head}.jsonl")
    }
}

impl ManifestPiece {
    /// Parses an object's name below its host's.
    pub fn of_object(object: &str) -> Option<Self> {
        let file = object.strip_prefix(MANIFEST_FOLDER)?.strip_prefix('/')?;
        let mut parts = file.strip_suffix(".jsonl")?.splitn(4, '-');
        let origin = u64::from_str_radix(parts.next()?, 16).ok()?;
        let (first, last) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let head = parts.next()?.parse().ok()?;
        let piece = Self { origin, first, last, head };
        (first >= 1 && first <= last && piece.to_string() == object).then_some(piece)
    }

    /// Reports whether a text is this piece: the right number of complete lines, each linked to
    /// the one before, the first to `before`, the last with the right hash.
    pub fn matches(&self, text: &[u8], before: Sha256Hash) -> bool {
        let mut prev = before;
        let mut count = 0;
        let Some(text) = text.strip_suffix(b"\n") else { return false };
        for line in text.split(|byte| *byte == b'\n') {
            let line = chain::read(line);
            if !line.record.is_ok_and(|record| record.prev == prev) {
                return false;
            }
            prev = line.hash;
            count += 1;
        }
        prev == self.head && count == self.last - self.first + 1
    }

    /// Returns the time the first of these lines was written.
    pub fn begins(text: &[u8]) -> Option<Timestamp> {
        let line = text.split(|byte| *byte == b'\n').next()?;
        chain::read(line).record.ok().map(|record| record.time)
    }
}

/// Returns the pieces that make up the manifest of an origin from its first record on, as far as
/// they go: at each position the longest.
pub(crate) fn chosen(pieces: &[ManifestPiece], origin: u64) -> Vec<ManifestPiece> {
    let mut chosen: Vec<ManifestPiece> = Vec::new();
    loop {
        let next = chosen.last().map_or(1, |last| last.last + 1);
        let of = |piece: &&ManifestPiece| piece.origin == origin && piece.first == next;
        let fitting = pieces.iter().filter(of);
        match fitting.max_by_key(|piece| piece.last) {
            Some(piece) => chosen.push(*piece),
            None => return chosen,
        }
    }
}

impl Manifest {
    /// Returns the origin, which tells it apart from other manifests of its host.
    pub fn origin(&self) -> Option<u64> {
        self.hashes().first().map(|first| begins(&first.0))
    }

    /// Reports whether it was rebuilt, and so replaces another one.
    pub fn is_rebuilt(&self) -> bool {
        self.records().first().is_some_and(|record| record.op == Op::Rebuild)
    }

    /// Returns the hash of a record's line.
    pub fn hash_at(&self, seq: u64) -> Option<Sha256Hash> {
        self.hashes().get(usize::try_from(seq).ok()?.checked_sub(1)?).copied()
    }

    /// Returns the segments that were copied to a remote and read back, each with its object's
    /// name.
    pub fn copies(&self) -> HashMap<Sha256Hash, &str> {
        let uploads = self.records().iter().filter(|record| record.op == Op::Upload);
        uploads.filter_map(|record| Some((record.sha256?, record.object.as_deref()?))).collect()
    }

    /// Returns the records of copies below a host's name, oldest first.
    pub fn uploads_of<'a>(&'a self, host: &'a str) -> impl DoubleEndedIterator<Item = &'a Record> {
        let is_below = move |record: &&Record| {
            let object = record.object.as_deref().unwrap_or_default();
            object.strip_prefix(host).is_some_and(|rest| rest.starts_with('/'))
        };
        let uploads = self.records().iter().filter(|record| record.op == Op::Upload);
        uploads.filter(is_below)
    }

    /// Returns the [`copies`](Self::copies) in one place. Copies made before records named places
    /// count for the first place recorded.
    pub fn copies_at(&self, place: &PlaceRecord) -> HashMap<Sha256Hash, &str> {
        let uploads = || self.records().iter().filter(|record| record.op == Op::Upload);
        let first = uploads().find_map(|record| record.place.as_ref());
        let is_there = |record: &&Record| match record.place.as_ref().or(first) {
            Some(other) => other.is_same_place(place),
            None => true,
        };
        let copies = uploads().filter(is_there);
        copies.filter_map(|record| Some((record.sha256?, record.object.as_deref()?))).collect()
    }

    /// Returns the segments of the archive whose files were evicted.
    pub fn evicted(&self) -> BTreeMap<&SegmentName, &Record> {
        let evictions = self.records().iter().filter(|record| record.op == Op::Evict);
        let there = evictions.filter_map(|record| {
            let name = record.segment.as_ref()?;
            (self.record_of(name)?.sha256 == record.sha256).then_some((name, record))
        });
        there.collect()
    }

    /// Returns the contents of segments that are gone for good, expired or superseded, each with
    /// the record that added it.
    pub fn gone_contents(&self) -> HashMap<Sha256Hash, &Record> {
        let put = self
            .records()
            .iter()
            .filter(|record| matches!(record.op, Op::Rotate | Op::Import | Op::Compact));
        let mut gone: HashMap<Sha256Hash, &Record> =
            put.filter_map(|record| Some((record.sha256?, record))).collect();
        for (_, record) in self.segments() {
            record.sha256.map(|sha256| gone.remove(&sha256));
        }
        gone
    }
}

impl ArchiveDir {
    /// Returns those of these objects that are known to be gone, as far as that is known without
    /// a network request.
    pub fn lost_copies(&self, objects: &[&str]) -> std::io::Result<Vec<String>> {
        match self.remote() {
            Some(remote) if !objects.is_empty() => remote.lost(objects),
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the lines of a piece from the manifest's file, each with its newline.
    pub fn manifest_lines(&self, piece: &ManifestPiece) -> Result<Vec<u8>> {
        let path = self.manifest_path();
        let mut file = fs::open_regular(self.fd(), MANIFEST)
            .map_err(|error| Error::io(&path, "open", error))?;
        let mut text = Vec::new();
        Read::by_ref(&mut file)
            .take(MAX_PIECE_BYTES)
            .read_to_end(&mut text)
            .map_err(|error| Error::io(&path, "read", error))?;
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let count = usize::try_from(piece.last - piece.first + 1).unwrap_or(usize::MAX);
        let first = usize::try_from(piece.first - 1).unwrap_or(usize::MAX);
        let mut lines: Vec<u8> = lines.skip(first).take(count).flatten().copied().collect();
        if lines.last().is_some_and(|byte| *byte != b'\n') {
            // A crash may have cut off only the newline.
            lines.push(b'\n');
        }
        Ok(lines)
    }

    /// Syncs the manifest as it is: what an interrupted run wrote may not be on the disk, and a
    /// remote must not know more than the disk does.
    pub fn sync_manifest(&self) -> Result<()> {
        let failed = |error: std::io::Error| Error::io(self.manifest_path(), "sync", error);
        let file = fs::open_regular(self.fd(), MANIFEST).map_err(failed)?;
        rustix::fs::fsync(&file)
            .and_then(|()| rustix::fs::fsync(self.fd()))
            .map_err(|errno| failed(errno.into()))
    }

    /// Syncs the names of everything in the folders of these segments, which interrupted runs may
    /// have put there: a manifest will rely on them.
    pub fn sync_names<'a>(&self, segments: impl Iterator<Item = &'a SegmentName>) -> Result<()> {
        let folders: BTreeMap<String, &SegmentName> =
            segments.map(|name| (name.folder(), name)).collect();
        for name in folders.into_values() {
            self.sync_folder(name)?;
        }
        rustix::fs::fsync(self.fd()).map_err(|errno| Error::io(self.root(), "sync", errno))
    }

    /// Puts a manifest from a remote in place. An existing one is replaced in a mirror, and is an
    /// error otherwise.
    pub fn put_manifest(
        &self,
        text: &[u8],
        is_mirror: bool,
        token: u64,
        _lock: &ArchiveLock,
    ) -> Result<()> {
        let mut staged = self.stage(token, &mut &text[..])?;
        if is_mirror { staged.replace(MANIFEST) } else { staged.publish(MANIFEST) }?;
        self.dir().sync()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_read_as_they_are_written() {
        let name: SegmentName = "2026/2026-05-16.2.incidents.tar.zst".parse().unwrap();
        let sha256 = Sha256Hash::of(b"x");
        let object = segment_object("pi4", &name, sha256);
        let below = object.strip_prefix("pi4/").unwrap();
        assert_eq!(below, format!("2026/2026-05-16.2.incidents.{sha256}.tar.zst"));
        assert_eq!(segment_of_object(below), Some((name, sha256)));
        for wrong in ["2025/2026-05-16.x.tar.zst", "2026-05-16.tar.zst", "2026/../x", ""] {
            assert_eq!(segment_of_object(wrong), None);
        }
        let piece = ManifestPiece { origin: 7, first: 1, last: 42, head: sha256 };
        assert_eq!(ManifestPiece::of_object(&piece.to_string()), Some(piece));
        let other = piece.to_string().replace("0000000042", "42");
        assert_eq!(ManifestPiece::of_object(&other), None);
    }

    #[test]
    fn the_longest_pieces_are_chosen_without_a_gap() {
        let of = |origin, first, last| {
            let head = Sha256Hash::ZERO;
            ManifestPiece { origin, first, last, head }
        };
        let piece = |first, last| of(7, first, last);
        let mut all =
            vec![piece(1, 3), piece(4, 5), piece(1, 5), piece(6, 6), piece(6, 9), piece(11, 12)];
        all.extend([of(8, 1, 9), of(8, 10, 20)]);
        assert_eq!(chosen(&all, 7), [piece(1, 5), piece(6, 9)]);
        assert_eq!(chosen(&all, 8), [of(8, 1, 9), of(8, 10, 20)]);
        assert_eq!(chosen(&[piece(2, 3)], 7), []);
    }
}

//! The archive's remote copy: made, checked, mirrored, and turned back into an archive.
//!
//! Each host writes below its own name and nowhere else. Whatever is sent is read back and compared
//! before anything relies on it, and what is not recorded locally is found again by its name, which
//! follows from its content. So a run that was stopped at any point costs the next one some work,
//! and no event.

mod evict;
mod handle;
mod place;
mod pull;
mod push;
mod rebuild;
mod status;
mod verify;

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

pub use evict::{EvictReport, Evicted};
pub use handle::RemoteArchive;
pub use pull::{MirroredHost, PullReport};
pub use push::{Copied, PushReport};
pub use rebuild::{Believed, RemoteRebuildReport};
pub use status::{HostStatus, RemoteStatus};
pub use verify::{RemoteVerifyOptions, RemoteVerifyReport};

use crate::archive::copies::{ManifestPiece, chosen};
use crate::archive::{ArchiveDir, Manifest};
use crate::event::NodeName;
use crate::remote::{Bucket, Object};
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The location of the copies, and the name under which this machine's are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remote<'a> {
    /// The bucket.
    pub bucket: &'a Bucket,
    /// The host's name.
    pub host: &'a str,
}

impl<'a> Remote<'a> {
    /// Checks that the name is one that objects can have.
    pub(crate) fn new(bucket: &'a Bucket, host: &'a str) -> Result<Self> {
        NodeName::for_writing(host).map_err(|error| {
            Error::Usage(format!("{error}; name this machine with [remote] host in the policy"))
        })?;
        Ok(Self { bucket, host })
    }
}

/// The objects below a host's name.
struct Listing {
    objects: Vec<Object>,
}

impl Listing {
    fn of(bucket: &Bucket, host: &str) -> Result<Self> {
        Ok(Self { objects: bucket.list(host)? })
    }

    /// Returns an object's size, by its full name.
    fn size(&self, host: &str, object: &str) -> Option<u64> {
        let name = object.strip_prefix(host)?.strip_prefix('/')?;
        let at = self.objects.binary_search_by(|object| object.name.as_str().cmp(name)).ok()?;
        Some(self.objects[at].bytes)
    }

    /// Returns the pieces of the host's manifest.
    fn pieces(&self) -> Vec<ManifestPiece> {
        let names = self.objects.iter().map(|object| object.name.as_str());
        names.filter_map(ManifestPiece::of_object).collect()
    }

    fn piece_bytes(&self, host: &str, piece: &ManifestPiece) -> Option<u64> {
        self.size(host, &format!("{host}/{piece}"))
    }
}

/// An object that was read in full.
struct Hashed {
    /// The SHA-256 of what arrived.
    sha256: Sha256Hash,
    /// Its last bytes.
    end: Vec<u8>,
}

/// Reads an object in full, and keeps its last `kept` bytes.
fn hash_of(
    bucket: &Bucket,
    object: &str,
    bytes: u64,
    kept: u64,
    progress: &dyn Fn(u64),
) -> Result<Hashed> {
    let mut hasher = Sha256::new();
    let mut left = bytes;
    let mut end = Vec::new();
    bucket.get(object, bytes, &mut |part| {
        hasher.update(part);
        let here = left.saturating_sub(kept).min(part.len() as u64) as usize;
        end.extend_from_slice(&part[here..]);
        left = left.saturating_sub(part.len() as u64);
        progress(part.len() as u64);
        Ok(())
    })?;
    Ok(Hashed { sha256: Sha256Hash::finish(hasher), end })
}

/// Returns the text of a host's manifest, from its first record on: what is known of it already,
/// and the pieces that continue it. If there are several manifests, the one that began last: it was
/// rebuilt.
fn manifest_text(
    bucket: &Bucket,
    host: &str,
    listing: &Listing,
    known: Option<(&ArchiveDir, &Manifest)>,
) -> Result<Vec<u8>> {
    let pieces = listing.pieces();
    let origins: BTreeSet<u64> = pieces.iter().map(|piece| piece.origin).collect();
    let mut newest = Vec::new();
    for origin in origins {
        let known = known.filter(|(_, manifest)| manifest.origin() == Some(origin));
        let text = text_of(bucket, host, listing, chosen(&pieces, origin), known)?;
        if ManifestPiece::begins(&text) > ManifestPiece::begins(&newest) {
            newest = text;
        }
    }
    Ok(newest)
}

fn text_of(
    bucket: &Bucket,
    host: &str,
    listing: &Listing,
    pieces: Vec<ManifestPiece>,
    known: Option<(&ArchiveDir, &Manifest)>,
) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let (mut head, mut next) = (Sha256Hash::ZERO, 1);
    if let Some((archive, manifest)) = known
        && let Some(all) = whole(manifest)
    {
        text = archive.manifest_lines(&all)?;
        (head, next) = (all.head, all.last + 1);
    }
    for piece in pieces {
        if piece.last < next {
            continue;
        }
        let name = format!("{host}/{piece}");
        let damaged = |reason: &str| Error::corrupt(format!("{}/{name}", bucket.url()), reason);
        let bytes = listing.piece_bytes(host, &piece).unwrap_or(0);
        if bytes > crate::archive::copies::MAX_PIECE_BYTES {
            return Err(damaged("it is larger than any manifest"));
        }
        let got = bucket.get_range(&name, 0..bytes)?;
        let skipped = usize::try_from(next - piece.first).unwrap_or(usize::MAX);
        let lines = got.split_inclusive(|byte| *byte == b'\n').skip(skipped);
        let new: Vec<u8> = lines.flatten().copied().collect();
        let rest = ManifestPiece { first: next, ..piece };
        if !rest.matches(&new, head) {
            return Err(damaged("it does not follow the records before it, or is damaged"));
        }
        text.extend_from_slice(&new);
        (head, next) = (piece.head, piece.last + 1);
    }
    Ok(text)
}

/// Returns the entire manifest as one piece; `None` when it is empty.
fn whole(manifest: &Manifest) -> Option<ManifestPiece> {
    let (origin, last) = (manifest.origin()?, manifest.records().len() as u64);
    Some(ManifestPiece { origin, first: 1, last, head: manifest.head() })
}

//! Stray copies, as synchronizers and file managers make them: `TIMESTAMP_TYPE_UUID (1).json`
//! beside `TIMESTAMP_TYPE_UUID.json` with the same bytes is not another event. It is removed when
//! the event that it was copied from is archived.

use std::collections::{HashMap, HashSet};

use super::archived::Archived;
use crate::event::EventPath;
use crate::live::{FileState, Listing, PartitionReader, StampDigest};
use crate::segment::Sha256Hash;

/// The stray copies of a day, and the state of the events that they were copied from.
#[derive(Default)]
pub(super) struct Copies {
    copies: HashMap<u32, Copy>,
    /// The archived contents of events that have copies.
    archived: HashMap<EventPath, HashSet<Sha256Hash>>,
}

struct Copy {
    original: EventPath,
    hash: Sha256Hash,
    stamp: StampDigest,
}

impl Copies {
    /// Finds the files with the content of the original that their names derive from, or of another
    /// copy of it. `archived` knows what earlier segments hold.
    pub(super) fn find(
        listing: &Listing,
        partition: &PartitionReader<'_>,
        archived: &Archived,
    ) -> Self {
        let mut found = Self::default();
        let mut seen: HashSet<(EventPath, Sha256Hash)> = HashSet::new();
        let mut bytes = Vec::new();
        // Unreadable files are reported when the day is read.
        let mut read =
            |path: &EventPath| match partition.read_into(&path.node, &path.name, &mut bytes) {
                Ok(FileState::Read(stamp)) => Some((Sha256Hash::of(&bytes), stamp.digest())),
                _ => None,
            };
        for (number, original) in listing.stray_copies() {
            let Some((hash, stamp)) = read(&listing.path(number)) else { continue };
            let kept = found.archived.entry(original.clone()).or_default();
            let is_copy = if archived.of_original(number).contains(&hash) {
                kept.insert(hash);
                true
            } else {
                let is_second = !seen.insert((original.clone(), hash));
                is_second || read(&original).is_some_and(|(other, _)| other == hash)
            };
            if is_copy {
                found.copies.insert(number as u32, Copy { original, hash, stamp });
            }
        }
        found
    }

    /// Reports whether a file is a stray copy, which is not archived itself.
    pub(super) fn has(&self, number: u32) -> bool {
        self.copies.contains_key(&number)
    }

    /// Notes that a file is archived, once its segment is.
    pub(super) fn archived(&mut self, path: &EventPath, hash: impl FnOnce() -> Sha256Hash) {
        if self.archived.is_empty() {
            return;
        }
        let original = path.original();
        if let Some(hashes) = self.archived.get_mut(original.as_ref().unwrap_or(path)) {
            hashes.insert(hash());
        }
    }

    /// Returns the copies of archived events: these may be removed.
    pub(super) fn removable(&self) -> impl Iterator<Item = (u32, StampDigest)> {
        self.copies.iter().filter_map(|(number, Copy { original, hash, stamp })| {
            let hashes = self.archived.get(original)?;
            hashes.contains(hash).then_some((*number, *stamp))
        })
    }
}

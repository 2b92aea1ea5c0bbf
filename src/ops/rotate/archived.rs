//! Live files that an earlier segment of the day holds already.

use std::collections::HashMap;

use crate::Result;
use crate::archive::{ArchiveDir, SegmentName};
use crate::event::EventPath;
use crate::live::Listing;
use crate::segment::{SegmentReader, Sha256Hash};

/// Hashes of archived files, for live files by their number in the listing. Usually empty.
#[derive(Debug, Default)]
pub(in crate::ops) struct Archived {
    /// Hashes of those with the same identity.
    same: HashMap<usize, Vec<Sha256Hash>>,
    /// For stray copies, the hashes of the files that they were copied from.
    original: HashMap<usize, Vec<Sha256Hash>>,
}

impl Archived {
    /// Returns the hashes of archived files with this one's identity, if there are any.
    pub(in crate::ops) fn of(&self, number: usize) -> Option<&[Sha256Hash]> {
        self.same.get(&number).map(Vec::as_slice)
    }

    /// Returns the hashes of archived files that this one is a stray copy of, by its name.
    pub(in crate::ops) fn of_original(&self, number: usize) -> &[Sha256Hash] {
        self.original.get(&number).map_or(&[], Vec::as_slice)
    }

    /// Returns the files whose identity is archived.
    pub(in crate::ops) fn numbers(&self) -> impl Iterator<Item = usize> {
        self.same.keys().copied()
    }
}

/// Reads a segment front to back and walks the listing beside it: both are in member order, so one
/// pass in bounded memory finds every identity that is in both.
pub(in crate::ops) fn merge_join(
    archive: &ArchiveDir,
    segment: &SegmentName,
    listing: &Listing,
    archived: &mut Archived,
) -> Result<()> {
    let path = archive.segment_path(segment);
    let reader = SegmentReader::open_day(archive.open_segment(segment)?, &path, segment.date)?;
    let mut copies: HashMap<EventPath, Vec<usize>> = HashMap::new();
    for (number, original) in listing.stray_copies() {
        copies.entry(original).or_default().push(number);
    }
    let mut number = 0;
    let mut current = (number < listing.len()).then(|| listing.path(number));
    reader.for_each_member(&mut |member| {
        if !copies.is_empty()
            && let Some(numbers) = copies.get(&member.path.to_path())
        {
            for number in numbers {
                let hashes = archived.original.entry(*number).or_default();
                hashes.push(Sha256Hash::of(member.bytes));
            }
        }
        let order = member.path.member_order();
        while let Some(live) = &current {
            match live.borrowed().member_order().cmp(&order) {
                std::cmp::Ordering::Greater => break,
                order => {
                    if order.is_eq() {
                        archived.same.entry(number).or_default().push(Sha256Hash::of(member.bytes));
                    }
                    number += 1;
                    current = (number < listing.len()).then(|| listing.path(number));
                }
            }
        }
        Ok(())
    })
}

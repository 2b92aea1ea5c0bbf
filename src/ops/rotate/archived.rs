//! Which live files an earlier segment of the day holds already.

use std::collections::HashMap;

use crate::Result;
use crate::archive::{ArchiveDir, SegmentName};
use crate::live::Listing;
use crate::segment::{SegmentReader, Sha256Hash};

/// For each live file, by its number in the listing, the hashes of archived files with
/// the same identity. Usually empty.
pub(in crate::ops) type Archived = HashMap<usize, Vec<Sha256Hash>>;

/// Reads a segment front to back and walks the listing beside it: both are in member
/// order, so one pass in bounded memory finds every identity that is in both.
pub(in crate::ops) fn merge_join(
    archive: &ArchiveDir,
    segment: &SegmentName,
    listing: &Listing,
    archived: &mut Archived,
) -> Result<()> {
    let path = archive.segment_path(segment);
    let reader = SegmentReader::open_day(archive.open_segment(segment)?, &path, segment.date)?;
    let mut number = 0;
    let mut current = (number < listing.len()).then(|| listing.path(number));
    reader.for_each_member(&mut |member| {
        let order = member.path.member_order();
        while let Some(live) = &current {
            match live.borrowed().member_order().cmp(&order) {
                std::cmp::Ordering::Greater => break,
                order => {
                    if order.is_eq() {
                        archived.entry(number).or_default().push(Sha256Hash::of(member.bytes));
                    }
                    number += 1;
                    current = (number < listing.len()).then(|| listing.path(number));
                }
            }
        }
        Ok(())
    })
}

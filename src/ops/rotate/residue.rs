//! A segment file that stands where a new one should go, but that no record names: what
//! a run left that was stopped between putting it in place and recording it.

use std::collections::HashMap;

use crate::Result;
use crate::archive::{ArchiveDir, SegmentName};
use crate::event::EventPath;
use crate::segment::{SegmentReader, Sha256Hash};

/// Whether every event of the file is in `held`, byte for byte: then it can go, and
/// nothing goes with it. Any doubt (damage, another event) means no.
pub(super) fn is_superfluous(
    archive: &ArchiveDir,
    segment: &SegmentName,
    held: &HashMap<EventPath, Sha256Hash>,
) -> Result<bool> {
    let path = archive.segment_path(segment);
    let file = archive.open_segment(segment)?;
    let Ok(reader) = SegmentReader::open_day(file, &path, segment.date) else {
        return Ok(false);
    };
    let mut all_held = true;
    let walked = reader.for_each_member(&mut |member| {
        all_held &= held.get(&member.path) == Some(&Sha256Hash::of(member.bytes));
        Ok(())
    });
    Ok(all_held && walked.is_ok())
}

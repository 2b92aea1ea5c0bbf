//! A segment file that stands where a new one should go, but that no record names: what
//! a run left that was stopped between putting it in place and recording it.

use std::collections::HashSet;

use crate::archive::{ArchiveDir, SegmentName};
use crate::event::EventPath;
use crate::segment::{SegmentReader, Sha256Hash};
use crate::{Error, Result};

/// Events by identity and content: of a conflict, both are there.
pub(in crate::ops) type Held = HashSet<(EventPath, Sha256Hash)>;

/// Whether every event of the file is in `held`, byte for byte: then it can go, and
/// nothing goes with it. Any doubt (damage, another event) means no. What cannot be read
/// just now is neither.
pub(in crate::ops) fn is_superfluous(
    archive: &ArchiveDir,
    segment: &SegmentName,
    held: &Held,
) -> Result<bool> {
    let path = archive.segment_path(segment);
    let reader = match SegmentReader::open_day(archive.open_segment(segment)?, &path, segment.date)
    {
        Err(error @ Error::Io { .. }) => return Err(error),
        Err(_) => return Ok(false),
        Ok(reader) => reader,
    };
    let mut all_held = true;
    let walked = reader.for_each_member(&mut |member| {
        all_held &= held.contains(&(member.path.to_path(), Sha256Hash::of(member.bytes)));
        Ok(())
    });
    match walked {
        Err(error @ Error::Io { .. }) => Err(error),
        walked => Ok(all_held && walked.is_ok()),
    }
}

/// Takes up what a segment holds.
pub(in crate::ops) fn hold_all(reader: &SegmentReader, held: &mut Held) -> Result<()> {
    reader.for_each_member(&mut |member| {
        held.insert((member.path.to_path(), Sha256Hash::of(member.bytes)));
        Ok(())
    })
}

//! Residue: a segment file in the place of a new one that no record names, left by a run that was
//! stopped between putting it in place and recording it.

use std::collections::HashSet;

use crate::archive::{ArchiveDir, Manifest, ManifestWriter, SegmentName};
use crate::event::{Date, EventPath};
use crate::ops::Finding;
use crate::segment::{SegmentReader, Sha256Hash};
use crate::{Error, Result};

/// Events by identity and content: in a conflict, both are there.
pub(in crate::ops) type Held = HashSet<(EventPath, Sha256Hash)>;

/// Reports whether every event of the file is in `held`, byte for byte: then it can be removed
/// without loss. Any doubt (damage, another event) means no. A file that cannot be read for now is
/// an error.
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

/// Adds the events of a segment.
pub(in crate::ops) fn hold_all(reader: &SegmentReader, held: &mut Held) -> Result<()> {
    reader.for_each_member(&mut |member| {
        held.insert((member.path.to_path(), Sha256Hash::of(member.bytes)));
        Ok(())
    })
}

/// Adds every event of a day in a recorded segment. Unreadable events do not count as held.
pub(in crate::ops) fn hold_recorded(
    archive: &ArchiveDir,
    manifest: &Manifest,
    date: Date,
    held: &mut Held,
) {
    for (name, _) in manifest.segments_of(date) {
        let path = archive.segment_path(name);
        let _ = archive
            .open_segment(name)
            .and_then(|file| SegmentReader::open(file, &path))
            .and_then(|reader| hold_all(&reader, held));
    }
}

/// The search for a new segment's name.
pub(in crate::ops) struct NameSearch<'a> {
    pub(in crate::ops) archive: &'a ArchiveDir,
    pub(in crate::ops) writer: &'a ManifestWriter<'a>,
    /// The events that other segments hold.
    pub(in crate::ops) held: &'a dyn Fn() -> Result<Held>,
    /// The reason why a file with other events stays.
    pub(in crate::ops) blocked: &'a str,
}

impl NameSearch<'_> {
    /// Returns the first name of this day and class that no record and no file has. A file without
    /// a record was left by a stopped run; it is removed if everything in it is held by other
    /// segments, too. If not, it is reported.
    pub(in crate::ops) fn free_name(
        &self,
        like: &SegmentName,
        findings: &mut Vec<Finding>,
    ) -> Result<SegmentName> {
        let Self { archive, writer, held, blocked } = *self;
        for number in 0.. {
            let name = SegmentName { number, ..like.clone() };
            if writer.manifest().ever_named(&name) {
                continue;
            }
            if !archive.has_segment(&name)? || is_superfluous(archive, &name, &held()?)? {
                // A run that was stopped while it removed a segment leaves a checksum file that
                // would contradict the new one.
                archive.remove_segment(&name, writer.lock())?;
                return Ok(name);
            }
            findings.push(Finding::new(
                name.to_string(),
                format!(
                    "no record names this segment, and {blocked}; left as it is (\"hlarchive \
                     manifest rebuild\" would add it)"
                ),
            ));
        }
        Err(Error::Refused(format!("{}: the day has too many segments", like.date)))
    }
}

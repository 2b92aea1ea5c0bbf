//! What runs that were stopped left in the archive, and how the next run finishes it.
//!
//! A record says first that a segment is gone, and then its files go; so a file that is
//! still there may go without another look. And a run that found no byte free removes a
//! doomed segment's checksum file to make room for the record; if it did not get that far,
//! the file is written again, since the manifest knows what stood in it.

use crate::Result;
use crate::archive::{ArchiveDir, ManifestWriter};
use crate::ops::{Context, Finding};

/// Removes the files of segments that the manifest says are gone.
pub(in crate::ops) fn remove_gone(
    archive: &ArchiveDir,
    writer: &ManifestWriter<'_>,
    recovered: &mut Vec<Finding>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    for segment in archive.unfinished(writer.manifest())?.still_there {
        match archive.remove_segment(&segment, writer.lock()) {
            Ok(()) => recovered.push(Finding::new(
                segment.to_string(),
                "recorded as gone by an interrupted run; removed",
            )),
            Err(error) => findings.push(Finding::of(segment.to_string(), &error)),
        }
    }
    Ok(())
}

/// Writes checksum files that are missing.
pub(in crate::ops) fn write_checksums(
    archive: &ArchiveDir,
    writer: &ManifestWriter<'_>,
    context: &Context,
    recovered: &mut Vec<Finding>,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    for segment in archive.unfinished(writer.manifest())?.without_checksum {
        let record = writer.manifest().record_of(&segment);
        let Some(sha256) = record.and_then(|record| record.sha256) else { continue };
        match archive.write_checksum(&segment, &sha256, context.next_token(), writer.lock()) {
            Ok(()) => recovered.push(Finding::new(
                segment.to_string(),
                "its checksum file was missing; written again from the manifest",
            )),
            Err(error) => findings.push(Finding::of(segment.to_string(), &error)),
        }
    }
    Ok(())
}

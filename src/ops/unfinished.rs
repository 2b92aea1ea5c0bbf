//! Leftovers of stopped runs in the archive, and how the next run finishes them.
//!
//! A record says first that a segment is gone, and then its files are removed. The files of one
//! that expired may be removed without another check; those of one that was superseded, once the
//! segment that replaced it was found intact. And a run that found no byte free removes a doomed
//! segment's checksum file to make room for the record; if it did not get that far, the file is
//! written again, since the manifest knows its contents.

use crate::Context;
use crate::Result;
use crate::archive::{
    ArchiveDir, ArchiveLock, Manifest, ManifestWriter, Op, Record, SegmentName, Unfinished,
};
use crate::ops::Finding;
use crate::segment::check;

/// Removes temporary files of runs that were stopped.
pub(in crate::ops) fn remove_leftovers(
    archive: &ArchiveDir,
    lock: &ArchiveLock,
    recovered: &mut Vec<Finding>,
) -> Result<()> {
    for path in archive.remove_leftovers(lock)? {
        let path = path.display().to_string();
        recovered.push(Finding::new(path, "a temporary file of an interrupted run; removed"));
    }
    Ok(())
}

/// Does the same for verbs that leave only derived files there: best effort, without a report.
pub(in crate::ops) fn clear(archive: &ArchiveDir, lock: &ArchiveLock) {
    let _ = archive.remove_leftovers(lock);
}

/// The repair of an archive after a run that was stopped.
pub(in crate::ops) struct Repair<'a> {
    pub(in crate::ops) archive: &'a ArchiveDir,
    pub(in crate::ops) writer: &'a ManifestWriter<'a>,
    /// The repairs that were made.
    pub(in crate::ops) recovered: &'a mut Vec<Finding>,
    /// Problems.
    pub(in crate::ops) findings: &'a mut Vec<Finding>,
}

impl Repair<'_> {
    /// Removes the files of segments that the manifest says are gone.
    pub(in crate::ops) fn remove_gone(self, unfinished: &Unfinished) {
        let Self { archive, writer, recovered, findings } = self;
        // Removed files may come back after a power cut, if the run that removed them was stopped
        // right then. It was the last that was recorded.
        if let Some(Record { op: Op::Prune | Op::Compact, segment: Some(segment), .. }) =
            writer.manifest().records().last()
            && let Err(error) = archive.sync_folder(segment)
        {
            findings.push(Finding::of(segment.to_string(), &error));
        }
        for segment in &unfinished.still_there {
            let removed = match heir(writer.manifest(), segment) {
                Some((heir, record)) if !is_whole(archive, heir, record) => {
                    findings.push(Finding::new(
                        segment.to_string(),
                        format!("{heir} took its place, but is damaged; so both stay"),
                    ));
                    continue;
                }
                _ => archive.remove_segment(segment, writer.lock()),
            };
            match removed {
                Ok(()) => recovered.push(Finding::new(
                    segment.to_string(),
                    "recorded as gone by an interrupted run; removed",
                )),
                Err(error) => findings.push(Finding::of(segment.to_string(), &error)),
            }
        }
    }

    /// Writes checksum files that are missing.
    pub(in crate::ops) fn write_checksums(self, unfinished: &Unfinished, context: &Context) {
        let Self { archive, writer, recovered, findings } = self;
        for segment in &unfinished.without_checksum {
            // A segment that expired since has no record any more.
            let record = writer.manifest().record_of(segment);
            let Some(sha256) = record.and_then(|record| record.sha256) else { continue };
            match archive.write_checksum(segment, &sha256, context.next_token(), writer.lock()) {
                Ok(()) => recovered.push(Finding::new(
                    segment.to_string(),
                    "its checksum file was missing; written again from the manifest",
                )),
                Err(error) => findings.push(Finding::of(segment.to_string(), &error)),
            }
        }
    }
}

/// Returns the segment that replaced another one, perhaps by way of others, if it is in the
/// archive.
fn heir<'a>(
    manifest: &'a Manifest,
    segment: &'a SegmentName,
) -> Option<(&'a SegmentName, &'a Record)> {
    let mut name = segment;
    for record in manifest.records() {
        if let (Some(old), Some(new)) = (&record.supersedes, &record.segment)
            && old.contains(name)
        {
            name = new;
        }
    }
    manifest.record_of(name).map(|record| (name, record))
}

/// Reports whether a segment is, byte for byte, what was recorded.
fn is_whole(archive: &ArchiveDir, segment: &SegmentName, record: &Record) -> bool {
    let path = archive.segment_path(segment);
    let report = archive.open_segment(segment).and_then(|file| check(&file, &path, &|_| {}));
    report.is_ok_and(|report| {
        report.findings.is_empty()
            && report.summary.is_some_and(|summary| Some(summary.sha256) == record.sha256)
    })
}

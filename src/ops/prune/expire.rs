//! One segment's end: recorded first, and only then removed, also with no byte free.

use rustix::fs::syncfs;

use crate::Context;
use crate::Result;
use crate::archive::{ArchiveDir, ArchiveLock, ManifestWriter, NewRecord, SegmentName, catalogue};

/// Appends the record of a segment that expires. Where there is no room for it, room is made
/// with what can be made again: the catalogue, and then the segment's own checksum file.
pub(super) fn record<'a>(
    archive: &'a ArchiveDir,
    lock: &'a ArchiveLock,
    writer: &mut ManifestWriter<'a>,
    context: &Context,
    segment: &SegmentName,
    record: &NewRecord,
) -> Result<()> {
    let mut outcome = writer.append(record.clone()).map(drop);
    for step in 0..2 {
        match &outcome {
            Err(error) if error.is_no_room() => {}
            _ => return outcome,
        }
        if step == 0 {
            make_room(archive, lock)?;
        } else {
            archive.remove_checksum(segment, lock)?;
            settle(archive);
        }
        if writer.is_poisoned() {
            // A failed sync is final for its descriptor: what was written by it was cut off
            // again, and is written anew by another one.
            *writer = ManifestWriter::open(archive, lock, context.now(), context.by())?.0;
            if !writer.manifest().names(segment) {
                // It could not be cut off. The next run knows what is on the disk.
                return outcome;
            }
        }
        outcome = writer.append(record.clone()).map(drop);
    }
    outcome
}

/// Removes the catalogue, so that a record finds room.
pub(super) fn make_room(archive: &ArchiveDir, lock: &ArchiveLock) -> Result<()> {
    catalogue::remove(archive, lock)?;
    settle(archive);
    Ok(())
}

/// Some file systems give room free only once the removal is on the disk.
fn settle(archive: &ArchiveDir) {
    if let Ok(root) = std::fs::File::open(archive.root()) {
        let _ = syncfs(root);
    }
}

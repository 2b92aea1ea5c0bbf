//! Expiry of one segment: recorded first, and only then removed, even on a full disk.

use rustix::fs::syncfs;

use crate::Context;
use crate::Result;
use crate::archive::{ArchiveDir, ArchiveLock, ManifestWriter, NewRecord, SegmentName, catalogue};

/// Appends the record of a segment that expires. If there is no room for it, files that can be
/// recreated are removed: the catalogue, and then the segment's own checksum file.
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
            // A failed sync is final for its descriptor: what it wrote was cut off again, and
            // another one writes it again.
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

/// Removes the catalogue to make room for a record.
pub(super) fn make_room(archive: &ArchiveDir, lock: &ArchiveLock) -> Result<()> {
    catalogue::remove(archive, lock)?;
    settle(archive);
    Ok(())
}

/// Syncs the removal: some file systems give room free only then.
fn settle(archive: &ArchiveDir) {
    if let Ok(root) = std::fs::File::open(archive.root()) {
        let _ = syncfs(root);
    }
}

//! Expiry of one segment: recorded first, and only then removed, even on a full disk.

use rustix::fs::syncfs;

use crate::Result;
use crate::archive::{ArchiveDir, ArchiveLock, NewRecord, SegmentName, catalogue, words};
use crate::ops::job::Job;

/// Appends the record of a segment that expires. If there is no room for it, files that can be
/// recreated are removed: the catalogue and the words, and then the segment's own checksum file.
pub(super) fn record(job: &mut Job<'_>, segment: &SegmentName, record: &NewRecord) -> Result<()> {
    let (archive, lock) = (job.archive(), job.writer.lock());
    let mut outcome = job.writer.append(record.clone()).map(drop);
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
        if job.writer.is_poisoned() {
            // A failed sync is final for its descriptor: what it wrote was cut off again, and
            // another one writes it again.
            job.reopen()?;
            if !job.manifest().names(segment) {
                // It could not be cut off. The next run knows what is on the disk.
                return outcome;
            }
        }
        outcome = job.writer.append(record.clone()).map(drop);
    }
    outcome
}

/// Removes the catalogue and the words to make room for a record.
pub(super) fn make_room(archive: &ArchiveDir, lock: &ArchiveLock) -> Result<()> {
    catalogue::remove(archive, lock)?;
    words::remove(archive, lock)?;
    settle(archive);
    Ok(())
}

/// Syncs the removal: some file systems give room free only then.
fn settle(archive: &ArchiveDir) {
    if let Ok(root) = std::fs::File::open(archive.root()) {
        let _ = syncfs(root);
    }
}

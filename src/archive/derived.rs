//! Files that follow from manifest and segments, and save readers time: catalogue, words and
//! overview. The state, which depends on the meaning of events, is added by a higher layer.
//!
//! Every writer brings them up to date at its end, and rebuilds one that is not as it should be.
//! Readers do without what cannot be written now, and the next run retries, so nothing here
//! fails.

use super::{ArchiveDir, ArchiveLock, Manifest, catalogue, overview, words};

/// Adds new segments, and repairs what differs.
pub(crate) fn complete(archive: &ArchiveDir, manifest: &Manifest, token: u64, lock: &ArchiveLock) {
    let _ = catalogue::complete(archive, manifest, lock);
    // Each temporary file is gone before the next one takes its name.
    let _ = words::refresh(archive, manifest, token, lock);
    let _ = overview::refresh(archive, manifest, token, lock);
}

/// Adds new segments, repairs what differs, and leaves out the segments that are gone; `tokens`
/// must be fresh.
pub(crate) fn drop_gone(
    archive: &ArchiveDir,
    manifest: &Manifest,
    tokens: [u64; 2],
    lock: &ArchiveLock,
) {
    let _ = catalogue::drop_gone(archive, manifest, tokens[0], lock);
    let _ = words::refresh(archive, manifest, tokens[1], lock);
    let _ = overview::refresh(archive, manifest, tokens[1], lock);
}

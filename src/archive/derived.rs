//! What follows from manifest and segments, and spares readers time: catalogue and overview.
//! The state, which follows from what events mean, is added by who knows that.
//!
//! Whoever changes an archive brings both up to date at its end, and makes one again that is
//! not what it should be. Readers do without what cannot be written now, and the next run
//! tries again, so nothing here fails.

use super::{ArchiveDir, ArchiveLock, Manifest, catalogue, overview};

/// Adds what is new, and mends what differs.
pub(crate) fn complete(archive: &ArchiveDir, manifest: &Manifest, token: u64, lock: &ArchiveLock) {
    let _ = catalogue::complete(archive, manifest, lock);
    let _ = overview::refresh(archive, manifest, token, lock);
}

/// Adds what is new, mends what differs, and leaves out the segments that are gone; `tokens`
/// must be fresh.
pub(crate) fn drop_gone(
    archive: &ArchiveDir,
    manifest: &Manifest,
    tokens: [u64; 2],
    lock: &ArchiveLock,
) {
    let _ = catalogue::drop_gone(archive, manifest, tokens[0], lock);
    let _ = overview::refresh(archive, manifest, tokens[1], lock);
}

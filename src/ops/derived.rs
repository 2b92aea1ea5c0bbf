//! Derived files, brought up to date after a run that changed an archive.

use super::standing;
use crate::archive::{ArchiveDir, ArchiveLock, Manifest, derived};
use crate::store::Store;

/// Adds what is new, and repairs what differs.
pub(in crate::ops) fn complete(
    store: &Store,
    archive: &ArchiveDir,
    manifest: &Manifest,
    token: u64,
    lock: &ArchiveLock,
) {
    derived::complete(archive, manifest, token, lock);
    let _ = standing::refresh(store, archive, manifest, token, lock);
}

/// Adds what is new, repairs what differs, and drops the segments that are gone; `tokens` must be
/// fresh.
pub(in crate::ops) fn drop_gone(
    store: &Store,
    archive: &ArchiveDir,
    manifest: &Manifest,
    tokens: [u64; 2],
    lock: &ArchiveLock,
) {
    derived::drop_gone(archive, manifest, tokens, lock);
    let _ = standing::refresh(store, archive, manifest, tokens[1], lock);
}

//! Replaces a manifest that is lost or damaged.

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::chain;
use super::layout::MANIFEST;
use super::{ArchiveDir, ArchiveLock, By, NewRecord, Op, TreeRecord, origin_text};
use crate::event::Timestamp;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The facts other than records that a new manifest takes over from the one it replaces.
#[derive(Debug, Default)]
pub struct Replaced {
    /// The origin of the archive.
    pub origin: Option<u64>,
    /// The event tree whose days the archive takes.
    pub tree: Option<TreeRecord>,
}

/// Writes a manifest that begins with a `rebuild` record and holds `records`. The old one is kept
/// beside it as `manifest.jsonl.replaced-TIME`; at every moment one or the other is under the
/// manifest's own name.
pub fn rebuild(
    archive: &ArchiveDir,
    _lock: &ArchiveLock,
    time: Timestamp,
    by: Option<By>,
    was: Replaced,
    records: Vec<NewRecord>,
    token: u64,
) -> Result<()> {
    let mut first = NewRecord::new(time, Op::Rebuild);
    first.by = by;
    first.origin = was.origin.map(origin_text);
    first.tree = was.tree;
    first.note = Some(format!(
        "rebuilt from {} segments; what happened before is in the manifest that was replaced",
        records.iter().filter(|record| record.op == Op::Import).count()
    ));
    let mut text = Vec::new();
    let mut prev = Sha256Hash::ZERO;
    for (number, record) in std::iter::once(first).chain(records).enumerate() {
        let line = chain::line(&record.linked(number as u64 + 1, prev));
        prev = Sha256Hash::of(&line);
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
    keep_old(archive, time, token.wrapping_add(1))?;
    // The old one must have its second name durably before it may lose its own.
    archive.dir().sync()?;
    archive.stage(token, &mut &text[..])?.replace(MANIFEST)?;
    archive.dir().sync()
}

/// Gives the old manifest a second name. Without an old one there is nothing to do.
fn keep_old(archive: &ArchiveDir, time: Timestamp, token: u64) -> Result<()> {
    let dir = archive.fd();
    for number in 0.. {
        let suffix = if number == 0 { String::new() } else { format!("-{number}") };
        let name = format!("{MANIFEST}.replaced-{}{suffix}", time.to_name());
        match rustix::fs::linkat(dir, MANIFEST, dir, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => break,
            Err(Errno::EXIST) => {}
            // Without hard links the old one is copied: if it were moved away, there would be a
            // moment without a manifest, and readers would see an empty archive.
            Err(Errno::PERM | Errno::OPNOTSUPP) => return copy_old(archive, &name, token),
            Err(errno) => return Err(Error::io(archive.root().join(&name), "create", errno)),
        }
    }
    Ok(())
}

fn copy_old(archive: &ArchiveDir, name: &str, token: u64) -> Result<()> {
    let mut old = fs::open_regular(archive.fd(), MANIFEST)
        .map_err(|error| Error::io(archive.manifest_path(), "open", error))?;
    archive.stage(token, &mut old)?.publish(name)
}

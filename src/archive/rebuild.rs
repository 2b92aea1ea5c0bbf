//! Replaces a manifest that is lost or damaged.

use std::fs::File;
use std::io::Write;

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
    rustix::fs::fsync(archive.fd()).map_err(|errno| Error::io(archive.root(), "sync", errno))?;
    let temp = Temp::write(archive, token, &mut &text[..])?;
    rustix::fs::renameat(archive.fd(), &temp.name, archive.fd(), MANIFEST)
        .map_err(|errno| Error::io(archive.manifest_path(), "replace", errno))?;
    rustix::fs::fsync(archive.fd()).map_err(|errno| Error::io(archive.root(), "sync", errno))
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
    let temp = Temp::write(archive, token, &mut old)?;
    fs::rename_new(archive.fd(), &temp.name, archive.fd(), name)
        .map_err(|errno| Error::io(archive.root().join(name), "create", errno))
}

/// A durable file with a temporary name, which is removed on drop.
pub(super) struct Temp<'a> {
    archive: &'a ArchiveDir,
    pub(super) name: String,
}

impl<'a> Temp<'a> {
    pub(super) fn write(
        archive: &'a ArchiveDir,
        token: u64,
        from: &mut dyn std::io::Read,
    ) -> Result<Self> {
        let name = fs::temp_name(token);
        let path = archive.root().join(&name);
        let file = fs::create_new(archive.fd(), &name, 0o644)
            .map_err(|errno| Error::io(&path, "create", errno))?;
        let temp = Self { archive, name };
        let mut file = File::from(file);
        std::io::copy(from, &mut file).map_err(|error| Error::io(&path, "write", error))?;
        file.flush().map_err(|error| Error::io(&path, "write", error))?;
        rustix::fs::fsync(&file).map_err(|errno| Error::io(&path, "sync", errno))?;
        Ok(temp)
    }
}

impl Drop for Temp<'_> {
    fn drop(&mut self) {
        // After a rename it is gone already; what cannot be removed now, the next run removes.
        let _ = fs::unlink(self.archive.fd(), &self.name);
    }
}

//! A new manifest in place of one that is lost or damaged.

use std::io::Write;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::chain;
use super::dir::MANIFEST;
use super::{ArchiveDir, ArchiveLock, By, NewRecord, Op};
use crate::event::Timestamp;
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// Writes a manifest that begins with a `rebuild` record and holds `records`. The old one
/// is kept beside it as `manifest.jsonl.replaced-TIME`; at every moment there is one or
/// the other.
pub fn rebuild(
    archive: &ArchiveDir,
    _lock: &ArchiveLock,
    time: Timestamp,
    by: Option<By>,
    records: Vec<NewRecord>,
    token: u64,
) -> Result<()> {
    let mut first = NewRecord::new(time, Op::Rebuild);
    first.by = by;
    first.note = Some(format!(
        "rebuilt from {} segments; what happened before is in the manifest that was replaced",
        records.len()
    ));
    let mut text = Vec::new();
    let mut prev = Sha256Hash::ZERO;
    for (number, record) in std::iter::once(first).chain(records).enumerate() {
        let line = chain::line(&record.linked(number as u64 + 1, prev));
        prev = Sha256Hash::of(&line);
        text.extend_from_slice(&line);
        text.push(b'\n');
    }
    let path = archive.manifest_path();
    let temp = fs::temp_name(token);
    let temp_path = archive.root().join(&temp);
    let file = fs::create_new(archive.fd(), &temp, 0o644)
        .map_err(|errno| Error::io(&temp_path, "create", errno))?;
    let mut file = std::fs::File::from(file);
    let replaced = file
        .write_all(&text)
        .map_err(|error| Error::io(&temp_path, "write", error))
        .and_then(|()| {
            rustix::fs::fsync(&file).map_err(|errno| Error::io(&temp_path, "sync", errno))
        })
        .and_then(|()| keep_old(archive, time))
        .and_then(|()| {
            rustix::fs::renameat(archive.fd(), &temp, archive.fd(), MANIFEST)
                .map_err(|errno| Error::io(&path, "replace", errno))
        });
    if replaced.is_err() {
        // What cannot be removed now is a leftover, which the next rotate removes.
        let _ = fs::unlink(archive.fd(), &temp);
    }
    replaced?;
    rustix::fs::fsync(archive.fd()).map_err(|errno| Error::io(archive.root(), "sync", errno))
}

/// Keeps a copy of the old manifest under a name that is free.
fn copy_old(archive: &ArchiveDir, name: &str) -> std::io::Result<()> {
    let mut old = fs::open_regular(archive.fd(), MANIFEST)?;
    let mut copy = std::fs::File::from(fs::create_new(archive.fd(), name, 0o644)?);
    let copied = std::io::copy(&mut old, &mut copy).and_then(|_| copy.sync_all());
    if copied.is_err() {
        let _ = fs::unlink(archive.fd(), name);
    }
    copied
}

fn keep_old(archive: &ArchiveDir, time: Timestamp) -> Result<()> {
    let dir = archive.fd();
    for number in 0.. {
        let suffix = if number == 0 { String::new() } else { format!("-{number}") };
        let name = format!("{MANIFEST}.replaced-{}{suffix}", time.to_name());
        let linked = rustix::fs::linkat(dir, MANIFEST, dir, &name, AtFlags::empty());
        match linked {
            Ok(()) | Err(Errno::NOENT) => break,
            Err(Errno::EXIST) => {}
            // A file system without links. The old one must not move away: for a moment
            // readers would find none.
            Err(Errno::PERM | Errno::OPNOTSUPP) => match copy_old(archive, &name) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                copied => {
                    return copied
                        .map_err(|error| Error::io(archive.root().join(&name), "create", error));
                }
            },
            Err(errno) => return Err(Error::io(archive.root().join(&name), "create", errno)),
        }
    }
    Ok(())
}

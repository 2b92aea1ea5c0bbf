//! Reuse of segments that are here, so that they need not be fetched.

use std::fs::File;
use std::os::fd::AsFd;

use crate::archive::{ArchiveDir, SegmentName};
use crate::fs;
use crate::segment::SegmentBytes;
use crate::{Error, Result};

/// Copies a local segment to where it stands in for one of the same content.
pub(super) fn copy_reusable(
    ours: &ArchiveDir,
    like: &SegmentName,
    to: &ArchiveDir,
    name: &SegmentName,
) -> Result<()> {
    let path = to.segment_path(name);
    let failed = |errno: rustix::io::Errno| Error::io(&path, "create", errno);
    let bytes = ours.open_segment(like)?;
    let length = bytes.len().map_err(|error| Error::io(&path, "read", error))?;
    fs::make_private_dir(to.fd(), &name.folder()).map_err(failed)?;
    let folder = fs::open_dir(to.fd(), &name.folder()).map_err(failed)?;
    let file = name.file_name();
    let out = fs::create_new(folder.as_fd(), &file, 0o600).map_err(failed)?;
    let copied = copy_all(&bytes, length, &mut File::from(out));
    if copied.is_err() {
        let _ = fs::unlink(folder.as_fd(), &file);
    }
    copied.map_err(|error| Error::io(&path, "write", error))
}

fn copy_all(from: &SegmentBytes, length: u64, out: &mut File) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < length {
        let part = &mut buffer[..(length - at).min(1 << 20) as usize];
        from.read_exact_at(part, at)?;
        std::io::Write::write_all(out, part)?;
        at += part.len() as u64;
    }
    Ok(())
}

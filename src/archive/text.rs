//! The manifest's text, for handing it on: the records that were read, without what a crash left
//! behind them.

use std::io::Read;

use super::layout::MANIFEST;
use super::{ArchiveDir, Manifest};
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

impl Manifest {
    /// Reads the lines that this manifest was read from, each with its newline.
    ///
    /// # Errors
    ///
    /// Fails if the file has been replaced since.
    pub fn text(&self, archive: &ArchiveDir) -> Result<Vec<u8>> {
        let path = archive.manifest_path();
        let file = fs::open_regular(archive.fd(), MANIFEST)
            .map_err(|error| Error::io(&path, "open", error))?;
        let mut text = Vec::new();
        file.take(self.sound_bytes)
            .read_to_end(&mut text)
            .map_err(|error| Error::io(&path, "read", error))?;
        if let Some((at, byte)) = self.lost_byte
            && let Some(lost) = usize::try_from(at).ok().and_then(|at| text.get_mut(at))
        {
            *lost = byte;
        }
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        let last = text.strip_suffix(b"\n").unwrap_or_default();
        let last = &last[memchr::memrchr(b'\n', last).map_or(0, |at| at + 1)..];
        let head = if last.is_empty() { Sha256Hash::ZERO } else { Sha256Hash::of(last) };
        if head == self.head() {
            return Ok(text);
        }
        Err(Error::Refused(format!(
            "{}: it was replaced while it was read; run it again",
            path.display()
        )))
    }
}

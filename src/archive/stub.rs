//! Stubs: what stays of a segment that was evicted to the remote.
//!
//! `2026/2026-05-16.tar.zst.stub` takes the segment's place. It holds the segment's last bytes,
//! index and seek table, so that what the segment holds, and where, is known without asking the
//! remote. Before them stands one line of JSON that names the segment's object; after them the
//! SHA-256 of everything before it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::layout::STUB_SUFFIX;
use super::{ArchiveDir, ArchiveLock, SegmentName};
use crate::segment::{Away, Fetch, Piece, SegmentBytes, Sha256Hash, tail_offset};
use crate::{Error, Result};

/// The largest stub that is read, in bytes: the largest index and its seek table.
const MAX_BYTES: u64 = 160 << 20;

/// The description of an evicted segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stub {
    /// The version of the stub's format.
    v: u32,
    /// The name of the segment's object.
    pub object: String,
    /// The segment's size, in bytes.
    pub bytes: u64,
    /// The segment's SHA-256.
    pub sha256: Sha256Hash,
    /// The segment's last bytes.
    #[serde(skip)]
    tail: Vec<u8>,
}

impl Stub {
    /// Returns the stub of a segment that is stored as this object.
    pub fn new(object: &str, bytes: u64, sha256: Sha256Hash, tail: Vec<u8>) -> Self {
        Self { v: 1, object: object.to_owned(), bytes, sha256, tail }
    }

    /// Returns the content of its file.
    fn text(&self) -> Vec<u8> {
        // Serializing numbers and texts into memory cannot fail.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text.extend_from_slice(&self.tail);
        let own = Sha256Hash::of(&text);
        text.extend_from_slice(&own.0);
        text
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (text, own) = text.split_at_checked(text.len().checked_sub(32)?)?;
        if Sha256Hash::of(text).0 != own {
            return None;
        }
        let end = memchr::memchr(b'\n', text)?;
        let mut stub: Self = serde_json::from_slice(&text[..end]).ok()?;
        stub.tail = text[end + 1..].to_vec();
        (stub.v == 1 && stub.tail.len() as u64 <= stub.bytes).then_some(stub)
    }

    /// Returns the SHA-256 of the segment's last bytes, which it holds.
    pub fn tail_sha256(&self) -> Sha256Hash {
        Sha256Hash::of(&self.tail)
    }

    /// Reports whether `end` and the segment's last bytes in the stub agree, as far as both go.
    pub fn ends_like(&self, end: &[u8]) -> bool {
        let both = end.len().min(self.tail.len());
        end[end.len() - both..] == self.tail[self.tail.len() - both..]
    }

    /// Returns the number of the segment's last bytes that it holds.
    pub fn tail_bytes(&self) -> u64 {
        self.tail.len() as u64
    }

    /// Returns the segment, with its rest read through `source`.
    pub fn open(self, source: Arc<dyn Fetch>) -> SegmentBytes {
        let object = self.object.into();
        SegmentBytes::Away(Away::new(object, source, self.bytes, self.tail))
    }
}

impl ArchiveDir {
    /// Opens a segment for reading: its file, or the object its stub stands for. Only a regular
    /// file counts.
    pub fn open_segment(&self, name: &SegmentName) -> Result<SegmentBytes> {
        let missing = || Error::io(self.segment_path(name), "open", Errno::NOENT);
        let folder = self.folder(&name.folder())?.ok_or_else(missing)?;
        if let Some(file) = folder.open(&name.file_name())? {
            return Ok(file.into());
        }
        match (self.read_stub(name)?, &self.remote) {
            (Some(stub), Some(remote)) => Ok(stub.open(Arc::clone(remote))),
            (Some(stub), None) => Ok(stub.open(Arc::new(NoRemote))),
            (None, _) => Err(missing()),
        }
    }

    /// Returns the stub of a segment; `None` if there is none.
    pub fn read_stub(&self, name: &SegmentName) -> Result<Option<Stub>> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(None) };
        let Some(text) = folder.read(&name.stub_name(), MAX_BYTES)? else { return Ok(None) };
        match Stub::parse(&text) {
            Some(stub) => Ok(Some(stub)),
            None => Err(Error::corrupt(
                folder.path().join(name.stub_name()),
                "this stub is damaged; \"hlarchive remote pull\" makes it again",
            )),
        }
    }

    /// Makes the stub that a local segment would have if it were stored as this object.
    pub fn make_stub(&self, name: &SegmentName, object: &str, sha256: Sha256Hash) -> Result<Stub> {
        let path = self.segment_path(name);
        let failed = |error| Error::io(&path, "read", error);
        let file = self.open_segment(name)?;
        let (bytes, at) = (file.len().map_err(failed)?, tail_offset(&file, &path)?);
        let mut tail = vec![0; (bytes - at) as usize];
        file.read_exact_at(&mut tail, at).map_err(failed)?;
        Ok(Stub::new(object, bytes, sha256, tail))
    }

    /// Puts a stub in its place, synced; it replaces an existing one.
    pub fn write_stub(
        &self,
        name: &SegmentName,
        stub: &Stub,
        token: u64,
        lock: &ArchiveLock,
    ) -> Result<()> {
        match self.read_stub(name) {
            Ok(Some(there)) if there == *stub => return self.sync_folder(name),
            Ok(None) => {}
            _ => self.remove_stub(name, lock)?,
        }
        let temp = self.create_temp(name.date, token, lock)?;
        let mut file = temp.file();
        let text = stub.text();
        file.write_all(&text).map_err(|error| Error::io(temp.path(), "write", error))?;
        temp.sync()?;
        // The segment's file may be removed on its account.
        let (bytes, own) = (Some(text.len() as u64), Some(Sha256Hash::of(&text)));
        let as_recorded = temp.reopen()?.matches_record(bytes, own);
        if !as_recorded.map_err(|error| Error::io(temp.path(), "read", error))? {
            return Err(Error::corrupt(
                temp.path(),
                "read-back verification failed; the segment stays as it is",
            ));
        }
        temp.publish_as(&name.stub_name())
    }

    /// Removes a segment's stub, if there is one.
    pub fn remove_stub(&self, name: &SegmentName, _lock: &ArchiveLock) -> Result<()> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(()) };
        folder.remove(&name.stub_name()).map(drop)
    }

    /// Returns the segments that have a stub here, sound or not.
    pub fn stub_names(&self) -> Result<BTreeSet<SegmentName>> {
        let mut names = BTreeSet::new();
        for folder in self.folders(&mut Vec::new())? {
            let Some(dir) = self.folder(&folder)? else { continue };
            dir.list(&mut |file, _| {
                let stem = file.to_str().ok().and_then(|file| file.strip_suffix(STUB_SUFFIX));
                let name = stem.and_then(SegmentName::from_file_name);
                names.extend(name.filter(|name| name.folder() == folder));
            })?;
        }
        Ok(names)
    }

    /// Reports whether a segment's own file is here.
    pub fn has_file(&self, name: &SegmentName) -> Result<bool> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(false) };
        Ok(folder.open(&name.file_name())?.is_some())
    }

    /// Removes a segment's file and its checksum file, and leaves its stub. The caller must
    /// ensure that the segment is safe in the remote.
    pub(crate) fn remove_local(&self, name: &SegmentName, _lock: &ArchiveLock) -> Result<()> {
        let Some(folder) = self.folder(&name.folder())? else { return Ok(()) };
        // The file goes last: as long as it exists, the next run retries.
        for file in [name.checksum_name(), name.file_name()] {
            folder.remove(&file)?;
        }
        folder.sync()
    }
}

/// A source that fetches nothing, since no remote is configured.
#[derive(Debug)]
struct NoRemote;

impl Fetch for NoRemote {
    fn fetch(&self, pieces: &[Piece]) -> Vec<std::io::Result<Vec<u8>>> {
        let nobody = || {
            std::io::Error::new(
                std::io::ErrorKind::HostUnreachable,
                "this segment lies elsewhere, and the policy has no [remote] url",
            )
        };
        pieces.iter().map(|_| Err(nobody())).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_with_any_bit_flipped_or_cut_off_is_none() {
        let stub = Stub::new("host/2026/x", 5000, Sha256Hash::ZERO, b"the tail\nof it".to_vec());
        let text = stub.text();
        assert_eq!(Stub::parse(&text), Some(stub));
        for at in 0..text.len() {
            assert_eq!(Stub::parse(&text[..at]), None);
            let mut flipped = text.clone();
            flipped[at] ^= 1 << (at % 8);
            assert_eq!(Stub::parse(&flipped), None, "{at}");
        }
    }
}

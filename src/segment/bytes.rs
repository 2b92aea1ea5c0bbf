//! The source of a segment's bytes: a file, or, for a segment that is remote, the tail kept here
//! and a [`Fetch`] for the rest.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::Sha256Hash;

/// The most bytes that are fetched together for sequential reading.
const AHEAD_BYTES: u64 = 8 << 20;

/// A part of a remote object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Piece {
    /// The object's name, as its [`Fetch`] knows it.
    pub object: Arc<str>,
    /// The range of its bytes.
    pub range: Range<u64>,
}

/// Fetches parts of remote objects.
pub trait Fetch: fmt::Debug + Send + Sync {
    /// Returns the pieces in the order in which they are asked for, each complete or an error;
    /// they are fetched in parallel where that helps. If the remote cannot be reached, the
    /// error's kind is [`HostUnreachable`](io::ErrorKind::HostUnreachable).
    fn fetch(&self, pieces: &[Piece]) -> Vec<io::Result<Vec<u8>>>;

    /// Returns those of these objects that are gone, where that can be found out without a
    /// network request; otherwise none.
    fn lost(&self, _objects: &[&str]) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// The bytes of a segment, by position; threads may share them.
#[derive(Debug)]
pub enum SegmentBytes {
    /// All bytes, in a file.
    File(File),
    /// The tail here, the rest in the remote.
    Away(Away),
}

/// A segment of which only the tail is here.
#[derive(Debug)]
pub struct Away {
    object: Arc<str>,
    source: Arc<dyn Fetch>,
    bytes: u64,
    tail: Vec<u8>,
    /// The bytes fetched last for sequential reading, and their offset.
    ahead: Mutex<(u64, Vec<u8>)>,
}

impl From<File> for SegmentBytes {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl Away {
    /// Returns a segment of `bytes` bytes that is stored as this object and ends with `tail`.
    pub fn new(object: Arc<str>, source: Arc<dyn Fetch>, bytes: u64, tail: Vec<u8>) -> Self {
        Self { object, source, bytes, tail, ahead: Mutex::default() }
    }

    /// Returns what fetches the rest.
    pub fn source(&self) -> &Arc<dyn Fetch> {
        &self.source
    }

    /// Returns the piece for a range of its bytes.
    pub fn piece(&self, range: Range<u64>) -> Piece {
        Piece { object: Arc::clone(&self.object), range }
    }

    fn fetch(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let bytes = range.end - range.start;
        let fetched = self.source.fetch(&[self.piece(range)]).pop();
        let fetched = fetched.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
        if fetched.len() as u64 != bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(fetched)
    }

    fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64).filter(|end| *end <= self.bytes);
        let Some(end) = end else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        let tail_offset = self.bytes - self.tail.len() as u64;
        if copy(&self.tail, tail_offset, at, buffer) {
            return Ok(());
        }
        // At worst a thread that panicked left bytes that are in both places.
        let ahead = self.ahead.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if copy(&ahead.1, ahead.0, at, buffer) {
            return Ok(());
        }
        drop(ahead);
        buffer.copy_from_slice(&self.fetch(at..end)?);
        Ok(())
    }

    fn read_on(&self, range: Range<u64>) -> io::Result<()> {
        let end = range.end.min(self.bytes - self.tail.len() as u64);
        let mut ahead = self.ahead.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let has = ahead.0..ahead.0 + ahead.1.len() as u64;
        if range.start >= end || (has.start <= range.start && end <= has.end) {
            return Ok(());
        }
        ahead.1 = Vec::new();
        *ahead = (range.start, self.fetch(range.start..end)?);
        Ok(())
    }
}

/// Fills `out` from bytes that begin at `from`, if they contain all of it.
fn copy(bytes: &[u8], from: u64, at: u64, out: &mut [u8]) -> bool {
    let start = at.checked_sub(from).and_then(|start| usize::try_from(start).ok());
    let wanted = start.and_then(|start| bytes.get(start..)?.get(..out.len()));
    wanted.map(|wanted| out.copy_from_slice(wanted)).is_some()
}

impl SegmentBytes {
    /// Returns the number of bytes.
    pub fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Away(away) => Ok(away.bytes),
        }
    }

    /// Reports whether size and SHA-256 are as recorded, as far as that can be known without
    /// fetching: for a remote segment only the size is compared, and each frame is checked when
    /// it is read.
    pub(crate) fn matches_record(
        &self,
        bytes: Option<u64>,
        sha256: Option<Sha256Hash>,
    ) -> io::Result<bool> {
        // A different size means a different file; a sparse one could be read without end.
        if bytes != Some(self.len()?) {
            return Ok(false);
        }
        let Self::File(file) = self else { return Ok(true) };
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        let mut at = 0;
        loop {
            let got = file.read_at(&mut buffer, at)?;
            if got == 0 {
                return Ok(sha256 == Some(Sha256Hash::finish(hasher)));
            }
            hasher.update(&buffer[..got]);
            at += got as u64;
        }
    }

    /// Fills the buffer with the bytes from `at` on.
    pub fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(buffer, at),
            Self::Away(away) => away.read_exact_at(buffer, at),
        }
    }

    /// Returns the number of bytes at the end that cost nothing to read.
    pub(super) fn near_bytes(&self) -> Option<u64> {
        match self {
            Self::File(_) => None,
            Self::Away(away) => Some(away.tail.len() as u64),
        }
    }

    /// Announces that these bytes will be read in sequence. Those of a remote segment are fetched
    /// at once.
    pub(super) fn read_on(&self, range: Range<u64>) -> io::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Away(away) => away.read_on(range),
        }
    }

    /// Announces that most of the file will be read, so that the kernel reads ahead.
    pub(super) fn read_ahead(&self) {
        if let Self::File(file) = self {
            // Only advice: if it is ignored, reading takes longer.
            let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::WillNeed);
        }
    }

    /// Returns the segment if it is remote.
    pub(super) fn away(&self) -> Option<&Away> {
        match self {
            Self::File(_) => None,
            Self::Away(away) => Some(away),
        }
    }

    /// Returns the number of bytes to fetch together for sequential reading; `None` where it does
    /// not matter.
    pub(super) fn stride(&self) -> Option<u64> {
        self.away().map(|_| AHEAD_BYTES)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[allow(clippy::single_range_in_vec_init)]
mod tests {
    use super::*;

    /// Counts the requests.
    #[derive(Debug)]
    struct Counting(Vec<u8>, Mutex<Vec<Range<u64>>>);

    impl Fetch for Counting {
        fn fetch(&self, pieces: &[Piece]) -> Vec<io::Result<Vec<u8>>> {
            let take = |piece: &Piece| {
                self.1.lock().unwrap().push(piece.range.clone());
                Ok(self.0[piece.range.start as usize..piece.range.end as usize].to_vec())
            };
            pieces.iter().map(take).collect()
        }
    }

    #[test]
    fn what_is_here_or_was_fetched_is_not_fetched_again() {
        let all: Vec<u8> = (0..100).collect();
        let source = Arc::new(Counting(all.clone(), Mutex::default()));
        let away = Away::new("object".into(), source.clone(), 100, all[80..].to_vec());
        let bytes = SegmentBytes::Away(away);
        let read = |from: usize, to: usize| {
            let mut buffer = vec![0; to - from];
            bytes.read_exact_at(&mut buffer, from as u64).unwrap();
            assert_eq!(buffer, all[from..to]);
        };
        let asked = || std::mem::take(&mut *source.1.lock().unwrap());
        read(80, 100);
        read(95, 97);
        assert_eq!(asked(), []);
        read(79, 81);
        assert_eq!(asked(), vec![(79..81)]);
        bytes.read_on(10..90).unwrap();
        bytes.read_on(20..80).unwrap();
        read(10, 20);
        read(70, 80);
        assert_eq!(asked(), vec![(10..80)]);
        assert!(bytes.read_exact_at(&mut [0; 2], 99).is_err());
        assert_eq!(asked(), []);
    }
}

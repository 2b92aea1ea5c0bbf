//! Entry points for the fuzzers into parsers that are otherwise reached only through complete
//! files. Compiled only with the feature `fuzzing`; nothing in the program uses it.

use super::index::Index;
use super::seek::{self, SeekEntry};

/// Parses the body of an index, as [`SegmentReader::open`](super::SegmentReader::open) does.
pub fn index(payload: Vec<u8>) -> Result<Index, String> {
    Index::parse(payload)
}

/// Reads the seek table at the end of a file: (compressed, decompressed) for each frame.
pub fn seek_table(file: &[u8]) -> Result<Vec<(u32, u32)>, String> {
    let bytes = seek::frame_bytes(file)?;
    let before = file.len().checked_sub(bytes).ok_or("the table is longer than the file")?;
    let entries = seek::decode(&file[before..], before as u64)?;
    Ok(entries.iter().map(|entry| (entry.compressed, entry.decompressed)).collect())
}

/// Returns the seek table that the writer makes of these frames.
pub fn seek_table_of(frames: &[(u32, u32)]) -> Vec<u8> {
    let entry = |&(compressed, decompressed)| SeekEntry { compressed, decompressed };
    seek::encode(&frames.iter().map(entry).collect::<Vec<_>>())
}

//! Finding the frames of a file without its seek table: from header to header, by the
//! block sizes in them (RFC 8878, section 3.1.1), with a few small reads a frame.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::seek::Entry;

const ZSTD_MAGIC: u32 = 0xFD2F_B528;
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;

/// The frames from the start of the file, as far as they can be followed, and their total
/// size. Skippable frames have decompressed size 0.
pub(super) fn walk(file: &File, file_bytes: u64) -> (Vec<Entry>, u64) {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < file_bytes && entries.len() < (1 << 20) {
        let Some((compressed, decompressed)) = frame(file, at, file_bytes) else { break };
        let (Ok(compressed_u32), Ok(decompressed)) =
            (u32::try_from(compressed), u32::try_from(decompressed))
        else {
            break;
        };
        entries.push(Entry { compressed: compressed_u32, decompressed });
        at += compressed;
    }
    (entries, at)
}

/// Compressed and decompressed size of the frame at `at`; `None` if there is no whole one.
fn frame(file: &File, at: u64, file_bytes: u64) -> Option<(u64, u64)> {
    let mut head = [0; 18];
    let available = usize::try_from((file_bytes - at).min(18)).ok()?;
    file.read_exact_at(&mut head[..available], at).ok()?;
    let u32_at =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if available < 9 {
        return None;
    }
    if u32_at(0) & 0xFFFF_FFF0 == SKIPPABLE_MAGIC {
        let bytes = 8 + u64::from(u32_at(4));
        return (at + bytes <= file_bytes).then_some((bytes, 0));
    }
    if u32_at(0) != ZSTD_MAGIC {
        return None;
    }
    let descriptor = head[4];
    let single_segment = descriptor & 0x20 != 0;
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = match (descriptor >> 6, single_segment) {
        (0, true) => 1,
        (0, false) => return None,
        (1, _) => 2,
        (2, _) => 4,
        _ => 8,
    };
    let size_at = 5 + usize::from(!single_segment) + dictionary_bytes;
    let mut size = [0; 8];
    size[..size_bytes].copy_from_slice(head.get(size_at..size_at + size_bytes)?);
    // Two bytes hold sizes from 256 on.
    let decompressed = u64::from_le_bytes(size) + if size_bytes == 2 { 256 } else { 0 };
    let mut next = at + (size_at + size_bytes) as u64;
    loop {
        let mut block = [0; 3];
        if next + 3 > file_bytes {
            return None;
        }
        file.read_exact_at(&mut block, next).ok()?;
        let header = u32::from_le_bytes([block[0], block[1], block[2], 0]);
        let is_last = header & 1 == 1;
        let bytes = match (header >> 1 & 3, header >> 3) {
            (1, _) => 1,
            (3, _) => return None,
            // Only the last block of a frame is empty. Zeros, which a sparse file has without
            // end, would be such blocks.
            (_, 0) if !is_last => return None,
            (_, bytes) => u64::from(bytes),
        };
        next += 3 + bytes;
        if is_last {
            break;
        }
    }
    let checksum = if descriptor & 4 != 0 { 4 } else { 0 };
    let end = next + checksum;
    (end <= file_bytes).then(|| (end - at, decompressed))
}

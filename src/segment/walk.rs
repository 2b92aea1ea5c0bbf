//! Finds the frames of a file without its seek table: from header to header, by the block sizes
//! in them (RFC 8878, section 3.1.1), with a few small reads per frame.

use super::bytes::SegmentBytes;
use super::seek::SeekEntry;

const ZSTD_MAGIC: u32 = 0xFD2F_B528;
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;

/// The most frames that are followed; no segment has as many.
const MAX_FRAMES: usize = 1 << 20;

/// Returns the frames from the start of the file, as far as they can be followed, and their total
/// size. Skippable frames have the decompressed size 0.
pub(super) fn walk(file: &SegmentBytes, file_bytes: u64) -> (Vec<SeekEntry>, u64) {
    let mut entries = Vec::new();
    let mut at = 0;
    while entries.len() < MAX_FRAMES {
        let Some((compressed, decompressed)) = frame(file, at, file_bytes) else { break };
        let (Ok(compressed_u32), Ok(decompressed)) =
            (u32::try_from(compressed), u32::try_from(decompressed))
        else {
            break;
        };
        entries.push(SeekEntry { compressed: compressed_u32, decompressed });
        at += compressed;
    }
    (entries, at)
}

/// Returns the compressed and the decompressed size of the frame at `at`; `None` if there is no
/// complete one.
fn frame(file: &SegmentBytes, at: u64, file_bytes: u64) -> Option<(u64, u64)> {
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
    // Two-byte sizes start at 256.
    let decompressed = u64::from_le_bytes(size) + if size_bytes == 2 { 256 } else { 0 };
    let mut next = at + (size_at + size_bytes) as u64;
    loop {
        let mut block = [0; 3];
        file.read_exact_at(&mut block, next).ok()?;
        let header = u32::from_le_bytes([block[0], block[1], block[2], 0]);
        let is_last = header & 1 == 1;
        let bytes = match (header >> 1 & 3, header >> 3) {
            (1, _) => 1,
            (3, _) => return None,
            // Only the last block of a frame is empty. Zeros, which a sparse file can have
            // without end, would look like such blocks.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;

    fn walked(bytes: &[u8]) -> (Vec<(u32, u32)>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let (entries, end) = walk(&file.into(), bytes.len() as u64);
        (entries.iter().map(|entry| (entry.compressed, entry.decompressed)).collect(), end)
    }

    /// Returns a frame with this descriptor, these bytes of window, dictionary and size, and
    /// these blocks; with a checksum if the descriptor says so.
    fn frame(descriptor: u8, fields: &[u8], blocks: &[(u32, u32, bool)]) -> Vec<u8> {
        let mut frame = ZSTD_MAGIC.to_le_bytes().to_vec();
        frame.push(descriptor);
        frame.extend_from_slice(fields);
        for (kind, size, is_last) in blocks {
            let header = size << 3 | kind << 1 | u32::from(*is_last);
            frame.extend_from_slice(&header.to_le_bytes()[..3]);
            let stored = if *kind == 1 { 1 } else { *size };
            frame.resize(frame.len() + stored as usize, b'x');
        }
        if descriptor & 4 != 0 {
            frame.extend_from_slice(b"sum!");
        }
        frame
    }

    /// The frames that zstd itself makes, with every form that the size in a header has.
    #[test]
    fn frames_of_every_size_are_followed_as_zstd_follows_them() {
        let mut noise = 1_u32;
        let mut random = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        for size in [0, 1, 255, 256, 257, 65_791, 65_792, 300_000] {
            for bytes in [vec![0; size], (0..size).map(|_| random()).collect()] {
                for checksum in [false, true] {
                    let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
                    compressor.include_checksum(checksum).unwrap();
                    let one = compressor.compress(&bytes).unwrap();
                    let entry = (one.len() as u32, size as u32);
                    let two = one.repeat(2);
                    assert_eq!(walked(&two), (vec![entry; 2], two.len() as u64), "{size}");
                    // An incomplete frame is none.
                    let cut = &two[..two.len() - 1];
                    assert_eq!(walked(cut), (vec![entry], one.len() as u64), "{size}");
                }
            }
        }
    }

    #[test]
    fn headers_of_every_form_are_taken_apart() {
        let last = &[(0, 3, true)][..];
        for (descriptor, fields, size) in [
            // One byte of size, with a single segment.
            (0x20, &b"\x03"[..], 3),
            // Two, four and eight bytes, with a window before them.
            (0x40, b"w\x01\x01", 0x101 + 256),
            (0x80, b"w\x01\x02\x03\x00", 0x3_0201),
            (0xc0, b"w\x07\0\x01\0\0\0\0\0", 0x1_0007),
            // Without a window.
            (0x60, b"\x01\x01", 0x101 + 256),
            (0xa0, b"\x01\x02\x03\x00", 0x3_0201),
            // Dictionaries of one, two and four bytes.
            (0x21, b"d\x03", 3),
            (0x22, b"dd\x03", 3),
            (0x23, b"dddd\x03", 3),
            (0xc3, b"wdddd\x07\0\x01\0\0\0\0\0", 0x1_0007),
        ] {
            for checksum in [0, 4] {
                let bytes = frame(descriptor | checksum, fields, last);
                let entry = (bytes.len() as u32, size);
                assert_eq!(walked(&bytes), (vec![entry], bytes.len() as u64), "{descriptor:x}");
            }
        }
        // No size at all, whatever follows, or one that no frame of this format has.
        assert_eq!(walked(&frame(0x00, b"w", last)), (vec![], 0));
        assert_eq!(walked(&frame(0x00, b"w\x03\0\0\0\0\0\0\0", last)), (vec![], 0));
        assert_eq!(walked(&frame(0xc0, b"w\0\0\0\0\x01\0\0\0", last)), (vec![], 0));
    }

    #[test]
    fn blocks_are_followed_to_the_last() {
        let whole = |blocks: &[(u32, u32, bool)]| {
            let bytes = frame(0x20, b"\x03", blocks);
            walked(&bytes) == (vec![(bytes.len() as u32, 3)], bytes.len() as u64)
        };
        assert!(whole(&[(0, 0, true)]), "the last may be empty");
        assert!(whole(&[(0, 5, false), (2, 300, false), (0, 7, true)]));
        // A repeated byte is stored once, however long.
        assert!(whole(&[(1, 90_000, false), (1, 0, false), (2, 4, true)]));
        assert!(!whole(&[(3, 5, true)]), "a kind that does not exist");
        assert!(!whole(&[(0, 0, false), (0, 5, true)]), "zeros without end");
        assert!(!whole(&[(0, 5, false)]), "no last block");
    }

    #[test]
    fn skippable_frames_hold_nothing_and_what_is_no_frame_ends_the_walk() {
        let skippable = |magic: u32, content: &[u8]| {
            let length = (content.len() as u32).to_le_bytes();
            [&magic.to_le_bytes()[..], &length, content].concat()
        };
        let first = skippable(SKIPPABLE_MAGIC, b"abc");
        let second = skippable(SKIPPABLE_MAGIC | 15, b"x");
        let both = [first.clone(), second].concat();
        assert_eq!(walked(&both), (vec![(11, 0), (9, 0)], 20));
        assert_eq!(walked(&both[..19]), (vec![(11, 0)], 11));
        let garbage = [first, b"neither of them".to_vec()].concat();
        assert_eq!(walked(&garbage), (vec![(11, 0)], 11));
        assert_eq!(walked(&skippable(SKIPPABLE_MAGIC + 16, b"abc")), (vec![], 0));
        assert_eq!(walked(b""), (vec![], 0));
    }

    #[test]
    fn a_file_of_nothing_but_headers_is_followed_so_far_and_no_farther() {
        let frame = [&SKIPPABLE_MAGIC.to_le_bytes()[..], &[1, 0, 0, 0, b'x']].concat();
        let (entries, end) = walked(&frame.repeat((1 << 20) + 1));
        assert_eq!((entries.len(), end), (1 << 20, 9 << 20));
    }
}

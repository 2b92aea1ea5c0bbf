//! The seek table: the zstd seekable format, version 0.1.1, without checksums.
//!
//! The last frame of the file is a skippable one that lists the compressed and the decompressed
//! size of every frame before it. Source: `contrib/seekable_format` of zstd.

/// The magic number of the skippable frame that holds the table.
const TABLE_MAGIC: u32 = 0x184D_2A5E;

/// The magic number at the very end.
const FOOTER_MAGIC: u32 = 0x8F92_EAB1;

/// The size of the footer in bytes: frame count, descriptor, magic.
const FOOTER_BYTES: usize = 9;

/// The size of a skippable frame's header, in bytes.
pub(super) const SKIPPABLE_HEADER_BYTES: usize = 8;

/// The smallest frame: an empty skippable one, which is only its header. A table that lists
/// smaller ones could list a million in no space at all.
const MIN_FRAME_BYTES: u32 = SKIPPABLE_HEADER_BYTES as u32;

/// The most frames that a segment has.
const MAX_FRAMES: usize = 1 << 20;

/// A frame, as the table lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeekEntry {
    pub(super) compressed: u32,
    pub(super) decompressed: u32,
}

/// Returns the header of a skippable frame.
pub(super) fn skippable_header(magic: u32, bytes: usize) -> [u8; SKIPPABLE_HEADER_BYTES] {
    let mut header = [0; SKIPPABLE_HEADER_BYTES];
    header[..4].copy_from_slice(&magic.to_le_bytes());
    header[4..].copy_from_slice(&(bytes as u32).to_le_bytes());
    header
}

/// Returns the table as a frame.
pub(super) fn encode(entries: &[SeekEntry]) -> Vec<u8> {
    let content = entries.len() * 8 + FOOTER_BYTES;
    let mut out = Vec::with_capacity(SKIPPABLE_HEADER_BYTES + content);
    out.extend_from_slice(&skippable_header(TABLE_MAGIC, content));
    for entry in entries {
        out.extend_from_slice(&entry.compressed.to_le_bytes());
        out.extend_from_slice(&entry.decompressed.to_le_bytes());
    }
    out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    out.push(0);
    out.extend_from_slice(&FOOTER_MAGIC.to_le_bytes());
    out
}

/// Returns the size of the table's frame, read from the last bytes of the file.
pub(super) fn frame_bytes(tail: &[u8]) -> Result<usize, String> {
    let footer = tail
        .len()
        .checked_sub(FOOTER_BYTES)
        .and_then(|at| tail.get(at..))
        .ok_or("the file is too short for a segment")?;
    if footer[5..] != FOOTER_MAGIC.to_le_bytes() {
        return Err("it does not end with a seek table".to_owned());
    }
    if footer[4] != 0 {
        return Err("its seek table has a form that this format does not use".to_owned());
    }
    let frames = u32::from_le_bytes([footer[0], footer[1], footer[2], footer[3]]) as usize;
    if frames > MAX_FRAMES {
        return Err(format!("its seek table claims to list {frames} frames"));
    }
    Ok(SKIPPABLE_HEADER_BYTES + frames * 8 + FOOTER_BYTES)
}

/// Decodes the table's frame; the entries must fill `bytes_before` exactly.
pub(super) fn decode(frame: &[u8], bytes_before: u64) -> Result<Vec<SeekEntry>, String> {
    let content = frame.len().saturating_sub(SKIPPABLE_HEADER_BYTES);
    if frame.get(..SKIPPABLE_HEADER_BYTES) != Some(&skippable_header(TABLE_MAGIC, content)[..]) {
        return Err("its seek table is damaged".to_owned());
    }
    let entries: Vec<SeekEntry> = frame[SKIPPABLE_HEADER_BYTES..frame.len() - FOOTER_BYTES]
        .chunks_exact(8)
        .map(|entry| SeekEntry {
            compressed: u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]),
            decompressed: u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]),
        })
        .collect();
    if entries.iter().any(|entry| entry.compressed < MIN_FRAME_BYTES) {
        return Err("its seek table lists a frame of no size".to_owned());
    }
    let total: u64 = entries.iter().map(|entry| u64::from(entry.compressed)).sum();
    if total != bytes_before {
        return Err("its seek table does not fit the file's size".to_owned());
    }
    Ok(entries)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entries(count: usize) -> Vec<SeekEntry> {
        (0..count as u32)
            .map(|n| SeekEntry { compressed: MIN_FRAME_BYTES + n, decompressed: n })
            .collect()
    }

    fn total(entries: &[SeekEntry]) -> u64 {
        entries.iter().map(|entry| u64::from(entry.compressed)).sum()
    }

    #[test]
    fn a_table_has_the_bytes_that_the_format_says() {
        let table = encode(&[SeekEntry { compressed: 0x0102, decompressed: 0x0304 }]);
        assert_eq!(
            table,
            b"\x5e\x2a\x4d\x18\x11\0\0\0\x02\x01\0\0\x04\x03\0\0\x01\0\0\0\0\xb1\xea\x92\x8f"
        );
    }

    #[test]
    fn what_is_encoded_is_decoded_when_it_fits_the_file() {
        for count in [0, 1, 2, 300] {
            let entries = entries(count);
            let table = encode(&entries);
            assert_eq!(frame_bytes(&table).unwrap(), table.len());
            assert_eq!(decode(&table, total(&entries)).unwrap(), entries);
            decode(&table, total(&entries) + 1).unwrap_err();
        }
    }

    /// Nothing is read, and no memory allocated, for more frames than any segment has.
    #[test]
    fn the_number_of_frames_is_bounded_before_the_table_is_read() {
        let mut footer = encode(&[])[SKIPPABLE_HEADER_BYTES..].to_vec();
        footer[..4].copy_from_slice(&(MAX_FRAMES as u32).to_le_bytes());
        let limit = MAX_FRAMES * 8 + SKIPPABLE_HEADER_BYTES + FOOTER_BYTES;
        assert_eq!(frame_bytes(&footer), Ok(limit));
        for frames in [MAX_FRAMES as u32 + 1, u32::MAX] {
            footer[..4].copy_from_slice(&frames.to_le_bytes());
            assert!(frame_bytes(&footer).unwrap_err().contains(&frames.to_string()));
        }
    }

    #[test]
    fn a_frame_smaller_than_any_frame_is_refused() {
        let min = SeekEntry { compressed: MIN_FRAME_BYTES, decompressed: 0 };
        decode(&encode(&[min]), 8).unwrap();
        decode(&encode(&[SeekEntry { compressed: MIN_FRAME_BYTES - 1, ..min }]), 7).unwrap_err();
    }

    #[test]
    fn every_byte_of_a_table_that_is_no_entry_counts() {
        let entries = entries(2);
        let table = encode(&entries);
        let is_entry = |at: &usize| (8..24).contains(at);
        for at in (0..table.len()).filter(|at| !is_entry(at)) {
            let mut changed = table.clone();
            changed[at] ^= 1;
            let read = frame_bytes(&changed).and_then(|bytes| {
                let at = changed.len().checked_sub(bytes).ok_or("longer than the file")?;
                decode(&changed[at..], total(&entries))
            });
            read.unwrap_err();
        }
        for short in 0..FOOTER_BYTES {
            frame_bytes(&table[table.len() - short..]).unwrap_err();
        }
    }
}

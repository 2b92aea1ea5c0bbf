//! zstd frames as this format has them: complete, with their content's size and a checksum.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter};

/// The shortest match that is searched for. Events are full of random digits, and short matches
/// among them lead the search astray: at level 9, six instead of the level's own four or five
/// makes a day 1 to 5 % smaller and takes no longer.
const MIN_MATCH: u32 = 6;

/// Returns a compressor for frames of this format.
pub(super) fn packer(level: i32) -> Result<Compressor<'static>, String> {
    let mut packer = Compressor::new(level).map_err(|error| error.to_string())?;
    packer
        .include_checksum(true)
        .and_then(|()| packer.include_contentsize(true))
        .and_then(|()| packer.set_parameter(CParameter::MinMatch(MIN_MATCH)))
        .map_err(|error| error.to_string())?;
    Ok(packer)
}

thread_local! {
    /// A decompressor takes 150 KB, so each thread keeps its own.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The largest buffer that is kept for the next frame, in bytes.
const MAX_SPARE: usize = 1 << 20;

thread_local! {
    /// The buffer of a finished frame. Getting a new one from the kernel for each frame takes as
    /// long as unpacking it.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the buffer of a finished frame for the next one.
pub(super) fn give_back(memory: Vec<u8>) {
    if memory.capacity() <= MAX_SPARE {
        // A thread that is ending has no next frame.
        let _ = SPARE.try_with(|spare| spare.replace(memory));
    }
}

/// Returns the content size that a frame states; fails if it is more than `limit`.
pub(super) fn stated_size(frame: &[u8], limit: u64) -> Result<u64, String> {
    match zstd_safe::get_frame_content_size(frame).ok().flatten() {
        Some(size) if size <= limit => Ok(size),
        Some(size) => Err(format!("it claims to hold {size} bytes")),
        None => Err("it does not say how much it holds".to_owned()),
    }
}

/// Returns the frame at the start of `bytes`.
#[cfg(feature = "remote")]
pub(super) fn first_frame(bytes: &[u8]) -> Result<&[u8], String> {
    let end = zstd_safe::find_frame_compressed_size(bytes).ok();
    let frame = end.and_then(|end| bytes.get(..end)).filter(|frame| !frame.is_empty());
    frame.ok_or_else(|| "it is not a whole zstd frame".to_owned())
}

/// Decompresses exactly one frame that must hold exactly `size` bytes, a size that the caller has
/// bounded. Nothing is allocated before that is checked. The memory may be that of a frame before,
/// and much larger than what it holds: it is for what is dropped soon.
pub(super) fn unpack(frame: &[u8], size: u64) -> Result<Vec<u8>, String> {
    unpack_into(frame, size, || SPARE.take())
}

/// Does the same for what is kept, in memory of just its size.
pub(super) fn unpack_to_keep(frame: &[u8], size: u64) -> Result<Vec<u8>, String> {
    unpack_into(frame, size, Vec::new)
}

fn unpack_into(
    frame: &[u8],
    size: u64,
    memory: impl FnOnce() -> Vec<u8>,
) -> Result<Vec<u8>, String> {
    if zstd_safe::find_frame_compressed_size(frame) != Ok(frame.len()) {
        return Err("it is not one whole zstd frame".to_owned());
    }
    if stated_size(frame, u64::MAX)? != size {
        return Err("its size is not the one in the seek table".to_owned());
    }
    // Without a checksum a frame could be changed unnoticed.
    if frame.get(4).is_none_or(|descriptor| descriptor & 4 == 0) {
        return Err("it has no checksum".to_owned());
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(|error| error.to_string())?),
        };
        let mut bytes = memory();
        bytes.clear();
        bytes.reserve_exact(size as usize);
        decompressor
            .decompress_to_buffer(frame, &mut bytes)
            .map_err(|error| format!("it cannot be decompressed ({error})"))?;
        if bytes.len() as u64 == size {
            Ok(bytes)
        } else {
            Err("it holds fewer bytes than it claims".to_owned())
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_says_how_much_it_holds_and_has_a_checksum() {
        for size in [0, 1, 255, 256, 70_000] {
            let bytes = vec![7; size];
            let frame = packer(3).unwrap().compress(&bytes).unwrap();
            assert_eq!(stated_size(&frame, size as u64), Ok(size as u64));
            assert_eq!(frame[4] & 4, 4);
            assert_eq!(unpack(&frame, size as u64).unwrap(), bytes);
        }
    }

    #[test]
    fn more_than_is_allowed_is_refused() {
        let frame = packer(3).unwrap().compress(&[7; 1000]).unwrap();
        assert_eq!(stated_size(&frame, 999).unwrap_err(), "it claims to hold 1000 bytes");
        assert!(stated_size(b"no frame", 999).is_err());
        // A stream whose length was not known when it began.
        let unsized_frame = b"\x28\xb5\x2f\xfd\x00\x58\x09\0\0x";
        assert_eq!(
            stated_size(unsized_frame, 999).unwrap_err(),
            "it does not say how much it holds"
        );
    }

    #[test]
    fn only_exactly_one_whole_checksummed_frame_of_the_right_size_is_unpacked() {
        let frame = packer(3).unwrap().compress(&[7; 1000]).unwrap();
        let short = &frame[..frame.len() - 1];
        assert_eq!(unpack(short, 1000).unwrap_err(), "it is not one whole zstd frame");
        let two = frame.repeat(2);
        assert_eq!(unpack(&two, 1000).unwrap_err(), "it is not one whole zstd frame");
        for size in [999, 1001] {
            let reason = unpack(&frame, size).unwrap_err();
            assert_eq!(reason, "its size is not the one in the seek table");
        }
        let unchecked = zstd::bulk::compress(&[7; 1000], 3).unwrap();
        assert_eq!(unpack(&unchecked, 1000).unwrap_err(), "it has no checksum");
        let mut flipped = frame;
        *flipped.last_mut().unwrap() ^= 1;
        assert!(unpack(&flipped, 1000).unwrap_err().starts_with("it cannot be decompressed"));
    }

    #[test]
    fn memory_that_is_given_back_serves_the_next_frame_unless_it_is_large() {
        let frame = packer(3).unwrap().compress(&[7; 1000]).unwrap();
        give_back(Vec::with_capacity(1 << 20));
        let bytes = unpack(&frame, 1000).unwrap();
        assert_eq!((bytes.capacity(), &bytes[..]), (1 << 20, &[7; 1000][..]));
        give_back(Vec::with_capacity((1 << 20) + 1));
        assert!(unpack(&frame, 1000).unwrap().capacity() < 1 << 20);
    }

    #[test]
    fn what_is_kept_does_not_hold_the_memory_of_a_frame() {
        let frame = packer(3).unwrap().compress(&[7; 1000]).unwrap();
        give_back(Vec::with_capacity(1 << 20));
        assert_eq!(unpack_to_keep(&frame, 1000).unwrap().capacity(), 1000);
        // It is there for the next frame.
        assert_eq!(unpack(&frame, 1000).unwrap().capacity(), 1 << 20);
    }
}

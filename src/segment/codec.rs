//! zstd frames as this format has them: whole, with their content's size and a checksum.

use std::cell::RefCell;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{self, CParameter};

/// The shortest match that is looked for. Events are full of random digits, and short
/// matches among them lead the search astray: at level 9, six instead of the level's own
/// four or five makes a day 1 to 5 % smaller, and takes no longer.
const MIN_MATCH: u32 = 6;

/// A compressor for frames of this format.
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

/// How many bytes a frame says it holds; an error when it holds more than `most`.
pub(super) fn stated_size(frame: &[u8], most: u64) -> Result<u64, String> {
    match zstd_safe::get_frame_content_size(frame).ok().flatten() {
        Some(size) if size <= most => Ok(size),
        Some(size) => Err(format!("it claims to hold {size} bytes")),
        None => Err("it does not say how much it holds".to_owned()),
    }
}

/// Decompresses what must be exactly one frame and hold exactly `size` bytes, which the
/// caller found to be no more than it can bear. Nothing is allocated before that was
/// checked.
pub(super) fn unpack(frame: &[u8], size: u64) -> Result<Vec<u8>, String> {
    if zstd_safe::find_frame_compressed_size(frame) != Ok(frame.len()) {
        return Err("it is not one whole zstd frame".to_owned());
    }
    if stated_size(frame, u64::MAX)? != size {
        return Err("its size is not the one in the seek table".to_owned());
    }
    // Without its checksum a frame could be changed unseen.
    if frame.get(4).is_none_or(|descriptor| descriptor & 4 == 0) {
        return Err("it has no checksum".to_owned());
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(|error| error.to_string())?),
        };
        let bytes = decompressor
            .decompress(frame, size as usize)
            .map_err(|error| format!("it cannot be decompressed ({error})"))?;
        if bytes.len() as u64 == size {
            Ok(bytes)
        } else {
            Err("it holds fewer bytes than it claims".to_owned())
        }
    })
}

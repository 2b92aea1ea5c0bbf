//! One frame, decompressed: whole members, one after the other.

use std::cell::RefCell;

use zstd::bulk::Decompressor;
use zstd::zstd_safe;

use super::{MAX_FRAME_BYTES, tar};
use crate::event::{Date, EventPath};
use crate::{Error, Result};

/// A frame's members, in memory.
#[derive(Debug)]
pub struct Frame {
    tar: Vec<u8>,
    /// What it is called in errors.
    label: FrameLabel,
    date: Option<Date>,
}

/// Which frame of which file.
#[derive(Debug, Clone)]
pub(super) struct FrameLabel {
    pub(super) path: std::path::PathBuf,
    pub(super) number: usize,
}

impl FrameLabel {
    pub(super) fn damage(&self, reason: &str) -> Error {
        Error::corrupt(&self.path, format!("frame {}: {reason}", self.number))
    }
}

/// One file of the segment.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// Its identity.
    pub path: EventPath,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its modification time in the tar, in seconds since 1970.
    pub mtime: i64,
}

impl Frame {
    pub(super) fn new(tar: Vec<u8>, label: FrameLabel, date: Option<Date>) -> Self {
        Self { tar, label, date }
    }

    /// The members in order. After an error there are no more.
    pub fn members(&self) -> impl Iterator<Item = Result<Member<'_>>> + '_ {
        let mut at = 0;
        let mut before: Option<EventPath> = None;
        std::iter::from_fn(move || {
            if at >= self.tar.len() {
                return None;
            }
            let outcome = tar::parse(&self.tar, at).and_then(|parsed| {
                if self.date.is_some_and(|date| parsed.path.date != date) {
                    return Err(format!("{} is not of the segment's day", parsed.path));
                }
                if before.as_ref().is_some_and(|before| *before >= parsed.path) {
                    return Err(format!("{} is out of order or twice", parsed.path));
                }
                Ok(parsed)
            });
            match outcome {
                Ok(parsed) => {
                    at = parsed.end;
                    before = Some(parsed.path.clone());
                    Some(Ok(Member {
                        path: parsed.path,
                        bytes: &self.tar[parsed.start..parsed.start + parsed.size],
                        mtime: parsed.mtime,
                    }))
                }
                Err(reason) => {
                    at = self.tar.len();
                    Some(Err(self.label.damage(&reason)))
                }
            }
        })
    }
}

thread_local! {
    /// A decompressor takes 150 KB, so each thread keeps its own.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Decompresses one frame that must be exactly `compressed` and give as many bytes as it
/// states itself: what a seek table says of that may be damaged where the frame is not.
/// Nothing is allocated before both were checked.
pub(super) fn decompress(compressed: &[u8]) -> Result<Vec<u8>, String> {
    if zstd_safe::find_frame_compressed_size(compressed) != Ok(compressed.len()) {
        return Err("it is not one whole zstd frame".to_owned());
    }
    let decompressed = zstd_safe::get_frame_content_size(compressed)
        .ok()
        .flatten()
        .ok_or("it does not say how many bytes it holds")?;
    if decompressed > MAX_FRAME_BYTES {
        return Err(format!("it claims to hold {decompressed} bytes, more than any frame"));
    }
    // Without its checksum a frame could be changed unseen.
    if compressed.get(4).is_none_or(|descriptor| descriptor & 4 == 0) {
        return Err("it has no checksum".to_owned());
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(|error| error.to_string())?),
        };
        let tar = decompressor
            .decompress(compressed, decompressed as usize)
            .map_err(|error| format!("it cannot be decompressed ({error})"))?;
        if tar.len() as u64 == decompressed {
            Ok(tar)
        } else {
            Err("it holds fewer bytes than it claims".to_owned())
        }
    })
}

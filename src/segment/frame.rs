//! One decompressed frame: complete members, one after the other.

use std::ops::Range;

use zstd::zstd_safe;

use super::{MAX_FRAME_BYTES, codec, tar};
use crate::event::{Date, MemberOrder, PathRef};
use crate::{Error, Result};

/// A frame's members, in memory.
#[derive(Debug)]
pub struct Frame {
    tar: Vec<u8>,
    /// The frame's name in errors.
    label: FrameLabel,
    date: Option<Date>,
}

/// The file and the number of a frame.
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

/// A frame as read from the disk. Unpacking takes longer than reading, and can be done on another
/// thread.
#[derive(Debug)]
pub struct PackedFrame {
    pub(super) compressed: Vec<u8>,
    pub(super) label: FrameLabel,
    pub(super) date: Option<Date>,
}

impl PackedFrame {
    /// Returns the size of the unpacked frame, in bytes; 0 if it cannot be unpacked.
    pub fn tar_bytes(&self) -> u64 {
        codec::stated_size(&self.compressed, MAX_FRAME_BYTES).unwrap_or(0)
    }

    /// Decompresses the frame and checks its checksum.
    pub fn unpack(self) -> Result<Frame> {
        let tar =
            decompress_stated(&self.compressed).map_err(|reason| self.label.damage(&reason))?;
        Ok(Frame::new(tar, self.label, self.date))
    }
}

/// A file of the segment.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The event's identity.
    pub path: PathRef<'a>,
    /// The file's bytes.
    pub bytes: &'a [u8],
    /// The modification time in the tar, in seconds since 1970.
    pub mtime: i64,
}

/// The next place of a search that goes through a tar once.
struct NextPlace<F> {
    find: F,
    /// True once it was asked for.
    is_known: bool,
    /// The last answer.
    place: Option<usize>,
}

impl<F: Fn(&[u8], usize) -> Option<usize>> NextPlace<F> {
    fn of(find: F) -> Self {
        Self { find, is_known: false, place: None }
    }

    /// Returns the first place at or after an offset; offsets ascend.
    fn at_or_after(&mut self, tar: &[u8], from: usize) -> Option<usize> {
        if !self.is_known || self.place.is_some_and(|place| place < from) {
            self.place = (self.find)(tar, from);
            self.is_known = true;
        }
        self.place
    }
}

/// Returns the first place of a text at or after an offset.
#[cfg(test)]
pub(super) fn places_of(text: &str, tar: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(tar.get(from..)?, text.as_bytes()).map(|at| from + at)
}

impl Drop for Frame {
    fn drop(&mut self) {
        codec::give_back(std::mem::take(&mut self.tar));
    }
}

impl Frame {
    pub(super) fn new(tar: Vec<u8>, label: FrameLabel, date: Option<Date>) -> Self {
        Self { tar, label, date }
    }

    /// Returns the members in order. An error ends the iteration.
    pub fn members(&self) -> impl Iterator<Item = Result<Member<'_>>> + '_ {
        self.members_but(|_| false)
    }

    /// Returns the members that are not JSON objects, or that contain a place that one of `finds`
    /// finds or a backslash: all that can match a JSON string. The others are skipped, which costs
    /// a hundredth of parsing them. Each returns the first place at or after an offset.
    pub fn members_with<'a>(
        &'a self,
        finds: impl IntoIterator<Item = impl Fn(&[u8], usize) -> Option<usize> + 'a>,
    ) -> impl Iterator<Item = Result<Member<'a>>> + 'a {
        let backslash =
            |tar: &[u8], from: usize| memchr::memchr(b'\\', tar.get(from..)?).map(|at| from + at);
        let mut found: Vec<_> = finds.into_iter().map(NextPlace::of).collect();
        let mut escape = NextPlace::of(backslash);
        self.members_but(move |bytes: &Range<usize>| {
            let holds = |place: Option<usize>| place.is_some_and(|place| place < bytes.end);
            !found.iter_mut().any(|found| holds(found.at_or_after(&self.tar, bytes.start)))
                && !holds(escape.at_or_after(&self.tar, bytes.start))
                && self.tar.get(bytes.start) == Some(&b'{')
        })
    }

    /// Returns the members except those whose bytes `passed_over` matches, which are not checked.
    fn members_but<'a>(
        &'a self,
        mut passed_over: impl FnMut(&Range<usize>) -> bool + 'a,
    ) -> impl Iterator<Item = Result<Member<'a>>> + 'a {
        let mut at = 0;
        let mut before: Option<MemberOrder<'a>> = None;
        std::iter::from_fn(move || {
            while let Some((bytes, next)) = tar::extent(&self.tar, at)
                && passed_over(&bytes)
            {
                at = next;
            }
            if at >= self.tar.len() {
                return None;
            }
            let outcome = tar::parse(&self.tar, at).and_then(|parsed| {
                if self.date.is_some_and(|date| parsed.path.date() != date) {
                    return Err(format!("{} is not of the segment's day", parsed.path));
                }
                let order = parsed.path.member_order();
                if before.replace(order).is_some_and(|before| before >= order) {
                    return Err(format!("{} is out of order or twice", parsed.path));
                }
                Ok(parsed)
            });
            match outcome {
                Ok(parsed) => {
                    at = parsed.end;
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

/// Checks that a frame can have this size, before anything is allocated for it: a seek table may
/// claim any size.
pub(super) fn plausible(compressed: u64, decompressed: u64) -> Result<(), String> {
    if decompressed > MAX_FRAME_BYTES {
        return Err(format!("it claims to hold {decompressed} bytes, more than any frame"));
    }
    if compressed > zstd_safe::compress_bound(decompressed as usize) as u64 {
        return Err(format!("it claims to take {compressed} bytes to hold {decompressed}"));
    }
    Ok(())
}

/// Decompresses one frame that must be exactly `compressed` and give as many bytes as it states
/// itself: the seek table's figure may be damaged where the frame is not.
pub(super) fn decompress_stated(compressed: &[u8]) -> Result<Vec<u8>, String> {
    decompress(compressed, codec::stated_size(compressed, u64::MAX)?)
}

/// Reports whether `bytes` are consecutive zstd frames of this format, each with a matching
/// checksum.
#[cfg(feature = "remote")]
pub(crate) fn are_frames(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Ok(frame) = codec::first_frame(bytes) else { return false };
        match decompress_stated(frame) {
            Ok(tar) => codec::give_back(tar),
            Err(_) => return false,
        }
        bytes = &bytes[frame.len()..];
    }
    true
}

/// Decompresses one frame that must be exactly `compressed` and give exactly `decompressed` bytes
/// of tar.
pub(super) fn decompress(compressed: &[u8], decompressed: u64) -> Result<Vec<u8>, String> {
    plausible(compressed.len() as u64, decompressed)?;
    codec::unpack(compressed, decompressed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_may_be_as_large_as_the_largest_and_take_what_compression_may_add() {
        plausible(100, MAX_FRAME_BYTES).unwrap();
        assert!(plausible(100, MAX_FRAME_BYTES + 1).unwrap_err().contains("more than any frame"));
        let limit = zstd_safe::compress_bound(1000) as u64;
        plausible(limit, 1000).unwrap();
        assert!(plausible(limit + 1, 1000).unwrap_err().contains("to hold 1000"));
    }

    #[test]
    fn a_packed_frame_says_how_much_it_takes_unpacked() {
        let packed = |compressed: Vec<u8>| {
            let label = FrameLabel { path: "s".into(), number: 0 };
            PackedFrame { compressed, label, date: None }
        };
        let bytes = zstd::bulk::compress(&[0; 1536], 3).unwrap();
        assert_eq!(packed(bytes).tar_bytes(), 1536);
        assert_eq!(packed(b"no frame".to_vec()).tar_bytes(), 0);
    }

    #[test]
    fn the_memory_of_one_frame_serves_the_next() {
        let compressed = codec::packer(3).unwrap().compress(&[0; 1536]).unwrap();
        let label = FrameLabel { path: "s".into(), number: 0 };
        drop(Frame::new(Vec::with_capacity(100_000), label, None));
        assert_eq!(decompress_stated(&compressed).unwrap().capacity(), 100_000);
    }

    /// Returns the names of the members that contain a text.
    fn with(members: &[(&str, &[u8])], text: &str) -> Vec<String> {
        let mut tar = Vec::new();
        for (name, bytes) in members {
            let path = format!("2026-05-16/pi4/{name}.json");
            tar::append(&mut tar, PathRef::parse(&path).unwrap(), 0, bytes);
        }
        let label = FrameLabel { path: "s".into(), number: 0 };
        Frame::new(tar, label, None)
            .members_with([|tar: &[u8], from| places_of(text, tar, from)])
            .map(|member| member.unwrap().path.name().to_owned())
            .collect()
    }

    #[test]
    fn a_text_counts_from_a_members_first_byte_to_its_last_and_not_outside() {
        let full = format!("{{\"id\":\"{}\"}}", "x".repeat(512 - 9));
        assert_eq!(full.len(), 512);
        // The next member's name follows directly on the bytes of the one before.
        let members = [("a", full.as_bytes()), ("run", b"{}"), ("z", b"{\"id\":\"run")];
        assert_eq!(with(&members, "run"), ["z.json"]);
        assert_eq!(with(&members, "{"), ["a.json", "run.json", "z.json"]);
        assert_eq!(with(&members, "}"), ["a.json", "run.json"]);
        assert_eq!(with(&members, "\0"), [""; 0]);
    }
}

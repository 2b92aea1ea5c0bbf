//! One file: a day's events as a `.tar.zst` that is seekable and searchable.
//!
//! Bytes in, bytes out: this module knows nothing of policies, archives or live trees. The same
//! events give the same bytes, whatever the machine or the number of threads. Nothing that is
//! read is trusted: every length is checked before it is used, every tar header must be byte for
//! byte the one that the writer makes, and damage in one frame costs only the events inside it.
//! The format is described in `docs/format.md`.

mod bytes;
mod check;
mod codec;
mod facts;
mod frame;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod fuzzing;
mod hash;
mod index;
mod reader;
mod seek;
mod tar;
mod walk;
mod writer;

pub(crate) use bytes::{Away, Fetch, Piece, SegmentBytes};
pub use check::check;
pub(crate) use check::{check_showing, check_until};
pub(crate) use facts::ContentDigest;
#[cfg(feature = "remote")]
pub(crate) use frame::are_frames;
pub(crate) use frame::{Frame, PackedFrame};
pub use hash::Sha256Hash;
pub use index::Field;
pub(crate) use index::{Index, Posting, varint};
pub use reader::SegmentReader;
pub(crate) use reader::tail_offset;
pub(crate) use writer::SegmentSummary;
pub use writer::{SegmentOptions, SegmentWriter};

/// The largest frame that is written or read, in bytes of tar: the largest event with its
/// header, or the largest frame size of a policy.
const MAX_FRAME_BYTES: u64 = crate::event::MAX_EVENT_BYTES + (1 << 20);

/// The magic number of the skippable frame that holds the index.
const INDEX_MAGIC: u32 = 0x184D_2A57;

/// The number of zero bytes that end a tar.
const TRAILER_BYTES: usize = 1024;

#[cfg(test)]
mod tests;

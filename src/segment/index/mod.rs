//! The index: which frames can hold a match, and how many, without decompressing any.
//!
//! For each value of six fields it lists the frames that the value occurs in, with counts; for
//! each frame the number of events and the span of their timestamps; for the segment the totals
//! and the content digest. It is derived from the events alone and can be rebuilt from them; its
//! bytes follow from them, too.

mod decode;
mod encode;
#[cfg(test)]
mod tests;
pub(crate) mod varint;

pub(crate) use decode::Index;
pub(super) use encode::{FrameValues, IndexBuilder, Totals, count};

use crate::event::Timestamp;

/// "HLIX".
const MAGIC: [u8; 4] = *b"HLIX";

/// The version that is written.
const VERSION: u16 = 1;

/// The largest index that is read, in bytes.
const MAX_BYTES: u64 = 128 << 20;

/// The size of the header in bytes, before the frame table.
const HEADER_BYTES: usize = 176;

/// The size of an entry of the frame table, in bytes.
const FRAME_BYTES: usize = 24;

/// The number of values coded together.
const BLOCK_VALUES: usize = 16;

/// The length in bytes to which values are cut for the index; the frames that a cut value leads
/// to are then searched for the full one.
const MAX_VALUE_BYTES: usize = 1024;

/// An indexed field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The id that links related events.
    CorrelationId,
    /// The event's type.
    Type,
    /// The host, as given in the event.
    Node,
    /// The service.
    Service,
    /// The severity.
    Severity,
    /// The component that emitted the event.
    Source,
}

impl Field {
    /// All fields, in the order of the index.
    pub const ALL: [Self; 6] =
        [Self::CorrelationId, Self::Type, Self::Node, Self::Service, Self::Severity, Self::Source];

    /// Returns the field's name in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CorrelationId => "correlation_id",
            Self::Type => "type",
            Self::Node => "node",
            Self::Service => "service",
            Self::Severity => "severity",
            Self::Source => "source",
        }
    }
}

/// A frame that a value occurs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posting {
    /// The frame's number, from 0.
    pub frame: u32,
    /// The number of its events with the value.
    pub events: u32,
}

/// The totals of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameStats {
    /// The number of members, valid or not.
    pub events: u32,
    /// The number of members that are not valid events.
    pub invalid: u32,
    /// The earliest timestamp; `None` if there is no valid event.
    pub first: Option<Timestamp>,
    /// The latest timestamp.
    pub last: Option<Timestamp>,
}

/// Returns the indexed part of a value.
fn cut(value: &str) -> &str {
    &value[..value.floor_char_boundary(MAX_VALUE_BYTES)]
}

//! Events, their names and their parts.
//!
//! Everything here is pure: text and bytes in, values out; no file is opened and no clock is
//! read. Values are checked where they are made, so a [`NodeName`] or an [`EventPath`] can be
//! built into a path without a further check.

mod as_text;
mod body;
mod date;
mod kind;
mod leaves;
mod litter;
mod malformed;
mod name;
mod near;
mod node;
mod severity;
mod timestamp;

pub(crate) use as_text::serde_as_text;
pub use body::{Event, EventHead, InvalidEvent, write_with_location};
pub(crate) use body::{compact_into, each_member};
pub use date::Date;
pub use kind::EventType;
pub(crate) use kind::{AUDIT_TYPES, KNOWN_TYPES};
pub(crate) use leaves::{Leaf, each_leaf};
pub use litter::Litter;
pub(crate) use litter::{EntryRole, Pattern, SharedLitter};
pub use malformed::Malformed;
pub(crate) use name::MemberOrder;
pub use name::{EventName, EventPath, FileName, PathRef};
pub(crate) use near::{miss, near_miss};
pub use node::NodeName;
pub use severity::Severity;
pub use timestamp::Timestamp;

pub(crate) use crate::text::shown;

/// The largest event file that is read or written, in bytes. A larger file is never an event of
/// this format: it stays where it is and is reported.
pub(crate) const MAX_EVENT_BYTES: u64 = 64 << 20;

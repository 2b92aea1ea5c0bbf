//! An incoming event.

use crate::event::{EventPath, Timestamp};

/// An event from another history.
#[derive(Debug)]
pub(in crate::ops) struct Arrival {
    /// The path that it is filed under.
    pub(in crate::ops) path: EventPath,
    pub(in crate::ops) bytes: Vec<u8>,
    /// The modification time that its file gets; by default, the event's own.
    pub(in crate::ops) mtime: Option<Timestamp>,
}

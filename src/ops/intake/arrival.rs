//! An event on its way in.

use crate::event::{EventPath, Timestamp};

/// An event of elsewhere.
#[derive(Debug)]
pub(in crate::ops) struct Arrival {
    /// Where it is filed.
    pub(in crate::ops) path: EventPath,
    pub(in crate::ops) bytes: Vec<u8>,
    /// The modification time that its file gets; without one, the event's own.
    pub(in crate::ops) mtime: Option<Timestamp>,
}

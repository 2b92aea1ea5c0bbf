//! Many files: where segments lie, the lock, and the manifest that records what happened.
//!
//! Nothing in an archive is ever edited. Segments appear atomically under new names; the manifest
//! only grows. A writer holds the [`ArchiveLock`]; readers take no lock.

pub mod catalogue;
mod chain;
pub(crate) mod copies;
pub(crate) mod derived;
mod dir;
mod expired;
mod heads;
mod holds;
mod identity;
mod layout;
mod lock;
mod manifest;
mod name;
pub mod overview;
mod rebuild;
mod record;
mod removal;
pub(crate) mod runs;
mod space;
pub(crate) mod state;
mod stub;
mod temp;
mod text;
pub(crate) mod words;
mod writer;

#[cfg(test)]
mod tests;

pub use dir::ArchiveDir;
pub(crate) use dir::FoundSegment;
pub use expired::Expired;
pub(crate) use expired::Unfinished;
pub use heads::Head;
pub(crate) use holds::{Hold, HoldScope};
pub(crate) use identity::{ArchiveIdentity, origin_text};
pub use lock::ArchiveLock;
use lock::Noted;
pub use manifest::Manifest;
pub(crate) use manifest::Torn;
pub use name::{SegmentName, SegmentPlace};
pub(crate) use overview::{Overview, SegmentRow};
pub use rebuild::{Replaced, rebuild};
pub use record::{By, NewRecord, Op};
pub(crate) use record::{PlaceRecord, Record, TreeRecord};
pub(crate) use space::Space;
pub(crate) use stub::Stub;
pub(crate) use temp::TempSegment;
pub use writer::ManifestWriter;

pub(crate) use crate::fs::UnexpectedEntry;

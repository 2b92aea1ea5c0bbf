//! Many files: where segments lie, the lock, and the manifest that records what happened.
//!
//! Nothing in an archive is ever edited. Segments appear atomically under new names; the manifest
//! only grows. A writer holds the [`ArchiveLock`]; readers take no lock.

pub mod catalogue;
mod chain;
pub mod copies;
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
mod writer;

#[cfg(test)]
mod tests;

pub use dir::{ArchiveDir, FoundSegment};
pub use expired::Expired;
pub(crate) use expired::Unfinished;
pub use heads::Head;
pub use holds::{Hold, HoldScope};
pub use identity::{ArchiveIdentity, BoundTree, origin_text};
pub use lock::ArchiveLock;
pub use manifest::{Manifest, Torn};
pub use name::{SegmentName, SegmentPlace};
pub use overview::{Overview, SegmentRow};
pub use rebuild::{Replaced, rebuild};
pub use record::{By, NewRecord, Op, PlaceRecord, Record, TreeRecord};
pub use space::Space;
pub use stub::Stub;
pub use temp::TempSegment;
pub use writer::ManifestWriter;

pub use crate::fs::UnexpectedEntry;

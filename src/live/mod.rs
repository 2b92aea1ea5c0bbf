//! The live tree: events as plain files, `DATE/NODE/FILE.json`.
//!
//! The tree belongs to scripts of many users and is not trusted: it is walked by directory
//! handle, no symbolic link in it is followed, only regular files are read, and exactly what was
//! read is removed. A written file appears complete under its name or not at all, and is durable
//! when the call returns.

mod batch;
mod bulk;
mod create;
mod listing;
mod note;
mod partition;
mod staging;
mod tree;

pub(crate) use batch::{BatchItem, create_batch};
pub(crate) use bulk::BulkPlacer;
pub(crate) use create::{CreateOptions, Creation, create_event, sync_created};
pub(crate) use listing::Listing;
pub(crate) use note::{FoundNote, TreeIdentity, TreeNote};
pub(crate) use partition::{FileStamp, FileState, PartitionReader, Removal, StampDigest};
pub(crate) use tree::{LiveTree, NOTE};

pub(crate) use crate::fs::UnexpectedEntry;

#[cfg(test)]
mod tests;

//! A day's files: read many at once, and removed by as many threads as there are nodes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use crate::Result;
use crate::event::{EventHead, EventPath, InvalidEvent, NodeName};
use crate::live::{FileState, Listing, PartitionReader, Removal, StampDigest};
use crate::ops::{Finding, Findings};
use crate::policy::Policy;

/// Number of files that are read together, ahead of the writer.
pub(super) const BLOCK: usize = 512;

/// The largest file that is read ahead, in bytes. Larger ones are read one by one, so that memory
/// is bounded whatever lies in a day.
const MAX_AHEAD: u64 = 64 << 10;

/// Maximum number of bytes that are read ahead together. The rest is read one by one, too.
const MAX_BLOCK_BYTES: u64 = 8 << 20;

/// A file as it was read.
pub(super) struct ReadFile<'p> {
    pub(super) number: u32,
    pub(super) path: EventPath,
    pub(super) state: Result<FileState>,
    pub(super) bytes: Vec<u8>,
    /// The contents of its event; an error says why the file is not an event.
    pub(super) judged: Result<Judged<'p>, InvalidEvent>,
}

/// The facts about an event that rotation needs.
pub(super) struct Judged<'p> {
    /// The retention class that it belongs to, if any.
    pub(super) class: Option<&'p str>,
    /// The problem with the place where it was filed.
    pub(super) misfiled: Option<String>,
}

impl<'p> ReadFile<'p> {
    /// Reads a file that was too large to be read beside others.
    pub(super) fn read_alone(&mut self, partition: &PartitionReader<'_>, policy: &'p Policy) {
        let EventPath { node, name, .. } = &self.path;
        self.state = partition.read_into(node, name, &mut self.bytes);
        self.judged = judge(policy, &self.path, &self.bytes);
    }
}

fn judge<'p>(
    policy: &'p Policy,
    path: &EventPath,
    bytes: &[u8],
) -> Result<Judged<'p>, InvalidEvent> {
    let head = EventHead::parse(bytes)?;
    let class = policy.retain.class_of(&head).map(|class| class.name.as_str());
    Ok(Judged { class, misfiled: misfiled(path, &head) })
}

/// Returns the problem with the day that an event is filed under, if there is one.
pub(in crate::ops) fn misfiled(path: &EventPath, head: &EventHead<'_>) -> Option<String> {
    (head.timestamp.date() != path.date)
        .then(|| format!("its timestamp {} is not of this day", head.timestamp))
}

/// Reads the files with these numbers.
pub(super) fn read_block<'p>(
    listing: &Listing,
    partition: &PartitionReader<'_>,
    policy: &'p Policy,
    block: &[u32],
) -> Vec<ReadFile<'p>> {
    let left = AtomicU64::new(MAX_BLOCK_BYTES);
    block
        .par_iter()
        .map(|number| {
            let path = listing.path(*number as usize);
            let mut bytes = Vec::new();
            let limit = MAX_AHEAD.min(left.load(Ordering::Relaxed));
            let state = partition.read_up_to(&path.node, &path.name, &mut bytes, limit);
            // With several threads it may be slightly exceeded, by at most one file each.
            let read = bytes.len() as u64;
            let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(read))
            });
            let judged = judge(policy, &path, &bytes);
            ReadFile { number: *number, path, state, bytes, judged }
        })
        .collect()
}

/// The outcome of removing files.
#[derive(Default)]
pub(super) struct Removals {
    pub(super) removed: u64,
    /// Files that stay, and why.
    pub(super) left: Findings,
}

/// Removes exactly the files that were read.
pub(super) fn remove_files(
    listing: &Listing,
    partition: &PartitionReader<'_>,
    removable: &[(u32, StampDigest)],
) -> Removals {
    // A directory is changed by one thread at a time, so each node's files are for one.
    let mut by_node: BTreeMap<&NodeName, Vec<u32>> = BTreeMap::new();
    for (place, (number, _)) in removable.iter().enumerate() {
        by_node.entry(listing.node(*number as usize)).or_default().push(place as u32);
    }
    let of_node = |(_, places): (&NodeName, Vec<u32>)| {
        let files = places.iter().map(|place| &removable[*place as usize]);
        remove_of_node(listing, partition, files)
    };
    by_node.into_par_iter().map(of_node).reduce(Removals::default, |mut all, more| {
        all.removed += more.removed;
        all.left.extend(more.left);
        all
    })
}

fn remove_of_node<'a>(
    listing: &Listing,
    partition: &PartitionReader<'_>,
    files: impl Iterator<Item = &'a (u32, StampDigest)>,
) -> Removals {
    let mut done = Removals::default();
    for (number, stamp) in files {
        let path = listing.path(*number as usize);
        match partition.remove(&path.node, &path.name, stamp) {
            Ok(Removal::Removed) => done.removed += 1,
            Ok(Removal::Gone) => {}
            Ok(Removal::Changed) => done.left.add(Finding::new(
                path.to_string(),
                "it changed after it was archived; the changed file stays live",
            )),
            Err(error) => done.left.add(Finding::of(path.to_string(), &error)),
        }
    }
    done
}

/// Describes a file that cannot be archived.
pub(super) fn describe(state: &FileState) -> String {
    match state {
        FileState::NotRegular(kind) => format!("it is {kind}, not a file"),
        FileState::TooLarge(size) => format!("it has {size} bytes, more than any event"),
        FileState::Changed => "it changed while it was read".to_owned(),
        FileState::Gone => "it is gone".to_owned(),
        FileState::Read(_) => "it was read".to_owned(),
    }
}

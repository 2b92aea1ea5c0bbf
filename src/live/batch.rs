//! Creates many events at once: files are synced in parallel, each directory once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::LiveTree;
use super::create::{
    CreateOptions, Creation, create_event, link_one, node_directory, sync_directories,
};
use crate::event::{Date, EventPath, NodeName, Timestamp};
use crate::fs;
use crate::{Error, Result};

/// The number of files that wait for the disk at once. Waiting takes no processor: a disk that
/// commits many syncs together is kept busy by many more threads than there are processors.
const WAITING: usize = 16;

/// An event of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchItem<'a> {
    /// The event's identity.
    pub path: &'a EventPath,
    /// The event's bytes.
    pub bytes: &'a [u8],
    /// A fresh random number.
    pub token: u64,
}

/// The directory that an event goes into.
type Key<'a> = (Date, &'a NodeName);

fn key<'a>(item: &BatchItem<'a>) -> Key<'a> {
    (item.path.date, &item.path.node)
}

/// Writes events as [`create_event`] does, each independently of the others. The outcomes come in
/// the order of the items, when everything is durable.
pub(crate) fn create_batch(
    tree: &LiveTree,
    items: &[BatchItem<'_>],
    now: Timestamp,
) -> Vec<Result<Creation>> {
    let options = |item: &BatchItem<'_>| CreateOptions { token: item.token, now, mtime: None };
    let mut directories: HashMap<Key<'_>, OwnedFd> = HashMap::new();
    for item in items {
        // A failure here will recur, and is reported, for each item below.
        if let Entry::Vacant(vacant) = directories.entry(key(item))
            && let Ok(directory) = node_directory(tree, item.path)
        {
            vacant.insert(directory);
        }
    }
    let linked = side_by_side(items, &|item| match directories.get(&key(item)) {
        Some(directory) => {
            link_one(tree, directory, item.path, item.bytes, &options(item), &mut None)
        }
        None => create_event(tree, item.path, item.bytes, &options(item)),
    });
    let mut failed: HashMap<Key<'_>, Error> = HashMap::new();
    for (of, directory) in &directories {
        let first = items
            .iter()
            .zip(&linked)
            .find(|(item, outcome)| key(item) == *of && matches!(outcome, Ok(Creation::Created)));
        if let Some((item, _)) = first
            && let Err(error) = sync_directories(tree, directory, item.path, now)
        {
            failed.insert(*of, error);
        }
    }
    items
        .iter()
        .zip(linked)
        .map(|(item, outcome)| {
            match outcome {
                // The directory went away before the file had its name: retry this one alone.
                Err(error) if error.is_not_found() => {
                    create_event(tree, item.path, item.bytes, &options(item))
                }
                Ok(Creation::Created) => match failed.get(&key(item)) {
                    None => Ok(Creation::Created),
                    // A directory with our files in it is not removed: rotation has them already.
                    // Retry this one alone; it recognises what it has.
                    Some(error) if error.is_not_found() => {
                        create_event(tree, item.path, item.bytes, &options(item))
                    }
                    Some(error) => {
                        if let Some(directory) = directories.get(&key(item)) {
                            let _ = fs::unlink(directory.as_fd(), item.path.name.as_str());
                        }
                        Err(Error::io(
                            super::create::full(tree, item.path),
                            "sync",
                            std::io::Error::new(
                                error.io_kind().unwrap_or(ErrorKind::Other),
                                error.to_string(),
                            ),
                        ))
                    }
                },
                other => other,
            }
        })
        .collect()
}

/// Does the work for each item; the outcomes come in the order of the items.
fn side_by_side<'a>(
    items: &[BatchItem<'a>],
    work: &(dyn Fn(&BatchItem<'a>) -> Result<Creation> + Sync),
) -> Vec<Result<Creation>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        while let Some((number, item)) = {
            let number = next.fetch_add(1, Ordering::Relaxed);
            items.get(number).map(|item| (number, item))
        } {
            let outcome = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((number, outcome));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..WAITING.min(items.len()) {
            // If no more threads can be had, fewer will do.
            if std::thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

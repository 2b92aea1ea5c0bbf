//! Many events at once: files are synced side by side, each directory once.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use rayon::prelude::*;

use super::place::{PlaceOptions, Placed, link_one, node_directory, place, sync_directories};
use super::LiveTree;
use crate::event::{EventPath, Timestamp};
use crate::fs;
use crate::{Error, Result};

/// An event of a batch.
#[derive(Debug, Clone, Copy)]
pub struct BatchItem<'a> {
    /// Its identity.
    pub path: &'a EventPath,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// A fresh random number.
    pub token: u64,
}

/// Writes events as [`place`] does, each on its own: what happens to one does not concern
/// the others. The outcomes come in the order of the items, when all is on the disk.
pub fn place_batch(
    tree: &LiveTree,
    items: &[BatchItem<'_>],
    now: Timestamp,
) -> Vec<Result<Placed>> {
    let options = |item: &BatchItem<'_>| PlaceOptions { token: item.token, now, mtime: None };
    let mut directories: HashMap<(crate::event::Date, &str), OwnedFd> = HashMap::new();
    for item in items {
        let key = (item.path.date, item.path.node.as_str());
        if !directories.contains_key(&key) {
            // What goes wrong here goes wrong again, and is reported, for each item below.
            if let Ok(directory) = node_directory(tree, item.path) {
                directories.insert(key, directory);
            }
        }
    }
    let linked: Vec<Result<Placed>> = items
        .par_iter()
        .map(|item| match directories.get(&(item.path.date, item.path.node.as_str())) {
            Some(directory) => link_one(tree, directory, item.path, item.bytes, &options(item)),
            None => place(tree, item.path, item.bytes, &options(item)),
        })
        .collect();
    let mut failed: HashMap<(crate::event::Date, &str), String> = HashMap::new();
    for (key, directory) in &directories {
        let first = items.iter().zip(&linked).find(|(item, outcome)| {
            (item.path.date, item.path.node.as_str()) == *key
                && matches!(outcome, Ok(Placed::Created))
        });
        if let Some((item, _)) = first {
            if let Err(error) = sync_directories(tree, directory, item.path, now) {
                failed.insert(*key, error.to_string());
            }
        }
    }
    items
        .iter()
        .zip(linked)
        .map(|(item, outcome)| {
            let key = (item.path.date, item.path.node.as_str());
            match outcome {
                // The directory went away before the file had its name: once more, alone.
                Err(error) if error.is_not_found() => {
                    place(tree, item.path, item.bytes, &options(item))
                }
                Ok(Placed::Created) => match failed.get(&key) {
                    None => Ok(Placed::Created),
                    Some(reason) => {
                        if let Some(directory) = directories.get(&key) {
                            let _ = fs::unlink(directory.as_fd(), item.path.name.as_str());
                        }
                        Err(Error::io(
                            super::place::full(tree, item.path),
                            "sync",
                            std::io::Error::other(reason.clone()),
                        ))
                    }
                },
                other => other,
            }
        })
        .collect()
}

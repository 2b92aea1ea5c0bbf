//! Very many files at once: written aside, synced together, then named.
//!
//! For restoring. All files are written into a directory that no reader looks into, one
//! call brings all of them onto the disk, and only then each gets its name. A crash
//! leaves that directory behind; whoever comes next removes it, since its lock is free.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, FlockOperation};
use rustix::io::Errno;

use super::LiveTree;
use super::place::{Placed, full, node_directory, set_mtime, sync_directories, write_all};
use crate::event::{Date, EventPath, NodeName, Timestamp};
use crate::fs;
use crate::{Error, Result};

/// Places many files into one tree.
#[derive(Debug)]
pub struct BulkPlacer<'a> {
    tree: &'a LiveTree,
    staging_name: String,
    staging: OwnedFd,
    next: AtomicU64,
    now: Timestamp,
}

impl<'a> BulkPlacer<'a> {
    /// Begins. `token` must be fresh and random; `now` tells young directories from old.
    pub fn begin(tree: &'a LiveTree, token: u64, now: Timestamp) -> Result<Self> {
        remove_stale(tree);
        let staging_name = fs::temp_name(token);
        let path = tree.root().join(&staging_name);
        let failed = |errno: Errno| Error::io(&path, "create", errno);
        fs::make_dir(tree.fd(), &staging_name).map_err(failed)?;
        let staging = fs::open_dir(tree.fd(), &staging_name).map_err(failed)?;
        rustix::fs::flock(&staging, FlockOperation::NonBlockingLockExclusive).map_err(failed)?;
        Ok(Self { tree, staging_name, staging, next: AtomicU64::new(0), now })
    }

    /// The tree.
    pub fn tree(&self) -> &'a LiveTree {
        self.tree
    }

    /// Writes a file aside; gives the ticket to name it by. May be called from several
    /// threads.
    pub fn stage(&self, bytes: &[u8], mtime: Option<Timestamp>) -> Result<u64> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let failed = |action| move |errno: Errno| Error::io(self.tree.root(), action, errno);
        let file = fs::create_new(self.staging.as_fd(), &ticket.to_string(), 0o444)
            .map_err(failed("create a file in"))?;
        write_all(&file, bytes).map_err(failed("write a file in"))?;
        if let Some(mtime) = mtime {
            set_mtime(&file, mtime).map_err(failed("write a file in"))?;
        }
        Ok(ticket)
    }

    /// Brings what was staged onto the disk, and gives each file its name, unless that is
    /// taken. The outcomes come in the order of the items.
    pub fn commit(&mut self, items: &[(&EventPath, u64)]) -> Result<Vec<Result<Placed>>> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        rustix::fs::syncfs(&self.staging)
            .map_err(|errno| Error::io(self.tree.root(), "sync", errno))?;
        let mut directories: HashMap<(Date, &NodeName), (OwnedFd, &EventPath)> = HashMap::new();
        let mut outcomes = Vec::with_capacity(items.len());
        for (path, ticket) in items {
            let (directory, _) = match directories.entry((path.date, &path.node)) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(vacant) => vacant.insert((node_directory(self.tree, path)?, *path)),
            };
            outcomes.push(self.name(directory, path, *ticket));
        }
        for (directory, path) in directories.values() {
            sync_directories(self.tree, directory, path, self.now)?;
        }
        Ok(outcomes)
    }

    fn name(&self, directory: &OwnedFd, path: &EventPath, ticket: u64) -> Result<Placed> {
        let staged = ticket.to_string();
        let name = path.name.as_str();
        match fs::rename_new(self.staging.as_fd(), &staged, directory.as_fd(), name) {
            Ok(()) => Ok(Placed::Created),
            Err(errno) => {
                let _ = fs::unlink(self.staging.as_fd(), &staged);
                if errno == Errno::EXIST {
                    Ok(Placed::Exists)
                } else {
                    Err(Error::io(full(self.tree, path), "create", errno))
                }
            }
        }
    }
}

impl Drop for BulkPlacer<'_> {
    fn drop(&mut self) {
        remove_staging(self.tree, &self.staging_name, &self.staging);
    }
}

/// Removes what earlier runs left that were stopped: directories whose lock is free.
fn remove_stale(tree: &LiveTree) {
    let mut names = Vec::new();
    let _ = fs::read_dir(tree.fd(), &mut |name, file_type| {
        if let (Ok(text), FileType::Directory) = (name.to_str(), file_type)
            && text.starts_with(fs::TEMP_PREFIX)
        {
            names.push(text.to_owned());
        }
    });
    for name in names {
        let Ok(staging) = fs::open_dir(tree.fd(), &name) else { continue };
        if rustix::fs::flock(&staging, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove_staging(tree, &name, &staging);
        }
    }
}

/// Best effort: no reader looks into it, and the next run tries again.
fn remove_staging(tree: &LiveTree, name: &str, staging: &OwnedFd) {
    let mut files = Vec::new();
    let _ = fs::read_dir(staging.as_fd(), &mut |name, _| {
        files.extend(name.to_str().map(str::to_owned));
    });
    for file in files {
        let _ = fs::unlink(staging.as_fd(), &file);
    }
    let _ = rustix::fs::unlinkat(tree.fd(), name, AtFlags::REMOVEDIR);
}

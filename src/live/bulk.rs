//! Places very many files at once: written aside, synced together, then put in place.
//!
//! For restoring. All files are written below a directory that no reader looks into (`staging`),
//! laid out like the tree itself; one call syncs all of them; and only then does each node's
//! directory move into its place, by one rename if that place is free, otherwise file by file. A
//! crash leaves the directory behind; the next run removes it, since its lock is free. Nothing
//! that exists is ever replaced.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;

use super::LiveTree;
use super::create::{is_young, node_directory, set_mtime, sync_directories, sync_root, write_all};
use super::staging::{Staging, remove_stale};
use crate::event::{Date, EventPath, NodeName, Timestamp};
use crate::fs;
use crate::{Error, Result};

/// The number of times a directory may vanish before the operation gives up.
const TRIES: usize = 100;

/// Places many files into one tree.
#[derive(Debug)]
pub(crate) struct BulkPlacer<'a> {
    tree: &'a LiveTree,
    staging: Staging<'a>,
    nodes: Mutex<HashMap<(Date, NodeName), Arc<StagedNode>>>,
    now: Timestamp,
}

/// The staged directory of a node.
#[derive(Debug)]
struct StagedNode {
    day: OwnedFd,
    directory: OwnedFd,
    files: AtomicU64,
}

/// Totals of placing many files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BulkStats {
    /// The number of files that were created.
    pub created_files: u64,
    /// The number of files that existed already, with the same bytes.
    pub same_files: u64,
}

impl<'a> BulkPlacer<'a> {
    /// Begins a bulk. `token` must be fresh and random; `now` tells young directories from old
    /// ones.
    pub(crate) fn begin(tree: &'a LiveTree, token: u64, now: Timestamp) -> Result<Self> {
        remove_stale(tree);
        let staging = Staging::begin(tree, token)?;
        Ok(Self { tree, staging, nodes: Mutex::default(), now })
    }

    fn failed(&self, path: &EventPath, action: &'static str) -> impl Fn(Errno) -> Error + use<> {
        let path = self.tree.root().join(path.to_string());
        move |errno| Error::io(&path, action, errno)
    }

    /// Writes a file aside; returns false if one of its name was written aside already. May be
    /// called from several threads.
    pub(crate) fn stage(
        &self,
        path: &EventPath,
        bytes: &[u8],
        mtime: Option<Timestamp>,
    ) -> Result<bool> {
        let node = self.staged_node(path)?;
        let file = match fs::create_new(node.directory.as_fd(), path.name.as_str(), 0o444) {
            Ok(file) => file,
            Err(Errno::EXIST) => return Ok(false),
            Err(errno) => return Err(self.failed(path, "create")(errno)),
        };
        write_all(&file, bytes).map_err(self.failed(path, "write"))?;
        if let Some(mtime) = mtime {
            set_mtime(&file, mtime).map_err(self.failed(path, "write"))?;
        }
        node.files.fetch_add(1, Ordering::Relaxed);
        Ok(true)
    }

    fn staged_node(&self, path: &EventPath) -> Result<Arc<StagedNode>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (path.date, path.node.clone());
        if let Some(node) = nodes.get(&key) {
            return Ok(Arc::clone(node));
        }
        let make = || {
            let day_name = path.date.to_string();
            fs::make_dir(self.staging.fd(), &day_name)?;
            let day = fs::open_dir(self.staging.fd(), &day_name)?;
            fs::make_dir(day.as_fd(), path.node.as_str())?;
            let directory = fs::open_dir(day.as_fd(), path.node.as_str())?;
            Ok(StagedNode { day, directory, files: AtomicU64::new(0) })
        };
        let node = Arc::new(make().map_err(self.failed(path, "create"))?);
        nodes.insert(key, Arc::clone(&node));
        Ok(node)
    }

    /// Syncs the staged files and puts them in place. `in_the_way` is called for each file whose
    /// name is taken by something else, which stays as it is.
    pub(crate) fn finish(self, in_the_way: &mut dyn FnMut(&EventPath)) -> Result<BulkStats> {
        let mut stats = BulkStats::default();
        let nodes = std::mem::take(&mut *self.nodes.lock().unwrap_or_else(PoisonError::into_inner));
        if nodes.is_empty() {
            return Ok(stats);
        }
        rustix::fs::syncfs(self.staging.fd())
            .map_err(|errno| Error::io(self.tree.root(), "sync", errno))?;
        for ((date, node), staged) in nodes {
            if self.move_directory(date, &node, &staged)? {
                stats.created_files += staged.files.load(Ordering::Relaxed);
            } else {
                self.move_files(date, &node, &staged, &mut stats, in_the_way)?;
            }
        }
        Ok(stats)
    }

    /// Moves a whole directory if its place is free; returns whether it did.
    fn move_directory(&self, date: Date, node: &NodeName, staged: &StagedNode) -> Result<bool> {
        let day_name = date.to_string();
        let day_path = self.tree.root().join(&day_name);
        let failed = |action| {
            let path = day_path.join(node.as_str());
            move |errno: Errno| Error::io(path, action, errno)
        };
        let name = node.as_str();
        for _ in 0..TRIES {
            fs::make_dir(self.tree.fd(), &day_name).map_err(failed("create"))?;
            let day = match fs::open_dir(self.tree.fd(), &day_name) {
                Ok(day) => day,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(failed("create")(errno)),
            };
            match fs::rename_new(staged.day.as_fd(), name, day.as_fd(), name) {
                Ok(()) => {
                    for directory in [&day, &staged.day] {
                        rustix::fs::fsync(directory).map_err(failed("sync"))?;
                    }
                    if is_young(day.as_fd(), self.now) {
                        sync_root(self.tree, self.now).map_err(failed("sync"))?;
                    }
                    return Ok(true);
                }
                // Rotation removed the empty day: it is created again.
                Err(Errno::NOENT) => {}
                // Something is there, or this file system cannot do it in one step.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::PERM | Errno::NOTDIR) => {
                    return Ok(false);
                }
                Err(errno) => return Err(failed("create")(errno)),
            }
        }
        Ok(false)
    }

    fn move_files(
        &self,
        date: Date,
        node: &NodeName,
        staged: &StagedNode,
        stats: &mut BulkStats,
        in_the_way: &mut dyn FnMut(&EventPath),
    ) -> Result<()> {
        let mut names = Vec::new();
        fs::read_dir(staged.directory.as_fd(), &mut |name, _| {
            names.extend(name.to_str().ok().and_then(|name| name.parse().ok()));
        })
        .map_err(|errno| Error::io(self.tree.root().join(self.staging.name()), "read", errno))?;
        let mut last = None;
        for name in names {
            let path = EventPath { date, node: node.clone(), name };
            let directory = node_directory(self.tree, &path)?;
            let name = path.name.as_str();
            match fs::rename_new(staged.directory.as_fd(), name, directory.as_fd(), name) {
                Ok(()) => stats.created_files += 1,
                Err(Errno::EXIST) => {
                    let same = same_bytes(staged.directory.as_fd(), directory.as_fd(), name);
                    if same.unwrap_or(false) {
                        stats.same_files += 1;
                    } else {
                        in_the_way(&path);
                        continue;
                    }
                }
                Err(errno) => return Err(self.failed(&path, "create")(errno)),
            }
            // Even if all existed: an interrupted run may have put them there, and nobody has
            // synced their names since.
            last = Some((directory, path));
        }
        match last {
            Some((directory, path)) => sync_directories(self.tree, &directory, &path, self.now),
            None => Ok(()),
        }
    }
}

impl LiveTree {
    /// Removes what earlier runs left that were interrupted while placing files.
    pub fn remove_leftovers(&self) {
        remove_stale(self);
    }

    /// Syncs the name of an existing file: the process that created it may have been interrupted
    /// before it could. `now` tells young directories from old ones.
    pub fn sync_name(&self, path: &EventPath, now: Timestamp) -> Result<()> {
        let opened = fs::open_dir(self.fd(), &path.date.to_string())
            .and_then(|day| fs::open_dir(day.as_fd(), path.node.as_str()));
        let synced = match opened {
            Ok(directory) => sync_directories(self, &directory, path, now),
            Err(errno) => Err(Error::io(self.root().join(path.to_string()), "sync", errno)),
        };
        match synced {
            // Rotation took it meanwhile, and has it.
            Err(error) if error.is_not_found() => Ok(()),
            synced => synced,
        }
    }
}

/// Reports whether two regular files of one name have the same bytes.
fn same_bytes(a: BorrowedFd<'_>, b: BorrowedFd<'_>, name: &str) -> std::io::Result<bool> {
    let (mut a, mut b) = (fs::open_regular(a, name)?, fs::open_regular(b, name)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    a.read_to_end(&mut of_a)?;
    // A file that grows meanwhile is a different one.
    b.by_ref().take(of_a.len() as u64 + 1).read_to_end(&mut of_b)?;
    Ok(of_a == of_b)
}

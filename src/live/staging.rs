//! Staging: a directory in the tree's root, where files wait until they are put in place, and
//! that only its user can enter.
//!
//! The root may be writable by many, and whoever can write there can rename anything in it, even
//! a day full of events to a staging name. So a name proves nothing: a directory is removed only
//! if it belongs to this user, is closed to all others, and has everything below one directory
//! whose name no day and no node can have. It is removed by handle, never by path.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode};
use rustix::io::Errno;

use super::LiveTree;
use super::create::is_removed;
use crate::fs;
use crate::{Error, Result};

/// The directory that holds all staged files. It begins with a dot, as no node's name does.
const INNER: &str = ".hlarchive-staged";

/// The number of times a directory may vanish before the operation gives up.
const TRIES: u64 = 100;

/// A directory of this run, laid out like the tree itself. It is removed on drop.
#[derive(Debug)]
pub(super) struct Staging<'a> {
    tree: &'a LiveTree,
    name: String,
    outer: OwnedFd,
    inner: OwnedFd,
}

impl<'a> Staging<'a> {
    /// Creates a staging directory. `token` must be fresh and random.
    pub(super) fn begin(tree: &'a LiveTree, token: u64) -> Result<Self> {
        let failed =
            |errno: Errno| Error::io(tree.root().join(fs::temp_name(token)), "create", errno);
        let mut last = Errno::BUSY;
        for number in 0..TRIES {
            let name = fs::temp_name(token.wrapping_add(number));
            // What exists already is not ours, whoever made it.
            match rustix::fs::mkdirat(tree.fd(), &name, Mode::from_raw_mode(0o700)) {
                Err(Errno::EXIST) => continue,
                made => made.map_err(failed)?,
            }
            let outer = match fs::open_dir(tree.fd(), &name) {
                Ok(outer) => outer,
                Err(errno) => {
                    // Ours is removed again, if it is still there.
                    let _ = rustix::fs::unlinkat(tree.fd(), &name, AtFlags::REMOVEDIR);
                    last = errno;
                    match errno {
                        // Somebody took it away, or put something else in its place.
                        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS => continue,
                        errno => return Err(failed(errno)),
                    }
                }
            };
            match rustix::fs::flock(&outer, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if !is_removed(&outer) => {}
                // Before it was locked, another run took it for a leftover.
                Ok(()) | Err(Errno::WOULDBLOCK) => continue,
                Err(errno) => return Err(failed(errno)),
            }
            match fs::make_dir(outer.as_fd(), INNER) {
                Ok(true) => {}
                Ok(false) | Err(Errno::ACCESS | Errno::NOENT) => continue,
                Err(errno) => return Err(failed(errno)),
            }
            let inner = fs::open_dir(outer.as_fd(), INNER).map_err(failed)?;
            if owner(outer.as_fd()) != owner(inner.as_fd()) {
                continue;
            }
            return Ok(Self { tree, name, outer, inner });
        }
        Err(failed(last))
    }

    /// Returns the directory that is laid out like the tree.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }

    /// Returns its name in the root.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        remove(self.tree, &self.name, &self.outer);
    }
}

/// Removes what interrupted runs of this user left: directories whose lock is free. A directory
/// that merely has such a name stays.
pub(super) fn remove_stale(tree: &LiveTree) {
    let mut names = Vec::new();
    let _ = fs::read_dir(tree.fd(), &mut |name, file_type| {
        if let (Ok(text), FileType::Directory) = (name.to_str(), file_type)
            && fs::is_temp_name(text)
        {
            names.push(text.to_owned());
        }
    });
    for name in names {
        let Ok(outer) = fs::open_dir(tree.fd(), &name) else { continue };
        if is_ours(outer.as_fd())
            && rustix::fs::flock(&outer, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            remove(tree, &name, &outer);
        }
    }
}

/// Removes a staging directory, as far as it is ours. Best effort: no reader looks into it, and
/// the next run retries. A file is removed only where nobody else can have put it; where the file
/// system has no owners, only empty directories are removed.
fn remove(tree: &LiveTree, name: &str, outer: &OwnedFd) {
    let with_files = is_ours(outer.as_fd());
    if let Ok(inner) = fs::open_dir(outer.as_fd(), INNER) {
        clear(inner.as_fd(), 2, with_files);
        drop(inner);
        let _ = rustix::fs::unlinkat(outer, INNER, AtFlags::REMOVEDIR);
    }
    // Whatever has the name by now: it is removed only if it is empty.
    let _ = rustix::fs::unlinkat(tree.fd(), name, AtFlags::REMOVEDIR);
}

/// Empties a directory, entering directories at most `depth` levels down.
fn clear(directory: BorrowedFd<'_>, depth: usize, with_files: bool) {
    let mut entries = Vec::new();
    let _ = fs::read_dir(directory, &mut |name, file_type| {
        entries.extend(name.to_str().map(|name| (name.to_owned(), file_type)));
    });
    for (name, file_type) in entries {
        if file_type == FileType::Directory {
            if let (Ok(below), true) = (fs::open_dir(directory, &name), depth > 0) {
                clear(below.as_fd(), depth - 1, with_files);
            }
            let _ = rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR);
        } else if with_files {
            let _ = fs::unlink(directory, &name);
        }
    }
}

fn owner(directory: BorrowedFd<'_>) -> Option<u32> {
    rustix::fs::fstat(directory).ok().map(|stat| stat.st_uid)
}

/// Reports whether a directory belongs to this user, and is closed to everybody else.
fn is_ours(directory: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(directory).is_ok_and(|stat| fs::is_own(&stat))
}

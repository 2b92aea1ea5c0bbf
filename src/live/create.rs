//! Creates one event durably: unnamed file, sync, name, sync of the directory.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, StatxFlags, Timespec, Timestamps,
};
use rustix::io::Errno;

use super::LiveTree;
use crate::event::{EventPath, Timestamp};
use crate::fs;
use crate::{Error, Result};

/// The number of times a directory may vanish before the operation gives up.
const TRIES: usize = 1000;

/// The age in microseconds below which a directory may not have been synced into its parent yet
/// by its creator.
const YOUNG_MICROS: i64 = 600 * Timestamp::MICROS_PER_SECOND;

/// The mode of an event file, before the umask.
const MODE: u32 = 0o444;

/// The options for creating an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CreateOptions {
    /// A fresh random number, for a temporary name if one is needed.
    pub token: u64,
    /// The current time, which tells young directories from old ones.
    pub now: Timestamp,
    /// The modification time of the file; the current time if `None`.
    pub mtime: Option<Timestamp>,
}

/// The outcome of creating an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Creation {
    /// It was created and is durable.
    Created,
    /// Something with its name existed; nothing was changed.
    AlreadyExists,
}

/// Writes one event. When this returns, it is on the disk, complete and under its name; after an
/// error it is not there. Rotation may remove the directory at any moment; it is then created
/// again.
pub(crate) fn create_event(
    tree: &LiveTree,
    path: &EventPath,
    bytes: &[u8],
    options: &CreateOptions,
) -> Result<Creation> {
    let mut unnamed = None;
    for _ in 0..TRIES {
        let placed = node_directory(tree, path).and_then(|directory| {
            let placed = link_one(tree, &directory, path, bytes, options, &mut unnamed)?;
            if placed == Creation::Created {
                sync_directories(tree, &directory, path, options.now).inspect_err(|_| {
                    // Not known to be on the disk, so it must not look as if it were.
                    let _ = fs::unlink(directory.as_fd(), path.name.as_str());
                })?;
            }
            Ok(placed)
        });
        match placed {
            // On a busy machine the process that removed the directory may still be at it.
            Err(error) if error.is_not_found() => std::thread::yield_now(),
            outcome => return outcome,
        }
    }
    Err(Error::io(full(tree, path), "create", Errno::NOENT))
}

pub(super) fn full(tree: &LiveTree, path: &EventPath) -> PathBuf {
    tree.root().join(path.to_string())
}

/// Opens the directory of an event's node, creating it and its parent if missing.
pub(super) fn node_directory(tree: &LiveTree, path: &EventPath) -> Result<OwnedFd> {
    let day = path.date.to_string();
    let below = format!("{day}/{}", path.node);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(tree.fd(), &below, flags, Mode::empty(), resolve) {
        Ok(directory) => return Ok(directory),
        // Old kernels and sandboxes lack the call; then it is done step by step.
        Err(Errno::NOENT | Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
        Err(errno) => return Err(in_the_way(tree, path, errno)),
    }
    let failed = |name: &str, action| {
        let path = tree.root().join(name);
        move |errno: Errno| Error::io(path, action, errno)
    };
    fs::make_dir(tree.fd(), &day).map_err(failed(&day, "create"))?;
    let day_directory =
        fs::open_dir(tree.fd(), &day).map_err(|errno| in_the_way(tree, path, errno))?;
    fs::make_dir(day_directory.as_fd(), path.node.as_str()).map_err(failed(&below, "create"))?;
    fs::open_dir(day_directory.as_fd(), path.node.as_str())
        .map_err(|errno| in_the_way(tree, path, errno))
}

/// Returns the error about a day's directory; for something else in its place, it names the
/// owner.
fn in_the_way(tree: &LiveTree, path: &EventPath, errno: Errno) -> Error {
    let day = path.date.to_string();
    let below = format!("{day}/{}", path.node);
    for name in [&day, &below] {
        let Ok(stat) = rustix::fs::statat(tree.fd(), name, AtFlags::SYMLINK_NOFOLLOW) else {
            break;
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::Directory | FileType::Symlink) {
            let owner = fs::user_name(stat.st_uid).unwrap_or_else(|| stat.st_uid.to_string());
            let reason = format!(
                "{} of the user {owner} is in the place of this directory; it must be moved away \
                 before events can be kept here",
                fs::kind(kind)
            );
            let error = std::io::Error::new(std::io::Error::from(errno).kind(), reason);
            return Error::io(tree.root().join(name), "open", error);
        }
    }
    Error::io(tree.root().join(below), "open", errno)
}

/// Makes a file that another run created durable under its name.
pub(crate) fn sync_created(tree: &LiveTree, path: &EventPath, now: Timestamp) -> Result<()> {
    sync_directories(tree, &node_directory(tree, path)?, path, now)
}

/// Writes and syncs the file, then gives it its name. The directory is not synced yet. If the
/// directory went away, the synced file stays in `unnamed`: only its naming is retried, so that
/// rotation cannot outrun an emitter.
pub(super) fn link_one(
    tree: &LiveTree,
    directory: &OwnedFd,
    path: &EventPath,
    bytes: &[u8],
    options: &CreateOptions,
    unnamed: &mut Option<OwnedFd>,
) -> Result<Creation> {
    let failed = |action| move |errno: Errno| Error::io(full(tree, path), action, errno);
    if unnamed.is_none() {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match rustix::fs::openat(directory, ".", flags, Mode::from_raw_mode(MODE)) {
            Ok(file) => {
                fill(&file, bytes, options).map_err(failed("write"))?;
                *unnamed = Some(file);
            }
            // ext4 answers EPERM for a directory that was removed.
            Err(Errno::PERM | Errno::NOENT) if is_removed(directory) => {
                return Err(failed("create")(Errno::NOENT));
            }
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
            Err(errno) => return Err(failed("create")(errno)),
        }
    }
    if let Some(file) = &*unnamed {
        let from = format!("/proc/self/fd/{}", file.as_raw_fd());
        let name = path.name.as_str();
        match rustix::fs::linkat(CWD, &from, directory, name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => return Ok(Creation::Created),
            Err(Errno::EXIST) => return Ok(Creation::AlreadyExists),
            // Either the directory is gone, or /proc is missing.
            Err(Errno::NOENT) if is_removed(directory) => {
                return Err(failed("create")(Errno::NOENT));
            }
            // A file system without hard links returns EPERM.
            Err(Errno::NOENT | Errno::OPNOTSUPP | Errno::XDEV | Errno::PERM) => {}
            Err(errno) => return Err(failed("create")(errno)),
        }
    }
    link_by_temporary_name(tree, directory, path, bytes, options)
}

fn link_by_temporary_name(
    tree: &LiveTree,
    directory: &OwnedFd,
    path: &EventPath,
    bytes: &[u8],
    options: &CreateOptions,
) -> Result<Creation> {
    let failed = |action| move |errno: Errno| Error::io(full(tree, path), action, errno);
    let temp = fs::temp_name(options.token);
    let file = fs::create_new(directory.as_fd(), &temp, MODE).map_err(failed("create"))?;
    let named = fill(&file, bytes, options).map_err(failed("write")).and_then(|()| {
        let target = path.name.as_str();
        match fs::rename_new(directory.as_fd(), &temp, directory.as_fd(), target) {
            Ok(()) => Ok(Creation::Created),
            Err(Errno::EXIST) => Ok(Creation::AlreadyExists),
            Err(errno) => Err(failed("create")(errno)),
        }
    });
    if !matches!(named, Ok(Creation::Created)) {
        // Best effort: readers do not see temporary files.
        let _ = fs::unlink(directory.as_fd(), &temp);
    }
    named
}

pub(super) fn is_removed(directory: &OwnedFd) -> bool {
    rustix::fs::fstat(directory).is_ok_and(|stat| stat.st_nlink == 0)
}

/// Writes everything, sets the times, syncs.
fn fill(file: &OwnedFd, bytes: &[u8], options: &CreateOptions) -> Result<(), Errno> {
    write_all(file, bytes)?;
    if let Some(mtime) = options.mtime {
        set_mtime(file, mtime)?;
    }
    rustix::fs::fsync(file)
}

pub(super) fn write_all(file: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(file, rest) {
            Ok(0) => return Err(Errno::IO),
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

pub(super) fn set_mtime(file: &OwnedFd, mtime: Timestamp) -> Result<(), Errno> {
    let micros = mtime.micros();
    let time = Timespec {
        tv_sec: micros.div_euclid(1_000_000),
        tv_nsec: micros.rem_euclid(1_000_000) * 1000,
    };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::futimens(file, &times)
}

/// Syncs the directory of a new file, and those above it as long as they are so young that their
/// creators may not have done so yet.
pub(super) fn sync_directories(
    tree: &LiveTree,
    directory: &OwnedFd,
    path: &EventPath,
    now: Timestamp,
) -> Result<()> {
    let day = path.date.to_string();
    let failed = |below: String| {
        let path = tree.root().join(below);
        move |errno: Errno| Error::io(path, "sync", errno)
    };
    rustix::fs::fsync(directory).map_err(failed(format!("{day}/{}", path.node)))?;
    if !is_young(directory.as_fd(), now) {
        return Ok(());
    }
    // If it is gone by now, rotation removed it, which the caller finds out by itself: a
    // directory with our file in it is not removed.
    let day_directory = fs::open_dir(tree.fd(), &day).map_err(failed(day.clone()))?;
    rustix::fs::fsync(&day_directory).map_err(failed(day))?;
    if is_young(day_directory.as_fd(), now) {
        sync_root(tree, now).map_err(failed(String::new()))?;
    }
    Ok(())
}

/// Syncs the root, and the directories above it as long as they are young: their creators may
/// have been interrupted before they could.
pub(super) fn sync_root(tree: &LiveTree, now: Timestamp) -> Result<(), Errno> {
    rustix::fs::fsync(tree.fd())?;
    fs::sync_above(tree.fd(), &|directory| is_young(directory, now))
}

/// Reports whether a directory was created recently, or in what looks like the future. If the
/// file system does not record this, it may have been.
pub(super) fn is_young(directory: BorrowedFd<'_>, now: Timestamp) -> bool {
    let flags = AtFlags::EMPTY_PATH;
    match rustix::fs::statx(directory, "", flags, StatxFlags::BTIME) {
        Ok(stat) if stat.stx_mask & StatxFlags::BTIME.bits() != 0 => {
            let born = stat.stx_btime.tv_sec.saturating_mul(1_000_000);
            born > now.micros() - YOUNG_MICROS
        }
        _ => true,
    }
}

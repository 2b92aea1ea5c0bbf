//! From a stopped thread's registers to a call that counts, or to nothing.

use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::call::{Call, Change};
use super::process;
use super::registers::RawCall;

/// What a call is, if it is one that counts: one that works below `root`, or that answers
/// on standard output. `None` for all others.
pub(super) fn decode(tid: Pid, raw: &RawCall, root: &Path) -> Option<Call> {
    let a = &raw.arguments;
    let path =
        |directory: usize, address: usize| process::path(tid, raw.int(directory), a[address]);
    let here = |address: usize| process::path(tid, -100, a[address]);
    let inside = |path: &Path| path.starts_with(root);
    let call = |name, path: PathBuf, change| {
        Some(Call { number: 0, name, path, change, result: None, made: None, amount: None })
    };
    let with_path = |name, path: PathBuf, change: fn(PathBuf) -> Change| {
        if inside(&path) { call(name, path.clone(), change(path)) } else { None }
    };
    let with_fd = |name, change: fn(u64, u64) -> Change, argument: u64| {
        let path = process::descriptor(tid, raw.int(0));
        if !inside(&path) {
            return None;
        }
        call(name, path, change(process::inode(tid, raw.int(0))?, argument))
    };
    match raw.number {
        libc::SYS_open => open("open", here(0), a[1], root),
        libc::SYS_openat => open("openat", path(0, 1), a[2], root),
        libc::SYS_openat2 => {
            let flags = process::memory(tid, a[2], 8).try_into().map_or(0, u64::from_ne_bytes);
            open("openat2", path(0, 1), flags, root)
        }
        libc::SYS_creat => open("creat", here(0), (libc::O_CREAT | libc::O_TRUNC) as u64, root),
        libc::SYS_write => write("write", tid, raw, None, root),
        libc::SYS_pwrite64 => write("pwrite64", tid, raw, Some(a[3]), root),
        libc::SYS_writev => write_vector("writev", tid, raw, None, root),
        libc::SYS_pwritev | libc::SYS_pwritev2 => {
            write_vector("pwritev", tid, raw, Some(a[3]), root)
        }
        libc::SYS_copy_file_range | libc::SYS_sendfile | libc::SYS_splice => {
            // Their bytes never pass through the process; the program does not use them.
            let fd = if raw.number == libc::SYS_sendfile { 0 } else { 2 };
            let path = process::descriptor(tid, raw.int(fd));
            let inode = process::inode(tid, raw.int(fd))?;
            let change = Change::Write { inode, offset: None, data: Vec::new() };
            if inside(&path) { call("copy", path, change) } else { None }
        }
        libc::SYS_fsync => with_fd("fsync", |inode, _| Change::Sync { inode }, 0),
        libc::SYS_fdatasync => with_fd("fdatasync", |inode, _| Change::Sync { inode }, 0),
        libc::SYS_syncfs => with_fd("syncfs", |_, _| Change::SyncAll, 0),
        libc::SYS_sync => call("sync", root.to_owned(), Change::SyncAll),
        libc::SYS_ftruncate => {
            with_fd("ftruncate", |inode, length| Change::Resize { inode, length }, a[1])
        }
        libc::SYS_fallocate => with_fd("fallocate", |_, _| Change::Attributes, 0),
        libc::SYS_fchmod => with_fd("fchmod", |_, _| Change::Attributes, 0),
        libc::SYS_utimensat if a[1] == 0 => with_fd("utimensat", |_, _| Change::Attributes, 0),
        libc::SYS_utimensat => with_path("utimensat", path(0, 1), |_| Change::Attributes),
        libc::SYS_chmod => with_path("chmod", here(0), |_| Change::Attributes),
        libc::SYS_fchmodat => with_path("fchmodat", path(0, 1), |_| Change::Attributes),
        libc::SYS_mkdir => with_path("mkdir", here(0), |path| Change::MakeDir { path }),
        libc::SYS_mkdirat => with_path("mkdirat", path(0, 1), |path| Change::MakeDir { path }),
        libc::SYS_rmdir => with_path("rmdir", here(0), |path| Change::RemoveDir { path }),
        libc::SYS_unlink => with_path("unlink", here(0), |path| Change::Unlink { path }),
        libc::SYS_unlinkat if a[2] as i32 & libc::AT_REMOVEDIR != 0 => {
            with_path("unlinkat", path(0, 1), |path| Change::RemoveDir { path })
        }
        libc::SYS_unlinkat => with_path("unlinkat", path(0, 1), |path| Change::Unlink { path }),
        libc::SYS_rename => renamed("rename", here(0), here(1), root),
        libc::SYS_renameat => renamed("renameat", path(0, 1), path(2, 3), root),
        libc::SYS_renameat2 => renamed("renameat2", path(0, 1), path(2, 3), root),
        libc::SYS_link => linked("link", here(0), here(1), root),
        libc::SYS_linkat => linked("linkat", path(0, 1), path(2, 3), root),
        libc::SYS_mmap if a[2] as i32 & libc::PROT_WRITE != 0 => unseen_map(tid, raw, root),
        libc::SYS_io_uring_setup => call("io_uring_setup", root.to_owned(), UNSEEN),
        _ => look(tid, raw, root),
    }
}

/// Writes that never pass by here: the model gives up at the sight of one.
const UNSEEN: Change = Change::Write { inode: 0, offset: None, data: Vec::new() };

fn unseen_map(tid: Pid, raw: &RawCall, root: &Path) -> Option<Call> {
    let path = process::descriptor(tid, raw.int(4));
    let is_shared = raw.int(3) & libc::MAP_SHARED != 0 && path.starts_with(root);
    is_shared.then_some(Call {
        number: 0,
        name: "mmap",
        path,
        change: UNSEEN,
        result: None,
        made: None,
        amount: None,
    })
}

fn open(name: &'static str, path: PathBuf, flags: u64, root: &Path) -> Option<Call> {
    if !path.starts_with(root) {
        return None;
    }
    let has = |flag: i32| flags as i32 & flag == flag;
    let there = path.symlink_metadata().ok();
    let change = if has(libc::O_TMPFILE) {
        Change::Unnamed
    } else if has(libc::O_CREAT) && there.is_none() {
        Change::Create { path: path.clone(), truncates: false }
    } else if has(libc::O_TRUNC) && there.is_some_and(|file| file.len() > 0) {
        Change::Create { path: path.clone(), truncates: true }
    } else {
        Change::Look
    };
    Some(Call { number: 0, name, path, change, result: None, made: None, amount: None })
}

/// A write; what is written to standard output is an answer.
fn write(
    name: &'static str,
    tid: Pid,
    raw: &RawCall,
    offset: Option<u64>,
    root: &Path,
) -> Option<Call> {
    let data = process::memory(tid, raw.arguments[1], raw.arguments[2] as usize);
    written(name, tid, raw.int(0), data, offset, root, Some((2, raw.arguments[2])))
}

fn write_vector(
    name: &'static str,
    tid: Pid,
    raw: &RawCall,
    offset: Option<u64>,
    root: &Path,
) -> Option<Call> {
    let vector = process::memory(tid, raw.arguments[1], raw.arguments[2] as usize * 16);
    let mut data = Vec::new();
    for part in vector.chunks_exact(16) {
        let number = |at: usize| part[at..at + 8].try_into().map_or(0, u64::from_ne_bytes);
        data.extend(process::memory(tid, number(0), number(8) as usize));
    }
    written(name, tid, raw.int(0), data, offset, root, None)
}

fn written(
    name: &'static str,
    tid: Pid,
    fd: i32,
    data: Vec<u8>,
    offset: Option<u64>,
    root: &Path,
    amount: Option<(usize, u64)>,
) -> Option<Call> {
    let path = process::descriptor(tid, fd);
    let change = if path.starts_with(root) {
        let offset = offset.or_else(|| process::position(tid, fd));
        Change::Write { inode: process::inode(tid, fd)?, offset, data }
    } else if fd == 1 {
        Change::Answer { data }
    } else {
        return None;
    };
    Some(Call { number: 0, name, path, change, result: None, made: None, amount })
}

fn renamed(name: &'static str, from: PathBuf, to: PathBuf, root: &Path) -> Option<Call> {
    if !from.starts_with(root) && !to.starts_with(root) {
        return None;
    }
    let change = Change::Rename { from: from.clone(), to };
    Some(Call { number: 0, name, path: from, change, result: None, made: None, amount: None })
}

fn linked(name: &'static str, from: PathBuf, to: PathBuf, root: &Path) -> Option<Call> {
    use std::os::unix::fs::MetadataExt;
    if !to.starts_with(root) {
        return None;
    }
    // An unnamed file is reached through /proc, which leads to the file itself.
    let unnamed = from.starts_with("/proc");
    let found = if unnamed { from.metadata() } else { from.symlink_metadata() };
    let change = match found {
        Ok(found) => Change::Link { inode: found.ino(), to },
        // It will fail.
        Err(_) => Change::Look,
    };
    Some(Call { number: 0, name, path: from, change, result: None, made: None, amount: None })
}

fn look(tid: Pid, raw: &RawCall, root: &Path) -> Option<Call> {
    let a = &raw.arguments;
    let (name, path) = match raw.number {
        libc::SYS_read => ("read", process::descriptor(tid, raw.int(0))),
        libc::SYS_pread64 => ("pread64", process::descriptor(tid, raw.int(0))),
        libc::SYS_getdents64 => ("getdents64", process::descriptor(tid, raw.int(0))),
        libc::SYS_fstat => ("fstat", process::descriptor(tid, raw.int(0))),
        libc::SYS_flock => ("flock", process::descriptor(tid, raw.int(0))),
        libc::SYS_stat => ("stat", process::path(tid, -100, a[0])),
        libc::SYS_newfstatat => ("newfstatat", process::path(tid, raw.int(0), a[1])),
        libc::SYS_statx => ("statx", process::path(tid, raw.int(0), a[1])),
        _ => return None,
    };
    if !path.starts_with(root) {
        return None;
    }
    Some(Call {
        number: 0,
        name,
        path,
        change: Change::Look,
        result: None,
        made: None,
        amount: None,
    })
}

/// The inode that a call made which has just ended.
pub(super) fn made(tid: Pid, change: &Change, result: i64) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    match change {
        _ if result < 0 => None,
        Change::Create { .. } | Change::Unnamed => process::inode(tid, result as i32),
        Change::MakeDir { path } => Some(path.symlink_metadata().ok()?.ino()),
        _ => None,
    }
}

//! System calls as changes: which ones count, and what each of them does.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::process;
use super::registers::RawCall;

/// What a call does to the state that must survive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Opens a file so that it is made or emptied.
    Create { path: PathBuf, truncates: bool },
    /// Makes a file that has no name yet.
    Unnamed,
    /// Writes to a file. Without an offset, the call's effect cannot be replayed.
    Write { inode: u64, offset: Option<u64>, data: Vec<u8> },
    /// Cuts or lengthens a file.
    Resize { inode: u64, length: u64 },
    /// Brings a file or directory onto the disk.
    Sync { inode: u64 },
    /// Brings a whole file system onto the disk.
    SyncAll,
    /// Makes a directory.
    MakeDir { path: PathBuf },
    /// Gives a file a further name.
    Link { inode: u64, to: PathBuf },
    /// Moves a name.
    Rename { from: PathBuf, to: PathBuf },
    /// Removes a name.
    Unlink { path: PathBuf },
    /// Removes a directory.
    RemoveDir { path: PathBuf },
    /// Changes modes or times: nothing that a reader of events looks at.
    Attributes,
    /// Tells the caller something on standard output.
    Answer { data: Vec<u8> },
    /// Changes nothing: opens, reads, lists or looks up.
    Look,
}

/// A call that counts, in the one order of all threads.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Its name.
    pub(crate) name: &'static str,
    /// What it works on.
    pub(crate) path: PathBuf,
    /// What it does.
    pub(crate) change: Change,
    /// What it gave, once it has ended.
    pub(crate) result: Option<i64>,
    /// The inode that it made.
    pub(crate) made: Option<u64>,
    /// Which argument says how much is written, and how much that is.
    pub(super) amount: Option<(usize, u64)>,
}

impl Call {
    /// The kind that a lasting failure strikes: all creations, all writes, and so on.
    pub(crate) fn kind(&self) -> Kind {
        match &self.change {
            Change::Create { .. } | Change::Unnamed => Kind::Create,
            Change::Write { .. } | Change::Resize { .. } => Kind::Write,
            Change::Sync { .. } | Change::SyncAll => Kind::Sync,
            Change::MakeDir { .. } => Kind::MakeDir,
            Change::Link { .. } | Change::Rename { .. } => Kind::Name,
            Change::Unlink { .. } | Change::RemoveDir { .. } => Kind::Remove,
            Change::Attributes => Kind::Attributes,
            Change::Answer { .. } => Kind::Answer,
            Change::Look if self.name.starts_with("open") => Kind::Open,
            Change::Look => Kind::Look,
        }
    }

    /// Whether half of it can be done.
    pub(crate) fn can_be_halved(&self) -> bool {
        self.amount.is_some()
            && matches!(&self.change, Change::Write { data, .. } | Change::Answer { data }
                if data.len() > 1)
    }
}

/// Kinds of calls that fail alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Create,
    Write,
    Sync,
    MakeDir,
    Name,
    Remove,
    Attributes,
    Answer,
    Open,
    Look,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.path.display())?;
        match &self.change {
            Change::Rename { to, .. } | Change::Link { to, .. } => {
                write!(f, " to {}", to.display())?
            }
            Change::Write { data, .. } | Change::Answer { data } => {
                write!(f, " ({} bytes)", data.len())?;
            }
            _ => {}
        }
        match self.result {
            Some(result) => write!(f, " = {result}"),
            None => Ok(()),
        }
    }
}

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
        libc::SYS_open => open("open", tid, here(0), a[1], root),
        libc::SYS_openat => open("openat", tid, path(0, 1), a[2], root),
        libc::SYS_openat2 => {
            let flags = process::memory(tid, a[2], 8).try_into().map_or(0, u64::from_ne_bytes);
            open("openat2", tid, path(0, 1), flags, root)
        }
        libc::SYS_creat => {
            open("creat", tid, here(0), (libc::O_CREAT | libc::O_TRUNC) as u64, root)
        }
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
        _ => look(tid, raw, root),
    }
}

fn open(name: &'static str, tid: Pid, path: PathBuf, flags: u64, root: &Path) -> Option<Call> {
    let _ = tid;
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

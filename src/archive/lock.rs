//! The lock that a writer of an archive holds.
//!
//! The lock file can be opened only by those who may write in the archive's directory: a reader
//! who could open it could lock it, too, and keep everybody from working. Archives of earlier
//! versions have a lock that readers can open; it is replaced by a new file, and a reader who
//! holds the old one no longer keeps anyone out.
//!
//! The file also has three lines: the SHA-256 of the catalogue, of the state and of the words as
//! the last run left them. Nobody else can write it, so a file that somebody else changed is
//! recognised.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use rustix::process::{Flock, FlockType};

use super::ArchiveDir;
use super::layout::{LOCK, NEXT_LOCK};
use crate::event::shown;
use crate::fs::{self, kind};
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The number of times the lock is reopened because another run has replaced it.
const MAX_TRIES: usize = 10;

/// The files whose SHA-256 the lock has, in the order of their lines.
#[derive(Debug, Clone, Copy)]
pub(super) enum Noted {
    Catalogue,
    State,
    Words,
}

impl Noted {
    /// Returns the beginning of its line, and where the line begins.
    fn line(self) -> (&'static str, u64) {
        const CATALOGUE: &str = "catalogue ";
        const STATE: &str = "state ";
        match self {
            Self::Catalogue => (CATALOGUE, 0),
            Self::State => (STATE, (CATALOGUE.len() + HASH_LINE) as u64),
            Self::Words => ("words ", (CATALOGUE.len() + STATE.len() + 2 * HASH_LINE) as u64),
        }
    }
}

/// The length of a hash and its newline, in bytes.
const HASH_LINE: usize = 65;

/// Proof that this process, and no other, may change the archive. Released on drop, and by the
/// kernel however the process ends.
#[derive(Debug)]
pub struct ArchiveLock {
    file: File,
    /// The lock that it replaced: older programs know that one.
    _old: Option<OwnedFd>,
}

impl Drop for ArchiveLock {
    fn drop(&mut self) {
        // Closing is not enough while a child that another thread is just starting has inherited
        // it.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

impl ArchiveLock {
    /// Returns the recorded SHA-256 of a file as the last run left it.
    pub(super) fn noted(&self, file: Noted) -> Option<Sha256Hash> {
        let (name, at) = file.line();
        let mut text = vec![0; name.len() + HASH_LINE];
        self.file.read_exact_at(&mut text, at).ok()?;
        let text = std::str::from_utf8(&text).ok()?;
        text.strip_prefix(name)?.strip_suffix('\n')?.parse().ok()
    }

    /// Records the SHA-256 of a file. If that fails, the next run rebuilds the file.
    pub(super) fn note(&self, file: Noted, sha256: Sha256Hash) {
        if self.noted(file) == Some(sha256) {
            return;
        }
        let (name, at) = file.line();
        let written = self.file.metadata().map_or(0, |metadata| metadata.len());
        // Lines that are missing before it are blank.
        let mut text = " ".repeat(at.saturating_sub(written) as usize);
        if text.pop().is_some() {
            text.push('\n');
        }
        let start = at - text.len() as u64;
        text.push_str(&format!("{name}{sha256}\n"));
        let _ = self.file.write_all_at(text.as_bytes(), start);
    }
}

/// The users who may write in the archive's directory, and so may open the lock.
struct Rights {
    owner: u32,
    group: u32,
    mode: u32,
}

impl Rights {
    fn of(archive: &ArchiveDir) -> Result<Self> {
        let stat = rustix::fs::fstat(archive.fd())
            .map_err(|errno| Error::io(archive.root(), "look up", errno))?;
        let mut mode = 0o600;
        for (is_writable, bits) in [(0o020, 0o060), (0o002, 0o006)] {
            mode |= if stat.st_mode & is_writable == 0 { 0 } else { bits };
        }
        Ok(Self { owner: stat.st_uid, group: stat.st_gid, mode })
    }

    /// Reports whether any other user can open a file.
    fn is_wide(&self, stat: &Stat) -> bool {
        stat.st_mode & 0o077 & !self.mode != 0
    }

    /// Gives a lock to the directory's owner and group. Where that is not allowed, the caller
    /// stays its owner.
    fn apply(&self, file: &OwnedFd, stat: &Stat) {
        if rustix::process::geteuid().is_root()
            && (stat.st_uid, stat.st_gid) != (self.owner, self.group)
        {
            let (owner, group) = (Uid::from_raw(self.owner), Gid::from_raw(self.group));
            let _ = rustix::fs::fchown(file, Some(owner), Some(group));
        } else if self.mode & 0o060 != 0 && stat.st_gid != self.group {
            let _ = rustix::fs::fchown(file, None, Some(Gid::from_raw(self.group)));
        }
        if stat.st_mode & 0o777 != self.mode {
            let _ = rustix::fs::fchmod(file, Mode::from_raw_mode(self.mode));
        }
    }

    /// Reports whether a holder of the lock is known to be a mere reader.
    fn is_reader(&self, holder: &Holder) -> bool {
        let among_writers = |uid| uid == 0 || uid == self.owner;
        let is_shared = self.mode & 0o077 != 0;
        // This program lives as long as its lock does.
        !is_shared && (holder.is_gone || holder.uid.is_some_and(|uid| !among_writers(uid)))
    }
}

impl ArchiveDir {
    /// Takes the lock, or fails at once with [`Error::Busy`].
    pub fn lock(&self) -> Result<ArchiveLock> {
        let path = self.root().join(LOCK);
        let failed = |errno| Error::io(&path, "open", errno);
        let busy = |holder: Option<Holder>| Error::Busy {
            path: path.clone(),
            holder: holder.map(|holder| holder.to_string()),
        };
        let rights = Rights::of(self)?;
        for _ in 0..MAX_TRIES {
            let flags = OFlags::RDWR | OPEN;
            let file = match rustix::fs::openat(self.fd(), LOCK, flags, Mode::empty()) {
                Ok(file) => file,
                Err(Errno::NOENT) => match self.next_lock(&rights, None).map_err(failed)? {
                    Next::Ours(file) => return Ok(locked(file, None)),
                    Next::Another => continue,
                    Next::Busy(holder) => return Err(busy(holder)),
                },
                Err(errno) => return Err(failed(errno)),
            };
            let stat = rustix::fs::fstat(&file).map_err(failed)?;
            let file_type = FileType::from_raw_mode(stat.st_mode);
            if file_type != FileType::RegularFile {
                let reason = format!("the lock is {}, not a file", kind(file_type));
                return Err(Error::corrupt(path, reason));
            }
            let is_wide = rights.is_wide(&stat);
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if !self.leads_to(LOCK, &stat) => {}
                Ok(()) if !is_wide => {
                    rights.apply(&file, &stat);
                    return Ok(locked(file, None));
                }
                Ok(()) => match self.next_lock(&rights, Some(&stat)) {
                    Ok(Next::Ours(next)) => return Ok(locked(next, Some(file))),
                    Ok(Next::Another) => {}
                    Ok(Next::Busy(holder)) => return Err(busy(holder)),
                    // The file system does not support it: the lock is as good as it was.
                    Err(_) => return Ok(locked(file, None)),
                },
                Err(Errno::WOULDBLOCK) => {
                    let holder = Holder::of(&file, &stat);
                    if !is_wide || !holder.as_ref().is_some_and(|it| rights.is_reader(it)) {
                        return Err(busy(holder));
                    }
                    match self.next_lock(&rights, Some(&stat)) {
                        Ok(Next::Ours(next)) => return Ok(locked(next, Some(file))),
                        Ok(Next::Another) => {}
                        Ok(Next::Busy(other)) => return Err(busy(other)),
                        Err(_) => return Err(busy(holder)),
                    }
                }
                Err(errno) => return Err(Error::io(&path, "lock", errno)),
            }
        }
        Err(busy(None))
    }

    /// Makes a new lock, holds it, and puts it in place of an old one or of none.
    fn next_lock(&self, rights: &Rights, old: Option<&Stat>) -> Result<Next, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OPEN;
        let mode = Mode::from_raw_mode(0o600);
        let file = rustix::fs::openat(self.fd(), NEXT_LOCK, flags, mode)?;
        let stat = rustix::fs::fstat(&file)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(Next::Busy(Holder::of(&file, &stat))),
            flocked => flocked?,
        }
        if !self.leads_to(NEXT_LOCK, &stat) {
            return Ok(Next::Another);
        }
        rights.apply(&file, &stat);
        let named = match old {
            None => fs::rename_new(self.fd(), NEXT_LOCK, self.fd(), LOCK),
            Some(old) if self.leads_to(LOCK, old) => {
                rustix::fs::renameat(self.fd(), NEXT_LOCK, self.fd(), LOCK)
            }
            Some(_) => Err(Errno::EXIST),
        };
        match named {
            Ok(()) if self.leads_to(LOCK, &stat) => Ok(Next::Ours(file)),
            Ok(()) => Ok(Next::Another),
            Err(errno) => {
                fs::unlink(self.fd(), NEXT_LOCK)?;
                if errno == Errno::EXIST { Ok(Next::Another) } else { Err(errno) }
            }
        }
    }

    /// Removes a new lock that an interrupted run could not rename, unless another run is at work
    /// on it; returns whether there was one.
    pub(super) fn remove_next_lock(&self, lock: &ArchiveLock) -> Result<bool, Errno> {
        let flags = OFlags::RDWR | OPEN;
        let file = match rustix::fs::openat(self.fd(), NEXT_LOCK, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(false),
            opened => opened?,
        };
        let stat = rustix::fs::fstat(&file)?;
        // A file system that cannot rename without replacing gives the same file both names.
        let is_ours = rustix::fs::fstat(&lock.file)
            .is_ok_and(|ours| (ours.st_dev, ours.st_ino) == (stat.st_dev, stat.st_ino));
        if !is_ours {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(false),
                flocked => flocked?,
            }
        }
        fs::unlink(self.fd(), NEXT_LOCK)
    }

    /// Reports whether a name leads to this open file.
    fn leads_to(&self, name: &str, file: &Stat) -> bool {
        rustix::fs::statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|there| (there.st_dev, there.st_ino) == (file.st_dev, file.st_ino))
    }

    /// Reports whether another process holds the lock now. This takes no lock, not even for a
    /// moment, and writes nothing: readers do not keep a writer from working.
    pub fn is_locked(&self) -> bool {
        if let Ok(file) = fs::open_regular(self.fd(), LOCK) {
            let wanted = Flock::from(FlockType::WriteLock);
            return matches!(rustix::process::fcntl_getlk(&file, &wanted), Ok(Some(_)));
        }
        // Without the right to open it, the kernel's list of locks is read.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(self.fd(), LOCK, flags, Mode::empty()) else {
            return false;
        };
        rustix::fs::fstat(&file).is_ok_and(|stat| Holder::of(&file, &stat).is_some())
    }
}

/// The flags for opening a lock, whatever may have been put in its place.
const OPEN: OFlags =
    OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

fn locked(file: OwnedFd, old: Option<OwnedFd>) -> ArchiveLock {
    // In addition a lock of the other kind, for `is_locked` to see. It keeps nobody out, so it
    // does not matter where it cannot be had, or that the kernel drops it when this process
    // closes the file through another handle.
    let _ = rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive);
    ArchiveLock { file: file.into(), _old: old }
}

/// The outcome of making a new lock.
enum Next {
    /// It is in place, and held.
    Ours(OwnedFd),
    /// Another run was first.
    Another,
    /// Another run is making one.
    Busy(Option<Holder>),
}

/// A process that holds a lock, as far as the kernel reports it.
struct Holder {
    pid: u32,
    uid: Option<u32>,
    command: Option<String>,
    /// True if the process is gone: then one that it started holds the lock.
    is_gone: bool,
}

impl Holder {
    /// Finds the holder of an exclusive `flock` on a file.
    fn of(file: &OwnedFd, stat: &Stat) -> Option<Self> {
        let (major, minor) = device_of(file)
            .unwrap_or((rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev)));
        let place = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let pid: u32 = locks.lines().find_map(|line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                [_, "FLOCK", _, "WRITE", pid, at, ..] if *at == place => pid.parse().ok(),
                _ => None,
            }
        })?;
        let about = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).ok();
        // Not the owner of its directory there: that is root for a process that hides its memory.
        let uid = about("status").and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
            line.split_ascii_whitespace().nth(1)?.parse().ok()
        });
        let command = about("comm").map(|name| name.trim_end().to_owned());
        // A process of another namespace has the number 0 here.
        let is_gone = pid != 0
            && rustix::process::Pid::from_raw(pid as i32)
                .is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(Errno::SRCH));
        Some(Self { pid, uid, command, is_gone })
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if let Some(command) = &self.command {
            write!(f, ", \"{}\"", shown(command))?;
        }
        self.uid.map_or(Ok(()), |uid| write!(f, ", uid {uid}"))
    }
}

/// Returns the device under which the kernel's list of locks names a file. On file systems with
/// subvolumes, such as btrfs, it differs from the one in `stat`.
fn device_of(file: &OwnedFd) -> Option<(u32, u32)> {
    let number = file.as_fd().as_raw_fd();
    let about = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
    let mount = about.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(mount))?;
    let (major, minor) = line.split(' ').nth(2)?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

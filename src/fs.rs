//! Files by directory handle: the few calls that the live tree and the archive share.
//!
//! Nothing here follows a symbolic link below the directory it was given, and every file is
//! opened so that a FIFO or a terminal in its place cannot block or take over.

mod dir;
mod staged;

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags};
use rustix::io::Errno;

pub(crate) use dir::Dir;
pub(crate) use staged::Staged;

/// The prefix of temporary files; readers ignore them.
pub(crate) const TEMP_PREFIX: &str = ".hlarchive-tmp-";

/// The prefix, in the root of a tree, of what a sync keeps until it is done. Readers ignore it,
/// and only a sync removes it: the next one resumes from there.
pub(crate) const SYNC_PREFIX: &str = ".hlarchive-sync-";

/// An entry of the live tree or the archive that does not belong there. It is reported and
/// left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnexpectedEntry {
    /// The path below the root of the tree or the archive.
    pub path: PathBuf,
    /// The reason why it does not belong there.
    pub reason: String,
    /// True for a directory that cannot be read: there may be events in it.
    pub hides_events: bool,
}

impl UnexpectedEntry {
    /// Returns an entry that hides no events.
    pub(crate) fn new(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), hides_events: false }
    }
}

/// Returns the name of a temporary file.
pub(crate) fn temp_name(token: u64) -> String {
    format!("{TEMP_PREFIX}{token:016x}")
}

/// Reports whether a name has exactly the form of [`temp_name`].
pub(crate) fn is_temp_name(name: &str) -> bool {
    name.strip_prefix(TEMP_PREFIX).is_some_and(|token| {
        token.len() == 16 && token.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Reports whether only its owner can enter a directory.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
pub(crate) fn is_closed(stat: &rustix::fs::Stat) -> bool {
    stat.st_mode as u32 & 0o777 == 0o700
}

/// Opens a directory by its path, which the operator chose: links in it are followed.
pub(crate) fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Opens a directory inside another one.
pub(crate) fn open_dir(at: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Opens a file for reading. The caller must check its type before reading.
pub(crate) fn open_file(at: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

/// Opens a file for reading, and makes sure that it is a regular one.
pub(crate) fn open_regular(at: BorrowedFd<'_>, name: &str) -> io::Result<File> {
    let file = open_file(at, name).map_err(|errno| {
        if errno == Errno::LOOP { not_regular("a symbolic link") } else { errno.into() }
    })?;
    let stat = rustix::fs::fstat(&file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(File::from(file)),
        other => Err(not_regular(kind(other))),
    }
}

fn not_regular(kind: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, not a regular file"))
}

/// Returns a file type in words.
pub(crate) fn kind(file_type: FileType) -> &'static str {
    match file_type {
        FileType::RegularFile => "a file",
        FileType::Directory => "a directory",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        FileType::Unknown => "something unknown",
    }
}

/// Returns the identity of a directory and when its entries last changed, in nanoseconds since
/// 1970.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
pub(crate) fn changed(stat: &rustix::fs::Stat) -> (u64, i64) {
    let seconds = (stat.st_mtime as i64).saturating_mul(1_000_000_000);
    (stat.st_ino as u64, seconds.saturating_add(stat.st_mtime_nsec as i64))
}

/// Creates a new file for writing.
pub(crate) fn create_new(at: BorrowedFd<'_>, name: &str, mode: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::from_raw_mode(mode))
}

/// Creates a directory; returns whether it is new.
pub(crate) fn make_dir(at: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    match rustix::fs::mkdirat(at, name, Mode::from_raw_mode(0o777)) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Creates a directory that only its owner may enter; returns whether it is new.
pub(crate) fn make_private_dir(at: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    match rustix::fs::mkdirat(at, name, Mode::RWXU) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Reports whether a directory belongs to this process's user, and is closed to all others.
pub(crate) fn is_own(stat: &rustix::fs::Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw() && is_closed(stat)
}

/// Returns a path by which this process can reach an open directory, whatever became of its
/// names.
pub(crate) fn path_of_handle(directory: BorrowedFd<'_>) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", directory.as_raw_fd()).into()
}

/// How often a directory is emptied into which somebody else still writes.
const MAX_SWEEPS: usize = 100;

/// Removes an entry of a directory, with everything in it. Links are removed, not followed. If a
/// directory is deeper than `depth` levels, nothing in it is removed.
///
/// A program that a killed run had started may still write into it for a moment, so what is not
/// empty is emptied again.
pub(crate) fn remove_all(at: BorrowedFd<'_>, name: &str, depth: usize) -> Result<(), Errno> {
    for _ in 0..MAX_SWEEPS {
        match sweep(at, name, depth) {
            Err(Errno::NOTEMPTY) => {}
            outcome => return outcome,
        }
    }
    Err(Errno::NOTEMPTY)
}

fn sweep(at: BorrowedFd<'_>, name: &str, depth: usize) -> Result<(), Errno> {
    let directory = match open_dir(at, name) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return unlink(at, name).map(drop),
        Err(errno) => return Err(errno),
    };
    let depth = depth.checked_sub(1).ok_or(Errno::NAMETOOLONG)?;
    let mut names = Vec::new();
    read_dir(directory.as_fd(), &mut |name, _| names.push(name.to_owned()))?;
    for name in names {
        let name = name.to_str().map_err(|_| Errno::ILSEQ)?;
        sweep(directory.as_fd(), name, depth)?;
    }
    match rustix::fs::unlinkat(at, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOENT) => Ok(()),
        removed => removed,
    }
}

/// Returns the directory of a path, even of a bare name; a root has none.
pub(crate) fn folder_of(path: &Path) -> Option<&Path> {
    let parent = path.parent()?;
    Some(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

/// Creates a directory and its missing parents, each synced into its parent.
pub(crate) fn create_dir_all(path: &Path) -> io::Result<()> {
    // Any other failure must not be taken for absence.
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    let Some(parent) = folder_of(path) else { return Ok(()) };
    create_dir_all(parent)?;
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        created => created?,
    }
    rustix::fs::fsync(open_root(parent)?)?;
    Ok(())
}

/// Syncs the directories above one, within one file system, as long as `goes_on` says of a
/// directory that its own name may not be on the disk yet.
pub(crate) fn sync_above(
    directory: BorrowedFd<'_>,
    goes_on: &dyn Fn(BorrowedFd<'_>) -> bool,
) -> Result<(), Errno> {
    let mut here: Option<OwnedFd> = None;
    loop {
        let below = here.as_ref().map_or(directory, OwnedFd::as_fd);
        if !goes_on(below) {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let above = match rustix::fs::openat(below, "..", flags, Mode::empty()) {
            Ok(above) => above,
            // A user who may not even list it did not create anything in it.
            Err(Errno::ACCESS | Errno::PERM) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let (low, high) = (rustix::fs::fstat(below)?, rustix::fs::fstat(&above)?);
        if low.st_dev != high.st_dev || low.st_ino == high.st_ino {
            return Ok(());
        }
        rustix::fs::fsync(&above)?;
        here = Some(above);
    }
}

/// Returns the name of a user in `/etc/passwd`. Users from other sources have no name here.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    const MAX_BYTES: u64 = 4 << 20;
    let mut text = String::new();
    File::open("/etc/passwd").ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let name = name_in(&text, uid)?;
    Some(name.to_owned())
}

fn name_in(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        let is_plain = !name.is_empty() && !name.chars().any(char::is_control);
        (is_plain && number.parse() == Ok(uid)).then_some(name)
    })
}

/// Resolves a path as far as it exists; the missing rest is appended as written.
pub(crate) fn settled(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (mut here, mut rest, mut ups) = (path.as_path(), Vec::new(), 0_usize);
    let mut went_up = false;
    loop {
        if let Ok(found) = here.canonicalize() {
            let found = found.ancestors().nth(ups).unwrap_or(Path::new("/")).to_owned();
            let whole = rest.iter().rev().fold(found, |path, name| path.join(name));
            // The rest after a missing directory and its ".." may exist.
            return if went_up { settled(&whole) } else { whole };
        }
        match (here.components().next_back(), here.parent()) {
            (Some(Component::ParentDir), Some(parent)) => {
                (ups, here, went_up) = (ups + 1, parent, true);
            }
            (Some(_), Some(parent)) => {
                if ups > 0 {
                    ups -= 1;
                } else {
                    rest.extend(here.file_name());
                }
                here = parent;
            }
            _ => return path,
        }
    }
}

/// Gives a file its final name, unless that name is taken ([`Errno::EXIST`]).
pub(crate) fn rename_new(
    from: BorrowedFd<'_>,
    old: &str,
    to: BorrowedFd<'_>,
    new: &str,
) -> Result<(), Errno> {
    match rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE) {
        // File systems without that flag: a link is refused when the name is taken, too.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(from, old, to, new, AtFlags::empty())?;
            rustix::fs::unlinkat(from, old, AtFlags::empty())
        }
        outcome => outcome,
    }
}

/// Removes a file; returns whether it existed.
pub(crate) fn unlink(at: BorrowedFd<'_>, name: &str) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Calls `entry` with the name and type of everything in a directory except `.` and `..`. A type
/// that the file system does not report is looked up.
pub(crate) fn read_dir(
    directory: BorrowedFd<'_>,
    entry: &mut dyn FnMut(&CStr, FileType),
) -> Result<(), Errno> {
    // The position belongs to the handle, so a second reading must begin at the start again.
    rustix::fs::seek(directory, rustix::fs::SeekFrom::Start(0))?;
    let mut buffer: Vec<MaybeUninit<u8>> = vec![MaybeUninit::uninit(); 1 << 16];
    let mut entries = RawDir::new(directory.as_fd(), &mut buffer);
    while let Some(found) = entries.next() {
        let found = match found {
            Ok(found) => found,
            // Removed since it was opened: then it is empty.
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let name = found.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let mut file_type = found.file_type();
        if file_type == FileType::Unknown {
            match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => file_type = FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            }
        }
        entry(name, file_type);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

//! What `/proc` and its memory tell of a stopped process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::Pid;

/// The longest path that is read.
const PATH_MAX: usize = 4096;

/// The working directory as a descriptor.
const AT_FDCWD: i32 = -100;

/// Bytes of a process's memory; fewer where it ends.
pub(super) fn memory(tid: Pid, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    if let Ok(file) = fs::File::open(format!("/proc/{tid}/mem")) {
        while filled < length {
            match file.read_at(&mut bytes[filled..], address + filled as u64) {
                Ok(count) if count > 0 => filled += count,
                _ => break,
            }
        }
    }
    bytes.truncate(filled);
    bytes
}

/// Changes one bit of a process's memory, counted from an address on.
pub(super) fn flip(tid: Pid, address: u64, bit: usize) -> nix::Result<()> {
    let at = address + bit as u64 / 8;
    let changed =
        fs::OpenOptions::new().read(true).write(true).open(format!("/proc/{tid}/mem")).and_then(
            |file| {
                let mut byte = [0];
                file.read_exact_at(&mut byte, at)?;
                byte[0] ^= 1 << (bit % 8);
                file.write_all_at(&byte, at)
            },
        );
    changed.map_err(|_| Errno::EFAULT)
}

/// A text of a process's memory, up to its zero.
fn text(tid: Pid, address: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < PATH_MAX {
        // Not across a page that may not be there.
        let at = address + bytes.len() as u64;
        let piece = memory(tid, at, 256.min(4096 - (at % 4096) as usize));
        match piece.iter().position(|byte| *byte == 0) {
            Some(end) => {
                bytes.extend_from_slice(&piece[..end]);
                break;
            }
            None if piece.is_empty() => break,
            None => bytes.extend_from_slice(&piece),
        }
    }
    bytes
}

/// What a descriptor stands for: a path, or a name such as `pipe:[12]`.
pub(super) fn descriptor(tid: Pid, fd: i32) -> PathBuf {
    fs::read_link(format!("/proc/{tid}/fd/{fd}")).unwrap_or_default()
}

/// The inode behind a descriptor.
pub(super) fn inode(tid: Pid, fd: i32) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    Some(fs::metadata(format!("/proc/{tid}/fd/{fd}")).ok()?.ino())
}

/// Where the next `write` to a descriptor goes; at the end for those that append.
pub(super) fn position(tid: Pid, fd: i32) -> Option<u64> {
    let info = fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).ok()?;
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let flags = i32::from_str_radix(&field("flags:")?, 8).ok()?;
    if flags & libc::O_APPEND != 0 {
        return Some(fs::metadata(format!("/proc/{tid}/fd/{fd}")).ok()?.len());
    }
    field("pos:")?.parse().ok()
}

/// The path that a call's directory descriptor and path argument name together, with
/// `/proc/self/fd/N` resolved to the file behind it.
pub(super) fn path(tid: Pid, directory: i32, address: u64) -> PathBuf {
    let text = text(tid, address);
    let given = Path::new(OsStr::from_bytes(&text));
    if let Some(fd) = own_descriptor(given) {
        return PathBuf::from(format!("/proc/{tid}/fd/{fd}"));
    }
    let joined = if given.is_absolute() {
        given.to_owned()
    } else if directory == AT_FDCWD {
        fs::read_link(format!("/proc/{tid}/cwd")).unwrap_or_default().join(given)
    } else {
        descriptor(tid, directory).join(given)
    };
    // `.` as the last part: the directory itself.
    joined.components().filter(|part| *part != Component::CurDir).collect()
}

fn own_descriptor(path: &Path) -> Option<i32> {
    let rest =
        path.strip_prefix("/proc/self/fd").or_else(|_| path.strip_prefix("/proc/thread-self/fd"));
    rest.ok()?.to_str()?.parse().ok()
}

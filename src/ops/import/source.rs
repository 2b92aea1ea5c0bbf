//! Import sources: tars, compressed or not, and directories.
//!
//! The type of a file is determined by its first bytes, not by its name. Directories are walked by
//! handle; nothing in them is followed, and only regular files are opened.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::tarball::{Broken, Member, TarReader};
use crate::event::{Litter, MAX_EVENT_BYTES};
use crate::fs;
use crate::{Error, Result};

/// The maximum depth of a walk.
const MAX_DEPTH: usize = 32;

/// The factor to which a file may decompress before it counts as malicious; tars of events reach
/// fifty.
const MAX_GROWTH: u64 = 500;

/// The size to which any file may decompress.
const MAX_GROWN_BYTES: u64 = 1 << 30;

/// An item of a source.
pub(super) enum Item {
    /// A file; its path is relative.
    File { path: PathBuf, bytes: Vec<u8>, mtime: Option<i64> },
    /// A file that is certainly not an event, and why.
    Bad { path: PathBuf, reason: String },
    /// A file of another program, on the list of ignored files.
    PassedOver,
    /// An entry that could not be examined, and why.
    Unreadable { path: PathBuf, reason: String },
}

/// Callback that takes the items of a source, one after the other.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Item) -> Result<()>;

/// Visits everything in a file or directory that the operator named.
pub(super) fn visit(path: &Path, litter: &Litter, visit: Visit<'_>) -> Result<()> {
    let failed = |action| move |errno: Errno| Error::io(path, action, errno);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = rustix::fs::open(path, flags, Mode::empty()).map_err(failed("open"))?;
    let stat = rustix::fs::fstat(&opened).map_err(failed("look up"))?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let above = names_above(path, 2);
            Walk { root: path, above, litter, visit }.directory(&opened, Path::new(""), 0)
        }
        FileType::RegularFile => {
            let file = File::from(opened);
            if let Some(kind) = kind_of(&file, path)? {
                return tar(kind, &file, path, litter, visit);
            }
            let mut bytes = Vec::new();
            read_event(file, path, &mut bytes)?;
            single(path, bytes, stat.st_mtime, visit)
        }
        other => Err(Error::Usage(format!(
            "{}: it is {}; a tar or a directory of events is expected",
            path.display(),
            fs::kind(other)
        ))),
    }
}

/// Visits a single file that the operator named: an event, or nothing that can be imported.
fn single(path: &Path, bytes: Vec<u8>, mtime: i64, visit: Visit<'_>) -> Result<()> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return visit(Item::Bad {
            path: PathBuf::new(),
            reason: "it is neither a tar (plain, or in zstd or gzip) nor an event".to_owned(),
        });
    }
    visit(Item::File { path: names_above(path, 3), bytes, mtime: Some(mtime) })
}

/// Returns the last names of a path, after resolving it: they may be a day's and a node's.
fn names_above(path: &Path, limit: usize) -> PathBuf {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let names: Vec<_> = real
        .components()
        .rev()
        .take(limit)
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect();
    names.into_iter().rev().collect()
}

/// The compression of a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Zstd,
    Gzip,
}

/// Returns the compression of a tar, by the file's first bytes; `None` if it is not a tar.
fn kind_of(file: &File, path: &Path) -> Result<Option<Kind>> {
    let mut head = [0; 512];
    let mut filled = 0;
    while filled < head.len() {
        match rustix::io::pread(file, &mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io(path, "read", errno)),
        }
    }
    let is_skippable = head[1..4] == [0x2a, 0x4d, 0x18] && head[0] & 0xf0 == 0x50;
    Ok(match &head[..filled] {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Kind::Zstd),
        _ if is_skippable => Some(Kind::Zstd),
        [0x1f, 0x8b, ..] => Some(Kind::Gzip),
        whole if whole.len() == 512 && is_tar_header(whole) => Some(Kind::Plain),
        _ => None,
    })
}

/// Reports whether a block is a tar header: an old tar has no magic number, but a checksum.
fn is_tar_header(block: &[u8]) -> bool {
    if block[257..].starts_with(b"ustar") || block.iter().all(|byte| *byte == 0) {
        return true;
    }
    let header = tar::Header::from_byte_slice(block);
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let own: u32 = block[148..156].iter().map(|byte| u32::from(*byte)).sum();
    header.cksum().is_ok_and(|told| told == sum - own + 8 * 32)
}

fn tar(kind: Kind, file: &File, path: &Path, litter: &Litter, visit: Visit<'_>) -> Result<()> {
    let failed = |action| move |error: std::io::Error| Error::io(path, action, error);
    let limit = file.metadata().map_err(failed("look up"))?.len().saturating_mul(MAX_GROWTH);
    let limit = limit.max(MAX_GROWN_BYTES);
    if kind != Kind::Plain
        && let Some(reason) = unsound(&mut open(kind, file, limit).map_err(failed("read"))?)
            .map_err(failed("read"))?
    {
        let reason = format!("{reason}, so nothing in it was taken");
        return visit(Item::Bad { path: PathBuf::new(), reason });
    }
    let mut reader = TarReader::new(open(kind, file, limit).map_err(failed("read"))?);
    loop {
        match reader.next() {
            Ok(None) => return Ok(()),
            // A walk through the original directory would not see it either.
            Ok(Some(Member::File { path, .. } | Member::Other { path, .. }))
                if litter.covers_file(&path) =>
            {
                visit(Item::PassedOver)?;
            }
            Ok(Some(Member::File { path, .. }))
                if path.file_name().and_then(OsStr::to_str).is_some_and(belongs_to_an_archive) => {}
            Ok(Some(Member::File { path, bytes, mtime })) => {
                visit(Item::File { path, bytes, mtime })?;
            }
            Ok(Some(Member::Other { path, what })) => visit(Item::Bad { path, reason: what })?,
            Err(Broken::Tar(reason)) => return visit(Item::Bad { path: PathBuf::new(), reason }),
            Err(Broken::Io(error)) => return Err(Error::io(path, "read", error)),
        }
    }
}

/// Opens the tar's own bytes, from the beginning.
fn open(kind: Kind, mut file: &File, limit: u64) -> std::io::Result<Box<dyn Read + '_>> {
    file.seek(SeekFrom::Start(0))?;
    Ok(match kind {
        Kind::Plain => Box::new(BufReader::with_capacity(1 << 18, file)),
        // A frame that asks for a larger window than zstd's own default is refused.
        Kind::Zstd => Box::new(zstd::stream::read::Decoder::new(file)?.take(limit)),
        Kind::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file)).take(limit)),
    })
}

/// Returns why the decompressed data of a file cannot be believed. Checksums come at the end, so
/// all of it is read once before any event is: a flipped bit must not become a changed event. A
/// truncated file is believed up to its end.
fn unsound(input: &mut dyn Read) -> std::io::Result<Option<String>> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) => {
                return match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::UnexpectedEof => Ok(None),
                    _ if error.raw_os_error().is_some() => Err(error),
                    _ => Ok(Some(format!("it is damaged ({error})"))),
                };
            }
        }
    }
}

/// Reads a file that may be an event; a larger one only as far as needed to see that.
fn read_event(file: File, path: &Path, bytes: &mut Vec<u8>) -> Result<()> {
    bytes.clear();
    file.take(MAX_EVENT_BYTES + 1)
        .read_to_end(bytes)
        .map_err(|error| Error::io(path, "read", error))?;
    Ok(())
}

/// A walk through a directory.
struct Walk<'a, 'v> {
    root: &'a Path,
    /// The names that lead to the root, which are part of the paths of its files.
    above: PathBuf,
    litter: &'a Litter,
    visit: Visit<'v>,
}

impl Walk<'_, '_> {
    fn directory(&mut self, directory: &OwnedFd, below: &Path, depth: usize) -> Result<()> {
        let mut entries = Vec::new();
        let read = fs::read_dir(directory.as_fd(), &mut |name, file_type| {
            entries.push((name.to_owned(), file_type));
        });
        if let Err(errno) = read {
            return self.unreadable(below, format!("cannot read this directory: {}", words(errno)));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, file_type) in entries {
            let Ok(name) = name.to_str() else {
                self.bad(&below.join(&*name.to_string_lossy()), "its name is not UTF-8")?;
                continue;
            };
            let path = below.join(name);
            let above = self.above.join(below);
            let above = above.file_name().and_then(OsStr::to_str);
            let role = Litter::role(above, file_type == FileType::Directory);
            if self.litter.covers(role, name) {
                (self.visit)(Item::PassedOver)?;
                continue;
            }
            match file_type {
                FileType::Directory if depth >= MAX_DEPTH => {
                    self.bad(&path, "it is nested too deep; name it directly")?;
                }
                FileType::Directory => match fs::open_dir(directory.as_fd(), name) {
                    Ok(inner) => self.directory(&inner, &path, depth + 1)?,
                    Err(errno) => {
                        let reason = format!("cannot open this directory: {}", words(errno));
                        self.unreadable(&path, reason)?;
                    }
                },
                FileType::RegularFile if belongs_to_an_archive(name) => {}
                FileType::RegularFile => self.file(directory.as_fd(), name, &path)?,
                other => self.bad(&path, format!("it is {}", fs::kind(other)))?,
            }
        }
        Ok(())
    }

    fn file(&mut self, directory: BorrowedFd<'_>, name: &str, path: &Path) -> Result<()> {
        let file = match fs::open_regular(directory, name) {
            Ok(file) => file,
            // Removed meanwhile, as rotation does in a tree that is in use.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return self
                    .unreadable(path, format!("cannot open: {}", crate::error::plain(&error)));
            }
        };
        if !name.ends_with(".json") {
            return match kind_of(&file, path)? {
                Some(kind) => self.tar(kind, &file, path),
                None => self.bad(path, "it is neither an event (FILE.json) nor a tar"),
            };
        }
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        if size > MAX_EVENT_BYTES {
            return self.bad(path, format!("it has {size} bytes, more than any event"));
        }
        let mtime = std::os::unix::fs::MetadataExt::mtime(
            &file.metadata().map_err(|error| Error::io(self.root.join(path), "look up", error))?,
        );
        let mut bytes = Vec::new();
        match read_event(file, &self.root.join(path), &mut bytes) {
            Ok(()) => {
                (self.visit)(Item::File { path: self.above.join(path), bytes, mtime: Some(mtime) })
            }
            Err(error) => self.unreadable(path, error.reason_at(path)),
        }
    }

    /// Reads a tar in a directory as if it were named; a tar in a tar is not read.
    fn tar(&mut self, kind: Kind, file: &File, path: &Path) -> Result<()> {
        let visit = &mut *self.visit;
        let full = self.root.join(path);
        tar(kind, file, &full, self.litter, &mut |item| match item {
            Item::Bad { path: member, reason } => {
                visit(Item::Bad { path: path.join(member), reason })
            }
            other => visit(other),
        })
    }

    fn unreadable(&mut self, path: &Path, reason: String) -> Result<()> {
        (self.visit)(Item::Unreadable { path: path.to_owned(), reason })
    }

    fn bad(&mut self, path: &Path, reason: impl Into<String>) -> Result<()> {
        (self.visit)(Item::Bad { path: path.to_owned(), reason: reason.into() })
    }
}

/// Reports whether a file belongs to an archive beside its segments, and is not to be imported.
fn belongs_to_an_archive(name: &str) -> bool {
    matches!(name, "lock" | "catalogue" | "words" | "overview" | "state" | "runs")
        || name.starts_with("manifest.jsonl")
        || name.ends_with(".tar.zst.sha256")
}

fn words(errno: Errno) -> String {
    crate::error::plain(&errno.into())
}

//! The event root and its partitions.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::listing::{Builder, Listing};
use crate::event::{
    Date, EntryRole, EventName, FileName, Litter, NodeName, SharedLitter, Timestamp,
};
use crate::fs::{self, UnexpectedEntry};
use crate::{Error, Result};

/// The name of the note by which a tree remembers its archive: it stands beside the days.
pub(crate) const NOTE: &str = ".hlarchive-archive";

/// An open event root. All access goes through its directory handle.
#[derive(Debug)]
pub struct LiveTree {
    root: PathBuf,
    dir: OwnedFd,
    litter: SharedLitter,
    passed_over: AtomicU64,
}

impl LiveTree {
    /// Opens a tree; `None` if its root does not exist. The root itself may be reached through
    /// symbolic links; nothing below it is.
    pub fn open(root: &Path) -> Result<Option<Self>> {
        match fs::open_root(root) {
            Ok(dir) => Ok(Some(Self::at(root, dir))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io(root, "open", errno)),
        }
    }

    /// Opens a tree, and creates its root if it is missing.
    pub fn create(root: &Path) -> Result<Self> {
        if let Some(tree) = Self::open(root)? {
            return Ok(tree);
        }
        fs::create_dir_all(root).map_err(|error| Error::io(root, "create", error))?;
        let dir = fs::open_root(root).map_err(|errno| Error::io(root, "open", errno))?;
        Ok(Self::at(root, dir))
    }

    /// Returns a tree for an open directory; `root` names it in messages.
    pub(crate) fn at(root: &Path, dir: OwnedFd) -> Self {
        let litter = SharedLitter::default();
        Self { root: root.to_owned(), dir, litter, passed_over: AtomicU64::new(0) }
    }

    /// Replaces the list of names to be passed over.
    #[must_use]
    pub fn with_litter(mut self, litter: SharedLitter) -> Self {
        self.litter = litter;
        self
    }

    /// Returns the list of names that are passed over in it.
    pub fn litter(&self) -> &Litter {
        self.litter.get()
    }

    /// Returns the number of entries of other programs that were passed over in it so far.
    pub fn passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// Reports whether this entry belongs to other programs, and counts it if so.
    fn passes_over(&self, of_directories: EntryRole, name: &str, file_type: FileType) -> bool {
        let role = match file_type {
            FileType::Directory => of_directories,
            FileType::RegularFile if of_directories == EntryRole::Other => EntryRole::Event,
            _ => EntryRole::Other,
        };
        let passes = self.litter().covers(role, name);
        self.passed_over.fetch_add(u64::from(passes), Ordering::Relaxed);
        passes
    }

    /// Returns the root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the user to whom its directory belongs.
    pub fn owner(&self) -> Option<u32> {
        rustix::fs::fstat(&self.dir).ok().map(|stat| stat.st_uid)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Returns the days that have a directory, ascending, and all unexpected entries of the root.
    pub fn dates(&self) -> Result<(Vec<Date>, Vec<UnexpectedEntry>)> {
        let mut dates = Vec::new();
        let mut unexpected = Vec::new();
        fs::read_dir(self.fd(), &mut |name, file_type| {
            let name = name.to_string_lossy();
            if name.starts_with(fs::SYNC_PREFIX) || name == NOTE {
                return;
            }
            if name.starts_with(fs::TEMP_PREFIX) {
                if !self.is_staging(&name, file_type) {
                    unexpected.push(disguised(&name, file_type));
                }
                return;
            }
            if self.passes_over(EntryRole::Day, &name, file_type) {
                return;
            }
            match name.parse::<Date>() {
                Ok(date) if file_type == FileType::Directory => dates.push(date),
                _ => unexpected.push(not_an_event(
                    &name,
                    file_type,
                    "days have directories YYYY-MM-DD",
                )),
            }
        })
        .map_err(|errno| Error::io(&self.root, "read", errno))?;
        dates.sort_unstable();
        unexpected.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((dates, unexpected))
    }

    /// Reports whether this is the staging directory of a restore, an import or a sync. Anyone
    /// who may write to the root can give such a name to a whole day.
    fn is_staging(&self, name: &str, file_type: FileType) -> bool {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        fs::is_temp_name(name)
            && file_type == FileType::Directory
            && match rustix::fs::statat(self.fd(), name, flags) {
                Ok(stat) => fs::is_closed(&stat),
                // Gone meanwhile: then it was one.
                Err(errno) => errno == Errno::NOENT,
            }
    }

    /// Returns the files of a day that may be events, without opening any. A day without a
    /// directory is empty.
    pub fn list(&self, date: Date) -> Result<Listing> {
        self.list_part(date, u64::MAX, None)
    }

    /// Lists only the nodes after `after`, until the names take `max_bytes` bytes.
    pub fn list_part(
        &self,
        date: Date,
        max_bytes: u64,
        after: Option<&NodeName>,
    ) -> Result<Listing> {
        let mut builder = Builder::new(date, max_bytes);
        let day_name = date.to_string();
        let day_path = self.root.join(&day_name);
        let day = match fs::open_dir(self.fd(), &day_name) {
            Ok(day) => day,
            Err(Errno::NOENT) => return Ok(builder.finish()),
            // One bad day is reported and does not stop the others.
            Err(errno) => {
                builder.unexpected(unreadable(PathBuf::from(day_name), errno));
                return Ok(builder.finish());
            }
        };
        let mut nodes = Vec::new();
        fs::read_dir(day.as_fd(), &mut |name, file_type| {
            // Converted lossily, a name could become that of another node.
            let node = name.to_str().ok().and_then(|name| name.parse::<NodeName>().ok());
            let name = name.to_string_lossy();
            if !name.starts_with(fs::TEMP_PREFIX)
                && self.passes_over(EntryRole::Node, &name, file_type)
            {
                return builder.passed_over(|| Path::new(&day_name).join(&*name));
            }
            match node {
                Some(node) if file_type == FileType::Directory => nodes.push(node),
                _ => {
                    let mut entry = not_an_event(&name, file_type, "nodes have directories");
                    entry.path = Path::new(&day_name).join(&*name);
                    builder.unexpected(entry);
                }
            }
        })
        .map_err(|errno| Error::io(&day_path, "read", errno))?;
        nodes.retain(|node| after.is_none_or(|after| node > after));
        nodes.sort_unstable();
        for node in nodes {
            self.list_node(day.as_fd(), &day_name, node, &mut builder);
        }
        Ok(builder.finish())
    }

    fn list_node(
        &self,
        day: BorrowedFd<'_>,
        day_name: &str,
        node: NodeName,
        builder: &mut Builder,
    ) {
        let below = Path::new(day_name).join(node.as_str());
        let directory = match fs::open_dir(day, node.as_str()) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return,
            Err(errno) => return builder.unexpected(unreadable(below, errno)),
        };
        let number = builder.node(node);
        let read = fs::read_dir(directory.as_fd(), &mut |name, file_type| {
            let text = match name.to_str() {
                // A file that an emitter or rsync is writing. Anything else with such a name
                // would keep the day's directory from ever being removed.
                Ok(text) if text.starts_with('.') && file_type == FileType::RegularFile => return,
                Ok(text)
                    if !text.starts_with(fs::TEMP_PREFIX)
                        && self.passes_over(EntryRole::Other, text, file_type) =>
                {
                    return builder.passed_over(|| below.join(text));
                }
                Ok(text) => text,
                Err(_) => {
                    let name = name.to_string_lossy();
                    if self.passes_over(EntryRole::Other, &name, file_type) {
                        return builder.passed_over(|| below.join(&*name));
                    }
                    let mut entry = not_an_event(&name, file_type, "names of events are text");
                    entry.path = below.join(&*name);
                    return builder.unexpected(entry);
                }
            };
            match text.parse::<FileName>() {
                Ok(_) if file_type == FileType::RegularFile => builder.file(number, text),
                _ => {
                    let mut entry =
                        not_an_event(text, file_type, "events are files that end in .json");
                    entry.path = below.join(text);
                    builder.unexpected(entry);
                }
            }
        });
        if let Err(errno) = read {
            builder.unexpected(unreadable(below, errno));
        }
    }

    /// Calls `stray` with each instant that a name in a day's directories claims and that is not
    /// of this day, and with `None` for a name that claims none. Opens no file, and keeps no
    /// name.
    ///
    /// Unreadable directories are reported when the day is listed.
    pub fn stray_instants(
        &self,
        date: Date,
        stray: &mut dyn FnMut(Option<Timestamp>),
    ) -> Result<()> {
        let day_name = date.to_string();
        let Ok(day) = fs::open_dir(self.fd(), &day_name) else { return Ok(()) };
        let mut nodes = Vec::new();
        let failed = |errno| Error::io(self.root.join(&day_name), "read", errno);
        fs::read_dir(day.as_fd(), &mut |name, file_type| {
            let node = name.to_str().ok().and_then(|name| name.parse::<NodeName>().ok());
            if let (Some(node), FileType::Directory) = (node, file_type)
                && !self.litter().covers(EntryRole::Node, node.as_str())
            {
                nodes.push(node);
            }
        })
        .map_err(failed)?;
        for node in nodes {
            let Ok(directory) = fs::open_dir(day.as_fd(), node.as_str()) else { continue };
            let _ = fs::read_dir(directory.as_fd(), &mut |name, file_type| {
                let Some(name) = name.to_str().ok().filter(|name| !name.starts_with('.')) else {
                    return;
                };
                let is_file = file_type == FileType::RegularFile
                    && !self.litter().covers(EntryRole::Event, name);
                match EventName::parse(name) {
                    Some(parts) if is_file && parts.timestamp.date() != date => {
                        stray(Some(parts.timestamp));
                    }
                    None if is_file && name.parse::<FileName>().is_ok() => stray(None),
                    _ => {}
                }
            });
        }
        Ok(())
    }

    /// Returns the identities of a day's directories and when they last changed: as long as this
    /// stays the same, and is not too recent for the file system's clock, no file came or went.
    pub fn changes(&self, date: Date) -> Result<Vec<(u64, i64)>> {
        let day_name = date.to_string();
        let failed = |errno| Error::io(self.root.join(&day_name), "read", errno);
        // Anything else there is reported when the day is listed.
        let Ok(day) = fs::open_dir(self.fd(), &day_name) else { return Ok(Vec::new()) };
        let mut changes = vec![fs::changed(&rustix::fs::fstat(&day).map_err(failed)?)];
        fs::read_dir(day.as_fd(), &mut |name, file_type| {
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            if file_type == FileType::Directory
                && let Ok(stat) = rustix::fs::statat(&day, name, flags)
            {
                changes.push(fs::changed(&stat));
            }
        })
        .map_err(failed)?;
        changes.sort_unstable();
        Ok(changes)
    }
}

fn not_an_event(name: &str, file_type: FileType, rule: &str) -> UnexpectedEntry {
    UnexpectedEntry::new(name, format!("not an event: {}; {rule}", fs::kind(file_type)))
}

/// Returns the entry for something that has a name of hlarchive's, but is not its.
fn disguised(name: &str, file_type: FileType) -> UnexpectedEntry {
    UnexpectedEntry {
        path: PathBuf::from(name),
        reason: format!(
            "not of hlarchive: {} with the name of a temporary directory; events may be in it",
            fs::kind(file_type)
        ),
        hides_events: false,
    }
}

fn unreadable(path: PathBuf, errno: Errno) -> UnexpectedEntry {
    let reason = match errno {
        Errno::NOTDIR | Errno::LOOP => "this is not a directory any more".to_owned(),
        other => format!("cannot read this directory: {}", crate::error::plain(&other.into())),
    };
    UnexpectedEntry { path, reason, hides_events: true }
}

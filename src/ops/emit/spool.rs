//! The spool: where events wait that cannot be placed in the tree.
//!
//! It is an event tree of the same shape, on another file system, with a note of the root that its
//! events are for. What is taken in from it keeps its identity and its bytes, and leaves the spool
//! only when it is durable in the tree. It is reached by handle, and not trusted: only regular
//! files that are valid events of their place are taken.

use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::Context;
use crate::event::{EventHead, EventPath};
use crate::fs;
use crate::live::{
    BatchItem, CreateOptions, Creation, FileStamp, FileState, LiveTree, create_batch, create_event,
    sync_created,
};
use crate::ops::Finding;
use crate::store::Store;
use crate::{Error, Result};

/// Number of events that are taken in together.
const GROUP: usize = 256;

/// The note of the root that a spool is for. Readers skip it.
const NOTE: &str = ".hlarchive-spool";

/// Fallback for an event that cannot be placed in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OnError {
    /// None: the error is returned.
    Fail,
    /// The event is handed back, to be reported.
    Warn,
    /// The event waits in this directory until a later run takes it in.
    Spool(PathBuf),
}

/// Totals of taking in from a spool.
#[derive(Debug, Clone, Default)]
pub(crate) struct SpoolReport {
    /// Events that are in the tree now.
    pub taken: u64,
    /// Events that stay in the spool, and why.
    pub findings: Vec<Finding>,
}

/// Opens an existing spool, if its user can vouch for it: it belongs to this user or to root, and
/// nobody else can exchange its contents.
fn open(path: &Path) -> Result<Option<LiveTree>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(directory) => directory,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(Error::io(path, "open", errno)),
    };
    let stat = rustix::fs::fstat(&directory).map_err(|errno| Error::io(path, "look up", errno))?;
    let is_ours = [0, rustix::process::geteuid().as_raw()].contains(&stat.st_uid);
    let is_open = stat.st_mode & 0o022 != 0 && stat.st_mode & 0o1000 == 0;
    if !is_ours || is_open {
        let reason = if is_ours {
            "others can write to it; remove that right (chmod go-w), or set the sticky bit"
                .to_owned()
        } else {
            format!(
                "it belongs to {}; a spool must belong to its user",
                crate::system::user_name(stat.st_uid)
            )
        };
        return Err(Error::NeedsConsent(format!(
            "{}: not used as a spool: {reason}",
            path.display()
        )));
    }
    Ok(Some(LiveTree::at(path, directory)))
}

/// Returns the root as a spool's note has it.
fn root_of(store: &Store) -> Vec<u8> {
    fs::settled(store.root()).as_os_str().as_bytes().to_vec()
}

/// Refuses a spool that is for another root; a spool without a note is claimed for this root if
/// `begins`.
fn check_note(spool: &LiveTree, store: &Store, begins: bool) -> Result<()> {
    let path = spool.root().join(NOTE);
    let wanted = root_of(store);
    if begins {
        match fs::create_new(spool.fd(), NOTE, 0o644) {
            Ok(file) => std::fs::File::from(file)
                .write_all(&wanted)
                .map_err(|error| Error::io(&path, "write", error))?,
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::io(&path, "create", errno)),
        }
    }
    let mut found = Vec::new();
    fs::open_regular(spool.fd(), NOTE)
        .and_then(|file| file.take(1 << 16).read_to_end(&mut found))
        .map_err(|error| Error::io(&path, "read", error))?;
    if found != wanted {
        return Err(Error::Refused(format!(
            "{}: this spool is for the events of {}; give this root one of its own",
            spool.root().display(),
            crate::event::shown(&String::from_utf8_lossy(&found))
        )));
    }
    Ok(())
}

/// Keeps an event in the spool; returns the path.
pub(super) fn keep(
    spool: &Path,
    store: &Store,
    path: &EventPath,
    bytes: &[u8],
    context: &Context,
) -> Result<PathBuf> {
    if let Some(above) = fs::folder_of(spool) {
        fs::create_dir_all(above).map_err(|error| Error::io(above, "create", error))?;
    }
    match rustix::fs::mkdir(spool, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Error::io(spool, "create", errno)),
    }
    let tree = open(spool)?.ok_or_else(|| Error::io(spool, "open", Errno::NOENT))?;
    check_note(&tree, store, true)?;
    let options = CreateOptions { token: context.next_token(), now: context.now(), mtime: None };
    match create_event(&tree, path, bytes, &options)? {
        Creation::Created => Ok(spool.join(path.to_string())),
        Creation::AlreadyExists => {
            Err(Error::Refused(format!("{path}: the name is taken in the spool")))
        }
    }
}

/// Counts the events that wait in a spool.
pub(crate) fn spooled(spool: &Path) -> Result<u64> {
    let Some(tree) = open(spool)? else { return Ok(0) };
    let mut files = 0;
    for date in tree.dates()?.0 {
        files += tree.list(date)?.len() as u64;
    }
    Ok(files)
}

/// Takes in up to `limit` events that wait in a spool for this tree.
pub(crate) fn take_in(
    store: &Store,
    context: &Context,
    spool: &Path,
    limit: usize,
) -> Result<SpoolReport> {
    let mut report = SpoolReport::default();
    let Some(from) = open(spool)? else { return Ok(report) };
    let (dates, _) = from.dates()?;
    let Some(live) = store.live()?.filter(|_| !dates.is_empty()) else { return Ok(report) };
    check_note(&from, store, false)?;
    // Users who share a spool take in their own events; root, or the owner of the spool, takes in
    // all.
    let us = rustix::process::geteuid().as_raw();
    let owner = rustix::fs::fstat(from.fd()).map_err(|errno| Error::io(spool, "look up", errno))?;
    let only_of = Some(us).filter(|us| *us != 0 && owner.st_uid != *us);
    let intake = SpoolIntake { live: &live, spool: &from, only_of, context };
    let mut left = limit;
    for date in dates {
        let listing = from.list(date)?;
        let end = listing.len().min(left);
        left -= end;
        for begin in (0..end).step_by(GROUP) {
            let paths = (begin..(begin + GROUP).min(end)).map(|number| listing.path(number));
            intake.take_group(paths.collect(), &mut report);
        }
        // Directories that are not empty stay, and so do those of other users.
        let _ = from.partition(date).remove_empty_dirs(context.now());
    }
    Ok(report)
}

/// The way from a spool into the tree.
struct SpoolIntake<'a> {
    live: &'a LiveTree,
    spool: &'a LiveTree,
    /// The user whose events alone are taken; absent if all are.
    only_of: Option<u32>,
    context: &'a Context,
}

impl SpoolIntake<'_> {
    /// Takes in these events together.
    fn take_group(&self, paths: Vec<EventPath>, report: &mut SpoolReport) {
        let mut waiting: Vec<(EventPath, Vec<u8>, FileStamp)> = Vec::new();
        for path in paths {
            let mut bytes = Vec::new();
            let reason = match self
                .spool
                .partition(path.date)
                .read_into(&path.node, &path.name, &mut bytes)
            {
                Ok(FileState::Gone) => continue,
                Ok(FileState::Read(stamp)) if self.only_of.is_some_and(|us| us != stamp.owner) => {
                    continue;
                }
                Ok(FileState::Read(stamp)) => match judge(&path, &bytes) {
                    None => {
                        waiting.push((path, bytes, stamp));
                        continue;
                    }
                    Some(reason) => reason,
                },
                Ok(_) => "it was not written by an emitter".to_owned(),
                Err(error) => error.to_string(),
            };
            report
                .findings
                .push(Finding::new(path.to_string(), format!("it stays in the spool: {reason}")));
        }
        let items: Vec<BatchItem<'_>> = waiting
            .iter()
            .map(|(path, bytes, _)| BatchItem { path, bytes, token: self.context.next_token() })
            .collect();
        let placed = create_batch(self.live, &items, self.context.now());
        for ((path, bytes, stamp), placed) in waiting.iter().zip(placed) {
            let settled = placed.and_then(|placed| match placed {
                Creation::Created => Ok(()),
                // An earlier run was stopped before it could remove the file here.
                Creation::AlreadyExists => self.is_same(path, bytes),
            });
            let removed = settled.and_then(|()| {
                self.spool.partition(path.date).remove(&path.node, &path.name, &stamp.digest())
            });
            match removed {
                Ok(_) => report.taken += 1,
                Err(error) => report.findings.push(Finding::of(path.to_string(), &error)),
            }
        }
    }

    /// Checks that the tree has exactly these bytes under the name, and makes them durable.
    fn is_same(&self, path: &EventPath, bytes: &[u8]) -> Result<()> {
        let mut there = Vec::new();
        match self.live.partition(path.date).read_into(&path.node, &path.name, &mut there)? {
            FileState::Read(_) if there == bytes => {
                sync_created(self.live, path, self.context.now())
            }
            _ => Err(Error::Refused(
                "it stays in the spool: another event has its name in the tree".to_owned(),
            )),
        }
    }
}

/// Returns why a file of the spool is not an event of its place.
fn judge(path: &EventPath, bytes: &[u8]) -> Option<String> {
    let head = match EventHead::parse(bytes) {
        Ok(head) => head,
        Err(error) => return Some(format!("not an event: {error}")),
    };
    let fits = head.timestamp.date() == path.date
        && head.node == path.node.as_str()
        && path.name.parts().is_some_and(|name| name.timestamp == head.timestamp);
    (!fits).then(|| "its name and its content disagree".to_owned())
}

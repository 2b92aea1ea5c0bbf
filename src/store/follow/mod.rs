//! New events as they arrive, each exactly once, over any number of runs.
//!
//! No property of the events themselves tells which of them came after a certain moment. A
//! timestamp does not: an event may be filed days late. A file's times do not: they are gone when
//! it is rotated, and its segment holds others that came long before. So a follower writes down
//! what it saw (`log`): a short mark for each event, in the order in which they were seen, and
//! *the position in that list is the cursor*.
//!
//! The rules that make it exact:
//!
//! 1. **Noted, then given.** An event's mark is on the disk before the event is given, with its
//!    position as cursor. So a killed follower has noted everything it gave, and what it noted
//!    beyond that still has a place.
//! 2. **The list is only appended to.** A cursor's meaning never changes. A follower that begins
//!    after one first replays what is noted behind it, in that order (`replay`), and only then
//!    gives what is new. A caller that keeps the cursor of the last event it handled is given
//!    every other event, and none twice, wherever either side was killed.
//! 3. **New is what has no mark.** Live days are listed before the manifest is asked for segments
//!    that were not read yet. Rotation records a segment before it removes the files in it, so at
//!    every moment an event is found in one of the two; what was gone when it was to be read has
//!    no mark, and is found by the next look. An event is its identity, so one that moves into a
//!    segment or back has its mark already.
//! 4. **A segment is done when everything in it has marks,** by its name and SHA-256. One that
//!    replaces others that are all done is done, too.
//! 5. **What cannot be read is not noted**: a half-written file, a damaged frame. It is tried
//!    again, in this run or the next.
//! 6. **At the beginning** everything that exists and is not asked for is noted as known,
//!    archived events included, so that it is not news when it comes back in whatever form.
//!
//! A follower without a cursor file keeps its list in memory until the process ends, so archived
//! days that are not asked for then count as known by their segments alone.
//!
//! Time and waiting are up to the caller: [`Follower::look`] looks once, [`Watch`] wakes it.

mod base;
mod cursor;
mod log;
mod look;
mod marks;
mod options;
mod replay;
mod seen;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use cursor::Cursor;
pub(crate) use options::{After, FollowOptions, Followed, Look};
pub(crate) use watch::Watch;

use base::Base;
use log::{LogEntry, Mark, MarkLog, Unnamed};
use marks::event_mark;
use seen::{Seen, Watched};

use super::{FoundEvent, Notice, Notices, Query, Store};
use crate::archive::Manifest;
use crate::event::{Date, EventPath};
use crate::live::FileStamp;
use crate::{Error, Result};

/// Follows one history.
#[derive(Debug)]
pub(crate) struct Follower {
    store: Store,
    query: Query,
    log: MarkLog,
    /// The log's name in cursors.
    file: Arc<Path>,
    /// True if the log records what was given.
    keeps_place: bool,
    /// True if archived days may be known by their segments alone.
    names_only: bool,
    /// Entries up to here that need not be given any more.
    given: u64,
    remaining: u64,
    seen: Seen,
    days: BTreeMap<Date, Watched>,
    manifest: Manifest,
    /// Segments that are done with.
    done: HashSet<Mark>,
    /// Segments that cannot be read completely; the next run tries again.
    tried: HashSet<Mark>,
    /// True if everything in the manifest, as last read, is done.
    asked: bool,
    suspects: HashMap<EventPath, Suspect>,
    /// Unreadable directories that were reported.
    hidden: HashSet<PathBuf>,
    notices: Notices,
}

/// A live file that is not an event, or not yet.
#[derive(Debug)]
struct Suspect {
    stamp: Option<FileStamp>,
    notice: Notice,
    told: bool,
}

impl Follower {
    /// Begins, or continues where a cursor points.
    pub(crate) fn begin(store: &Store, options: FollowOptions) -> Result<Self> {
        let FollowOptions { query, first_dates, cursor_file, after, seed } = options;
        let keeps_place = cursor_file.is_some();
        let path = match (&cursor_file, &after) {
            (Some(file), _) => {
                Some(cursor::absolute(file).map_err(|error| Error::io(file, "create", error))?)
            }
            (None, Some(After::Cursor(cursor))) => Some(cursor.file.to_path_buf()),
            (None, Some(After::Start)) => {
                return Err(Error::Usage(
                    "to begin at the start, the cursor file must be named, too".to_owned(),
                ));
            }
            (None, None) => None,
        };
        let mut id = [0; 16];
        id.copy_from_slice(&seed[..16]);
        // A cursor refers to this machine's history; mirrors may come and go.
        let query = Query { own_only: true, ..query };
        let first = Query { dates: first_dates, ..query.clone() };
        let mut notices = Notices::default();
        let log = match &path {
            None => {
                let mut log = MarkLog::in_memory(id)?;
                Base { store, first: &first, names_only: true }.note(&mut log, &mut notices)?;
                log
            }
            Some(path) => match (MarkLog::open(path)?, &after) {
                (Some(log), _) => log,
                (None, Some(After::Cursor(_))) => {
                    return Err(Error::NotFound {
                        what: path.display().to_string(),
                        reason: "the cursor belongs to this file, and it is not there; without \
                                 it, nobody can tell which events came after the cursor"
                            .to_owned(),
                    });
                }
                (None, _) => {
                    let (mut log, temporary) = MarkLog::create(path, id)?;
                    let temporary = Unnamed(temporary);
                    let base = Base { store, first: &first, names_only: false };
                    base.note(&mut log, &mut notices)?;
                    log.publish(&temporary.0)?;
                    log
                }
            },
        };
        let (mut start, mut marked, mut done) = (0, None, HashSet::new());
        log.scan(0, &mut |position, entry| {
            match entry {
                LogEntry::Begin => start = position + 1,
                LogEntry::Given(up_to) => marked = Some(up_to),
                LogEntry::Segment(mark) => _ = done.insert(mark),
                LogEntry::Came(..) | LogEntry::Known(..) => {}
            }
            true
        })?;
        let given = match &after {
            Some(After::Start) => start,
            Some(After::Cursor(cursor)) => {
                if cursor.position > log.len() || log.check(cursor.position)? != cursor.check {
                    return Err(Error::Usage(format!(
                        "{}: the cursor is not of this cursor file; it may have been made anew \
                         since",
                        log.path().display()
                    )));
                }
                cursor.position.max(start)
            }
            None => marked.unwrap_or(start),
        };
        Ok(Self {
            store: store.clone(),
            remaining: query.limit.unwrap_or(u64::MAX),
            names_only: !log.is_lasting(),
            query,
            file: log.path().into(),
            seen: Seen::noted(&log)?,
            log,
            keeps_place,
            given,
            days: BTreeMap::new(),
            manifest: Manifest::default(),
            done,
            tried: HashSet::new(),
            asked: false,
            suspects: HashMap::new(),
            hidden: HashSet::new(),
            notices,
        })
    }

    /// Returns the notices since the last call.
    pub(crate) fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }

    /// Ends: a file that looked half-written is reported as what it is.
    pub(crate) fn end(&mut self) -> &mut Notices {
        for suspect in self.suspects.values_mut().filter(|suspect| !suspect.told) {
            suspect.told = true;
            self.notices.add(suspect.notice.clone());
        }
        &mut self.notices
    }

    /// Reports whether this day is among the queried ones.
    fn asks_for(&self, date: Date) -> bool {
        self.query.dates.is_empty() || self.query.dates.contains(&date)
    }

    fn mark(&self, path: &EventPath) -> Mark {
        event_mark(&self.log, path.date, path.node.as_str(), path.name.as_str())
    }

    fn cursor(&self, position: u64) -> Result<Option<Cursor>> {
        if !self.log.is_lasting() {
            return Ok(None);
        }
        let check = self.log.check(position)?;
        Ok(Some(Cursor { position, check, file: Arc::clone(&self.file) }))
    }

    /// Gives events that are noted, each with its position; `up_to` is the position of the list
    /// after them.
    fn give<E: From<Error>>(
        &mut self,
        mut events: Vec<(u64, FoundEvent)>,
        up_to: u64,
        give: &mut Give<'_, E>,
    ) -> Result<bool, E> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let is_cut = events.len() > wanted;
        events.truncate(wanted);
        let up_to = match events.last() {
            Some((position, _)) if is_cut => *position,
            None if is_cut => self.given,
            _ => up_to,
        };
        let mut goes_on = true;
        if !events.is_empty() {
            self.remaining -= events.len() as u64;
            let mut arrivals = Vec::with_capacity(events.len());
            for (position, event) in events {
                arrivals.push(Followed { event, cursor: self.cursor(position)? });
            }
            goes_on = give(arrivals)?.is_continue();
        }
        if self.given < up_to {
            self.given = up_to;
            if self.keeps_place {
                let is_all = self.given == self.log.len();
                self.log.append(&[LogEntry::Given(up_to)])?;
                self.log.sync()?;
                if is_all {
                    self.given = self.log.len();
                }
            }
        }
        Ok(goes_on && self.remaining > 0)
    }
}

/// The receiver of events; it has printed them when it returns.
type Give<'a, E> = dyn FnMut(Vec<Followed>) -> Result<ControlFlow<()>, E> + 'a;

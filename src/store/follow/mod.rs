//! New events as they come, each exactly once, over any number of runs.
//!
//! No property of the events themselves tells which of them came after a certain moment. A
//! timestamp does not: an event may be filed days late. A file's times do not: they are gone
//! when it is rotated, and the segment that takes it up holds others that came long before.
//! So a follower writes down what it saw (`log`): one short mark for each event, in the
//! order in which they were seen, and *the position in that list is the cursor*.
//!
//! The rules that make it exact:
//!
//! 1. **Noted, then given.** An event's mark is on the disk before the event is handed out,
//!    with its position as cursor. So a killed follower has noted all that it gave, and
//!    what it noted beyond that still has a place.
//! 2. **The list is only appended to.** A cursor means the same for ever. Who begins after
//!    one is first given again what is noted behind it, in that order (`replay`), and only
//!    then what is new. Who keeps the cursor of the last event that was dealt with is given
//!    every other event, and none twice, wherever either side was killed.
//! 3. **New is what has no mark.** Live days are listed before the manifest is asked for
//!    segments that were not looked through yet. Rotation records a segment before it
//!    removes the files in it, so an event is found in one of the two at every moment; what
//!    was gone when it was to be read has no mark, and is found by the next look. An event
//!    is its identity, so one that moves, into a segment or back, has its mark already.
//! 4. **A segment is done with when all in it has marks,** by its name and SHA-256. One that
//!    takes the place of others that are all done with is done with, too.
//! 5. **What cannot be read is not noted**: a file half written, a damaged frame. It is
//!    looked at again, in this run or the next.
//! 6. **At the beginning** all that is there and is not asked for is noted as known, archived
//!    events included, so that it is no news when it comes back in whatever shape.
//!
//! A follower without a cursor file keeps its list in memory. It ends with the process, so
//! there archived days that are not asked for count as known by their segments alone.
//!
//! Time and waiting are the caller's: [`Follower::look`] looks once, [`Watch`] wakes.

mod cursor;
mod log;
mod look;
mod replay;
mod seen;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

pub use cursor::Cursor;
pub use watch::Watch;

use log::{LogEntry, Mark, MarkLog, Unnamed};
use seen::{Seen, Watched};

use super::{FoundEvent, Notice, Notices, Query, Store};
use crate::archive::{Manifest, Record, SegmentName};
use crate::event::{Date, EventPath, Malformed};
use crate::live::FileStamp;
use crate::segment::SegmentReader;
use crate::{Error, Result};

/// Where a follower begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// At the beginning of its cursor file.
    Start,
    /// After this event.
    Cursor(Cursor),
}

impl FromStr for After {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "start" { Ok(Self::Start) } else { text.parse().map(Self::Cursor) }
    }
}

/// What is followed, and from where on.
#[derive(Debug, Clone, Default)]
pub struct FollowOptions {
    /// Which events are given. Its order is of no account.
    pub query: Query,
    /// The days whose events count as news at the very beginning, with no cursor yet; empty
    /// for all. What else is there by then is never given.
    pub first_dates: Vec<Date>,
    /// The file that keeps the place; made when it is missing. It moves on with what is given.
    pub cursor_file: Option<PathBuf>,
    /// Where to begin, if not where the file's last run ended.
    pub after: Option<After>,
    /// Random bytes, for a new cursor file.
    pub seed: [u8; 32],
}

/// An event that is given, and the cursor to go on after it; none without a cursor file.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The event.
    pub event: FoundEvent,
    /// Its place.
    pub cursor: Option<Cursor>,
}

impl Followed {
    /// Appends the event as one line of JSON with `_path`, `_segment` and `_cursor`, without
    /// newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.event.write_json(out);
        if let Some(cursor) = &self.cursor {
            out.pop();
            // A cursor has nothing that would have to be escaped.
            out.extend_from_slice(format!(",\"_cursor\":\"{cursor}\"}}").as_bytes());
        }
    }
}

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Something moved meanwhile: the next look should come at once.
    pub again: bool,
    /// Something may come of which no directory will tell: the next look should come soon.
    pub restless: bool,
    /// As many events were given as were wanted, or the caller had enough.
    pub ended: bool,
}

/// Follows one history.
#[derive(Debug)]
pub struct Follower {
    store: Store,
    query: Query,
    log: MarkLog,
    /// The log's name in cursors.
    file: Arc<Path>,
    /// Whether the log is told what was given.
    keeps_place: bool,
    /// Whether archived days may be known by their segments alone.
    names_only: bool,
    /// Entries up to here need not be given any more.
    given: u64,
    remaining: u64,
    seen: Seen,
    days: BTreeMap<Date, Watched>,
    manifest: Manifest,
    /// Segments that are done with.
    done: HashSet<Mark>,
    /// Segments that cannot be read whole; the next run tries again.
    tried: HashSet<Mark>,
    /// Whether the manifest, as it was read last, names nothing that is not done with.
    asked: bool,
    suspects: HashMap<EventPath, Suspect>,
    /// Directories that cannot be read, and were told of.
    hidden: HashSet<PathBuf>,
    notices: Notices,
}

/// A live file that is no event, or not yet.
#[derive(Debug)]
struct Suspect {
    stamp: Option<FileStamp>,
    notice: Notice,
    told: bool,
}

impl Follower {
    /// Begins, or goes on where a cursor says.
    pub fn begin(store: &Store, options: FollowOptions) -> Result<Self> {
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
        // A cursor tells of this machine's history; what is mirrored may come and go.
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

    /// What was passed over since this was asked last.
    pub fn notices(&mut self) -> &mut Notices {
        &mut self.notices
    }

    /// The end: what looked like a file half written is one that will stay so.
    pub fn end(&mut self) -> &mut Notices {
        for suspect in self.suspects.values_mut().filter(|suspect| !suspect.told) {
            suspect.told = true;
            self.notices.add(suspect.notice.clone());
        }
        &mut self.notices
    }

    /// Whether the days that were asked for by name have this one among them.
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

    /// Hands out events that are noted, each with its position; `up_to` is where the list
    /// stands after them.
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

/// What takes events, and has printed them when it returns.
type Give<'a, E> = dyn FnMut(Vec<Followed>) -> Result<ControlFlow<()>, E> + 'a;

fn event_mark(log: &MarkLog, date: Date, node: &str, name: &str) -> Mark {
    log.mark(&[date.text().as_str(), "/", node, "/", name])
}

/// A segment's exact bytes, under its name.
fn segment_mark(log: &MarkLog, name: &SegmentName, record: &Record) -> Mark {
    let sha256 = record.sha256.map(|hash| hash.to_string()).unwrap_or_default();
    log.mark(&["segment ", &name.to_string(), " ", &sha256])
}

/// What is there before the beginning.
struct Base<'a> {
    store: &'a Store,
    /// What is news all the same.
    first: &'a Query,
    names_only: bool,
}

/// Entries that are appended together.
const MAX_ENTRIES: usize = 4096;

impl Base<'_> {
    /// Notes it: the live tree first, as always.
    fn note(&self, log: &mut MarkLog, notices: &mut Notices) -> Result<()> {
        let mut entries = Vec::new();
        if let Some(live) = self.store.live()? {
            for date in live.dates()?.0.into_iter().filter(|date| !self.first.wants(*date)) {
                let listing = live.list(date)?;
                for number in 0..listing.len() {
                    let (node, name) = (listing.node(number), listing.name(number));
                    let mark = event_mark(log, date, node.as_str(), name.as_str());
                    entries.push(LogEntry::Known(date, mark));
                    if entries.len() >= MAX_ENTRIES {
                        log.append(&entries)?;
                        entries.clear();
                    }
                }
            }
        }
        if let (Some(archive), _) = self.store.readable_archive()? {
            let manifest = Manifest::load(&archive)?;
            for (name, record) in manifest.segments() {
                if self.first.wants(name.date) {
                    continue;
                }
                if !self.names_only {
                    let path = archive.segment_path(name);
                    let reader = archive
                        .open_segment(name)
                        .and_then(|file| SegmentReader::open_day(file, &path, name.date));
                    let read = reader.and_then(|reader| note_members(&reader, log, notices, &path));
                    if let Err(error) = read {
                        let reason = error.reason_at(&path);
                        notices.add(Notice::Damaged { path, reason });
                    }
                }
                entries.push(LogEntry::Segment(segment_mark(log, name, record)));
            }
            for record in manifest.expired() {
                if let Some(name) = &record.segment {
                    entries.push(LogEntry::Segment(segment_mark(log, name, record)));
                }
            }
        }
        entries.push(LogEntry::Begin);
        log.append(&entries)
    }
}

fn note_members(
    reader: &SegmentReader,
    log: &mut MarkLog,
    notices: &mut Notices,
    path: &Path,
) -> Result<()> {
    for number in 0..reader.frames().len() {
        let frame = match reader.read_frame(number) {
            Ok(frame) => frame,
            // A damaged frame costs only the events inside it.
            Err(error) => {
                let reason = error.reason_at(path);
                notices.add(Notice::Damaged { path: path.to_owned(), reason });
                continue;
            }
        };
        let mut entries = Vec::new();
        for member in frame.members() {
            let path = member?.path;
            let mark = event_mark(log, path.date(), path.node(), path.name());
            entries.push(LogEntry::Known(path.date(), mark));
        }
        log.append(&entries)?;
    }
    Ok(())
}

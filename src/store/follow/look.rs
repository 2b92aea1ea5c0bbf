//! One look at the entire history: what has no mark is new.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{LogEntry, Mark};
use super::{Follower, Give, Look, MAX_ENTRIES, Suspect, segment_mark};
use crate::archive::{Expired, Manifest, Op};
use crate::event::{Date, EventPath, Timestamp};
use crate::live::{FileState, LiveTree};
use crate::store::filter::Verdict;
use crate::store::{FoundEvent, Name, Notice, Notices, Query, Scope, step};
use crate::{Error, Result};

/// Above this many new files, a day is read as a query reads it: in parallel, sorted by time, in
/// bounded memory.
const FEW: usize = 512;

/// Maximum bytes of new events held at once.
const MAX_BYTES: usize = 4 << 20;

/// Entries about to be noted, and the matching events among them.
#[derive(Default)]
struct Batch {
    entries: Vec<LogEntry>,
    events: Vec<(usize, FoundEvent)>,
    bytes: usize,
}

/// The parts of a day that were not read yet.
#[derive(Default)]
struct News {
    files: Vec<EventPath>,
    /// True if there are more files than are listed by name.
    many: bool,
    segments: Vec<Mark>,
}

/// A day that is looked at.
#[derive(Clone, Copy)]
struct ExaminedDay<'a> {
    date: Date,
    /// The live tree, if live events are wanted.
    live: Option<&'a LiveTree>,
}

impl Follower {
    /// Looks once, and gives what is new. `give` has printed its events when it returns; if it
    /// fails, they are given again after the next start.
    pub(crate) fn look<E: From<Error>>(
        &mut self,
        now: Timestamp,
        give: &mut Give<'_, E>,
    ) -> Result<Look, E> {
        let ended = Look { ended: true, ..Look::default() };
        if self.remaining == 0 || !self.replay(give)? {
            return Ok(ended);
        }
        // What this look does not finish, the next one starts again.
        let asked = std::mem::take(&mut self.asked);
        let mut look = Look::default();
        let mut news: BTreeMap<Date, News> = BTreeMap::new();
        let live = if self.query.scope.live() { self.store.live()? } else { None };
        self.list(live.as_ref(), now, &mut news)?;
        step();
        self.ask_manifest(asked, &mut news)?;
        let mut whole = true;
        for (date, news) in news {
            let segments = news.segments.clone();
            if !self.examine(ExaminedDay { date, live: live.as_ref() }, news, &mut look, give)? {
                return Ok(ended);
            }
            whole &= segments.iter().all(|s| self.done.contains(s) || self.tried.contains(s));
            if !self.days.contains_key(&date) {
                self.seen.keep(&self.days);
            }
        }
        self.asked = whole;
        look.again |= !whole;
        look.restless |= self.suspects.values().any(|suspect| !suspect.told)
            || self.days.values().any(|day| !day.is_settled());
        Ok(look)
    }

    /// Finds live files without a mark, in days whose directories changed.
    fn list(
        &mut self,
        live: Option<&LiveTree>,
        now: Timestamp,
        news: &mut BTreeMap<Date, News>,
    ) -> Result<()> {
        let dates = match live {
            Some(live) => live.dates()?.0,
            None => Vec::new(),
        };
        let there: BTreeSet<Date> = dates.iter().copied().collect();
        self.days.retain(|date, _| there.contains(date));
        self.suspects.retain(|path, _| there.contains(&path.date));
        self.seen.load(&self.log, &dates)?;
        for date in dates {
            let Some(live) = live else { break };
            let changes = live.changes(date)?;
            if !self.days.entry(date).or_default().needs_look(changes, now) {
                continue;
            }
            let listing = live.list(date)?;
            for entry in listing.unexpected().iter().filter(|entry| entry.hides_events) {
                if self.hidden.insert(entry.path.clone()) {
                    self.notices.unexpected(entry);
                }
            }
            for number in 0..listing.len() {
                let path = listing.path(number);
                if self.seen.has(date, &self.mark(&path)) || self.suspects.contains_key(&path) {
                    continue;
                }
                let news = news.entry(date).or_default();
                if news.files.len() == FEW {
                    news.many = true;
                    break;
                }
                news.files.push(path);
            }
        }
        self.question_suspects(live, news);
        Ok(())
    }

    /// Checks files that were not events: those that changed since are news, the others are
    /// reported.
    fn question_suspects(&mut self, live: Option<&LiveTree>, news: &mut BTreeMap<Date, News>) {
        let Some(live) = live else { return };
        let (mut moved, mut gone) = (Vec::new(), Vec::new());
        for (path, suspect) in &mut self.suspects {
            match live.partition(path.date).stamp_of(&path.node, &path.name) {
                Ok(None) => gone.push(path.clone()),
                Ok(stamp) if stamp != suspect.stamp => moved.push(path.clone()),
                Ok(_) | Err(_) if suspect.told => {}
                Ok(_) | Err(_) => {
                    suspect.told = true;
                    self.notices.add(suspect.notice.clone());
                }
            }
        }
        for path in gone {
            self.suspects.remove(&path);
        }
        for path in moved {
            self.suspects.remove(&path);
            news.entry(path.date).or_default().files.push(path);
        }
    }

    /// Finds segments that are not done.
    fn ask_manifest(&mut self, asked: bool, news: &mut BTreeMap<Date, News>) -> Result<()> {
        if !self.query.scope.archived() {
            return Ok(());
        }
        let (archive, away) = self.store.readable_archive()?;
        if let Some(away) = away {
            self.notices.add(Notice::Away(away));
        }
        let Some(archive) = archive else {
            self.manifest = Manifest::default();
            return Ok(());
        };
        if !self.manifest.reload_if_changed(&archive)? && asked {
            return Ok(());
        }
        let mut entries = Vec::new();
        let mut marks: BTreeMap<_, Mark> = BTreeMap::new();
        for record in self.manifest.records() {
            let is_there = matches!(record.op, Op::Rotate | Op::Import | Op::Compact);
            if let Some(name) = record.segment.as_ref().filter(|_| is_there) {
                marks.insert(name, segment_mark(&self.log, name, record));
            }
        }
        for (name, record) in self.manifest.segments() {
            let mark = segment_mark(&self.log, name, record);
            if self.done.contains(&mark) || self.tried.contains(&mark) {
                continue;
            }
            let old = record.supersedes.as_deref().unwrap_or_default();
            let is_done = |name| marks.get(name).is_some_and(|mark| self.done.contains(mark));
            let done = old.iter().filter(|name| is_done(*name)).count();
            if done > 0 && done == old.len() {
                entries.push(LogEntry::Segment(mark));
            } else if done > 0 && self.names_only {
                let reason = "it took the place of others before all of them were looked \
                              through, so it cannot be told what in it is new";
                let path = archive.segment_path(name);
                self.notices.add(Notice::Damaged { path, reason: reason.to_owned() });
                entries.push(LogEntry::Segment(mark));
            } else {
                news.entry(name.date).or_default().segments.push(mark);
            }
        }
        let mut expired = Vec::new();
        for record in self.manifest.expired() {
            let Some(name) = &record.segment else { continue };
            let mark = segment_mark(&self.log, name, record);
            if !self.done.contains(&mark) {
                entries.push(LogEntry::Segment(mark));
                if self.query.wants(name.date) {
                    expired.push(record);
                }
            }
        }
        if let Some(expired) = Expired::of(expired.into_iter()) {
            self.notices.add(Notice::Expired(expired));
        }
        if !entries.is_empty() {
            self.note(&entries)?;
        }
        Ok(())
    }

    /// Notes what is not given; the list may lag behind with it.
    fn note(&mut self, entries: &[LogEntry]) -> Result<()> {
        let is_all = self.given == self.log.len();
        self.log.append(entries)?;
        if is_all {
            self.given = self.log.len();
        }
        for entry in entries {
            if let LogEntry::Segment(mark) = entry {
                self.done.insert(*mark);
            }
        }
        Ok(())
    }

    /// Reads what is new in a day. Returns whether more is wanted.
    fn examine<E: From<Error>>(
        &mut self,
        day: ExaminedDay<'_>,
        news: News,
        look: &mut Look,
        give: &mut Give<'_, E>,
    ) -> Result<bool, E> {
        let date = day.date;
        self.seen.load(&self.log, &[date])?;
        // What is live again of days known by their segments alone is not news.
        let ask_all = news.many
            || (self.names_only
                && !news.files.is_empty()
                && self.manifest.segments_of(date).next().is_some());
        if !ask_all && news.segments.is_empty() {
            return self.read_files(day, &news.files, look, give);
        }
        let scope = match self.query.scope {
            Scope::Live => Scope::Live,
            _ if news.files.is_empty() => Scope::Archived,
            _ => Scope::Everything,
        };
        let own_only = true;
        let query = Query { dates: vec![date], scope, own_only, ..Query::default() };
        let mut stream = self.store.events(query)?;
        let mut batch = Batch::default();
        for event in &mut stream {
            let event = event?;
            let mark = self.mark(&event.path);
            if self.seen.has(date, &mark) {
                continue;
            }
            let is_known = event.segment.as_ref().is_some_and(|place| {
                let name = &place.name;
                self.manifest.record_of(name).is_some_and(|record| {
                    self.done.contains(&segment_mark(&self.log, name, record))
                })
            });
            self.seen.add(date, mark);
            if is_known {
                batch.entries.push(LogEntry::Known(date, mark));
            } else {
                batch.take(LogEntry::Came(date, mark), self.wanted(event));
            }
            if batch.is_full() && !self.flush(std::mem::take(&mut batch), give)? {
                return Ok(false);
            }
        }
        let cut = stream.notices().any_cost();
        self.take_notices(stream.notices());
        // A segment that was replaced or expired before it was read is not done.
        if let (Some(archive), _) = self.store.readable_archive()? {
            self.manifest.reload_if_changed(&archive)?;
        }
        let still_there: Vec<Mark> = self
            .manifest
            .segments_of(date)
            .map(|(name, record)| segment_mark(&self.log, name, record))
            .filter(|mark| news.segments.contains(mark))
            .collect();
        if cut {
            self.tried.extend(&still_there);
        } else {
            self.done.extend(&still_there);
            batch.entries.extend(still_there.into_iter().map(LogEntry::Segment));
        }
        if !self.flush(batch, give)? {
            return Ok(false);
        }
        // Files that the query passed over: not events, or gone meanwhile.
        let files: Vec<EventPath> =
            news.files.into_iter().filter(|path| !self.seen.has(date, &self.mark(path))).collect();
        self.read_files(day, &files, look, give)
    }

    /// Returns the event if it is wanted.
    fn wanted(&self, event: FoundEvent) -> Option<FoundEvent> {
        let asked = self.asks_for(event.path.date)
            && matches!(self.query.filter.judge(&event.bytes), Verdict::Match(_));
        asked.then_some(event)
    }

    /// Reads files one by one. Returns whether more is wanted.
    fn read_files<E: From<Error>>(
        &mut self,
        day: ExaminedDay<'_>,
        files: &[EventPath],
        look: &mut Look,
        give: &mut Give<'_, E>,
    ) -> Result<bool, E> {
        let ExaminedDay { date, live: Some(live) } = day else { return Ok(true) };
        let partition = live.partition(date);
        let mut found: Vec<(Timestamp, EventPath, Box<[u8]>)> = Vec::new();
        let mut bytes = 0;
        let mut buffer = Vec::new();
        for path in files {
            let invalid = |reason| Notice::Invalid { path: path.clone(), segment: None, reason };
            let unreadable = |reason| Notice::Unreadable { path: path.clone(), reason };
            step();
            let (stamp, notice) = match partition.read_into(&path.node, &path.name, &mut buffer) {
                Ok(FileState::Read(stamp)) => match crate::event::EventHead::parse(&buffer) {
                    Ok(head) => {
                        bytes += buffer.len();
                        let timestamp = head.timestamp;
                        // A stray copy arrived; it is not an event.
                        let is_copy = path.original().is_some_and(|original| {
                            let found = self.store.find(&Name::Path(original));
                            found.is_ok_and(|event| *event.bytes == *buffer)
                        });
                        let event = if is_copy { Box::default() } else { buffer.as_slice().into() };
                        found.push((timestamp, path.clone(), event));
                        if bytes > MAX_BYTES {
                            bytes = 0;
                            if !self.take_found(date, &mut found, give)? {
                                return Ok(false);
                            }
                        }
                        continue;
                    }
                    Err(error) => (Some(stamp), invalid(error.0)),
                },
                Ok(FileState::Gone) => {
                    // Rotated, or a directory being removed: whatever it is, no mark, no loss.
                    look.again = true;
                    continue;
                }
                Ok(FileState::NotRegular(kind)) => {
                    (None, invalid(format!("it is {kind}, not a file")))
                }
                Ok(FileState::TooLarge(size)) => {
                    (None, invalid(format!("it has {size} bytes, more than any event")))
                }
                Ok(FileState::Changed) => {
                    (None, unreadable("it changed while it was read".to_owned()))
                }
                Err(error) => (None, unreadable(error.reason_at(path.to_string()))),
            };
            let stamp = match stamp {
                Some(stamp) => Some(stamp),
                None => partition.stamp_of(&path.node, &path.name).unwrap_or(None),
            };
            self.suspects.insert(path.clone(), Suspect { stamp, notice, told: false });
        }
        self.take_found(date, &mut found, give)
    }

    fn take_found<E: From<Error>>(
        &mut self,
        date: Date,
        found: &mut Vec<(Timestamp, EventPath, Box<[u8]>)>,
        give: &mut Give<'_, E>,
    ) -> Result<bool, E> {
        found.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut batch = Batch::default();
        for (_, path, bytes) in found.drain(..) {
            let mark = self.mark(&path);
            if self.seen.add(date, mark) {
                let event = (!bytes.is_empty()).then(|| FoundEvent::new(path, None, bytes));
                batch.take(LogEntry::Came(date, mark), event.and_then(|event| self.wanted(event)));
            }
        }
        self.flush(batch, give)
    }

    /// Notes a batch, and then gives it. Returns whether more is wanted.
    fn flush<E: From<Error>>(&mut self, batch: Batch, give: &mut Give<'_, E>) -> Result<bool, E> {
        if batch.entries.is_empty() {
            return Ok(true);
        }
        let before = self.log.len();
        self.log.append(&batch.entries)?;
        self.log.sync()?;
        let position = |number: usize| before + number as u64 + 1;
        let events = batch.events.into_iter().map(|(number, event)| (position(number), event));
        self.give(events.collect(), self.log.len(), give)
    }

    /// Takes over a query's notices. Live files among them are checked by name.
    pub(super) fn take_notices(&mut self, notices: &mut Notices) {
        let (kept, _) = notices.take();
        let by_name = |notice: &Notice| {
            matches!(
                notice,
                Notice::Invalid { segment: None, .. }
                    | Notice::Unreadable { .. }
                    | Notice::UnexpectedEntry { .. }
                    | Notice::Expired(_)
            )
        };
        for notice in kept.into_iter().filter(|notice| !by_name(notice)) {
            self.notices.add(notice);
        }
    }
}

impl Batch {
    fn take(&mut self, entry: LogEntry, event: Option<FoundEvent>) {
        if let Some(event) = event {
            self.bytes += event.bytes.len();
            self.events.push((self.entries.len(), event));
        }
        self.entries.push(entry);
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= MAX_ENTRIES || self.bytes > MAX_BYTES
    }
}

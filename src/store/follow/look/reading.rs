//! Reading of news: what is an event is noted, and then given.

use super::{ExaminedDay, Look, News};
use crate::event::{Date, EventPath, Timestamp};
use crate::live::FileState;
use crate::store::follow::log::{LogEntry, Mark};
use crate::store::follow::marks::{MAX_ENTRIES, segment_mark};
use crate::store::follow::{Follower, Give, Suspect};
use crate::store::{FoundEvent, Name, Notice, Query, Scope, step};
use crate::{Error, Result};

/// Maximum bytes of new events held at once.
const MAX_BYTES: usize = 4 << 20;

/// Entries about to be noted, and the matching events among them.
#[derive(Default)]
struct Batch {
    entries: Vec<LogEntry>,
    events: Vec<(usize, FoundEvent)>,
    bytes: usize,
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

impl Follower {
    /// Reads what is new in a day. Returns whether more is wanted.
    pub(super) fn examine<E: From<Error>>(
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
        let asked = self.asks_for(event.path.date) && self.query.filter.admits(&event.bytes);
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
}

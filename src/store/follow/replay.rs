//! Replays what is noted behind a cursor, in the order in which it was noted.

use std::collections::{BTreeMap, HashMap};

use super::log::{LogEntry, Mark};
use super::{Follower, Give};
use crate::event::Date;
use crate::live::FileState;
use crate::store::filter::Verdict;
use crate::store::{FoundEvent, Notice, Order, Query, Scope};
use crate::{Error, Result};

/// Number of entries looked up together.
const MAX: usize = 4096;

/// Maximum bytes of events at once; larger parts are split.
const MAX_BYTES: usize = 16 << 20;

/// The position in the list of each wanted event of a day.
type MarkPositions = HashMap<Mark, u64>;

/// Events that were found, with their positions in the list.
struct Gathered {
    events: Vec<(u64, FoundEvent)>,
    bytes: usize,
    max_bytes: usize,
}

impl Gathered {
    fn add(&mut self, position: u64, event: FoundEvent) {
        self.bytes += event.bytes.len();
        self.events.push((position, event));
    }

    fn is_too_much(&self) -> bool {
        self.bytes > self.max_bytes
    }
}

impl Follower {
    /// Gives what is noted and was not given. Returns whether more is wanted.
    pub(super) fn replay<E: From<Error>>(&mut self, give: &mut Give<'_, E>) -> Result<bool, E> {
        let mut max_events = MAX;
        while self.given < self.log.len() {
            let mut wanted: BTreeMap<Date, MarkPositions> = BTreeMap::new();
            let (mut count, mut end) = (0, self.given);
            self.log.scan(self.given, &mut |position, entry| {
                if let LogEntry::Came(date, mark) = entry
                    && self.asks_for(date)
                {
                    if count == max_events {
                        return false;
                    }
                    count += 1;
                    wanted.entry(date).or_default().insert(mark, position + 1);
                }
                end = position + 1;
                true
            })?;
            let Some(mut events) =
                self.find(wanted, if max_events > 1 { MAX_BYTES } else { usize::MAX })?
            else {
                max_events /= 2;
                continue;
            };
            events.sort_unstable_by_key(|(position, _)| *position);
            if !self.give(events, end, give)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds matching events wherever they are by now, live first as always; `None` when they
    /// have too many bytes.
    fn find(
        &mut self,
        wanted: BTreeMap<Date, MarkPositions>,
        max_bytes: usize,
    ) -> Result<Option<Vec<(u64, FoundEvent)>>> {
        let mut gathered = Gathered { events: Vec::new(), bytes: 0, max_bytes };
        for (date, mut wanted) in wanted {
            self.find_live(date, &mut wanted, &mut gathered)?;
            if !wanted.is_empty() && !gathered.is_too_much() {
                self.find_archived(date, &mut wanted, &mut gathered)?;
            }
            if gathered.is_too_much() {
                return Ok(None);
            }
            if !wanted.is_empty() {
                let expired = self.manifest.expired_of(date).next().is_some();
                let events = wanted.len() as u64;
                self.notices.add(Notice::Vanished { date, events, expired });
            }
        }
        Ok(Some(gathered.events))
    }

    fn find_live(
        &mut self,
        date: Date,
        wanted: &mut MarkPositions,
        gathered: &mut Gathered,
    ) -> Result<()> {
        let Some(live) = self.store.live()? else { return Ok(()) };
        let listing = live.list(date)?;
        let partition = live.partition(date);
        let mut buffer = Vec::new();
        for number in 0..listing.len() {
            let path = listing.path(number);
            let mark = self.mark(&path);
            let Some(position) = wanted.get(&mark).copied() else { continue };
            // What cannot be read here may also be archived; otherwise it is reported as missing.
            let read = partition.read_into(&path.node, &path.name, &mut buffer);
            if let Ok(FileState::Read(_)) = read {
                match self.query.filter.judge(&buffer, None) {
                    Verdict::Match(_) => {
                        let event = FoundEvent::new(path, None, buffer.as_slice().into());
                        gathered.add(position, event);
                    }
                    Verdict::Other => {}
                    Verdict::Invalid(_) => continue,
                }
                wanted.remove(&mark);
            }
            if gathered.is_too_much() {
                break;
            }
        }
        Ok(())
    }

    fn find_archived(
        &mut self,
        date: Date,
        wanted: &mut MarkPositions,
        gathered: &mut Gathered,
    ) -> Result<()> {
        let query = Query {
            dates: vec![date],
            scope: Scope::Archived,
            order: Order::Forward,
            own_only: true,
            ..Query::default()
        };
        let mut stream = self.store.events(query)?;
        for event in &mut stream {
            let event = event?;
            let Some(position) = wanted.remove(&self.mark(&event.path)) else { continue };
            if self.query.filter.admits(&event.bytes) {
                gathered.add(position, event);
            }
            if wanted.is_empty() || gathered.is_too_much() {
                break;
            }
        }
        self.take_notices(stream.notices());
        if let (Some(archive), _) = self.store.readable_archive()? {
            self.manifest.reload_if_changed(&archive)?;
        }
        Ok(())
    }
}

//! Names that were typed only until unambiguous.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::looked::Values;
use super::survey::{SurveyLimit, Surveyed, Surveyor};
use super::{Filter, Looked, Name, Query, Store};
use crate::archive::{ArchiveDir, Overview};
use crate::event::{Date, EventName, EventPath, Timestamp, miss, shown};
use crate::live::LiveTree;
use crate::segment::{Field, SegmentReader};
use crate::{Error, Result};

/// Maximum number of names collected; such a short beginning is of no use anyway.
const MAX_NAMES: usize = 100;

/// Maximum number of names in a message.
const LISTED: usize = 8;

/// Minimum number of hexadecimal digits of an id to search for.
const MIN_DIGITS: usize = 4;

/// Maximum number of archived events searched for an id outside of the days that it implies.
const MAX_EVENTS: u64 = 500_000;

/// The correlation ids that begin with a text.
#[derive(Debug)]
pub struct Candidates {
    /// At most a hundred, sorted.
    pub ids: Vec<String>,
    /// True if there may be more.
    pub more: bool,
    /// The search, and what is near if there are none.
    pub looked: Looked,
}

impl Candidates {
    /// Returns the only one, if the text is unambiguous.
    pub fn only(&self) -> Option<&str> {
        match self.ids.as_slice() {
            [id] if !self.more => Some(id),
            _ => None,
        }
    }

    /// Makes the error for a text that several begin with.
    pub fn ambiguous(&self, prefix: &str) -> Error {
        several(prefix, "correlation ids", self.ids.iter().map(|id| shown(id)), self.more)
    }
}

fn several(
    prefix: &str,
    what: &str,
    names: impl ExactSizeIterator<Item = String>,
    more: bool,
) -> Error {
    let count = names.len();
    let or_more = if more { " or more" } else { "" };
    let mut listed = names.take(LISTED).collect::<Vec<_>>().join(", ");
    if count > LISTED || more {
        listed.push_str(", …");
    }
    Error::Usage(format!(
        "{}: {count}{or_more} {what} begin like this, name one of them: {listed}",
        shown(prefix)
    ))
}

/// Collects correlation ids, and surveys values when there are none.
struct Prefixed<'a> {
    prefix: &'a str,
    ids: BTreeSet<String>,
    values: Values,
}

impl Surveyor for Prefixed<'_> {
    fn visit(&mut self, seen: &Surveyed<'_>, asked: bool) -> Result<()> {
        match seen {
            Surveyed::Event(_, head) if head.correlation_id.starts_with(self.prefix) => {
                self.ids.insert(head.correlation_id.to_string());
            }
            Surveyed::Event(..) => {}
            Surveyed::Segment(index) => {
                self.ids.extend(index.with_prefix(Field::CorrelationId, self.prefix)?);
            }
        }
        // Anything with this beginning is what was meant; nothing near is needed.
        if self.ids.is_empty() { self.values.visit(seen, asked) } else { Ok(()) }
    }

    fn is_done(&self, _: bool, _: Date) -> bool {
        self.ids.len() > MAX_NAMES
    }
}

impl Store {
    /// Finds the correlation ids that begin with a text, live and archived.
    pub fn correlation_ids(&self, prefix: &str, stops: &dyn Fn() -> bool) -> Result<Candidates> {
        let filter = Filter { correlation_ids: vec![prefix.to_owned()], ..Filter::default() };
        let query = Query { filter, ..Query::default() };
        let mut surveyor = Prefixed { prefix, ids: BTreeSet::new(), values: Values::of(&query) };
        let coverage = self.survey(&query, SurveyLimit::default(), &mut surveyor, stops)?;
        let more = surveyor.ids.len() > MAX_NAMES || !coverage.complete;
        let ids = surveyor.ids.into_iter().take(MAX_NAMES).collect();
        Ok(Candidates { ids, more, looked: surveyor.values.looked(&query, &coverage) })
    }

    /// Parses an event's name as [`Name::parse`] does, or by the beginning of its id if no other
    /// event's id begins like it.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] lists the candidates; [`Error::NotFound`] names the nearest.
    pub fn named(&self, text: &str) -> Result<Name> {
        let unknown = match Name::parse(text) {
            Ok(name) => return Ok(name),
            Err(error) => error,
        };
        let Some(prefix) = Prefix::parse(text) else { return Err(unknown) };
        let mut found = Found { prefix, paths: BTreeMap::new(), nearest: None, failed: None };
        if let Some(live) = self.live()? {
            found.look_at_live(&live)?;
        }
        let mut complete = true;
        let (archive, away) = self.readable_archive()?;
        if let Some(away) = away {
            found.failed = Some(Error::Refused(away.reason));
        }
        if let Some(archive) = archive {
            complete &= found.look_at(&archive, false)?;
            for (_, peer) in archive.peers()? {
                complete &= found.look_at(&peer, true)?;
            }
        }
        found.name(text, complete)
    }
}

/// The beginning of an event's id.
struct Prefix {
    /// Its hexadecimal digits.
    digits: String,
}

impl Prefix {
    /// Parses digits, with dashes where an id has them or without any.
    fn parse(text: &str) -> Option<Self> {
        let dashes = [8, 13, 18, 23];
        let has_dashes = text.contains('-');
        let fits = |(at, byte): (usize, u8)| match byte {
            b'-' => dashes.contains(&at),
            _ => byte.is_ascii_hexdigit() && !(has_dashes && dashes.contains(&at)),
        };
        let digits: String =
            text.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
        let fits = text.bytes().enumerate().all(fits) && (MIN_DIGITS..32).contains(&digits.len());
        fits.then_some(Self { digits })
    }

    /// Returns the days of ids with this beginning, if they contain the time.
    fn days(&self) -> Option<(Date, Date)> {
        let millis = |fill: &str| {
            let digits: String = self
                .digits
                .chars()
                .chain(std::iter::repeat(fill).flat_map(str::chars))
                .take(12)
                .collect();
            let micros = i64::from_str_radix(&digits, 16).ok()?.checked_mul(1000)?;
            (micros <= Timestamp::MAX.micros()).then(|| Timestamp::from_micros(micros).date())
        };
        Some((
            millis("0")?.plus_days(-1),
            millis("f").unwrap_or(Timestamp::MAX.date()).plus_days(1),
        ))
    }

    fn covers(&self, date: Date) -> bool {
        self.days().is_some_and(|(first, last)| (first..=last).contains(&date))
    }

    fn distance(&self, date: Date) -> i64 {
        self.days()
            .map_or(0, |(first, last)| first.days_since(date).max(date.days_since(last)).max(0))
    }
}

/// The events whose ids begin with it.
struct Found {
    prefix: Prefix,
    paths: BTreeMap<Uuid, EventPath>,
    nearest: Option<(usize, Uuid)>,
    failed: Option<Error>,
}

impl Found {
    fn take(&mut self, name: &str, path: impl FnOnce() -> EventPath) {
        let Some(EventName { id, .. }) = EventName::parse(name) else { return };
        let mut text = [0; 32];
        let text: &str = id.simple().encode_lower(&mut text);
        let digits = &self.prefix.digits;
        if text.starts_with(digits.as_str()) {
            if self.paths.len() <= MAX_NAMES {
                self.paths.entry(id).or_insert_with(path);
            }
        } else if let Some(distance) = miss(digits, &text[..digits.len()])
            && self.nearest.is_none_or(|nearest| (distance, id) < nearest)
        {
            self.nearest = Some((distance, id));
        }
    }

    fn look_at_live(&mut self, live: &LiveTree) -> Result<()> {
        for date in live.dates()?.0 {
            let listing = live.list(date)?;
            for number in 0..listing.len() {
                let path = listing.path(number);
                self.take(path.name.as_str(), || path.clone());
            }
        }
        Ok(())
    }

    /// Searches an archive: all days that the id implies, and as many others as the limit allows,
    /// the nearest first, but none that would have to be fetched. Returns whether that was
    /// everything.
    fn look_at(&mut self, archive: &ArchiveDir, is_mirror: bool) -> Result<bool> {
        let overview = Overview::load(archive)?;
        let mut rows: Vec<_> = overview.segments().iter().collect();
        rows.sort_by_key(|row| self.prefix.distance(row.name.date));
        let (mut left, mut complete) = (MAX_EVENTS, true);
        for row in rows {
            if !self.prefix.covers(row.name.date) {
                if is_mirror || row.evicted || row.events > left {
                    complete = false;
                    continue;
                }
                left -= row.events;
            }
            let path = archive.segment_path(&row.name);
            let reader = archive
                .open_segment(&row.name)
                .and_then(|file| SegmentReader::open_day(file, &path, row.name.date));
            if let Err(error) = reader.and_then(|reader| self.look_in(&reader)) {
                self.failed = self.failed.take().or(Some(error));
            }
        }
        Ok(complete)
    }

    fn look_in(&mut self, reader: &SegmentReader) -> Result<()> {
        let mut failed = None;
        for number in 0..reader.frames().len() {
            let frame = match reader.read_frame(number) {
                Ok(frame) => frame,
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            for member in frame.members() {
                let member = member?;
                self.take(member.path.name(), || member.path.to_path());
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn name(self, text: &str, complete: bool) -> Result<Name> {
        if self.paths.len() > 1 {
            let more = self.paths.len() > MAX_NAMES;
            return Err(several(
                text,
                "events' ids",
                self.paths.values().map(ToString::to_string),
                more,
            ));
        }
        if let Some(path) = self.paths.into_values().next() {
            return Ok(Name::Path(path));
        }
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut reason = "no event's id begins like this".to_owned();
        if let Some((_, nearest)) = self.nearest {
            reason.push_str(&format!("; the nearest is {nearest}"));
        }
        if !complete {
            reason.push_str("; not all archived days were looked at, only those near its time");
        }
        Err(Error::NotFound { what: shown(text), reason })
    }
}

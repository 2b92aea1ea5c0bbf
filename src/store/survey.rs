//! A look at the values that a history has, for answers that are empty: indexes of segments and
//! heads of live files, the asked-for range first and then the rest, newest days first.
//!
//! It costs what a query without an answer costs, and a bounded amount beyond that: what was not
//! looked at is said. Nothing that it finds is ever an answer by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Filter, Order, Query, Scope, Store};
use crate::Result;
use crate::archive::{ArchiveDir, Overview, SegmentRow};
use crate::event::{Date, EventHead, Timestamp};
use crate::segment::{Index, SegmentReader};

/// So much is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Live files of each pass.
    pub(super) files: u64,
    /// Segments.
    pub(super) segments: usize,
}

impl Default for Most {
    fn default() -> Self {
        Self { files: 100_000, segments: 10_000 }
    }
}

/// What is looked at.
pub(super) enum Seen<'a> {
    /// A live event and the day that it is filed under.
    Event(Date, &'a EventHead<'a>),
    /// A segment's index.
    Segment(&'a Index),
}

/// Who looks.
pub(super) trait Looks {
    /// Takes up what a part of the history has; `asked` when it is of the range.
    fn see(&mut self, seen: &Seen<'_>, asked: bool) -> Result<()>;

    /// Whether nothing of this day or an earlier one could change the outcome, in the range or
    /// after it.
    fn is_done(&self, asked: bool, date: Date) -> bool;
}

/// How far a look went.
#[derive(Debug, Default)]
pub(super) struct Went {
    /// Days of the range that have live files.
    pub(super) live: BTreeSet<Date>,
    /// Days of the range that are archived, also elsewhere.
    pub(super) archived: BTreeSet<Date>,
    /// Whether everything of the range was looked at that had to be.
    pub(super) of_range: bool,
    /// The same of the whole history.
    pub(super) complete: bool,
}

/// The segments of an archive in the order in which they are looked at.
struct Shelf {
    archive: ArchiveDir,
    rows: Vec<(bool, SegmentRow)>,
}

impl Store {
    /// Looks at the values of the query's range, and then at all others. A damaged part of the
    /// history, or one that cannot be reached, is not looked at.
    pub(super) fn survey(
        &self,
        query: &Query,
        most: Most,
        looks: &mut dyn Looks,
        stops: &dyn Fn() -> bool,
    ) -> Result<Went> {
        let range = Range::of(query);
        let mut went = Went { complete: true, ..Went::default() };
        if query.scope.live()
            && let Some(live) = self.live()?
        {
            went.live = live.dates()?.0.into_iter().filter(|date| range.covers(*date)).collect();
        }
        let shelves = if query.scope.archived() {
            self.shelves(&range, &mut went.complete)?
        } else {
            Vec::new()
        };
        went.archived = shelves
            .iter()
            .flat_map(|shelf| shelf.rows.iter().filter(|(asked, _)| *asked))
            .map(|(_, row)| row.name.date)
            .collect();
        let mut segments = most.segments;
        went.of_range = went.complete;
        for asked in [true, false] {
            if !asked {
                went.of_range = went.complete;
            }
            if !asked && range.is_all() || looks.is_done(true, Timestamp::MAX.date()) {
                break;
            }
            if query.scope.live() {
                let of = if asked { range.query() } else { Query::default() };
                let of = Query { limit: Some(most.files), order: Order::Reverse, ..of };
                went.complete &= self.survey_live(of, asked, most.files, looks, stops)?;
            }
            for shelf in &shelves {
                for (_, row) in shelf.rows.iter().filter(|(of_range, _)| *of_range == asked) {
                    if looks.is_done(asked, row.name.date) {
                        break;
                    }
                    if segments == 0 || stops() {
                        went.complete = false;
                        break;
                    }
                    segments -= 1;
                    went.complete &= shelf.survey(row, asked, looks);
                }
            }
        }
        Ok(went)
    }

    fn survey_live(
        &self,
        query: Query,
        asked: bool,
        most: u64,
        looks: &mut dyn Looks,
        stops: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let mut events = self.events(Query { scope: Scope::Live, ..query })?;
        let mut count = 0;
        for event in &mut events {
            let event = event?;
            if looks.is_done(asked, event.path.date) {
                return Ok(true);
            }
            count += 1;
            if let Ok(head) = event.head() {
                looks.see(&Seen::Event(event.path.date, &head), asked)?;
            }
            if stops() {
                return Ok(false);
            }
        }
        Ok(count < most && !events.notices().any_cost())
    }

    /// The archive and the mirrors in it. One that cannot be read is left out.
    fn shelves(&self, range: &Range, complete: &mut bool) -> Result<Vec<Shelf>> {
        let (archive, away) = self.readable_archive()?;
        *complete &= away.is_none();
        let Some(archive) = archive else { return Ok(Vec::new()) };
        let peers: Vec<(Arc<str>, ArchiveDir)> = archive.peers()?;
        let mut shelves = Vec::new();
        for archive in std::iter::once(archive).chain(peers.into_iter().map(|(_, peer)| peer)) {
            let Ok(overview) = Overview::load(&archive) else {
                *complete = false;
                continue;
            };
            let rows = overview.segments().iter().rev();
            let rows = rows.map(|row| (range.meets(row), row.clone())).collect();
            shelves.push(Shelf { archive, rows });
        }
        Ok(shelves)
    }
}

impl Shelf {
    /// Looks at one segment's index; whether it could be read.
    fn survey(&self, row: &SegmentRow, asked: bool, looks: &mut dyn Looks) -> bool {
        let path = self.archive.segment_path(&row.name);
        let reader = self
            .archive
            .open_segment(&row.name)
            .and_then(|file| SegmentReader::open_day(file, &path, row.name.date));
        let Ok(reader) = reader else { return false };
        let Some(index) = reader.index() else { return false };
        looks.see(&Seen::Segment(index), asked).is_ok()
    }
}

/// The days of a query's range. Whole days, since an index tells no more of a value: so the
/// outcome is the same whether a day is live or archived.
#[derive(Debug)]
pub(super) struct Range {
    dates: Vec<Date>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Range {
    pub(super) fn of(query: &Query) -> Self {
        let day = |time: Timestamp| time.date().start();
        let until = query.filter.until.map(|until| match day(until) {
            start if start == until => start,
            _ => until.date().end(),
        });
        Self { dates: query.dates.clone(), since: query.filter.since.map(day), until }
    }

    /// Whether it is the whole history.
    pub(super) fn is_all(&self) -> bool {
        self.dates.is_empty() && self.since.is_none() && self.until.is_none()
    }

    fn query(&self) -> Query {
        let filter = Filter { since: self.since, until: self.until, ..Filter::default() };
        Query { filter, dates: self.dates.clone(), ..Query::default() }
    }

    fn has(&self, date: Date) -> bool {
        self.dates.is_empty() || self.dates.contains(&date)
    }

    fn covers(&self, date: Date) -> bool {
        self.has(date)
            && self.since.is_none_or(|since| date.end() > since)
            && self.until.is_none_or(|until| date.start() < until)
    }

    fn meets(&self, row: &SegmentRow) -> bool {
        match (row.first, row.last) {
            (Some(first), Some(last)) => {
                self.has(row.name.date)
                    && self.since.is_none_or(|since| last >= since)
                    && self.until.is_none_or(|until| first < until)
            }
            _ => self.covers(row.name.date),
        }
    }
}

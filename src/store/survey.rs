//! A survey of the values in a history, for answers that are empty: indexes of segments and heads
//! of live files, first the queried range and then the rest, newest days first.
//!
//! It costs as much as a query without an answer, and a bounded amount beyond that: what was not
//! looked at is reported. Nothing that it finds is ever an answer by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Filter, Order, Query, Scope, Store};
use crate::Result;
use crate::archive::{ArchiveDir, Overview, SegmentRow};
use crate::event::{Date, EventHead, Timestamp};
use crate::segment::{Index, SegmentReader};

/// Limits of a survey.
#[derive(Debug, Clone, Copy)]
pub(super) struct SurveyLimit {
    /// Live files of each pass.
    pub(super) files: u64,
    /// Segments.
    pub(super) segments: usize,
}

impl Default for SurveyLimit {
    fn default() -> Self {
        Self { files: 100_000, segments: 10_000 }
    }
}

/// A part of the history that a survey visits.
pub(super) enum Surveyed<'a> {
    /// A live event and its day.
    Event(Date, &'a EventHead<'a>),
    /// A segment's index.
    Segment(&'a Index),
}

/// A visitor of the parts of a history.
pub(super) trait Surveyor {
    /// Visits a part of the history; `asked` when it is in the range.
    fn visit(&mut self, seen: &Surveyed<'_>, asked: bool) -> Result<()>;

    /// Reports whether nothing of this day or earlier could change the outcome, in the range or
    /// after it.
    fn is_done(&self, asked: bool, date: Date) -> bool;
}

/// The extent of a survey.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// Days of the range that have live files.
    pub(super) live: BTreeSet<Date>,
    /// Days of the range that are archived, including remotely.
    pub(super) archived: BTreeSet<Date>,
    /// True if everything necessary in the range was looked at.
    pub(super) of_range: bool,
    /// True if the entire history was looked at.
    pub(super) complete: bool,
}

/// The segments of an archive in the order of the survey.
pub(super) struct Shelf {
    pub(super) archive: ArchiveDir,
    pub(super) rows: Vec<(bool, SegmentRow)>,
}

impl Store {
    /// Visits the values in the query's range, and then all others. Parts that are damaged or
    /// cannot be reached are left out.
    pub(super) fn survey(
        &self,
        query: &Query,
        limit: SurveyLimit,
        surveyor: &mut dyn Surveyor,
        stops: &dyn Fn() -> bool,
    ) -> Result<Coverage> {
        let range = QueryRange::of(query);
        let mut coverage = Coverage { complete: true, ..Coverage::default() };
        if query.scope.live()
            && let Some(live) = self.live()?
        {
            coverage.live =
                live.dates()?.0.into_iter().filter(|date| range.covers(*date)).collect();
        }
        let shelves = if query.scope.archived() {
            self.shelves(&range, &mut coverage.complete)?
        } else {
            Vec::new()
        };
        coverage.archived = shelves
            .iter()
            .flat_map(|shelf| shelf.rows.iter().filter(|(asked, _)| *asked))
            .map(|(_, row)| row.name.date)
            .collect();
        let mut segments = limit.segments;
        coverage.of_range = coverage.complete;
        for asked in [true, false] {
            if !asked {
                coverage.of_range = coverage.complete;
            }
            if !asked && range.is_all() || surveyor.is_done(true, Timestamp::MAX.date()) {
                break;
            }
            if query.scope.live() {
                let of = if asked { range.query() } else { Query::default() };
                let of = Query { limit: Some(limit.files), order: Order::Reverse, ..of };
                coverage.complete &= self.survey_live(of, asked, surveyor, stops)?;
            }
            for shelf in &shelves {
                for (_, row) in shelf.rows.iter().filter(|(of_range, _)| *of_range == asked) {
                    if surveyor.is_done(asked, row.name.date) {
                        break;
                    }
                    if segments == 0 || stops() {
                        coverage.complete = false;
                        break;
                    }
                    segments -= 1;
                    coverage.complete &= shelf.survey(row, asked, surveyor);
                }
            }
        }
        Ok(coverage)
    }

    fn survey_live(
        &self,
        query: Query,
        asked: bool,
        surveyor: &mut dyn Surveyor,
        stops: &dyn Fn() -> bool,
    ) -> Result<bool> {
        let limit = query.limit;
        let mut events = self.events(Query { scope: Scope::Live, ..query })?;
        let mut count = 0;
        for event in &mut events {
            let event = event?;
            if surveyor.is_done(asked, event.path.date) {
                return Ok(true);
            }
            count += 1;
            if let Ok(head) = event.head() {
                surveyor.visit(&Surveyed::Event(event.path.date, &head), asked)?;
            }
            if stops() {
                return Ok(false);
            }
        }
        Ok(limit.is_none_or(|limit| count < limit) && !events.notices().any_cost())
    }

    /// Opens the archive and its mirrors. One that cannot be read is left out.
    pub(super) fn shelves(&self, range: &QueryRange, complete: &mut bool) -> Result<Vec<Shelf>> {
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
    /// Visits one segment's index. Returns whether it could be read.
    fn survey(&self, row: &SegmentRow, asked: bool, surveyor: &mut dyn Surveyor) -> bool {
        let path = self.archive.segment_path(&row.name);
        let reader = self
            .archive
            .open_segment(&row.name)
            .and_then(|file| SegmentReader::open_day(file, &path, row.name.date));
        let Ok(reader) = reader else { return false };
        let Some(index) = reader.index() else { return false };
        surveyor.visit(&Surveyed::Segment(index), asked).is_ok()
    }
}

/// The days of a query's range. Entire days, since an index knows no more of a value: so the
/// outcome is the same whether a day is live or archived.
#[derive(Debug)]
pub(super) struct QueryRange {
    dates: Vec<Date>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl QueryRange {
    pub(super) fn of(query: &Query) -> Self {
        let day = |time: Timestamp| time.date().start();
        let until = query.filter.until.map(|until| match day(until) {
            start if start == until => start,
            _ => until.date().end(),
        });
        Self { dates: query.dates.clone(), since: query.filter.since.map(day), until }
    }

    /// Reports whether it is the entire history.
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

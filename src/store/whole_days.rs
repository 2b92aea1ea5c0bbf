//! Archived days whose events an index knows in full, so that no frame need be unpacked.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{Query, Scope, Store};
use crate::Result;
use crate::archive::{Overview, SegmentRow};
use crate::event::Date;
use crate::segment::{Index, SegmentReader};

impl Store {
    /// Calls `visit` with the index of each day whose events, all within the query's range, are in
    /// one segment and nowhere else: neither live, nor in a further segment or another host's
    /// archive. Returns the outcomes of the days that `visit` could answer; all other days, and
    /// what is wrong with any, are left to a query that [excludes](Query::except) these.
    pub(crate) fn whole_days<T: Send>(
        &self,
        query: &Query,
        visit: impl Fn(&Index) -> Result<Option<T>> + Sync,
    ) -> Result<Vec<(Date, T)>> {
        if query.scope == Scope::Live {
            return Ok(Vec::new());
        }
        // Live days first: what leaves one of them later is then not taken from a segment.
        let mut elsewhere: BTreeSet<Date> = match self.live()? {
            Some(live) => live.dates()?.0.into_iter().collect(),
            None => BTreeSet::new(),
        };
        let (archive, away) = self.readable_archive()?;
        let (Some(archive), None) = (archive, away) else { return Ok(Vec::new()) };
        for (_, peer) in archive.peers()? {
            let Ok(overview) = Overview::load(&peer) else { return Ok(Vec::new()) };
            elsewhere.extend(overview.segments().iter().map(|row| row.name.date));
        }
        let overview = Overview::load(&archive)?;
        let mut alone: BTreeMap<Date, Option<&SegmentRow>> = BTreeMap::new();
        for row in overview.segments() {
            let row_of_day = Some(row).filter(|_| !elsewhere.contains(&row.name.date));
            alone.entry(row.name.date).and_modify(|other| *other = None).or_insert(row_of_day);
        }
        let rows: Vec<&SegmentRow> = alone
            .into_values()
            .flatten()
            .filter(|row| query.wants_partition(row.name.date) && is_within(query, row))
            .collect();
        let look = |row: &&SegmentRow| {
            let (name, path) = (&row.name, archive.segment_path(&row.name));
            let file = archive.open_segment(name).ok()?;
            let reader = SegmentReader::open_day(file, &path, name.date).ok()?;
            let index = reader.index()?;
            let is_recorded = (index.first(), index.last()) == (row.first, row.last)
                && index.events() == row.events
                && index.invalid() == 0;
            let seen = if is_recorded { visit(index).ok()? } else { None };
            seen.map(|seen| (name.date, seen))
        };
        Ok(rows.par_iter().filter_map(look).collect())
    }
}

/// Reports whether all events of a segment are of its day and in the query's range.
fn is_within(query: &Query, row: &SegmentRow) -> bool {
    let (Some(first), Some(last)) = (row.first, row.last) else { return false };
    first.date() == row.name.date
        && last.date() == row.name.date
        && query.filter.since.is_none_or(|since| first >= since)
        && query.filter.until.is_none_or(|until| last < until)
}

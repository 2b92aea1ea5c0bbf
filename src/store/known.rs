//! Known values of a field and known days, for somebody who is typing one: a bounded look at the
//! history, newest days first.
//!
//! It never fails and never fetches anything: what cannot be read is left out. Nothing that it
//! finds is ever an answer by itself.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use rayon::prelude::*;

use super::survey::{QueryRange, Shelf};
use super::{Query, Store};
use crate::archive::{Hold, Manifest, Overview, SegmentRow};
use crate::event::{Date, EventHead};
use crate::live::{FileState, Listing};
use crate::segment::{Field, Index, SegmentReader};

/// The number of the newest live days that are listed.
const MAX_DAYS: usize = 2;

/// The memory that the names of a live day may take, in bytes: some 25,000 fit.
const MAX_NAME_BYTES: u64 = 1 << 20;

/// Maximum number of live files that are read, and the size beyond which one is not.
const MAX_FILES: usize = 400;
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The number of segments that are read together.
const TOGETHER: usize = 64;

/// Values with a common beginning.
struct Found<'a> {
    field: Field,
    prefix: &'a str,
    limit: usize,
    values: BTreeSet<String>,
    /// The first and the last of all. What all values have in common, these two have.
    ends: Option<(String, String)>,
}

impl Found<'_> {
    fn add(&mut self, value: String) {
        let (first, last) = self.ends.get_or_insert_with(|| (value.clone(), value.clone()));
        if value < *first {
            first.clone_from(&value);
        }
        if value > *last {
            last.clone_from(&value);
        }
        if self.values.len() < self.limit {
            self.values.insert(value);
        }
    }

    fn add_event(&mut self, head: &EventHead<'_>) {
        let value = match self.field {
            Field::CorrelationId => &head.correlation_id,
            Field::Type => &head.event_type,
            Field::Node => &head.node,
            Field::Service => &head.service,
            Field::Source => &head.source,
            Field::Severity => return self.add_known(head.severity.as_str()),
        };
        self.add_known(value);
    }

    fn add_name(&mut self, listing: &Listing, number: usize) {
        if self.field == Field::Node {
            self.add_known(listing.node(number).as_str());
        } else if let Some(parts) = listing.name(number).parts() {
            self.add_known(parts.event_type);
        }
    }

    fn add_known(&mut self, value: &str) {
        if value.starts_with(self.prefix) && !self.values.contains(value) {
            self.add(value.to_owned());
        }
    }

    /// Returns what an index adds: all values while there is room, and else the two ends.
    fn of_index(&self, index: &Index) -> Option<Vec<String>> {
        let room = self.limit.saturating_sub(self.values.len()).max(1);
        let mut values = index.first_with_prefix(self.field, self.prefix, room).ok()?;
        values.extend(index.last_with_prefix(self.field, self.prefix).ok()?);
        Some(values)
    }
}

impl Store {
    /// Collects values of a field that begin with a prefix, in order: those of the newest days, at
    /// most `limit`, and beyond them the first and the last of all. Ends early when `stops` returns
    /// true, but not before the newest days were read.
    pub(crate) fn known_values(
        &self,
        field: Field,
        prefix: &str,
        limit: usize,
        stops: &dyn Fn() -> bool,
    ) -> BTreeSet<String> {
        let mut found = Found { field, prefix, limit, values: BTreeSet::new(), ends: None };
        self.add_live_values(&mut found);
        let range = QueryRange::of(&Query::default());
        let shelves = self.shelves(&range, &mut true).unwrap_or_default();
        'shelves: for shelf in &shelves {
            for rows in shelf.rows.chunks(TOGETHER) {
                let of_rows: Vec<_> =
                    rows.par_iter().map(|(_, row)| values_of(shelf, row, &found)).collect();
                of_rows.into_iter().flatten().flatten().for_each(|value| found.add(value));
                if stops() {
                    break 'shelves;
                }
            }
        }
        if let Some((first, last)) = found.ends {
            found.values.extend([first, last]);
        }
        found.values
    }

    /// Adds what the newest live days have. Nodes and types are taken from names, for the rest
    /// some of the newest files are read.
    fn add_live_values(&self, found: &mut Found<'_>) {
        let Ok(Some(live)) = self.live() else { return };
        let Ok((mut dates, _)) = live.dates() else { return };
        dates.sort_unstable();
        let mut files = MAX_FILES;
        let mut bytes = Vec::new();
        for date in dates.into_iter().rev().take(MAX_DAYS) {
            if files == 0 {
                break;
            }
            let Ok(listing) = live.list_part(date, MAX_NAME_BYTES, None) else { continue };
            let mut numbers: Vec<usize> = (0..listing.len()).collect();
            if matches!(found.field, Field::Node | Field::Type) {
                for number in numbers {
                    found.add_name(&listing, number);
                }
                continue;
            }
            numbers.sort_unstable_by_key(|number| Reverse(listing.instant(*number)));
            let partition = live.partition(date);
            for number in numbers.into_iter().take(files) {
                files -= 1;
                let (node, name) = (listing.node(number), listing.name(number));
                let read = partition.read_up_to(node, &name, &mut bytes, MAX_FILE_BYTES);
                if matches!(read, Ok(FileState::Read(_)))
                    && let Ok(head) = EventHead::parse(&bytes)
                {
                    found.add_event(&head);
                }
            }
        }
    }

    /// Returns the days that have segments in the archive or its mirrors, and with `live` also
    /// those of the live tree.
    pub(crate) fn known_days(&self, live: bool) -> BTreeSet<Date> {
        let mut days = BTreeSet::new();
        if live && let Ok(Some(tree)) = self.live() {
            days.extend(tree.dates().into_iter().flat_map(|(dates, _)| dates));
        }
        let Ok((Some(archive), _)) = self.readable_archive() else { return days };
        let peers = archive.peers().unwrap_or_default();
        for archive in std::iter::once(archive).chain(peers.into_iter().map(|(_, peer)| peer)) {
            let overview = Overview::load(&archive).unwrap_or_default();
            days.extend(overview.segments().iter().map(|row| row.name.date));
        }
        days
    }

    /// Returns the holds in force.
    pub(crate) fn known_holds(&self) -> Vec<Hold> {
        let Ok((Some(archive), _)) = self.readable_archive() else { return Vec::new() };
        Manifest::load(&archive).map(|manifest| manifest.holds()).unwrap_or_default()
    }
}

fn values_of(shelf: &Shelf, row: &SegmentRow, found: &Found<'_>) -> Option<Vec<String>> {
    let path = shelf.archive.segment_path(&row.name);
    let file = shelf.archive.open_segment(&row.name).ok()?;
    let reader = SegmentReader::open_day(file, &path, row.name.date).ok()?;
    found.of_index(reader.index()?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_limit_still_shows_where_values_part() {
        let mut found = Found {
            field: Field::CorrelationId,
            prefix: "run-",
            limit: 2,
            values: BTreeSet::new(),
            ends: None,
        };
        for value in ["run-95", "run-97", "run-1", "run-96", "deploy-1"] {
            found.add_known(value);
        }
        assert_eq!(found.values, ["run-95".to_owned(), "run-97".to_owned()].into());
        assert_eq!(found.ends.unwrap(), ("run-1".to_owned(), "run-97".to_owned()));
    }
}

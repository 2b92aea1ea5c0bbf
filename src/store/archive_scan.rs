//! One archive while a query reads it: this machine's own, or the mirror of another host's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::frames;
use super::notice::{Notice, Notices};
use super::row::{EVER, archived_bounds, bounds};
use super::sources::{OpenSegment, Opened};
use super::{Query, Store, step};
use crate::Result;
use crate::archive::words::Candidates;
use crate::archive::{
    ArchiveDir, Expired, Overview, SegmentName, SegmentPlace, SegmentRow, catalogue,
};
use crate::event::Date;
use crate::segment::{Fetch, Piece, SegmentReader, Sha256Hash};

pub(super) struct ArchiveScan {
    host: Option<Arc<str>>,
    archive: Option<ArchiveDir>,
    overview: Overview,
    /// Segments that hold none of the correlation ids, or not the text, that are asked for.
    without: HashSet<Sha256Hash>,
    /// The frames that can hold the text that is asked for.
    with_text: Candidates,
    /// The segments of each opened day that were considered, and whether each could be opened and
    /// so is, or was, among the sources.
    known: HashMap<Date, HashMap<SegmentName, bool>>,
}

impl ArchiveScan {
    /// Reads the archive's manifest and derived files.
    pub(super) fn load(
        host: Option<Arc<str>>,
        archive: Option<ArchiveDir>,
        query: &Query,
    ) -> Result<Self> {
        let overview = match &archive {
            Some(archive) if query.by_manifest => Overview::of_archive(archive)?,
            Some(archive) => Overview::load(archive)?,
            None => Overview::default(),
        };
        let mut without = match &archive {
            Some(archive) if !query.by_manifest && !query.filter.correlation_ids.is_empty() => {
                catalogue::without(archive, &query.filter.correlation_ids)
            }
            _ => HashSet::new(),
        };
        let pieces = query.filter.pattern.as_ref().and_then(|pattern| pattern.pieces());
        let with_text = match (&archive, pieces) {
            (Some(archive), Some(pieces)) if !query.by_manifest => Candidates::of(archive, &pieces),
            _ => Candidates::default(),
        };
        without.extend(with_text.without());
        Ok(Self { host, archive, overview, without, with_text, known: HashMap::new() })
    }

    /// Opens the mirrors of other hosts' archives. A damaged one costs only itself.
    pub(super) fn peers_of(&self, query: &Query, notices: &mut Notices) -> Result<Vec<Self>> {
        let Some(archive) = &self.archive else { return Ok(Vec::new()) };
        let mut peers = Vec::new();
        for (host, archive) in archive.peers()? {
            let path = archive.manifest_path();
            match Self::load(Some(host), Some(archive), query) {
                Ok(peer) => peers.push(peer),
                Err(error) => {
                    let reason = error.reason_at(&path);
                    notices.add(Notice::Damaged { path, reason });
                }
            }
        }
        Ok(peers)
    }

    /// Returns the segments that may hold an answer.
    fn candidates<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a SegmentRow> {
        self.overview.segments().iter().filter(move |row| may_answer(query, &self.without, row))
    }

    /// Returns the days of segments that may hold an answer, and the time span of their events.
    pub(super) fn days<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = (Date, (i64, i64))> {
        self.candidates(query).map(|row| (row.name.date, span(row)))
    }

    /// Returns what has expired and could have held an answer.
    pub(super) fn expired(&self, query: &Query) -> Option<Expired> {
        let rows = self.overview.expired();
        Expired::of_rows(rows.filter(|row| may_answer(query, &self.without, row)))
    }

    /// Returns the segments that may hold an answer and are remote.
    pub(super) fn away(&self, query: &Query) -> Vec<SegmentName> {
        let is_away = |row: &&SegmentRow| self.host.is_some() || row.evicted;
        self.candidates(query).filter(is_away).map(|row| row.name.clone()).collect()
    }

    /// Returns the frames of a segment that would have to be fetched.
    pub(super) fn pieces(&self, name: &SegmentName, query: &Query) -> Vec<(Arc<dyn Fetch>, Piece)> {
        let Some(archive) = &self.archive else { return Vec::new() };
        // What is wrong with it is reported when it is read.
        let Ok(reader) = archive
            .open_segment(name)
            .and_then(|file| SegmentReader::open_day(file, &archive.segment_path(name), name.date))
        else {
            return Vec::new();
        };
        let row = self.overview.segments_of(name.date).iter().find(|row| row.name == *name);
        let sha256 = row.and_then(|row| row.sha256);
        let with_text = self.with_text.frames(sha256, reader.frames().len());
        let chosen = frames::chosen(&reader, &query.filter, with_text).unwrap_or_default();
        chosen.into_iter().filter_map(|number| frames::piece(&reader, number)).collect()
    }

    /// Looks for the archive, if there was none before, and for what the manifest says by now.
    pub(super) fn look_again(
        &mut self,
        store: &Store,
        query: &Query,
        notices: &mut Notices,
    ) -> Result<()> {
        step();
        if self.archive.is_none() {
            let (archive, away) = store.readable_archive()?;
            self.archive = archive;
            if let Some(away) = away.filter(|_| query.scope.archived()) {
                notices.add(Notice::Away(away));
            }
        }
        if let Some(archive) = &self.archive {
            self.overview.reload_if_changed(archive)?;
        }
        Ok(())
    }

    /// Queues the day's segments that the manifest names and that are not queued yet, each in
    /// full: what vanishes from the live tree later is then among the sources already, and what
    /// was also read there is recognised as the same event. Returns how many were opened.
    pub(super) fn add_new(
        &mut self,
        query: &Query,
        date: Date,
        opened: &mut Opened,
        notices: &mut Notices,
    ) -> Result<u64> {
        let mut count = 0;
        // What is gone when it is opened has expired or was replaced by another segment; the
        // manifest says so by now, and names that one.
        loop {
            let round = self.open_new(query, date, opened, notices)?;
            count += round.opened;
            if !round.look_again {
                return Ok(count);
            }
        }
    }

    /// Opens segments that the manifest names and that are not known yet.
    fn open_new(
        &mut self,
        query: &Query,
        date: Date,
        opened: &mut Opened,
        notices: &mut Notices,
    ) -> Result<Round> {
        let mut round = Round::default();
        let Some(archive) = &self.archive else { return Ok(round) };
        let known = self.known.entry(date).or_default();
        let names: Vec<(SegmentName, Option<Sha256Hash>, (i64, i64))> = self
            .overview
            .segments_of(date)
            .iter()
            .filter(|row| {
                !known.contains_key(&row.name)
                    && !is_open_already(known, row)
                    && may_answer(query, &self.without, row)
            })
            .map(|row| (row.name.clone(), row.sha256, span(row)))
            .collect();
        for (name, sha256, span) in names {
            step();
            let path = archive.segment_path(&name);
            let reader = match archive
                .open_segment(&name)
                .and_then(|file| SegmentReader::open_day(file, &path, date))
            {
                Ok(reader) => reader,
                Err(error)
                    if error.is_not_found() && {
                        self.overview.reload_if_changed(archive)?;
                        !self.overview.names(&name)
                    } =>
                {
                    round.look_again = true;
                    continue;
                }
                Err(error) => {
                    known.insert(name, false);
                    let reason = error.reason_at(&path);
                    notices.add(Notice::Damaged { path, reason });
                    continue;
                }
            };
            known.insert(name.clone(), true);
            round.opened += 1;
            let place = Arc::new(SegmentPlace { host: self.host.clone(), name });
            let day_by_day = query.day_by_day;
            let with_text = self.with_text.frames(sha256, reader.frames().len());
            let with_text = with_text.map(<[usize]>::to_vec);
            OpenSegment { place, path, date, reader, span, day_by_day, with_text }
                .queue(query, opened, notices);
        }
        Ok(round)
    }
}

/// The result of opening a day's new segments once.
#[derive(Default)]
struct Round {
    /// Number of segments that were opened.
    opened: u64,
    /// True if one was gone, so that the manifest says something else by now.
    look_again: bool,
}

/// Reports whether a segment can hold an answer, according to its row and the catalogue. The
/// times of its events decide, not the day they are filed under.
fn may_answer(query: &Query, without: &HashSet<Sha256Hash>, row: &SegmentRow) -> bool {
    query.wants_partition(row.name.date)
        && !row.sha256.is_some_and(|sha256| without.contains(&sha256))
        && match (row.first, row.last) {
            (Some(first), Some(last)) => query.filter.meets(first.micros(), last.micros()),
            // It holds no event, or their times were not recorded.
            _ => row.events > 0 || query.wants(row.name.date),
        }
}

/// Returns the time span of a segment's events.
fn span(row: &SegmentRow) -> (i64, i64) {
    match (row.first, row.last) {
        (Some(first), Some(last)) => archived_bounds(row.name.date, first, last),
        _ if row.events > 0 => EVER,
        _ => bounds(row.name.date),
    }
}

/// Reports whether a segment replaces others that are all among the sources: they are open and
/// stay readable, so it has nothing new. (Reading it as well would do no harm: one event from two
/// places is given once.)
fn is_open_already(known: &HashMap<SegmentName, bool>, row: &SegmentRow) -> bool {
    let old = &row.supersedes;
    !old.is_empty() && old.iter().all(|name| known.get(name) == Some(&true))
}

//! Open problems, however long ago their last event was.
//!
//! The archive's part comes from the file `state`, which each run that changes the archive updates:
//! the sum of all archived events, and the segments that it lacks, since they hold events that were
//! dated later than the newest record. A reader adds what these segments and later ones hold, and
//! what is live. So a report costs as much for ten years as for one.
//!
//! The sum may only spare reading. What it says is open is reported after the event itself was
//! read; if that says otherwise, or no sum belongs to the manifest, or the clock is before its
//! newest record, the entire history is read. A sum that hides what is open is recreated by the
//! next write, and reported by a full `verify`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::archive::state::{self, StateAnchor};
use crate::archive::{ArchiveDir, ArchiveLock, Manifest, Op, Overview, Record, SegmentName};
use crate::event::{Date, EventPath, Severity, Timestamp};
use crate::store::{Filter, FoundEvent, Like, Name, Notice, Query, Scope, Store};
use crate::views::standing::{Standing, StandingSummary, may_tell, said};

/// Number of ids that are queried together.
const CHAINS: usize = 200;

/// The events that may change the standing.
const TELLING: Like = Like { kind: may_tell, or_severity: Severity::Critical };

/// The contents of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    /// The newest record's time: events dated later are not in the sum.
    horizon: Timestamp,
    /// The segments with such events, which are not in it either.
    pending: BTreeSet<String>,
    standing: StandingSummary,
}

/// The standing of a history, and what could not be read.
pub(crate) struct Stand {
    /// The standing.
    pub standing: Standing,
    /// Notices of what was remarkable on the way.
    pub notices: Vec<Notice>,
    /// Notices that were only counted.
    pub beyond: u64,
    /// True if events are missing that should be there.
    pub is_short: bool,
    /// The start of the part that was read, if it is not all: without a sum, the rest is in
    /// segments whose files are remote.
    pub since: Option<Timestamp>,
}

impl Stand {
    fn of(standing: Standing) -> Self {
        Self { standing, notices: Vec::new(), beyond: 0, is_short: false, since: None }
    }
}

/// Returns the days of those of these evicted segments that are only remote.
fn elsewhere<'a>(
    archive: &ArchiveDir,
    evicted: impl Iterator<Item = &'a SegmentName>,
) -> BTreeSet<Date> {
    let gone = evicted.filter(|name| !archive.has_file(name).unwrap_or(true));
    gone.map(|name| name.date).collect()
}

/// Determines the standing at `now`. The events since `since` that `window` asks for are shown to
/// `each`, in time order.
///
/// # Errors
///
/// The history cannot be read at all.
pub(crate) fn look(
    store: &Store,
    now: Timestamp,
    since: Timestamp,
    window: Like,
    each: &mut dyn FnMut(&FoundEvent),
) -> Result<Stand> {
    let mut stand = Stand::of(Standing::at(now));
    // First the known sum, then the live events, then what was archived meanwhile.
    let (archive, away) = store.readable_archive()?;
    let is_none = archive.is_none() && away.is_none();
    let mut far = BTreeSet::new();
    if let Some(archive) = &archive {
        let overview = Overview::load(archive)?;
        let evicted = overview.segments().iter().filter(|row| row.evicted);
        far = elsewhere(archive, evicted.map(|row| &row.name));
    }
    let known = archive.and_then(|archive| {
        let (bound, sum) = known(&archive, state::read(&archive))?;
        (sum.horizon <= now).then_some((archive, bound, sum))
    });
    let known = known.map(|(archive, bound, sum)| {
        stand.standing = Standing::of(sum.standing, now);
        (archive, bound, sum.pending)
    });
    let is_known = known.is_some() || is_none;
    // A mere reader never fetches years of events.
    let is_near = !is_known && !far.is_empty();
    stand.since = is_near.then_some(since);
    let filter = Filter { like: Some(window), since: Some(since), ..Filter::default() };
    let mut in_time = |event: &FoundEvent, standing: &mut Standing| {
        each(event);
        if (is_known || is_near)
            && let Ok(head) = event.head()
        {
            standing.take(&head, &event.path);
        }
    };
    stand.read(store, Query { filter, ..Query::default() }, true, &mut in_time)?;
    if !is_known && !is_near {
        return stand.read_all(store, now);
    }
    let older = Filter { until: Some(since), like: Some(TELLING), ..Filter::default() };
    let live = Query { filter: older, scope: Scope::Live, ..Query::default() };
    stand.read(store, live, false, &mut take)?;
    if is_near {
        return Ok(stand);
    }
    let is_true = if let Some((archive, bound, pending)) = &known {
        stand.read_later(store, archive, bound, pending, &far)?
    } else {
        stand.settle(store)?;
        // An archive that was created meanwhile may have taken live events.
        store.any_archive()?.is_none()
    };
    if is_true { Ok(stand) } else { stand.read_all(store, now) }
}

fn take(event: &FoundEvent, standing: &mut Standing) {
    if let Ok(head) = event.head() {
        standing.take(&head, &event.path);
    }
}

fn archived() -> Query {
    Query { scope: Scope::Archived, own_only: true, by_manifest: true, ..Query::default() }
}

fn dates(names: &BTreeSet<SegmentName>) -> Vec<Date> {
    names.iter().map(|name| name.date).collect::<BTreeSet<Date>>().into_iter().collect()
}

/// Returns the records of these that brought events in.
fn brought_in(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|record| matches!(record.op, Op::Rotate | Op::Import | Op::Compact))
}

/// Parses the file, if it belongs to the archive's manifest.
fn known(archive: &ArchiveDir, read: Option<(StateAnchor, Vec<u8>)>) -> Option<(StateAnchor, Sum)> {
    let (bound, sum) = read?;
    let sum = serde_json::from_slice(&sum).ok()?;
    bound.newer(archive)?;
    Some((bound, sum))
}

impl Stand {
    fn read(
        &mut self,
        store: &Store,
        query: Query,
        is_all_told: bool,
        each: &mut dyn FnMut(&FoundEvent, &mut Standing),
    ) -> Result<()> {
        let mut events = store.events(query)?;
        for event in &mut events {
            each(&event?, &mut self.standing);
        }
        // Unreachable data needs attention by itself, and costs no event.
        self.is_short |= events.notices().any_cost() && !events.notices().only_away();
        let (notices, beyond) = events.notices().take();
        self.beyond += if is_all_told { beyond } else { 0 };
        let tells = |notice: &Notice| is_all_told || notice.costs_events();
        self.notices.extend(notices.into_iter().filter(tells));
        Ok(())
    }

    /// Adds what was archived since the sum was made, and reads what the sum says is open. Reports
    /// whether all of that was found to be so.
    fn read_later(
        &mut self,
        store: &Store,
        archive: &ArchiveDir,
        bound: &StateAnchor,
        pending: &BTreeSet<String>,
        far: &BTreeSet<Date>,
    ) -> Result<bool> {
        let Some(newer) = bound.newer(archive) else { return Ok(false) };
        let mut names: BTreeSet<SegmentName> =
            brought_in(newer.records()).filter_map(|record| record.segment.clone()).collect();
        names.extend(pending.iter().filter_map(|name| name.parse().ok()));
        if !names.is_empty() {
            let filter = Filter { like: Some(TELLING), ..Filter::default() };
            let query = Query { filter, dates: dates(&names), ..archived() };
            self.read(store, query, false, &mut take)?;
        }
        self.settle(store)?;
        self.confirm(store, archive, far)
    }

    /// Settles what the order of events left open.
    fn settle(&mut self, store: &Store) -> Result<()> {
        let lookup = |filter| Query { filter, ..Query::default() };
        self.is_short |= settle(store, &lookup, &|_| true, &mut self.standing)?;
        Ok(())
    }

    /// Determines the standing from all events, and nothing that is derived from them.
    fn read_all(mut self, store: &Store, now: Timestamp) -> Result<Self> {
        self.standing = Standing::at(now);
        let filter = Filter { like: Some(TELLING), ..Filter::default() };
        self.read(store, Query { filter, ..Query::default() }, false, &mut take)?;
        self.settle(store)?;
        Ok(self)
    }

    /// Reads the events of open problems, as far as they were not read and are here. Reports
    /// whether all confirm them; what expired is no longer open.
    fn confirm(
        &mut self,
        store: &Store,
        archive: &ArchiveDir,
        far: &BTreeSet<Date>,
    ) -> Result<bool> {
        while let Some((slot, bad)) = self.standing.unseen() {
            let Ok(path) = bad.path.parse::<EventPath>() else { return Ok(false) };
            if far.contains(&path.date) {
                self.standing.saw(&slot, None);
                continue;
            }
            match store.find(&Name::Path(path)) {
                Ok(event) => {
                    let head = event.head().ok();
                    let said = head.and_then(|head| said(&slot, bad.time, &head, &event.path));
                    let Some(said) = said else { return Ok(false) };
                    self.standing.saw(&slot, Some(said));
                }
                Err(error) if error.is_not_found() => {
                    if Overview::load(archive)?.expired().next().is_none() {
                        return Ok(false);
                    }
                    self.standing.forget(|there| there.last == bad);
                }
                // It was found once, and cannot be read now.
                Err(_) => {
                    self.is_short = true;
                    self.standing.saw(&slot, None);
                }
            }
        }
        Ok(true)
    }
}

/// Finds what the order in which events were taken left open; reports whether something could not
/// be read.
fn settle(
    store: &Store,
    query: &dyn Fn(Filter) -> Query,
    counts: &dyn Fn(&FoundEvent) -> bool,
    standing: &mut Standing,
) -> Result<bool> {
    let mut is_short = false;
    let mut read = |filter: Filter, each: &mut dyn FnMut(&FoundEvent)| -> Result<()> {
        let filter = Filter { like: Some(TELLING), ..filter };
        let mut events = store.events(query(filter))?;
        for event in &mut events {
            let event = event?;
            if counts(&event) {
                each(&event);
            }
        }
        is_short |= events.notices().any_cost() && !events.notices().only_away();
        Ok(())
    };
    for ids in standing.doubts().chunks(CHAINS) {
        let filter = Filter { correlation_ids: ids.to_vec(), ..Filter::default() };
        read(filter, &mut |event| {
            if let Ok(head) = event.head() {
                standing.settle(&head);
            }
        })?;
    }
    if let Some((nodes, since)) = standing.cuts() {
        let filter = Filter { nodes, since: Some(since), ..Filter::default() };
        read(filter, &mut |event| {
            if let Ok(head) = event.head() {
                standing.refine(&head);
            }
        })?;
    }
    standing.refined();
    Ok(is_short)
}

/// Returns the segments of these records with events later than a time, or with unknown times.
fn later<'a>(
    segments: impl Iterator<Item = (&'a SegmentName, Option<Timestamp>)>,
    horizon: Timestamp,
) -> BTreeSet<SegmentName> {
    let is_later = |last: Option<Timestamp>| last.is_none_or(|last| last > horizon);
    segments.filter(|(_, last)| is_later(*last)).map(|(name, _)| name.clone()).collect()
}

fn horizon(records: &[Record]) -> Option<Timestamp> {
    records.iter().map(|record| record.time).max()
}

/// Recreates the sum of these segments; returns `None` if something could not be read.
fn sum_of(
    store: &Store,
    base: Standing,
    names: Option<&BTreeSet<SegmentName>>,
    pending: &BTreeSet<SegmentName>,
) -> Result<Option<Standing>> {
    let is_in = |event: &FoundEvent| {
        let name = event.segment.as_ref().map(|place| &place.name);
        name.is_some_and(|name| !pending.contains(name))
    };
    let mut stand = Stand::of(base);
    let filter = Filter { like: Some(TELLING), ..Filter::default() };
    let dates = names.map(dates).unwrap_or_default();
    if names.is_none_or(|names| !names.is_empty()) {
        stand.read(
            store,
            Query { filter, dates, ..archived() },
            false,
            &mut |event, standing| {
                let is_wanted = |names: &BTreeSet<SegmentName>| {
                    event.segment.as_ref().is_some_and(|place| names.contains(&place.name))
                };
                if is_in(event) && names.is_none_or(is_wanted) {
                    take(event, standing);
                }
            },
        )?;
    }
    let lookup = |filter| Query { filter, ..archived() };
    stand.is_short |= settle(store, &lookup, &is_in, &mut stand.standing)?;
    // Nothing was read of the unreachable part.
    let is_away = stand.notices.iter().any(Notice::costs_events);
    Ok((!stand.is_short && !is_away).then_some(stand.standing))
}

/// Updates the file: adds what is new to a sum that is as the last run left it, and recreates any
/// other.
pub(in crate::ops) fn refresh(
    store: &Store,
    archive: &ArchiveDir,
    manifest: &Manifest,
    token: u64,
    lock: &ArchiveLock,
) -> Result<()> {
    let Some(horizon) = horizon(manifest.records()).filter(|_| manifest.torn().is_none()) else {
        return Ok(());
    };
    if manifest.segments().next().is_none() {
        return state::remove(archive);
    }
    let left = known(archive, state::read_as_left(archive, lock));
    let left = left.filter(|(bound, _)| bound.is_of(manifest));
    let pending = later(manifest.segments().map(|(name, record)| (name, record.span().1)), horizon);
    let standing = if let Some((bound, sum)) = left {
        if bound.records == manifest.records().len() as u64 {
            return Ok(());
        }
        let since = &manifest.records()[bound.records as usize..];
        let names = brought_in(since).filter_map(|record| record.segment.clone());
        let waited = sum.pending.iter().filter_map(|name| name.parse().ok());
        let names: BTreeSet<SegmentName> = names
            .chain(waited)
            .filter(|name| manifest.names(name) && !pending.contains(name))
            .collect();
        sum_of(store, Standing::of(sum.standing, horizon), Some(&names), &pending)?
    } else if elsewhere(archive, manifest.evicted().into_keys()).is_empty() {
        sum_of(store, Standing::at(horizon), None, &pending)?
    } else {
        // A sum of only the local part would leave out what is remote.
        return state::remove(archive);
    };
    // What could not be read now may be readable later: until then, readers read more.
    let Some(mut standing) = standing else { return Ok(()) };
    let days: BTreeSet<Date> = manifest.segments().map(|(name, _)| name.date).collect();
    standing.forget(|bad| {
        bad.last.path.parse::<EventPath>().is_ok_and(|path| !days.contains(&path.date))
    });
    let pending = pending.iter().map(ToString::to_string).collect();
    let sum = Sum { horizon, pending, standing: standing.summary() };
    let Ok(sum) = serde_json::to_vec(&sum) else { return Ok(()) };
    state::write(archive, manifest, token, &sum, lock)
}

/// Reports whether the file contradicts the segments; false if some of them are remote or cannot be
/// read, or if the manifest has grown since, as then nobody knows.
pub(in crate::ops) fn is_false(
    store: &Store,
    archive: &ArchiveDir,
    manifest: &Manifest,
) -> Result<bool> {
    let Some((bound, body)) = state::read(archive) else { return Ok(false) };
    if bound.newer(archive).is_none() || !bound.is_of(manifest) || !manifest.evicted().is_empty() {
        return Ok(false);
    }
    let Ok(sum) = serde_json::from_slice::<Sum>(&body) else { return Ok(false) };
    let records = &manifest.records()[..bound.records as usize];
    let then = Overview::of_records(records);
    let rows = || then.segments().iter().map(|row| (&row.name, row.last));
    let pending = later(rows(), sum.horizon);
    let told: BTreeSet<String> = pending.iter().map(ToString::to_string).collect();
    if Some(sum.horizon) != horizon(records) || told != sum.pending {
        return Ok(true);
    }
    let names: BTreeSet<SegmentName> = rows()
        .map(|(name, _)| name.clone())
        .filter(|name| !pending.contains(name) && manifest.names(name))
        .collect();
    let fresh = sum_of(store, Standing::at(sum.horizon), Some(&names), &pending)?;
    let Some(fresh) = fresh else { return Ok(false) };
    // The sum may know more of what expired, and of what went into other segments since.
    let is_gone = rows().any(|(name, _)| !manifest.names(name));
    let expired = manifest.expired().map(|record| record.span().1.unwrap_or(Timestamp::MAX)).max();
    let until = if is_gone { Some(Timestamp::MAX) } else { expired };
    // A run that went on meanwhile may have put the events into other segments.
    Ok(!sum.standing.agrees(&fresh.summary(), until)
        && Manifest::load(archive)?.head() == manifest.head())
}

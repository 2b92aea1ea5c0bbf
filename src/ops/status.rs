//! Status: the state of a history, in cheap numbers.
//!
//! They come from the manifest, from listings of the live days and from the indexes of a handful of
//! segments; no event is read, no lock taken and nothing changed. No record has the outcome of the
//! last runs, so it comes from the metrics that they left. What cannot be determined is a finding,
//! and the rest is reported all the same.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::clock::from_the_future;
use super::emit::spooled;
use super::hold::Holds;
use super::metrics::{self, LastEnd};
use super::prune::{PruneOptions, PrunePlan};
use super::rotate::{PlannedDay, RotateOptions};
use super::{Finding, is_future, prune, rotate};
use crate::Context;
use crate::Result;
use crate::archive::copies::only_copy_gone;
use crate::archive::{ArchiveDir, Expired, Manifest, Op, Record, SegmentName, catalogue};
use crate::event::{Date, EventPath, Timestamp};
use crate::live::{FoundNote, NOTE};
use crate::policy::Policy;
use crate::segment::SegmentReader;
use crate::store::{FoundArchive, Store, short_origin};

/// Number of segments, the newest ones, that show how much smaller the archive is than its events.
const RATIO_SEGMENTS: usize = 16;

/// The time after which a due closed day, or a segment without a copy, was missed by more than one
/// nightly run.
const OVERDUE_MICROS: i64 = 2 * Timestamp::MICROS_PER_DAY;

/// Options of a status report.
#[derive(Debug, Clone)]
pub struct StatusOptions {
    /// The start of what counts as new.
    pub since: Timestamp,
    /// The first day of the calendar.
    pub calendar_from: Date,
    /// True if the caller vouches for [`Context::now`].
    pub trust_now: bool,
    /// The directory of events that could not be placed, if there is one.
    pub spool: Option<PathBuf>,
    /// The file in which runs leave their metrics, if there is one.
    pub metrics: Option<PathBuf>,
}

impl StatusOptions {
    /// Counts as new what was recorded since then, with a calendar of the days since.
    pub fn since(since: Timestamp) -> Self {
        let calendar_from = since.date();
        Self { since, calendar_from, trust_now: false, spool: None, metrics: None }
    }
}

/// The live half.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LiveStatus {
    /// Number of days with files.
    pub days: u64,
    /// Number of files that may be events.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// The earliest day.
    pub first_day: Option<Date>,
    /// The latest day.
    pub last_day: Option<Date>,
}

/// The archived half.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ArchivedStatus {
    /// Number of days with a segment.
    pub days: u64,
    /// Number of segments.
    pub segments: u64,
    /// Number of the events in them.
    pub events: u64,
    /// Their size.
    pub bytes: u64,
    /// The factor by which the event files of the newest segments were larger.
    pub ratio: Option<f64>,
    /// The earliest day.
    pub first_day: Option<Date>,
    /// The latest day.
    pub last_day: Option<Date>,
    /// Number of holds that were not released.
    pub holds: u64,
    /// Number of days of which they keep a segment.
    pub held_days: u64,
    /// Totals of what expired.
    pub expired: Option<Expired>,
    /// Number of segments whose remote copies are recorded; none if the policy asks for none.
    pub copied: Option<u64>,
    /// Number of segments that are only remote.
    pub elsewhere: u64,
    /// The first segment with an event that is dated later than now, which counts for nothing until
    /// then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub future: Option<Finding>,
}

/// The last time that an operation changed the archive.
#[derive(Debug, Clone, Serialize)]
pub struct LastRun {
    /// The time.
    pub time: Timestamp,
    /// The segment concerned.
    pub segment: Option<SegmentName>,
    /// The user and the host that ran it.
    pub by: Option<String>,
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CalendarDay {
    /// Number of events, archived or live; if the day is both, the larger number.
    pub events: u64,
    /// True if any of it is archived.
    pub archived: bool,
    /// True if a hold keeps any of it.
    pub held: bool,
    /// True if events came after it was archived.
    pub late: bool,
    /// Number of archived files of it that are not events.
    pub invalid: u64,
}

/// The status of a history.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// The live half.
    pub live: LiveStatus,
    /// The archived half.
    pub archived: ArchivedStatus,
    /// The last rotate that archived something.
    pub last_rotate: Option<LastRun>,
    /// The last prune that expired something.
    pub last_prune: Option<LastRun>,
    /// The outcome of the last run of each operation, as far as it is known.
    pub last_runs: BTreeMap<&'static str, LastEnd>,
    /// The days that the next rotate will work on.
    pub next_rotate: Vec<PlannedDay>,
    /// The plan of the next prune.
    pub next_prune: PrunePlan,
    /// Number of files that are not events, archived since the options' time.
    pub new_invalid: u64,
    /// Number of conflicts recorded since the options' time.
    pub new_conflicts: u64,
    /// Number of events that wait in the spool.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub spooled: u64,
    /// Problems that need attention.
    pub findings: Vec<Finding>,
    /// True if the tree's archive is not here.
    #[serde(skip)]
    pub is_away: bool,
    /// The days of the calendar with anything to show.
    #[serde(skip)]
    pub calendar: BTreeMap<Date, CalendarDay>,
}

/// Totals of a history.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// The live half.
    pub live: LiveStatus,
    /// The archived half, as far as the manifest's records of segments tell.
    pub archived: ArchivedStatus,
    /// The first 48 bits of the archive's origin.
    pub origin: Option<u64>,
}

/// Counts the contents of a history, from a listing of the live days and the manifest.
pub(crate) fn totals(store: &Store) -> Result<Totals> {
    let mut status = Status::default();
    live(store, None, None, &mut status)?;
    let mut archived = ArchivedStatus::default();
    let mut origin = None;
    if let Some(archive) = store.archive()? {
        let manifest = Manifest::load(&archive)?;
        segments(&manifest, &mut archived, &mut |_, _| {});
        origin = manifest.identity().map(short_origin);
    }
    Ok(Totals { live: status.live, archived, origin })
}

/// Determines the status of a history.
pub(in crate::ops) fn status(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &StatusOptions,
) -> Result<Status> {
    let mut status = Status::default();
    // As readers do: what moves in between is seen twice and never not at all.
    live(store, Some(options.calendar_from), Some(context.now()), &mut status)?;
    if let Some(spool) = &options.spool {
        waiting(spool, &mut status);
    }
    let FoundArchive { dir, away, note } = store.found_archive()?;
    if let FoundNote::Doubtful(reason) = note {
        let reason = format!("{reason}, so it does not count as the tree's note");
        status.findings.push(Finding::new(NOTE, reason));
    }
    status.is_away = away.is_some();
    if let Some(reason) = away {
        let path = store.archive_path().display().to_string();
        let reason = reason.strip_prefix(&format!("{path}: ")).unwrap_or(&reason);
        status.findings.push(Finding::new(path, reason));
        // The next runs will refuse, for the same reason.
        runs(store, options.metrics.as_deref(), &mut status);
        return Ok(status);
    }
    if let Some(archive) = dir {
        let manifest = Manifest::load(&archive)?;
        archived(&archive, &manifest, options, &mut status);
        status.archived.future = from_the_future(&manifest, context.now());
        copies(&archive, &manifest, policy, context, &mut status);
    }
    plans(store, policy, context, options, &mut status);
    runs(store, options.metrics.as_deref(), &mut status);
    Ok(status)
}

/// Counts what waits in the spool: it is not in the history yet.
fn waiting(spool: &Path, status: &mut Status) {
    let path = spool.display().to_string();
    match spooled(spool) {
        Ok(0) => {}
        Ok(events) => {
            status.spooled = events;
            let verb = if events == 1 { "event waits" } else { "events wait" };
            let reason = format!(
                "{events} {verb} here that could not be placed; the next emit, rotate or sync \
                 takes them in"
            );
            status.findings.push(Finding::new(path, reason));
        }
        Err(error) => status.findings.push(Finding::of(path, &error)),
    }
}

/// Operations that may run unattended: a failure of one of them needs attention.
const UNWATCHED: [&str; 3] = ["rotate", "verify", "prune"];

/// All operations that leave metrics.
const MEASURED: [&str; 6] = ["rotate", "verify", "prune", "compact", "import", "sync"];

fn runs(store: &Store, metrics: Option<&Path>, status: &mut Status) {
    let left = metrics::left(store);
    let metrics = metrics.map_or_else(metrics::Sheet::default, |path| {
        metrics::read(path, store.archive_path()).unwrap_or_else(|error| {
            let reason =
                format!("{}; so the outcome of the last runs is unknown", error.reason_at(path));
            status.findings.push(Finding::new(path.display().to_string(), reason));
            metrics::Sheet::default()
        })
    });
    let ends = MEASURED.iter().filter_map(|operation| {
        let ends = [left.last(operation), metrics.last(operation)];
        Some((*operation, ends.into_iter().flatten().reduce(LastEnd::that_stands)?))
    });
    status.last_runs = ends.collect();
    for operation in UNWATCHED {
        let Some(last) = status.last_runs.get(operation).filter(|last| last.failed()) else {
            continue;
        };
        let record = match operation {
            "rotate" => status.last_rotate.as_ref(),
            "prune" => status.last_prune.as_ref(),
            _ => None,
        };
        let (code, day, clock) = (last.exit_code, last.time.date(), last.time.clock());
        let reason =
            format!("exit code {code} on {day} at {clock}; {}", advice(operation, last, record));
        status.findings.push(Finding::new(format!("the last {operation}"), reason));
    }
}

/// Returns advice about a failure; `record` is the operation's last one in the manifest.
fn advice(operation: &str, failure: &LastEnd, record: Option<&LastRun>) -> &'static str {
    if record.is_some_and(|record| record.time > failure.time) {
        "a later one did not report its outcome (--metrics-file)"
    } else if failure.witness {
        "run it again with the same head or key; it names what is wrong"
    } else if operation == "verify" {
        "run it again; it names what is wrong"
    } else {
        "its messages say why, in the journal if a timer started it"
    }
}

fn live(
    store: &Store,
    calendar_from: Option<Date>,
    now: Option<Timestamp>,
    status: &mut Status,
) -> Result<()> {
    let Some(live) = store.live()? else { return Ok(()) };
    let mut future: Option<(EventPath, u64)> = None;
    let mut days = BTreeSet::new();
    for date in live.dates()?.0 {
        let listing = live.list(date)?;
        for entry in listing.unexpected().iter().filter(|entry| entry.hides_events) {
            let path = entry.path.display().to_string();
            status.findings.push(Finding::new(path, entry.reason.clone()));
        }
        if listing.is_empty() {
            continue;
        }
        days.insert(date);
        let partition = live.partition(date);
        for number in 0..listing.len() {
            // What is gone by now, or cannot be examined, is reported by its readers.
            let size = partition.size_of(listing.node(number), &listing.name(number));
            status.live.bytes += size.ok().flatten().unwrap_or(0);
        }
        status.live.files += listing.len() as u64;
        if let Some(now) = now.filter(|now| date >= now.date()) {
            for path in (0..listing.len()).map(|number| listing.path(number)) {
                if is_future(path.sort_parts().1, now) {
                    future.get_or_insert((path, 0)).1 += 1;
                }
            }
        }
        if calendar_from.is_some_and(|from| date >= from) {
            status.calendar.entry(date).or_default().events = listing.len() as u64;
        }
    }
    if let Some((path, number)) = future {
        let more = number - 1;
        let others = if more > 0 { format!(", and {more} others") } else { String::new() };
        let reason = format!(
            "it is dated later than now{others}: is a clock wrong? It is ignored until then"
        );
        status.findings.push(Finding::new(path.to_string(), reason));
    }
    status.live.days = days.len() as u64;
    status.live.first_day = days.first().copied();
    status.live.last_day = days.last().copied();
    Ok(())
}

fn archived(
    archive: &ArchiveDir,
    manifest: &Manifest,
    options: &StatusOptions,
    status: &mut Status,
) {
    let holds = manifest.holds();
    status.archived.holds = holds.len() as u64;
    let holds = Holds::of(archive, holds);
    let ids = holds.ids();
    let without = if ids.is_empty() { HashSet::new() } else { catalogue::without(archive, &ids) };
    let mut held_days = BTreeSet::new();
    let mut calendar: BTreeMap<Date, CalendarDay> = BTreeMap::new();
    segments(manifest, &mut status.archived, &mut |name, record| {
        let is_without = record.sha256.is_some_and(|sha256| without.contains(&sha256));
        let held = holds.seems_to_hold(name, is_without);
        if held {
            held_days.insert(name.date);
        }
        if name.date >= options.calendar_from {
            let day = calendar.entry(name.date).or_default();
            day.archived = true;
            day.events = day.events.saturating_add(record.events.unwrap_or(0));
            day.invalid = day.invalid.saturating_add(record.invalid.unwrap_or(0));
            day.held |= held;
            day.late |= name.number > 0;
        }
    });
    for (date, day) in calendar {
        let known = status.calendar.entry(date).or_default();
        *known = CalendarDay { events: day.events.max(known.events), ..day };
    }
    status.archived.held_days = held_days.len() as u64;
    status.archived.expired = Expired::of(manifest.expired());
    status.archived.ratio = ratio(archive, manifest);
    for record in manifest.records().iter().filter(|record| record.time >= options.since) {
        match record.op {
            Op::Rotate => {
                let invalid = record.invalid.unwrap_or(0);
                status.new_invalid = status.new_invalid.saturating_add(invalid);
            }
            Op::Conflict => status.new_conflicts += 1,
            _ => {}
        }
    }
    let last = |op: &Op| manifest.records().iter().rev().find(|record| record.op == *op);
    status.last_rotate = last(&Op::Rotate).map(last_run);
    status.last_prune = last(&Op::Prune).map(last_run);
    if let Some(torn) = manifest.torn() {
        status.findings.push(Finding::new(
            archive.manifest_path().display().to_string(),
            format!(
                "the last line was torn by a crash ({} bytes); the next rotate repairs it",
                torn.bytes
            ),
        ));
    }
}

/// Counts the copies that the manifest knows; whether they are still there is for "remote status".
fn copies(
    archive: &ArchiveDir,
    manifest: &Manifest,
    policy: &Policy,
    context: &Context,
    status: &mut Status,
) {
    let evicted = manifest.evicted();
    status.archived.elsewhere = evicted.len() as u64;
    let objects: Vec<&str> =
        evicted.values().filter_map(|record| record.object.as_deref()).collect();
    // What cannot be reached is reported by those who need it.
    for lost in archive.lost_copies(&objects).unwrap_or_default() {
        let of = |record: &&&Record| record.object.as_ref() == Some(&lost);
        if let Some(name) = evicted.values().find(of).and_then(|record| record.segment.as_ref()) {
            status.findings.push(Finding::new(name.to_string(), only_copy_gone(&lost)));
        }
    }
    if policy.remote.is_none() {
        return;
    }
    let copies = manifest.copies();
    // A run that could not reach the place reports it; overdue is what none of them tried.
    let overdue_before = context.now().micros().saturating_sub(OVERDUE_MICROS);
    let (mut copied, mut overdue) = (0, Vec::new());
    for (name, record) in manifest.segments() {
        if record.sha256.is_some_and(|sha256| copies.contains_key(&sha256)) {
            copied += 1;
        } else if record.time.micros() <= overdue_before {
            overdue.push(name);
        }
    }
    status.archived.copied = Some(copied);
    if let Some(first) = overdue.first() {
        let more = overdue.len() - 1;
        let others = if more > 0 { format!(", and {more} others") } else { String::new() };
        let reason = format!("it has had no copy for days{others} (hlarchive remote push)");
        status.findings.push(Finding::new(first.to_string(), reason));
    }
}

/// Sums up the segments, and passes each to `look`.
fn segments(
    manifest: &Manifest,
    archived: &mut ArchivedStatus,
    look: &mut dyn FnMut(&SegmentName, &Record),
) {
    let mut days = BTreeSet::new();
    for (name, record) in manifest.segments() {
        days.insert(name.date);
        archived.segments += 1;
        // A forged record may claim any number.
        archived.events = archived.events.saturating_add(record.events.unwrap_or(0));
        archived.bytes = archived.bytes.saturating_add(record.bytes.unwrap_or(0));
        look(name, record);
    }
    archived.days = days.len() as u64;
    archived.first_day = days.first().copied();
    archived.last_day = days.last().copied();
}

fn last_run(record: &Record) -> LastRun {
    LastRun {
        time: record.time,
        segment: record.segment.clone(),
        by: record.by.as_ref().map(|by| format!("{}@{}", by.user, by.host)),
    }
}

/// Returns event bytes by segment bytes, for the newest segments that can be read.
fn ratio(archive: &ArchiveDir, manifest: &Manifest) -> Option<f64> {
    let mut newest: Vec<_> = manifest.segments().map(|(name, _)| name).collect();
    newest.reverse();
    let (mut events, mut segments) = (0_u64, 0_u64);
    for name in newest.into_iter().take(RATIO_SEGMENTS) {
        let path = archive.segment_path(name);
        let reader = archive
            .open_segment(name)
            .and_then(|file| SegmentReader::open_day(file, &path, name.date));
        if let Some((event_bytes, bytes)) = reader.ok().and_then(|reader| {
            Some((reader.index()?.event_bytes(), manifest.record_of(name)?.bytes?))
        }) {
            events = events.saturating_add(event_bytes);
            segments = segments.saturating_add(bytes);
        }
    }
    (segments > 0).then(|| events as f64 / segments as f64)
}

/// Determines what the nightly runs will do. If they would refuse, that itself needs attention.
fn plans(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &StatusOptions,
    status: &mut Status,
) {
    let rotating = RotateOptions { trust_now: options.trust_now, ..RotateOptions::default() };
    match rotate::plan(store, policy, context, &rotating) {
        Ok(days) => {
            for day in &days {
                if let Some(lacks) = &day.lacks {
                    status.findings.push(Finding::new(day.date.to_string(), lacks.clone()));
                }
            }
            overdue(store, policy, context, &days, status);
            status.next_rotate = days;
        }
        Err(error) => status.findings.push(Finding::of("the next rotate", &error)),
    }
    let pruning = PruneOptions { trust_now: options.trust_now, ..PruneOptions::default() };
    match prune::plan(store, policy, context, &pruning) {
        Ok(plan) => {
            status.findings.extend(plan.findings.iter().cloned());
            if let Some(reason) = &plan.needs_consent {
                status.findings.push(Finding::new("the next prune", reason.clone()));
            }
            status.next_prune = plan;
        }
        Err(error) => status.findings.push(Finding::of("the next prune", &error)),
    }
}

/// Reports days that wait for longer than nightly runs explain. A day that got something recently
/// (an import, a restore, the events of a clock that stood still) waits only for the next night.
fn overdue(
    store: &Store,
    policy: &Policy,
    context: &Context,
    days: &[PlannedDay],
    status: &mut Status,
) {
    let live = store.live().ok().flatten();
    let is_fresh = |date: Date| {
        let changes = live.as_ref().and_then(|live| live.changes(date).ok()).unwrap_or_default();
        changes.iter().any(|(_, changed)| {
            let age = context.now().micros().saturating_sub(changed / 1000);
            (0..OVERDUE_MICROS).contains(&age)
        })
    };
    let keep = i64::try_from(policy.rotate.keep_live.seconds()).unwrap_or(i64::MAX / 2_000_000);
    let is_overdue = |day: &&PlannedDay| {
        let due = day.date.end().micros().saturating_add(keep.saturating_mul(1_000_000));
        due.saturating_add(OVERDUE_MICROS) <= context.now().micros() && !is_fresh(day.date)
    };
    let mut late = days.iter().filter(is_overdue);
    if let Some(first) = late.next() {
        let more = late.count();
        let others = if more > 0 { format!(", and {more} later ones") } else { String::new() };
        status.findings.push(Finding::new(
            first.date.to_string(),
            format!("the day should have been archived days ago{others}; does rotate run?"),
        ));
    }
}

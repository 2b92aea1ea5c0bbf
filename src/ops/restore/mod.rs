//! Restore: archived events become plain files again, byte for byte.
//!
//! Into a directory, or back into the live tree. What is there already is never
//! overwritten. Files are written beside their place, synced, and only then given their
//! names, so a restore that is stopped leaves whole files or none. A damaged frame costs
//! the events inside it; all others are restored, and the damage is named.

mod segment;

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use crate::archive::{ArchiveDir, Expired, Manifest, NewRecord, Op, Record, SegmentName};
use crate::event::Date;
use crate::live::LiveTree;
use crate::ops::derived;
use crate::ops::{Context, Finding, audit};
use crate::progress::{Progress, Unit};
use crate::store::{Filter, Store};
use crate::{Error, Result};

/// Where restored events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Below this directory, which is made when missing.
    Directory(PathBuf),
    /// Back into the live tree. The next rotate of the day recognises them as archived
    /// and removes them again.
    Live,
}

/// What to restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// These days; empty for every day on which the filter finds something.
    pub dates: Vec<Date>,
    /// Only events that meet it. An empty filter also restores files that are no events.
    pub filter: Filter,
    /// Where to.
    pub target: Target,
}

impl RestoreOptions {
    /// Whether a segment can hold what is asked for: the times of its events decide, whatever
    /// day they are filed under.
    fn wants(&self, date: Date, record: &Record) -> bool {
        if !self.dates.is_empty() {
            return self.dates.contains(&date);
        }
        let (since, until) = (self.filter.since, self.filter.until);
        let (first, last) = record.span();
        since.is_none_or(|since| last.is_none_or(|last| last >= since))
            && until.is_none_or(|until| first.is_none_or(|first| first < until))
    }
}

/// What a restore did, or, of a plan, what it would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoreReport {
    /// The directory that holds the events now.
    pub target: String,
    /// The days, in order.
    pub days: Vec<RestoredDay>,
    /// What of these days has expired, and so is not restored.
    pub expired: Option<Expired>,
    /// What an earlier, interrupted run left, and what was done about it.
    pub recovered: Vec<Finding>,
    /// What is wrong: damage, and files that are in the way.
    pub findings: Vec<Finding>,
    /// Whether the caller asked to stop before all was done.
    pub stopped: bool,
    /// The days that were not restored, or not wholly, because of it.
    pub left_days: Vec<String>,
}

/// One day of a restore.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RestoredDay {
    /// The day.
    pub date: String,
    /// The segments that were read.
    pub segments: Vec<String>,
    /// Events that were asked for.
    pub events: u64,
    /// Their size.
    pub event_bytes: u64,
    /// Files written now; in a plan, zero.
    pub restored: u64,
    /// Files that were there already with the same bytes.
    pub already_there: u64,
}

/// Refuses to restore into the tree or the archive under another name: only `--live` knows
/// what it does there.
fn check_target(store: &Store, options: &RestoreOptions) -> Result<()> {
    match &options.target {
        Target::Directory(directory) if same_place(directory, store.root()) => Err(Error::Usage(
            format!("{}: this is the live tree; restore into it with --live", directory.display()),
        )),
        Target::Directory(directory) => store.check_outside(directory, "restore --to"),
        Target::Live => Ok(()),
    }
}

/// What [`restore`] would do, without writing anything.
pub fn plan(
    store: &Store,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    check_target(store, options)?;
    let archive = open_archive(store)?;
    let manifest = Manifest::load(&archive)?;
    run(store, &archive, &manifest, options, None, progress)
}

/// Restores.
pub fn restore(
    store: &Store,
    context: &Context,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    check_target(store, options)?;
    let archive = open_archive(store)?;
    match &options.target {
        Target::Directory(directory) => {
            let manifest = Manifest::load(&archive)?;
            days_of(&manifest, options)?;
            let tree = LiveTree::create(directory)?;
            run(store, &archive, &manifest, options, Some((&tree, context)), progress)
        }
        Target::Live => {
            // Only here rotation must stand still, and the manifest learns of it.
            let lock = archive.lock()?;
            let mut recovered = Vec::new();
            let mut writer = super::rotate::open_manifest(
                &archive,
                &lock,
                context,
                &|_| Ok(()),
                &mut recovered,
            )?;
            days_of(writer.manifest(), options)?;
            let tree = store.create_live()?;
            let before = writer.manifest().records().len();
            let work = Some((&tree, context));
            let mut report = run(store, &archive, writer.manifest(), options, work, progress)?;
            for day in report.days.iter().filter(|day| day.restored > 0) {
                let mut record = NewRecord::new(context.now, Op::Restore);
                record.by = Some(context.by.clone());
                record.date = day.date.parse().ok();
                record.events = Some(day.restored);
                record.note = Some("restored into the live tree".to_owned());
                writer.append(record)?;
            }
            report.recovered = recovered;
            derived::complete(store, &archive, writer.manifest(), context.next_token(), &lock);
            let days = report.days.iter().filter(|day| day.restored > 0);
            let told = audit::Told {
                events: days.clone().map(|day| day.restored).sum(),
                what: Some(days.map(|day| day.date.as_str()).collect::<Vec<_>>().join(", ")),
                ..audit::Told::default()
            };
            let manifest = writer.manifest();
            let finding = audit::tell(store, context, "archive_restored", manifest, before, told);
            report.findings.extend(finding);
            Ok(report)
        }
    }
}

fn open_archive(store: &Store) -> Result<ArchiveDir> {
    store.archive()?.ok_or_else(|| Error::NotFound {
        what: store.archive_path().display().to_string(),
        reason: "there is no archive here; name it with --archive or HLARCHIVE_ARCHIVE".to_owned(),
    })
}

fn same_place(a: &std::path::Path, b: &std::path::Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// The days to read; an error when a day that was asked for has no segment.
fn days_of(manifest: &Manifest, options: &RestoreOptions) -> Result<BTreeSet<Date>> {
    if options.dates.is_empty() {
        let segments = manifest.segments();
        let wanted = segments.filter(|(name, record)| options.wants(name.date, record));
        return Ok(wanted.map(|(name, _)| name.date).collect());
    }
    for date in &options.dates {
        if manifest.segments_of(*date).next().is_some() {
            continue;
        }
        let pruned = manifest
            .records()
            .iter()
            .rfind(|record| record.op == Op::Prune && record.date == Some(*date));
        return Err(Error::NotFound {
            what: date.to_string(),
            reason: match pruned {
                Some(record) => {
                    format!("this day expired, and was removed at {}", record.time)
                }
                None => "the archive has no segment of this day; \"hlarchive manifest show\" \
                         names those it has"
                    .to_owned(),
            },
        });
    }
    Ok(options.dates.iter().copied().collect())
}

fn run(
    store: &Store,
    archive: &ArchiveDir,
    manifest: &Manifest,
    options: &RestoreOptions,
    work: Option<(&LiveTree, &Context)>,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    let target = match &options.target {
        Target::Directory(directory) => directory,
        Target::Live => store.root(),
    };
    let mut report =
        RestoreReport { target: target.display().to_string(), ..RestoreReport::default() };
    let dates = days_of(manifest, options)?;
    report.expired = Expired::of(manifest.expired().filter(|record| {
        let date = record.segment.as_ref().map(|segment| segment.date);
        date.is_some_and(|date| options.wants(date, record))
    }));
    let bytes: u64 = dates
        .iter()
        .flat_map(|date| manifest.segments_of(*date))
        .filter_map(|(_, record)| record.bytes)
        // A forged record may claim any number.
        .fold(0, u64::saturating_add);
    progress.begin("restoring", Some(bytes), Unit::Bytes);
    let mut newer: Option<Manifest> = None;
    for date in dates {
        report.stopped |= progress.stop_requested();
        if report.stopped {
            report.left_days.push(date.to_string());
            continue;
        }
        let mut written = 0;
        loop {
            let manifest = newer.as_ref().unwrap_or(manifest);
            let mut day = RestoredDay { date: date.to_string(), ..RestoredDay::default() };
            let findings = report.findings.len();
            let segments = manifest.segments_of(date);
            match restore_day(archive, segments, options, work, &mut day, &mut report, progress) {
                Ok(()) => {
                    day.restored += written;
                    day.already_there = day.already_there.saturating_sub(written);
                    if day.events > 0 || (!options.dates.is_empty() && !report.stopped) {
                        report.days.push(day);
                    }
                    break;
                }
                // A segment is gone: then the manifest says so by now, and names what took
                // its place.
                Err(error) if error.is_not_found() => {
                    let now = Manifest::load(archive)?;
                    if now.head() == manifest.head() {
                        return Err(error);
                    }
                    written += day.restored;
                    report.findings.truncate(findings);
                    newer = Some(now);
                }
                Err(error) => return Err(error),
            }
        }
    }
    progress.end();
    Ok(report)
}

/// Restores the segments of one day.
fn restore_day<'a>(
    archive: &ArchiveDir,
    segments: impl Iterator<Item = (&'a SegmentName, &'a Record)>,
    options: &RestoreOptions,
    work: Option<(&LiveTree, &Context)>,
    day: &mut RestoredDay,
    report: &mut RestoreReport,
    progress: &dyn Progress,
) -> Result<()> {
    for (name, record) in segments {
        let before = (day.events, day.event_bytes);
        let mut one = segment::SegmentRestore {
            archive,
            name,
            record,
            filter: &options.filter,
            work,
            into_live: work
                .filter(|_| matches!(options.target, Target::Live))
                .map(|(live, _)| live),
            day: &mut *day,
            findings: &mut report.findings,
        };
        match one.run(progress) {
            Ok(()) => progress.advance(record.bytes.unwrap_or(0)),
            // The days before are restored, and are told and recorded as such.
            Err(Error::Interrupted(_)) => {
                (day.events, day.event_bytes) = before;
                report.stopped = true;
                report.left_days.push(day.date.clone());
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

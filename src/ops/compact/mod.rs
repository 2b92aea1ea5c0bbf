//! Compact: a day's segments of one class become one.
//!
//! Late arrivals leave a day with several segments. Here they are merged into a new one, which is
//! synced, read back from the disk and compared with them, member by member; a record says that it
//! replaces them, and only then they are removed. Segments that are held, or differ from their
//! records, are left alone. Concurrent readers see each event once.

mod group;
mod merge;
mod report;

use std::collections::BTreeMap;

use group::{Group, GroupRun};
pub use report::{CompactOptions, CompactPlan, CompactReport, Compacted, PlannedCompaction};

use crate::Context;
use crate::History;
use crate::archive::{ArchiveDir, Manifest};
use crate::event::Date;
use crate::ops::hold::Holds;
use crate::ops::job::Job;
use crate::ops::{Finding, audit};
use crate::policy::Policy;
use crate::progress::{Progress, Unit};
use crate::store::Store;
use crate::{Error, Result};

impl History {
    /// Merges the segments of a day and class into one, if late arrivals left several.
    ///
    /// The new segment is read back and compared with the old ones, member by member, before they
    /// are removed. Segments that are held, or whose bytes are remote, stay apart.
    ///
    /// ```
    /// use hlarchive::{CompactOptions, History, RotateOptions};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// let time = history.time("30d ago")?;
    /// for _ in 0..2 {
    ///     history.emit("backup_completed").timestamp(time).send()?;
    ///     history.rotate(&RotateOptions::default())?;
    /// }
    /// let report = history.compact(&CompactOptions::default())?;
    /// assert_eq!(report.days[0].supersedes.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn compact(&self, options: &CompactOptions) -> Result<CompactReport> {
        compact(&self.store, &self.policy, &self.context.stopped(), options, &*self.progress)
    }

    /// Returns what [`compact`](Self::compact) would merge, and changes nothing.
    pub fn plan_compact(&self, options: &CompactOptions) -> Result<CompactPlan> {
        plan(&self.store, options)
    }
}

/// Returns what [`compact`] would do, without touching anything.
fn plan(store: &Store, options: &CompactOptions) -> Result<CompactPlan> {
    let archive = store.existing_archive("--archive")?;
    let manifest = Manifest::load(&archive)?;
    let mut plan = CompactPlan::default();
    for group in groups(&archive, &manifest, options, &mut plan.remarks) {
        let Some(first) = group.first() else { continue };
        let records = || group.iter().filter_map(|name| manifest.record_of(name));
        let events = records().filter_map(|record| record.events);
        let bytes = records().filter_map(|record| record.bytes);
        plan.days.push(PlannedCompaction {
            date: first.date,
            class: first.class.clone(),
            // A forged record may claim any number.
            events: events.fold(0, u64::saturating_add),
            segment_bytes: bytes.fold(0, u64::saturating_add),
            segments: group,
        });
    }
    Ok(plan)
}

/// Returns the groups of several segments that belong together and of which none is held.
fn groups(
    archive: &ArchiveDir,
    manifest: &Manifest,
    options: &CompactOptions,
    remarks: &mut Vec<Finding>,
) -> Vec<Group> {
    let mut groups: BTreeMap<(Date, Option<String>), Group> = BTreeMap::new();
    for (name, _) in manifest.segments() {
        if options.dates.is_empty() || options.dates.contains(&name.date) {
            groups.entry((name.date, name.class.clone())).or_default().push(name.clone());
        }
    }
    let holds = Holds::of(archive, manifest.holds());
    let evicted = manifest.evicted();
    let mut free = Vec::new();
    for group in groups.into_values().filter(|group| group.len() > 1) {
        // Merging would have to fetch all of them.
        if group.iter().any(|name| evicted.contains_key(name)) {
            continue;
        }
        // The index is checked against the events before removal.
        let held = group.iter().find_map(|name| holds.holding(name).map(|hold| (name, hold.id)));
        match held {
            None => free.push(group),
            Some((name, id)) => remarks.push(Finding::new(
                name.to_string(),
                format!("hold {id} keeps it as it is, so the segments of its day stay apart"),
            )),
        }
    }
    free
}

/// Compacts segments.
fn compact(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &CompactOptions,
    progress: &dyn Progress,
) -> Result<CompactReport> {
    let archive = store.existing_archive("--archive")?;
    let lock = archive.lock()?;
    let mut report = CompactReport::default();
    let mut job = Job::begin(store, context, &archive, &lock, &|_| Ok(()))?;
    job.remove_leftovers()?;
    job.finish_earlier(&mut report.findings)?;
    let groups = groups(&archive, job.manifest(), options, &mut report.remarks);
    progress.begin("compacting", Some(groups.len() as u64), Unit::Days);
    for group in groups {
        let Some(date) = group.first().map(|name| name.date) else { continue };
        report.stopped |= progress.stop_requested();
        if report.stopped {
            report.left_days.push(date);
            continue;
        }
        let outcome = GroupRun {
            archive: &archive,
            writer: &mut job.writer,
            policy,
            context,
            group: &group,
            findings: &mut report.findings,
            remarks: &mut report.remarks,
        }
        .run(progress);
        match outcome {
            Ok(compacted) => report.days.extend(compacted),
            Err(Error::Interrupted(_)) => {
                report.stopped = true;
                report.left_days.push(date);
            }
            Err(error) if job.writer.is_poisoned() => return Err(error),
            Err(error) => report.findings.push(Finding::of(date.to_string(), &error)),
        }
        progress.advance(1);
    }
    progress.end();
    report.left_days.dedup();
    let event = audit::AuditEvent {
        event_type: "archive_compacted",
        segments: report.days.iter().map(|day| day.segment.clone()).collect(),
        events: report.days.iter().map(|day| day.events).sum(),
        ..audit::AuditEvent::default()
    };
    let any_gone = !report.days.is_empty();
    report.findings.extend(job.finish_removal(any_gone, event));
    report.recovered = job.recovered;
    Ok(report)
}

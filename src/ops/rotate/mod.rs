//! Rotate: closed days become segments, and only then stop being plain files.
//!
//! One day at a time, under the archive's lock: list and read the day; write the segment to a
//! temporary file and sync it; read it back from the disk and compare; put it in place with its
//! checksum file; append the manifest record; and only then remove exactly the files that were
//! read. A run that is stopped at any point is finished by the next.

pub(in crate::ops) mod archived;
mod copies;
mod day;
pub(in crate::ops) mod files;
mod report;
pub(in crate::ops) mod residue;
mod room;

use std::collections::BTreeSet;
use std::path::PathBuf;

use archived::{Archived, merge_join};
pub use report::{PlannedDay, RotateOptions, RotateReport, RotatedDay};
use room::Room;

use crate::Context;
use crate::History;
use crate::archive::{Manifest, NewRecord, Op, Space};
use crate::event::Date;
use crate::live::LiveTree;
use crate::ops::bond::Pair;
use crate::ops::clock::check_clock;
use crate::ops::job::Job;
use crate::ops::{Finding, audit};
use crate::policy::Policy;
use crate::progress::{Progress, Unit};
use crate::store::Store;
use crate::{Error, Result};

impl History {
    /// Turns closed days into segments: every day that is over, in UTC, and that the policy no
    /// longer keeps live.
    ///
    /// Each day is read, written to a segment, synced, read back from the disk and compared; then
    /// it is recorded, and only then exactly the files that were read are removed. A problem with
    /// one day is a finding in the report, and stops no other.
    ///
    /// Fails if there is no event tree, while another run holds the archive's lock, if the clock
    /// looks wrong, and if the manifest cannot be written to.
    ///
    /// ```
    /// use hlarchive::{Context, History, RotateOptions};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// history.emit("backup_completed").timestamp(history.time("30d ago")?).send()?;
    /// let report = history.rotate(&RotateOptions::default())?;
    /// assert_eq!(report.days[0].events, 1);
    /// assert!(history.events().count() == 1, "it is read as before");
    /// # Ok(())
    /// # }
    /// ```
    pub fn rotate(&self, options: &RotateOptions) -> Result<RotateReport> {
        rotate(&self.store, &self.policy, &self.context.stopped(), options, &*self.progress)
    }

    /// Returns the days that [`rotate`](Self::rotate) would process, and changes nothing.
    pub fn plan_rotate(&self, options: &RotateOptions) -> Result<Vec<PlannedDay>> {
        plan(&self.store, &self.policy, &self.context.stopped(), options)
    }
}

/// Returns the days that [`rotate`] would process, without touching anything.
pub(in crate::ops) fn plan(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &RotateOptions,
) -> Result<Vec<PlannedDay>> {
    let Some(live) = store.live()? else { return Ok(Vec::new()) };
    let archive = store.archive()?;
    let manifest = archive.as_ref().map(Manifest::load).transpose()?.unwrap_or_default();
    check_clock(context, options.trust_now, &manifest, Some(&live))?;
    if let Some(archive) = &archive {
        let pair = Pair { store, live: &live, archive, is_meant: store.takes_any() };
        pair.bond(&manifest, context)?;
    }
    let space = match &archive {
        Some(archive) => archive.space()?,
        None => Space::above(store.archive_path())?,
    };
    let mut days = Vec::new();
    for date in due(&live, policy, context, options)? {
        let listing = live.list(date)?;
        let mut archived = Archived::default();
        for (segment, _) in manifest.segments_of(date) {
            if let Some(archive) = &archive {
                // An unreadable segment counts as not archived, as in the run itself.
                let _ = merge_join(archive, segment, &listing, &mut archived);
            }
        }
        if listing.is_empty() && listing.passed_over().is_some() {
            continue;
        }
        let wanted = |number: usize| archived.of(number).is_none();
        let room = Room::of(&listing, &live.partition(date), &wanted, policy, space)?;
        days.push(PlannedDay {
            date,
            files: listing.len() as u64,
            segments: manifest.segments_of(date).count() as u64,
            event_bytes: room.event_bytes,
            needed_bytes: room.needed_bytes,
            free_bytes: room.free_bytes,
            lacks: room.lacks(),
        });
    }
    Ok(days)
}

/// Rotates every day that is due.
fn rotate(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &RotateOptions,
    progress: &dyn Progress,
) -> Result<RotateReport> {
    let mut report = RotateReport::default();
    let Some(live) = store.live()? else {
        return Err(Error::NotFound {
            what: store.root().display().to_string(),
            reason: "there is no event tree here; name it with --root or HLARCHIVE_ROOT".to_owned(),
        });
    };
    let dates = due(&live, policy, context, options)?;
    if options.dates.is_empty() {
        name_unexpected(&live, &mut report)?;
    }
    let is_meant = store.takes_any();
    if dates.is_empty() && !is_meant && store.archive()?.is_none() {
        return Ok(report);
    }
    let archive = store.create_archive()?;
    let lock = archive.lock()?;
    let pair = Pair { store, live: &live, archive: &archive, is_meant };
    let accept = |manifest: &Manifest| {
        check_clock(context, options.trust_now, manifest, Some(&live))?;
        pair.bond(manifest, context).map(drop)
    };
    let mut job = Job::begin(store, context, &archive, &lock, &accept)?;
    let mut bond = pair.bond(job.manifest(), context)?;
    bond.tie(job.manifest(), context);
    job.remove_leftovers()?;
    live.remove_leftovers();
    job.finish_earlier(&mut report.findings)?;
    let mut littered = Littered::default();
    progress.begin("rotating", Some(dates.len() as u64), Unit::Days);
    for date in dates {
        report.stopped |= progress.stop_requested();
        if report.stopped {
            report.left_days.push(date);
            continue;
        }
        let means = day::DayMeans {
            live: &live,
            archive: &archive,
            manifest: &mut job.writer,
            bond: &mut bond,
            policy,
            context,
            progress,
        };
        let mut run = day::DayRun::new(means, date).beside(report.findings.len());
        let outcome = run.run();
        let day::DayRun { report: day_report, findings, passed_over, .. } = run;
        littered.add(&day_report, passed_over);
        report.findings.extend(findings.into_named());
        if day_report.removed + day_report.events + day_report.left > 0 {
            report.days.push(day_report);
        }
        match outcome {
            Ok(()) => {}
            Err(Error::Interrupted(_)) => {
                report.stopped = true;
                report.left_days.push(date);
            }
            // A manifest that cannot be written to ends the run: nothing further would be recorded
            // either. Anything else costs this day alone.
            Err(error) if job.writer.is_poisoned() => return Err(error),
            Err(error) => report.findings.push(Finding::of(date.to_string(), &error)),
        }
        progress.advance(1);
    }
    progress.end();
    if let Some(tree) = bond.to_record().filter(|_| is_meant && job.had_records()) {
        let mut record = NewRecord::new(context.now(), Op::Adopt);
        record.by = Some(context.by().clone());
        record.tree = Some(tree);
        job.writer.append(record)?;
        bond.recorded();
    }
    report.findings.extend(bond.finish(job.manifest(), context));
    report.recovered.append(&mut job.recovered);
    report.recovered.append(&mut bond.recovered);
    report.remarks.extend(littered.remark());
    if !report.stopped {
        job.complete_derived();
    }
    let segments = report.days.iter().flat_map(|day| &day.segments).cloned().collect();
    let events = report.days.iter().map(|day| day.events).sum();
    let event = audit::AuditEvent {
        event_type: "archive_rotated",
        segments,
        events,
        ..audit::AuditEvent::default()
    };
    report.findings.extend(job.emit_audit(event));
    Ok(report)
}

/// Days whose directories stay only because of other programs' files.
#[derive(Default)]
struct Littered {
    days: u64,
    first: Option<PathBuf>,
}

impl Littered {
    fn add(&mut self, day: &RotatedDay, passed_over: Option<PathBuf>) {
        if let Some(path) = passed_over.filter(|_| day.left == 0) {
            self.days += 1;
            self.first.get_or_insert(path);
        }
    }

    /// Returns one sentence, however many they are: they stay night after night.
    fn remark(self) -> Option<Finding> {
        let first = self.first?;
        let where_ = match self.days {
            1 => "its day's directory".to_owned(),
            days => format!("the directories of {days} days, its own and others like it,"),
        };
        let stay = if self.days == 1 { "stays" } else { "stay" };
        Some(Finding::new(
            first.display().to_string(),
            format!("another program left it; {where_} {stay}, with no event in it"),
        ))
    }
}

/// Reports a day behind a symbolic link, or an event beside the days: it would never be archived.
fn name_unexpected(live: &LiveTree, report: &mut RotateReport) -> Result<()> {
    let (_, unexpected) = live.dates()?;
    for entry in unexpected {
        let path = entry.path.display().to_string();
        report.findings.push(Finding::new(path, format!("{}; left as it is", entry.reason)));
    }
    Ok(())
}

fn due(
    live: &LiveTree,
    policy: &Policy,
    context: &Context,
    options: &RotateOptions,
) -> Result<Vec<Date>> {
    let now = context.now().micros();
    let closed = |date: &Date| date.end().micros() <= now;
    let wanted: BTreeSet<Date> = options.dates.iter().copied().collect();
    if let Some(open) = wanted.iter().find(|date| !closed(date)) {
        return Err(Error::Refused(format!(
            "{open}: the day is not over yet (in UTC), so it cannot be rotated"
        )));
    }
    let keep = i64::try_from(policy.rotate.keep_live.seconds()).unwrap_or(i64::MAX / 2_000_000);
    let past = |date: &Date| date.end().micros() + keep.saturating_mul(1_000_000) <= now;
    let (dates, _) = live.dates()?;
    Ok(dates
        .into_iter()
        .filter(|date| if wanted.is_empty() { past(date) } else { wanted.contains(date) })
        .filter(closed)
        .collect())
}

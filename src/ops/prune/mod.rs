//! Prune: archived days expire and are removed, by the policy and never otherwise.
//!
//! For each segment the longer of two terms counts: what was promised when it was rotated, and what
//! the policy says now. Nothing goes by its term before it has been in the archive for a while
//! (`term`). Then come `max_size` and `min_free`, oldest days first, and new arrivals last. What is
//! held never goes. A record says that a segment expired, and only then it is removed; a run that
//! was stopped in between is finished by the next one. A run that would remove everything, or most
//! of it, at once needs somebody's consent.

mod expire;
mod plan;
mod term;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use plan::{Difference, Expiring, Held, PrunePlan};
use term::Arrivals;
pub(in crate::ops) use term::{is_over, since};

use crate::Context;
use crate::History;
use crate::archive::{ArchiveDir, Manifest, NewRecord, Op};
use crate::event::Date;
use crate::live::LiveTree;
use crate::ops::clock::{check_clock, jump};
use crate::ops::hold::Holds;
use crate::ops::job::Job;
use crate::ops::{Finding, audit};
use crate::policy::Policy;
use crate::progress::{Progress, Unit};
use crate::store::Store;
use crate::{Error, Result};

/// The free space below which a record may find no room.
const RECORD_BYTES: u64 = 64 << 10;

/// Options of a prune.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PruneOptions {
    /// True if the caller vouches for [`Context::now`].
    pub trust_now: bool,
    /// True if the policy counts even if it keeps less than was promised.
    pub shorten: bool,
    /// True if somebody has seen what goes and confirmed it, however much it is.
    pub consent: bool,
}

/// A report of a prune.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct PruneReport {
    /// Removed segments, oldest day first.
    pub expired: Vec<Expiring>,
    /// Segments that would have expired, but are held.
    pub held: Vec<Held>,
    /// Differences between promises and the policy.
    pub differences: Vec<Difference>,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub recovered: Vec<Finding>,
    /// Problems.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
    /// The days that wait for the next run because of it.
    pub left_days: Vec<Date>,
}

impl History {
    /// Removes the segments that have expired by the policy. Under the built-in policy nothing ever
    /// expires.
    ///
    /// Each removal is recorded first, with the rule that asked for it. Fails if the run would
    /// remove everything or more than half at once and [`consent`](PruneOptions::consent) was not
    /// given, while another run holds the archive's lock, and if the clock looks wrong.
    ///
    /// ```
    /// use hlarchive::{History, Policy, PruneOptions, RotateOptions};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let policy = Policy::parse("version = 1\n[retain]\nkeep = \"90d\"", "mine")?;
    /// let history = History::open(&root)?.with_policy(policy);
    /// history.emit("backup_completed").timestamp(history.time("100d ago")?).send()?;
    /// history.rotate(&RotateOptions::default())?;
    /// let report = history.prune(&PruneOptions::default())?;
    /// assert!(report.expired.is_empty(), "it came today, so the policy's grace keeps it");
    /// # Ok(())
    /// # }
    /// ```
    pub fn prune(&self, options: &PruneOptions) -> Result<PruneReport> {
        prune(&self.store, &self.policy, &self.context.stopped(), options, &*self.progress)
    }

    /// Returns what [`prune`](Self::prune) would remove and keep, and changes nothing.
    pub fn plan_prune(&self, options: &PruneOptions) -> Result<PrunePlan> {
        plan(&self.store, &self.policy, &self.context.stopped(), options)
    }
}

/// Returns what [`prune`] would do, without touching anything.
pub(in crate::ops) fn plan(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &PruneOptions,
) -> Result<PrunePlan> {
    let Some(archive) = store.archive()? else { return Ok(PrunePlan::default()) };
    let manifest = Manifest::load(&archive)?;
    let live = store.live()?;
    let run = PruneRun { policy, context, options, live: live.as_ref() };
    run.check_clock(&manifest)?;
    run.plan(&archive, &manifest)
}

/// A prune, or the plan of one.
struct PruneRun<'a> {
    policy: &'a Policy,
    context: &'a Context,
    options: &'a PruneOptions,
    /// The live tree, whose events are witnesses of the time.
    live: Option<&'a LiveTree>,
}

impl PruneRun<'_> {
    fn check_clock(&self, manifest: &Manifest) -> Result<()> {
        check_clock(self.context, self.options.trust_now, manifest, self.live)
    }

    fn plan(&self, archive: &ArchiveDir, manifest: &Manifest) -> Result<PrunePlan> {
        let Self { policy, context, options, live } = *self;
        let holds = Holds::of(archive, manifest.holds());
        let mut plan = plan::plan(&plan::Input {
            segments: manifest.segments().collect(),
            arrivals: Arrivals::of(manifest, context.now()),
            rules: &policy.retain,
            now: context.now(),
            space: archive.space()?,
            shorten: options.shorten,
            held: &|segment, _| {
                let hold = holds.keeping(segment)?;
                Some((hold.id, hold.reason.clone()))
            },
        });
        if !plan.expiring.is_empty()
            && let Some(reason) = jump(context, options.trust_now, manifest, live)?
        {
            plan.needs_consent = Some(match plan.needs_consent {
                Some(other) => format!("{reason}; and {other}"),
                None => reason,
            });
        }
        Ok(plan)
    }

    /// Returns the record of a segment that expired.
    fn record(&self, manifest: &Manifest, expiring: &Expiring) -> Result<NewRecord> {
        let was = manifest.record_of(&expiring.segment).ok_or_else(|| {
            Error::Refused(format!("{}: it is no longer in the archive", expiring.segment))
        })?;
        let mut record = NewRecord::new(self.context.now(), Op::Prune);
        record.by = Some(self.context.by().clone());
        record.describe_as(was);
        record.date = Some(expiring.date);
        record.segment = Some(expiring.segment.clone());
        record.class.clone_from(&expiring.segment.class);
        record.keep.clone_from(&was.keep);
        record.yields = was.yields;
        record.policy = Some(self.policy.digest().to_owned());
        record.reason = Some(expiring.rule.clone());
        Ok(record)
    }
}

/// Expires what the policy allows.
fn prune(
    store: &Store,
    policy: &Policy,
    context: &Context,
    options: &PruneOptions,
    progress: &dyn Progress,
) -> Result<PruneReport> {
    let mut report = PruneReport::default();
    let Some(archive) = store.archive()? else { return Ok(report) };
    let live = store.live()?;
    let lock = archive.lock()?;
    let run = PruneRun { policy, context, options, live: live.as_ref() };
    let accept = |manifest: &Manifest| run.check_clock(manifest);
    // A torn line is repaired by a record, which needs room, too.
    if archive.space()?.bytes < RECORD_BYTES && Manifest::load(&archive)?.torn().is_some() {
        expire::make_room(&archive, &lock)?;
    }
    let mut job = match Job::begin(store, context, &archive, &lock, &accept) {
        Err(error) if error.is_no_room() => {
            expire::make_room(&archive, &lock)?;
            Job::begin(store, context, &archive, &lock, &accept)?
        }
        begun => begun?,
    };
    job.remove_leftovers()?;
    let mut left = job.remove_gone(&mut report.findings)?;
    let plan = run.plan(&archive, job.manifest())?;
    plan::check(&plan, options.consent)?;
    report.findings.extend(plan.findings);
    (report.held, report.differences) = (plan.held, plan.differences);
    progress.begin("pruning", Some(plan.expiring.len() as u64), Unit::Files);
    for expiring in plan.expiring {
        report.stopped |= progress.stop_requested();
        if report.stopped {
            if report.left_days.last() != Some(&expiring.date) {
                report.left_days.push(expiring.date);
            }
            continue;
        }
        let record = run.record(job.manifest(), &expiring)?;
        match expire::record(&mut job, &expiring.segment, &record) {
            Ok(()) => {}
            // Nothing further could be recorded either.
            Err(error) if job.writer.is_poisoned() || report.expired.is_empty() => {
                return Err(error);
            }
            Err(error) => {
                report.findings.push(Finding::of(expiring.segment.to_string(), &error));
                // Its checksum file may have been removed for want of room.
                left = archive.unfinished(job.manifest())?;
                break;
            }
        }
        if let Err(error) = archive.remove_segment(&expiring.segment, &lock) {
            let reason = format!("recorded as expired, but still there: {error}");
            report.findings.push(Finding::new(expiring.segment.to_string(), reason));
        }
        report.expired.push(expiring);
        progress.advance(1);
    }
    progress.end();
    job.write_checksums(&left, &mut report.findings);
    let event = audit::AuditEvent {
        event_type: "archive_pruned",
        segments: report.expired.iter().map(|expired| expired.segment.clone()).collect(),
        events: report.expired.iter().map(|expired| expired.events).sum(),
        ..audit::AuditEvent::default()
    };
    let any_gone = !report.expired.is_empty();
    report.findings.extend(job.finish_removal(any_gone, event));
    report.recovered = job.recovered;
    Ok(report)
}

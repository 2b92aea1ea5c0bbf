//! Import: events of any tar or directory become late arrivals.
//!
//! Each file is examined by itself: it must be an event, and it must have an identity (`identity`).
//! Events that are here already, live or archived, are recognized and not taken twice; new ones go
//! into the live tree, and the next rotation archives them. Nothing that exists is replaced, and the
//! sources are not changed. A bad file never stops the rest.

mod identity;
mod source;
mod tarball;

use std::path::{Path, PathBuf};

use serde::Serialize;

use source::Item;

use crate::Context;
use crate::History;
use crate::archive::{Manifest, ManifestWriter, NewRecord, Op};
use crate::event::{EventPath, Litter, Timestamp, shown};
use crate::ops::Finding;
use crate::ops::intake::{Arrival, Findings, Intake, IntakeStats};
use crate::ops::job::Job;
use crate::progress::{Progress, Unit};
use crate::store::Store;
use crate::{Error, Result};

/// Options of an import.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ImportOptions {
    /// The sources: tars, plain or in zstd or gzip, and directories.
    pub sources: Vec<PathBuf>,
    /// True to only find out what would be done.
    pub dry_run: bool,
    /// True to also take events that expired here.
    pub expired: bool,
}

/// A report of what an import did, or, for a plan, would do.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// True if nothing was written, as requested.
    pub dry_run: bool,
    /// The sources, as they were named.
    pub sources: Vec<String>,
    /// Events that were found.
    pub events: u64,
    /// Number of them that are new here, and live now.
    pub imported: u64,
    /// The size of those.
    pub imported_bytes: u64,
    /// Number of them that were live here already, with the same bytes, or came twice.
    pub already_live: u64,
    /// Number of them that were archived here already, with the same bytes.
    pub already_archived: u64,
    /// Number of them that were skipped: events of their day, node and class expired here.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub expired: u64,
    /// Number of them whose name another event has here.
    pub conflicts: u64,
    /// Number of the new ones that are older than the policy keeps them.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub outlived: u64,
    /// Files that are not events, or are damaged.
    pub bad: u64,
    /// Files and directories that could not be read.
    pub unreadable: u64,
    /// Files and directories of other programs that were skipped.
    pub passed_over: u64,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub recovered: Vec<Finding>,
    /// Problems: each conflict, each bad file, and damage found in the archive here.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

impl History {
    /// Imports events from tar archives and directories. Duplicates are skipped; new events land in
    /// the live tree.
    pub fn import(&self, options: &ImportOptions) -> Result<ImportReport> {
        import(&self.store, &self.context.stopped(), options, &*self.progress)
    }
}

/// Imports events.
fn import(
    store: &Store,
    context: &Context,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<ImportReport> {
    for source in &options.sources {
        // A typo in a path should show before anything is done.
        std::fs::metadata(source).map_err(|error| Error::io(source, "open", error))?;
    }
    let archive = store.archive()?;
    if options.dry_run {
        let live = store.live()?;
        let manifest = archive.as_ref().map(Manifest::load).transpose()?.unwrap_or_default();
        let archived = archive.as_ref().map(|archive| (archive, &manifest));
        let mut intake =
            Intake::new(live.as_ref(), archived, context, true).with_expired(options.expired);
        let run = run(&mut intake, store.litter().get(), options, progress)?;
        return Ok(run.report(intake, options));
    }
    let Some(archive) = archive else {
        let live = store.create_live()?;
        live.remove_leftovers();
        let mut intake = Intake::new(Some(&live), None, context, false);
        let run = run(&mut intake, store.litter().get(), options, progress)?;
        return Ok(run.report(intake, options));
    };
    let lock = archive.lock()?;
    let mut job = Job::begin_lightly(store, context, &archive, &lock)?;
    let live = store.create_live()?;
    live.remove_leftovers();
    let mut intake = Intake::new(Some(&live), Some((&archive, job.manifest())), context, false)
        .with_expired(options.expired);
    let run = run(&mut intake, store.litter().get(), options, progress);
    let Intake { stats, findings, .. } = intake;
    // Also after a run that failed half way: what is live by now came from there.
    if stats.new > 0 {
        record(&mut job.writer, context, options, &stats)?;
    }
    job.complete_derived();
    let mut report = run?.report_of(&stats, findings, options);
    report.recovered = job.recovered;
    Ok(report)
}

fn record(
    writer: &mut ManifestWriter<'_>,
    context: &Context,
    options: &ImportOptions,
    stats: &IntakeStats,
) -> Result<()> {
    let mut record = NewRecord::new(context.now(), Op::Import);
    record.by = Some(context.by().clone());
    record.events = Some(stats.new);
    record.nodes = Some(stats.nodes.clone());
    record.first = stats.span.map(|(first, _)| first);
    record.last = stats.span.map(|(_, last)| last);
    let sources: Vec<String> =
        options.sources.iter().map(|source| shown(&source.display().to_string())).collect();
    record.note = Some(format!("imported into the live tree from {}", sources.join(", ")));
    writer.append(record).map(drop)
}

/// The contents of the sources, beside what the intake counts.
#[derive(Default)]
struct Run {
    bad: u64,
    unreadable: u64,
    passed_over: u64,
    stopped: bool,
}

impl Run {
    fn report(self, intake: Intake<'_>, options: &ImportOptions) -> ImportReport {
        let Intake { stats, findings, .. } = intake;
        self.report_of(&stats, findings, options)
    }

    fn report_of(
        self,
        stats: &IntakeStats,
        findings: Findings,
        options: &ImportOptions,
    ) -> ImportReport {
        ImportReport {
            dry_run: options.dry_run,
            sources: options.sources.iter().map(|path| path.display().to_string()).collect(),
            events: stats.events,
            imported: stats.new,
            imported_bytes: stats.new_bytes,
            already_live: stats.known_live,
            already_archived: stats.known_archived,
            expired: stats.expired,
            conflicts: stats.conflicts,
            outlived: stats.outlived,
            bad: self.bad,
            unreadable: self.unreadable,
            passed_over: self.passed_over,
            recovered: Vec::new(),
            findings: findings.into_named(),
            stopped: self.stopped,
        }
    }
}

/// Takes in everything in the sources. What was taken in before an error or a stop is kept.
fn run(
    intake: &mut Intake<'_>,
    litter: &Litter,
    options: &ImportOptions,
    progress: &dyn Progress,
) -> Result<Run> {
    let mut run = Run::default();
    progress.begin("importing", None, Unit::Events);
    for source in &options.sources {
        let outcome = source::visit(source, litter, &mut |item| {
            if progress.stop_requested() {
                return Err(Error::Interrupted(String::new()));
            }
            progress.advance(1);
            take(intake, source, item, &mut run)
        });
        match outcome {
            Err(Error::Interrupted(_)) => {
                run.stopped = true;
                break;
            }
            outcome => outcome?,
        }
    }
    intake.flush()?;
    progress.end();
    Ok(run)
}

fn take(intake: &mut Intake<'_>, source: &Path, item: Item, run: &mut Run) -> Result<()> {
    let (path, reason, counted) = match item {
        Item::PassedOver => {
            run.passed_over += 1;
            return Ok(());
        }
        Item::File { path, bytes, mtime } => match identity::identity(&path, &bytes) {
            Ok(identity) => return intake.add(arrival(identity, bytes, mtime)),
            Err(reason) => (path, reason, &mut run.bad),
        },
        Item::Bad { path, reason } => (path, reason, &mut run.bad),
        Item::Unreadable { path, reason } => (path, reason, &mut run.unreadable),
    };
    *counted += 1;
    // An absolute name must not hide where it was found.
    let below = path.to_string_lossy();
    let named = match below.as_ref() {
        "" => source.display().to_string(),
        below => format!("{}: {below}", source.display()),
    };
    intake.findings.add(Finding::new(named, format!("{reason}; it was left out")));
    Ok(())
}

fn arrival(path: EventPath, bytes: Vec<u8>, mtime: Option<i64>) -> Arrival {
    let mtime = mtime.and_then(|seconds| seconds.checked_mul(1_000_000));
    Arrival { path, bytes, mtime: mtime.map(Timestamp::from_micros) }
}

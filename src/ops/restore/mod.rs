//! Restore: events become plain files again, byte for byte.
//!
//! Into a directory, archived and live ones alike, or, archived ones alone, back into the live
//! tree. Existing files are never overwritten. Files are written beside their place, synced, and
//! only then given their names, so a restore that is stopped leaves only complete files. A damaged
//! frame costs the events inside it; all others are restored, and the damage is reported.

mod live;
mod report;
mod segment;
mod source;
mod work;

pub use report::{RestoreOptions, RestoreReport, RestoreTarget, RestoredDay};

use crate::Context;
use crate::History;
use crate::archive::{Manifest, NewRecord, Op};
use crate::live::LiveTree;
use crate::ops::audit;
use crate::ops::job::Job;
use crate::progress::Progress;
use crate::store::Store;
use crate::{Error, Result};
use source::{Source, open_archive};

/// Refuses to restore into the tree or the archive under another name: only `--live` may write
/// there.
fn check_target(store: &Store, options: &RestoreOptions) -> Result<()> {
    match &options.target {
        RestoreTarget::Directory(directory) if same_place(directory, store.root()) => {
            Err(Error::Usage(format!(
                "{}: this is the live tree; restore into it with --live",
                directory.display()
            )))
        }
        RestoreTarget::Directory(directory) => store.check_outside(directory, "restore --to"),
        RestoreTarget::Live => Ok(()),
    }
}

impl History {
    /// Writes events as plain files again, byte for byte: into a directory, or back into the live
    /// tree.
    ///
    /// Existing files are never overwritten. A damaged frame costs the events inside it; all others
    /// are restored, and the damage is a finding.
    ///
    /// ```
    /// use hlarchive::{History, RestoreOptions, RotateOptions};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// let sent =
    ///     history.emit("backup_completed").timestamp(history.time("30d ago")?).send()?;
    /// history.rotate(&RotateOptions::default())?;
    /// let target = directory.path().join("that-day");
    /// history.restore(&RestoreOptions::to(&target).day(sent.path().date))?;
    /// assert!(target.join(sent.path().to_string()).is_file());
    /// # Ok(())
    /// # }
    /// ```
    pub fn restore(&self, options: &RestoreOptions) -> Result<RestoreReport> {
        restore(&self.store, &self.context.stopped(), options, &*self.progress)
    }

    /// Returns what [`restore`](Self::restore) would write, and writes nothing.
    pub fn plan_restore(&self, options: &RestoreOptions) -> Result<RestoreReport> {
        plan(&self.store, options, &*self.progress)
    }
}

/// Returns what [`restore`] would do, without writing anything.
fn plan(store: &Store, options: &RestoreOptions, progress: &dyn Progress) -> Result<RestoreReport> {
    check_target(store, options)?;
    let source = Source::open(store, options)?;
    source.check_days(options)?;
    source.run(options, None, progress)
}

/// Restores events.
fn restore(
    store: &Store,
    context: &Context,
    options: &RestoreOptions,
    progress: &dyn Progress,
) -> Result<RestoreReport> {
    check_target(store, options)?;
    match &options.target {
        RestoreTarget::Directory(directory) => {
            let source = Source::open(store, options)?;
            source.check_days(options)?;
            let tree = LiveTree::create(directory)?;
            source.run(options, Some((&tree, context)), progress)
        }
        RestoreTarget::Live => {
            let archive = open_archive(store)?;
            // Only here rotation must stand still, and the manifest gets a record.
            let lock = archive.lock()?;
            let mut job = Job::begin_lightly(store, context, &archive, &lock)?;
            let manifest = Manifest::load(&archive)?;
            let source = Source {
                store,
                live: None,
                archive: Some((open_archive(store)?, manifest)),
                away: None,
            };
            source.check_days(options)?;
            let tree = store.create_live()?;
            let mut report = source.run(options, Some((&tree, context)), progress)?;
            for day in report.days.iter().filter(|day| day.restored > 0) {
                let mut record = NewRecord::new(context.now(), Op::Restore);
                record.by = Some(context.by().clone());
                record.date = Some(day.date);
                record.events = Some(day.restored);
                record.note = Some("restored into the live tree".to_owned());
                job.writer.append(record)?;
            }
            let days = report.days.iter().filter(|day| day.restored > 0);
            let event = audit::AuditEvent {
                event_type: "archive_restored",
                events: days.clone().map(|day| day.restored).sum(),
                what: Some(days.map(|day| day.date.to_string()).collect::<Vec<_>>().join(", ")),
                ..audit::AuditEvent::default()
            };
            report.findings.extend(job.finish(event));
            report.recovered = job.recovered;
            Ok(report)
        }
    }
}

fn same_place(a: &std::path::Path, b: &std::path::Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

//! Status: the state of a history, in cheap numbers.
//!
//! They come from the manifest, from listings of the live days and from the indexes of a handful of
//! segments; no event is read, no lock taken and nothing changed. No record has the outcome of the
//! last runs, so it comes from the metrics that they left. What cannot be determined is a finding,
//! and the rest is reported all the same.

mod archived;
mod live;
mod plans;
mod report;
mod runs;

pub use report::{ArchivedStatus, CalendarDay, LastRun, LiveStatus, Status, StatusOptions};

use archived::{archived, copies, segments};
use live::{live, waiting};
use plans::plans;
use runs::runs;

use super::Finding;
use super::clock::from_the_future;
use crate::Context;
use crate::Result;
use crate::archive::Manifest;
use crate::live::{FoundNote, NOTE};
use crate::policy::Policy;
use crate::store::{FoundArchive, Store, short_origin};

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

//! Sync: adds to the destination what it lacks of the source.
//!
//! Event sets only grow, names are unique and files never change, so two histories become one by a
//! union. What the destination lacks arrives as live files, late arrivals if their day is archived
//! there; an event that it has, live or archived, is not sent again. The source is not changed.
//! Both ends may be on this machine, or one of them is reached by rsync over ssh; then only rsync
//! is needed there.
//!
//! The manifests tell which segments need not be read: those whose content digest the destination
//! knows, from a segment of its own or from an `import` record of an earlier sync. What is recorded
//! there was computed from the events that were read, never taken over from what another machine
//! claims. What expired at the destination does not come back: neither the same segment, which is
//! known in this way, too, nor other segments' events of the same day, node and class.

mod merge;
mod pull;
mod push;
mod remote;
mod report;
mod rsync;
mod run;
mod sender;
mod staging;

pub(crate) use remote::Side;
pub use remote::{End, Transport};
use report::nothing_there;
pub use report::{SyncOptions, SyncReport};
use run::SyncRun;

use crate::Context;
use crate::History;
use crate::progress::Progress;
use crate::store::Store;
use crate::{Error, Result};

impl History {
    /// Copies from one root to another what it lacks: live events, and events in segments. One of
    /// the two is this history, [`End::here`]; nothing is removed or changed on either side.
    pub fn sync(&self, from: &End, to: &End, options: &SyncOptions) -> Result<SyncReport> {
        sync(from, to, &self.context.stopped(), options, &*self.progress)
    }
}

/// Syncs two ends.
fn sync(
    source: &End,
    destination: &End,
    context: &Context,
    options: &SyncOptions,
    progress: &dyn Progress,
) -> Result<SyncReport> {
    let report = SyncReport::begin(source, destination, options);
    let mut run = SyncRun { context, options, progress, report };
    let outcome = match (&source.0, &destination.0) {
        (Side::Local(source), Side::Local(destination)) => {
            refuse_one_place(source, destination)?;
            merge::local(source, destination, &mut run)
        }
        (Side::Remote(source), Side::Local(destination)) => {
            pull::pull(source, destination, &mut run)
        }
        (Side::Local(source), Side::Remote(destination)) => {
            push::push(source, destination, &mut run)
        }
        (Side::Remote(_), Side::Remote(_)) => Err(Error::Usage(
            "at most one end can be on another machine; run it on one of the two".to_owned(),
        )),
    };
    match outcome {
        // What was taken in before the stop is reported.
        Err(Error::Interrupted(_)) => run.report.stopped = true,
        outcome => outcome?,
    }
    Ok(run.report)
}

fn refuse_one_place(a: &Store, b: &Store) -> Result<()> {
    match (a.root().canonicalize(), b.root().canonicalize()) {
        (Ok(a), Ok(b)) if a == b => Err(Error::Usage(format!(
            "{}: source and destination are one and the same tree",
            a.display()
        ))),
        _ => Ok(()),
    }
}

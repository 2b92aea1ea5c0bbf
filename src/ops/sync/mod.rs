//! Sync: afterwards the destination holds what it held and what the source holds.
//!
//! Event sets only grow, names are unique and files never change, so two histories become
//! one by a union. What the destination lacks arrives as live files, late arrivals where
//! their day is archived there; an event that it has, live or archived, does not travel
//! again. The source is not changed. Both ends may be on this machine, or one of them is
//! reached by rsync over ssh; then nothing but rsync is needed there.
//!
//! The manifests tell which segments need not be read: those whose content digest the
//! destination knows, from a segment of its own or from an `import` record of an earlier
//! sync. What is recorded there was computed from the events that were read, never taken
//! over from what another machine claims. What expired at the destination does not come back: not
//! the same segment, which is known in this way, too, nor in other company what is of the same
//! day, node and class.

mod merge;
mod outlet;
mod pull;
mod push;
mod remote;
mod rsync;
mod staging;

use std::path::PathBuf;

use serde::Serialize;

pub use remote::{End, RemoteRoot, Transport};

use crate::Context;
use crate::History;
use crate::ops::Finding;
use crate::ops::intake::Intake;
use crate::progress::Progress;
use crate::store::Store;
use crate::{Error, Result};

/// How to sync.
#[derive(Debug, Clone)]
pub struct SyncOptions {
    /// Only find out what would be done.
    pub dry_run: bool,
    /// Over a network, compare the bytes of events that both ends have; else equal names,
    /// sizes and times are enough. On one machine bytes are always compared.
    pub checksum: bool,
    /// Take events, too, of what expired at the destination.
    pub expired: bool,
    /// How the other machine is reached.
    pub transport: Transport,
    /// A directory for temporary files, used when sending and in plans.
    pub scratch: PathBuf,
}

impl SyncOptions {
    /// Compares names, sizes and times over a network, and bytes on one machine; `scratch` is a
    /// directory for files that need not survive.
    pub fn new(scratch: impl Into<PathBuf>) -> Self {
        let (scratch, transport) = (scratch.into(), Transport::default());
        Self { dry_run: false, checksum: false, expired: false, transport, scratch }
    }
}

/// What a sync did, or, of a plan, what it would do.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SyncReport {
    /// Whether nothing was written, as asked for.
    pub dry_run: bool,
    /// The source, as it was named.
    pub source: String,
    /// The destination.
    pub destination: String,
    /// Events of the source that were compared one by one.
    pub events: u64,
    /// Those that the destination lacked and has now.
    pub copied: u64,
    /// The size of those.
    pub copied_bytes: u64,
    /// Those that were live at the destination already.
    pub already_live: u64,
    /// Those that were archived at the destination already.
    pub already_archived: u64,
    /// Those that were passed over: of their day, node and class, events expired at the
    /// destination.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub expired: u64,
    /// Those whose name another event has at the destination.
    pub conflicts: u64,
    /// Those of the new ones that are older than the policy here keeps them.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub outlived: u64,
    /// Files of the source that are no events; they stay where they are.
    pub invalid: u64,
    /// Segments that the source has.
    pub segments: u64,
    /// Those that were known by their content, and not read.
    pub segments_known: u64,
    /// Those that were read, or, in a plan over a network, would have to be fetched.
    pub segments_read: u64,
    /// Segments of the other end that were fetched to see what is in them.
    pub segments_fetched: u64,
    /// In a plan over a network: events of segments that would have to be fetched first.
    pub undecided: u64,
    /// Each conflict, each file that is no event, and damage.
    pub findings: Vec<Finding>,
    /// What should be known, but is not wrong.
    pub remarks: Vec<Finding>,
    /// Whether the caller asked to stop before all was done.
    pub stopped: bool,
}

impl SyncReport {
    fn begin(source: &End, destination: &End, options: &SyncOptions) -> Self {
        Self {
            dry_run: options.dry_run,
            source: source.name(),
            destination: destination.name(),
            ..Self::default()
        }
    }

    /// Takes over what an intake counted.
    fn take(&mut self, intake: Intake<'_>) {
        let Intake { stats, findings, .. } = intake;
        self.events += stats.events;
        self.copied += stats.new;
        self.copied_bytes += stats.new_bytes;
        self.already_live += stats.known_live;
        self.already_archived += stats.known_archived;
        self.expired += stats.expired;
        self.conflicts += stats.conflicts;
        self.outlived += stats.outlived;
        self.findings.extend(findings.into_named());
    }
}

impl History {
    /// Copies from one root to another what is lacking there: live events, and what is in
    /// segments. One of the two is this history, [`End::here`]; nothing is removed or changed on
    /// either side.
    pub fn sync(&self, from: &End, to: &End, options: &SyncOptions) -> Result<SyncReport> {
        sync(from, to, &self.context.stopped(), options, &*self.progress)
    }
}

/// Syncs.
fn sync(
    source: &End,
    destination: &End,
    context: &Context,
    options: &SyncOptions,
    progress: &dyn Progress,
) -> Result<SyncReport> {
    let mut report = SyncReport::begin(source, destination, options);
    let outcome = match (source, destination) {
        (End::Local(source), End::Local(destination)) => {
            refuse_one_place(source, destination)?;
            merge::local(source, destination, context, options, progress, &mut report)
        }
        (End::Remote(source), End::Local(destination)) => {
            pull::pull(source, destination, context, options, progress, &mut report)
        }
        (End::Local(source), End::Remote(destination)) => {
            push::push(source, destination, context, options, progress, &mut report)
        }
        (End::Remote(_), End::Remote(_)) => Err(Error::Usage(
            "at most one end can be on another machine; run it on one of the two".to_owned(),
        )),
    };
    match outcome {
        // What was taken in before the stop is told.
        Err(Error::Interrupted(_)) => report.stopped = true,
        outcome => outcome?,
    }
    Ok(report)
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

fn nothing_there(name: &str, archive: &str) -> Error {
    Error::NotFound {
        what: name.to_owned(),
        reason: format!("there is neither an event tree here nor an archive at {archive}"),
    }
}

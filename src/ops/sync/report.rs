//! Options and report of a sync.

use std::path::PathBuf;

use serde::Serialize;

use super::{End, Transport};
use crate::Error;
use crate::ops::Finding;
use crate::ops::intake::Intake;

/// Options of a sync.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SyncOptions {
    /// True to only find out what would be done.
    pub dry_run: bool,
    /// True to compare, over a network, the bytes of events that both ends have; otherwise equal
    /// names, sizes and times are enough. On one machine bytes are always compared.
    pub checksum: bool,
    /// True to also take events that expired at the destination.
    pub expired: bool,
    /// Settings for reaching the other machine.
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

/// A report of what a sync did, or, for a plan, would do.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct SyncReport {
    /// True if nothing was written, as requested.
    pub dry_run: bool,
    /// The source, as it was named.
    pub source: String,
    /// The destination.
    pub destination: String,
    /// Number of events of the source that were compared one by one.
    pub events: u64,
    /// Number of them that the destination lacked and has now.
    pub copied: u64,
    /// The size of those.
    pub copied_bytes: u64,
    /// Number of them that were live at the destination already.
    pub already_live: u64,
    /// Number of them that were archived at the destination already.
    pub already_archived: u64,
    /// Number of them that were skipped: events of their day, node and class expired at the
    /// destination.
    #[serde(skip_serializing_if = "crate::ops::is_zero")]
    pub expired: u64,
    /// Number of them whose name another event has at the destination.
    pub conflicts: u64,
    /// Number of the new ones that are older than the policy here keeps them.
    #[serde(skip_serializing_if = "crate::ops::is_zero")]
    pub outlived: u64,
    /// Files of the source that are not events; they stay where they are.
    pub invalid: u64,
    /// Number of segments that the source has.
    pub segments: u64,
    /// Number of them that were known by their content, and not read.
    pub segments_known: u64,
    /// Number of them that were read, or, in a plan over a network, would have to be fetched.
    pub segments_read: u64,
    /// Number of segments of the other end that were fetched to read their events.
    pub segments_fetched: u64,
    /// In a plan over a network: number of events in segments that would have to be fetched first.
    pub undecided: u64,
    /// Problems: each conflict, each file that is not an event, and damage.
    pub findings: Vec<Finding>,
    /// Remarkable facts that are not wrong.
    pub remarks: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

impl SyncReport {
    pub(super) fn begin(source: &End, destination: &End, options: &SyncOptions) -> Self {
        Self {
            dry_run: options.dry_run,
            source: source.name(),
            destination: destination.name(),
            ..Self::default()
        }
    }

    /// Takes over the counts of an intake.
    pub(super) fn take(&mut self, intake: Intake<'_>) {
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

pub(super) fn nothing_there(name: &str, archive: &str) -> Error {
    Error::NotFound {
        what: name.to_owned(),
        reason: format!("there is neither an event tree here nor an archive at {archive}"),
    }
}

//! How a sync is asked for, and what it tells.

use std::path::PathBuf;

use serde::Serialize;

use super::{End, Transport};
use crate::Error;
use crate::ops::Finding;
use crate::ops::intake::Intake;

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
    #[serde(skip_serializing_if = "crate::ops::is_zero")]
    pub expired: u64,
    /// Those whose name another event has at the destination.
    pub conflicts: u64,
    /// Those of the new ones that are older than the policy here keeps them.
    #[serde(skip_serializing_if = "crate::ops::is_zero")]
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
    pub(super) fn begin(source: &End, destination: &End, options: &SyncOptions) -> Self {
        Self {
            dry_run: options.dry_run,
            source: source.name(),
            destination: destination.name(),
            ..Self::default()
        }
    }

    /// Takes over what an intake counted.
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

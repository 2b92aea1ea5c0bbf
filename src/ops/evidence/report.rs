//! Options and report of a directory of evidence.

use std::path::PathBuf;

use serde::Serialize;

use crate::archive::{Expired, Head, SegmentName};
use crate::event::Date;
use crate::ops::{Finding, is_zero};
use crate::segment::Sha256Hash;

/// Options: what is to be proved, and the target.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct EvidenceOptions {
    /// Chains: every event with one of these correlation ids.
    pub correlation_ids: Vec<String>,
    /// Ranges of days, both included: every event that is filed under one of them.
    pub days: Vec<(Date, Date)>,
    /// The directory. It must not exist, or be empty.
    pub target: PathBuf,
}

impl EvidenceOptions {
    /// Writes below this directory, which must not exist or be empty.
    pub fn to(target: impl Into<PathBuf>) -> Self {
        Self { correlation_ids: Vec::new(), days: Vec::new(), target: target.into() }
    }

    /// Asks for a chain, in full; may be repeated.
    #[must_use]
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.correlation_ids.push(id.into());
        self
    }

    /// Asks for the days from one to another, both included; may be repeated.
    #[must_use]
    pub fn days(mut self, from: Date, to: Date) -> Self {
        self.days.push((from, to));
        self
    }
}

impl EvidenceOptions {
    pub(super) fn has_day(&self, date: Date) -> bool {
        self.days.iter().any(|(from, to)| (*from..=*to).contains(&date))
    }

    /// Returns what was requested, in words.
    pub(super) fn asked(&self) -> Vec<String> {
        let days = self
            .days
            .iter()
            .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}..{to}") });
        let ids = self.correlation_ids.iter();
        days.chain(ids.map(|id| format!("correlation id {}", crate::event::shown(id)))).collect()
    }
}

/// A report of what a directory of evidence holds.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct EvidenceReport {
    /// The directory.
    pub target: String,
    /// The request, in words.
    pub asked: Vec<String>,
    /// The days that the events are filed under, in order.
    pub days: Vec<EvidenceDay>,
    /// Number of all events.
    pub events: u64,
    /// Their size.
    pub event_bytes: u64,
    /// Number of them that are live: nothing but this copy vouches for them.
    pub live: u64,
    /// Number of live files of the days that are not events; they are copied, too.
    #[serde(skip_serializing_if = "is_zero")]
    pub invalid: u64,
    /// The segments that were copied.
    pub segments: Vec<EvidenceSegment>,
    /// The manifest that vouches for them, up to its head.
    pub manifest: Option<EvidenceManifest>,
    /// The newest head that was signed.
    pub signed: Option<Head>,
    /// Number of all files in the directory.
    pub files: u64,
    /// Their size, without that of the list of hashes.
    pub bytes: u64,
    /// The hash of the list of hashes; `None` while the directory is not complete.
    pub sha256sums: Option<Sha256Hash>,
    /// Requested data that has expired, and so is not here.
    pub expired: Option<Expired>,
    /// Problems: data that could not be read, or is not as it should be.
    pub findings: Vec<Finding>,
    /// Remarkable facts that are not wrong.
    pub remarks: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

/// Totals of one day's events.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceDay {
    /// The day.
    pub date: Date,
    /// Number of events.
    pub events: u64,
    /// Their size.
    pub event_bytes: u64,
    /// Number of them that are live.
    pub live: u64,
}

/// A segment that was copied.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceSegment {
    /// Its path in the archive.
    pub segment: SegmentName,
    /// Its path in the directory.
    pub file: String,
    /// Its SHA-256, as it was copied.
    pub sha256: Sha256Hash,
    /// Its size.
    pub bytes: u64,
    /// Number of the events in it.
    pub events: u64,
    /// The line of the manifest that vouches for it.
    pub record: u64,
    /// True if its bytes are those that the manifest recorded.
    pub as_recorded: bool,
}

/// The manifest as it was copied.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceManifest {
    /// Its records.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Sha256Hash,
}

//! The report of a verification.

use serde::Serialize;

use super::AfterHead;
use crate::ops::Finding;
use crate::segment::Sha256Hash;

/// The depth of a verification.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReadDepth {
    /// The part of the archive's segments: `full`, `sample` or `quick`.
    pub kind: &'static str,
    /// The share of them that was read in full, in percent, if it was a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// True if the archive was checked.
    pub archive: bool,
    /// True if the live files were checked; they are always read in full.
    pub live: bool,
}

/// A report of what was checked, and what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The depth of the verification.
    pub depth: ReadDepth,
    /// The witness of the manifest: `none`, `head`, `signature` or `head and signature`.
    pub witness: &'static str,
    /// The proof, in one sentence.
    pub proves: String,
    /// Number of records of the manifest.
    pub manifest_records: u64,
    /// The manifest's head, as `manifest head` prints it.
    pub manifest_head: Option<Sha256Hash>,
    /// Number of them that a signature vouches for, if signatures were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_records: Option<u64>,
    /// The records after the newest one that the given head or a signature vouches for, if there is
    /// one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_head: Option<Vec<AfterHead>>,
    /// Number of segments that were checked.
    pub segments: u64,
    /// Number of them that were read in full.
    pub segments_read_whole: u64,
    /// Number of segments whose files are remote: their stubs were checked.
    pub segments_elsewhere: u64,
    /// Bytes of segments that were read in full.
    pub segment_bytes: u64,
    /// Number of events in the segments, as recorded.
    pub archived_events: u64,
    /// Number of segments that expired: known, and not wrong.
    pub expired_segments: u64,
    /// Number of the events that were in them, as recorded.
    pub expired_events: u64,
    /// Number of live files that were read.
    pub live_files: u64,
    /// Files and directories of other programs in the live tree that were skipped.
    pub passed_over: u64,
    /// Number of archived files that are not events, kept as they were: known, and not wrong.
    pub archived_invalid_files: u64,
    /// Problems.
    pub findings: Vec<Finding>,
    /// Remarkable facts that are not wrong.
    pub remarks: Vec<Finding>,
    /// Archived events whose timestamps are not of the day that they are filed under.
    pub misfiled: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

impl VerifyReport {
    pub(super) fn wrong(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.findings.push(Finding::new(path, reason));
    }
}

//! What a verification found.

use serde::Serialize;

use super::AfterHead;
use crate::ops::Finding;
use crate::segment::Sha256Hash;

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ReadDepth {
    /// How much of the archive's segments: `full`, `sample` or `quick`.
    pub kind: &'static str,
    /// The share of them that was read whole, in percent, if it was a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// Whether the archive was looked at.
    pub archive: bool,
    /// Whether the live files were; they are always read whole.
    pub live: bool,
}

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// What was read.
    pub depth: ReadDepth,
    /// Who vouches for the manifest: `none`, `head`, `signature` or `head and signature`.
    pub witness: &'static str,
    /// What it proves, in one sentence.
    pub proves: String,
    /// Records of the manifest.
    pub manifest_records: u64,
    /// The manifest's head, as `manifest head` prints it.
    pub manifest_head: Option<Sha256Hash>,
    /// Of how many of them a signature vouches, where signatures were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_records: Option<u64>,
    /// The records after the newest one that the given head or a signature vouches for, where
    /// there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_head: Option<Vec<AfterHead>>,
    /// Segments that were looked at.
    pub segments: u64,
    /// Among them those that were read whole.
    pub segments_read_whole: u64,
    /// Segments whose files lie elsewhere: their stubs were checked.
    pub segments_elsewhere: u64,
    /// Bytes of segments that were read whole.
    pub segment_bytes: u64,
    /// Events in the segments, as recorded.
    pub archived_events: u64,
    /// Segments that expired: known, and not wrong.
    pub expired_segments: u64,
    /// The events that were in them, as recorded.
    pub expired_events: u64,
    /// Live files that were read.
    pub live_files: u64,
    /// Files and directories of other programs that were passed over in the live tree.
    pub passed_over: u64,
    /// Archived files that are no events, kept as they were: known, and not wrong.
    pub archived_invalid_files: u64,
    /// Each thing that is wrong.
    pub findings: Vec<Finding>,
    /// What is remarkable, but not wrong.
    pub remarks: Vec<Finding>,
    /// Archived events whose timestamps are not of the day that they are filed under.
    pub misfiled: Vec<Finding>,
    /// Whether the caller asked to stop before all was checked.
    pub stopped: bool,
}

impl VerifyReport {
    pub(super) fn wrong(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.findings.push(Finding::new(path, reason));
    }
}

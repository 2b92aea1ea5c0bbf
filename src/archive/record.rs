//! One line of the manifest: one thing that happened to the archive.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SegmentName;
use crate::event::{Date, Timestamp};
use crate::segment::{SegmentSummary, Sha256Hash};

/// The newest version of records that is written and read.
pub(super) const VERSION: u32 = 2;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A segment was added by rotation.
    Rotate,
    /// A segment expired.
    Prune,
    /// A hold was put on something.
    Hold,
    /// A hold was lifted.
    Release,
    /// Events were restored into the live tree.
    Restore,
    /// A segment was taken up that another run or machine made.
    Import,
    /// An event was found that has the name of an archived one, but other bytes.
    Conflict,
    /// A torn last line was dropped.
    Mend,
    /// The manifest was rebuilt from the segments.
    Rebuild,
    /// Several segments of a day became one.
    Compact,
    /// A segment was copied elsewhere, and read back.
    Upload,
    /// A segment's file went, since its copy elsewhere is safe; a stub stays.
    Evict,
    /// The archive takes the days of another event tree from here on, as somebody asked for.
    Adopt,
    /// Something that a newer version wrote.
    Other(String),
}

impl Op {
    /// The word in the manifest.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Rotate => "rotate",
            Self::Prune => "prune",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Restore => "restore",
            Self::Import => "import",
            Self::Conflict => "conflict",
            Self::Mend => "mend",
            Self::Rebuild => "rebuild",
            Self::Compact => "compact",
            Self::Upload => "upload",
            Self::Evict => "evict",
            Self::Adopt => "adopt",
            Self::Other(word) => word,
        }
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = [
            Self::Rotate,
            Self::Prune,
            Self::Hold,
            Self::Release,
            Self::Restore,
            Self::Import,
            Self::Conflict,
            Self::Mend,
            Self::Rebuild,
            Self::Compact,
            Self::Upload,
            Self::Evict,
            Self::Adopt,
        ];
        Ok(known.into_iter().find(|op| op.as_str() == word).unwrap_or(Self::Other(word)))
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The name of the user who the process runs as, or the number where there is no name.
    pub user: String,
    /// Who asked sudo for it, as sudo said it: a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    /// The host's name.
    pub host: String,
    /// The command line.
    pub command: String,
}

/// Which directory an event tree is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRecord {
    /// Its path, absolute and without links.
    pub root: String,
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Since when it is the archive's tree; none where that is the time of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The host on which it is; none where that is the host of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Where copies are made. Two with one mark are one place; without marks, those of one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// Its address.
    pub url: String,
    /// The number in the mark that lies there, as sixteen hexadecimal digits, where it is a
    /// directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The number of its file system, where it is a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u64>,
}

impl PlaceRecord {
    /// Whether it is the same place.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (&self.mark, &other.mark) {
            (None, None) => self.url == other.url,
            (mark, other) => mark == other,
        }
    }
}

/// A record as it stands in the manifest. Fields that do not apply are absent; fields
/// that a newer version added are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Version of the record's schema.
    pub v: u32,
    /// Number of the record, from 1.
    pub seq: u64,
    /// When it was written.
    pub time: Timestamp,
    /// What happened.
    pub op: Op,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// The day concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// The segment concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentName>,
    /// SHA-256 of the segment's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hash>,
    /// Size of the segment's file, or of what was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Members, valid or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// Members that are no events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<u64>,
    /// Members by node directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<BTreeMap<String, u64>>,
    /// The earliest timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// The latest timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// The content digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Sha256Hash>,
    /// Whether the content digest of events of elsewhere was computed from what was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<bool>,
    /// SHA-256 of the policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The retention class of the segment's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How long the segment was promised to be kept, in the policy's words. Without it, the
    /// policy in force decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// Whether the promise allowed for an earlier end, for want of room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yields: Option<bool>,
    /// The name of the object that the segment is elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// SHA-256 of the segment's own last bytes, as they stand in its stub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Sha256Hash>,
    /// The segments that this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersedes: Option<Vec<SegmentName>>,
    /// The last day of a hold that begins with `date`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
    /// The correlation id whose segments are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The number of the hold that is lifted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<u64>,
    /// The identity of the event concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What should be known about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The event tree whose days the archive takes, from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeRecord>,
    /// The origin of the archive, in a manifest that takes the place of another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The place where a copy was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceRecord>,
    /// SHA-256 of the line before, without its newline; zeros for the first.
    pub prev: Sha256Hash,
}

impl Record {
    /// The earliest and the latest timestamp; neither where they contradict each other, so that
    /// a forged record does not hide its segment from a range.
    pub(crate) fn span(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        match (self.first, self.last) {
            (Some(first), Some(last)) if first > last => (None, None),
            span => span,
        }
    }
}

/// A record that is to be written. The writer adds its number and its link.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the fields are those of Record")]
pub struct NewRecord {
    pub time: Timestamp,
    pub op: Op,
    pub by: Option<By>,
    pub date: Option<Date>,
    pub segment: Option<SegmentName>,
    pub sha256: Option<Sha256Hash>,
    pub bytes: Option<u64>,
    pub events: Option<u64>,
    pub invalid: Option<u64>,
    pub nodes: Option<BTreeMap<String, u64>>,
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub content: Option<Sha256Hash>,
    pub computed: Option<bool>,
    pub policy: Option<String>,
    pub class: Option<String>,
    pub keep: Option<String>,
    pub yields: Option<bool>,
    pub object: Option<String>,
    pub tail: Option<Sha256Hash>,
    pub supersedes: Option<Vec<SegmentName>>,
    pub to: Option<Date>,
    pub correlation_id: Option<String>,
    pub hold: Option<u64>,
    pub path: Option<String>,
    pub reason: Option<String>,
    pub note: Option<String>,
    pub tree: Option<TreeRecord>,
    pub origin: Option<String>,
    pub place: Option<PlaceRecord>,
}

impl NewRecord {
    /// A record without details.
    pub fn new(time: Timestamp, op: Op) -> Self {
        Self {
            time,
            op,
            by: None,
            date: None,
            segment: None,
            sha256: None,
            bytes: None,
            events: None,
            invalid: None,
            nodes: None,
            first: None,
            last: None,
            content: None,
            computed: None,
            policy: None,
            class: None,
            keep: None,
            yields: None,
            object: None,
            tail: None,
            supersedes: None,
            to: None,
            correlation_id: None,
            hold: None,
            path: None,
            reason: None,
            note: None,
            tree: None,
            origin: None,
            place: None,
        }
    }

    /// Fills in what a record says of a segment.
    pub fn describe(&mut self, name: &SegmentName, summary: &SegmentSummary) {
        self.date = Some(name.date);
        self.class.clone_from(&name.class);
        self.segment = Some(name.clone());
        self.sha256 = Some(summary.sha256);
        self.bytes = Some(summary.bytes);
        self.events = Some(summary.events);
        self.invalid = Some(summary.invalid);
        self.nodes = Some(summary.nodes.clone());
        self.first = summary.first;
        self.last = summary.last;
        self.content = Some(summary.content);
    }

    /// Fills in what a record says of a segment's copy elsewhere.
    pub fn describe_copy(
        &mut self,
        name: &SegmentName,
        sha256: Sha256Hash,
        bytes: u64,
        object: Option<&str>,
    ) {
        self.date = Some(name.date);
        self.segment = Some(name.clone());
        self.sha256 = Some(sha256);
        self.bytes = Some(bytes);
        self.object = object.map(str::to_owned);
    }

    /// Fills in what another record said of its segment, but for the count of each node.
    pub fn describe_as(&mut self, record: &Record) {
        self.date = record.date;
        self.class.clone_from(&record.class);
        self.segment.clone_from(&record.segment);
        self.sha256 = record.sha256;
        self.bytes = record.bytes;
        self.events = record.events;
        self.invalid = record.invalid;
        self.first = record.first;
        self.last = record.last;
        self.content = record.content;
    }

    /// The record, in its place in the chain.
    pub(super) fn linked(self, seq: u64, prev: Sha256Hash) -> Record {
        Record {
            // Who does not know of evictions would miss the files: only those need version 2.
            v: if self.op == Op::Evict { 2 } else { 1 },
            seq,
            time: self.time,
            op: self.op,
            by: self.by,
            date: self.date,
            segment: self.segment,
            sha256: self.sha256,
            bytes: self.bytes,
            events: self.events,
            invalid: self.invalid,
            nodes: self.nodes,
            first: self.first,
            last: self.last,
            content: self.content,
            computed: self.computed,
            policy: self.policy,
            class: self.class,
            keep: self.keep,
            yields: self.yields,
            object: self.object,
            tail: self.tail,
            supersedes: self.supersedes,
            to: self.to,
            correlation_id: self.correlation_id,
            hold: self.hold,
            path: self.path,
            reason: self.reason,
            note: self.note,
            tree: self.tree,
            origin: self.origin,
            place: self.place,
            prev,
        }
    }
}

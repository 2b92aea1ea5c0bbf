//! One line of the manifest: something that happened to the archive.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SegmentName;
use crate::event::{Date, Timestamp};
use crate::segment::{SegmentSummary, Sha256Hash};

/// The newest version of records that is written and read.
pub(super) const VERSION: u32 = 2;

/// The kind of action.
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
    /// A segment that another run or machine made was added.
    Import,
    /// An event was found with the name of an archived one, but other bytes.
    Conflict,
    /// A torn last line was dropped.
    Mend,
    /// The manifest was rebuilt from the segments.
    Rebuild,
    /// Several segments of a day became one.
    Compact,
    /// A segment was copied to a remote, and read back.
    Upload,
    /// A segment's file was removed, since its remote copy is safe; a stub stays.
    Evict,
    /// The archive takes the days of another event tree from here on, as requested.
    Adopt,
    /// An action that a newer version wrote.
    Other(String),
}

impl Op {
    /// Returns the word used in the manifest.
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

/// The person and command behind an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// The name of the user that the process runs as, or the number if there is no name.
    pub user: String,
    /// The user who called sudo, as sudo reports it: a claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    /// The host's name.
    pub host: String,
    /// The command line.
    pub command: String,
}

/// The identity of an event tree's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeRecord {
    /// The path, absolute and without links.
    pub root: String,
    /// The number of its file system.
    pub device: u64,
    /// Its inode number there.
    pub inode: u64,
    /// The time since which it is the archive's tree; `None` for the time of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The host on which it is; `None` for the host of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// A place where copies are made. Two with the same mark are the same place; without marks, two
/// with the same address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRecord {
    /// The address.
    pub url: String,
    /// The number in the mark that lies there, as sixteen hexadecimal digits, if it is a
    /// directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The number of its file system, if it is a directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u64>,
}

impl PlaceRecord {
    /// Reports whether both are the same place.
    pub fn is_same_place(&self, other: &Self) -> bool {
        match (&self.mark, &other.mark) {
            (None, None) => self.url == other.url,
            (mark, other) => mark == other,
        }
    }
}

/// A record of the manifest. Fields that do not apply are absent; fields that a newer version
/// added are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The version of the record's schema.
    pub v: u32,
    /// The number of the record, from 1.
    pub seq: u64,
    /// The time it was written.
    pub time: Timestamp,
    /// The kind of action.
    pub op: Op,
    /// The person and command behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// The day concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// The segment concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<SegmentName>,
    /// The SHA-256 of the segment's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hash>,
    /// The size of the segment's file, or of what was dropped, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The number of members, valid or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// The number of members that are not valid events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<u64>,
    /// The number of members by node directory.
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
    /// True if the content digest of events from another machine was computed from what was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<bool>,
    /// The SHA-256 of the policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The retention class of the segment's events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The promised term of the segment, in the policy's words. Without it, the policy in force
    /// decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<String>,
    /// True if the promise allowed an earlier end when space runs short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yields: Option<bool>,
    /// The name of the segment's remote object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The SHA-256 of the segment's last bytes, as its stub holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Sha256Hash>,
    /// The segments that this one replaces.
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
    /// The reason for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A note worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The event tree whose days the archive takes from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<TreeRecord>,
    /// The origin of the archive, in a manifest that replaces another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The place where a copy was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceRecord>,
    /// The SHA-256 of the line before, without its newline; zeros for the first.
    pub prev: Sha256Hash,
}

impl Record {
    /// Returns the earliest and the latest timestamp; neither if they contradict each other, so
    /// that a forged record cannot hide its segment from a range.
    pub(crate) fn span(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        match (self.first, self.last) {
            (Some(first), Some(last)) if first > last => (None, None),
            span => span,
        }
    }
}

/// A record to be written. The writer adds its number and its link.
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
    /// Returns a record without details.
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

    /// Fills in the fields that describe a segment.
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

    /// Fills in the fields that describe a segment's remote copy.
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

    /// Fills in another record's description of its segment, except the counts by node.
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

    /// Returns the record with its place in the chain.
    pub(super) fn linked(self, seq: u64, prev: Sha256Hash) -> Record {
        Record {
            // Programs that do not know evictions would miss the files: only those records need
            // version 2.
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

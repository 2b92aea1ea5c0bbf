//! One line of the manifest: something that happened to the archive.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::SegmentName;
use crate::event::{Date, Timestamp};
use crate::segment::{SegmentSummary, Sha256Hash};

/// The newest version of records that is written and read.
pub(super) const VERSION: u32 = 2;

/// Declares the kinds of action, each with its word, so that none is written that is not read.
macro_rules! ops {
    ($($(#[$doc:meta])+ $op:ident => $word:literal,)+) => {
        /// The kind of action.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Op {
            $($(#[$doc])+ $op,)+
            /// An action that a newer version wrote.
            Other(String),
        }

        impl Op {
            /// Returns the word used in the manifest.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$op => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for Op {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$op,)+
                    _ => Self::Other(word),
                }
            }
        }
    };
}

ops! {
    /// A segment was added by rotation.
    Rotate => "rotate",
    /// A segment expired.
    Prune => "prune",
    /// A hold was put on something.
    Hold => "hold",
    /// A hold was lifted.
    Release => "release",
    /// Events were restored into the live tree.
    Restore => "restore",
    /// A segment that another run or machine made was added.
    Import => "import",
    /// An event was found with the name of an archived one, but other bytes.
    Conflict => "conflict",
    /// A torn last line was dropped.
    Mend => "mend",
    /// The manifest was rebuilt from the segments.
    Rebuild => "rebuild",
    /// Several segments of a day became one.
    Compact => "compact",
    /// A segment was copied to a remote, and read back.
    Upload => "upload",
    /// A segment's file was removed, since its remote copy is safe; a stub stays.
    Evict => "evict",
    /// The archive takes the days of another event tree from here on, as requested.
    Adopt => "adopt",
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
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

/// Declares a record by the members that it may have.
macro_rules! record {
    ($($(#[$doc:meta])+ $member:ident: $kind:ty,)+) => {
        /// A record of the manifest. Fields that do not apply are absent; fields that a newer
        /// version added are ignored.
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
            $(
                $(#[$doc])+
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $member: Option<$kind>,
            )+
            /// The SHA-256 of the line before, without its newline; zeros for the first.
            pub prev: Sha256Hash,
        }

        impl Record {
            /// Returns a record without details and without a place in the chain.
            fn bare(time: Timestamp, op: Op) -> Self {
                Self { v: 0, seq: 0, time, op, $($member: None,)+ prev: Sha256Hash::ZERO }
            }
        }
    };
}

record! {
    /// The person and command behind it.
    by: By,
    /// The day concerned.
    date: Date,
    /// The segment concerned.
    segment: SegmentName,
    /// The SHA-256 of the segment's file.
    sha256: Sha256Hash,
    /// The size of the segment's file, or of what was dropped, in bytes.
    bytes: u64,
    /// The number of members, valid or not.
    events: u64,
    /// The number of members that are not valid events.
    invalid: u64,
    /// The number of members by node directory.
    nodes: BTreeMap<String, u64>,
    /// The earliest timestamp.
    first: Timestamp,
    /// The latest timestamp.
    last: Timestamp,
    /// The content digest.
    content: Sha256Hash,
    /// True if the content digest of events from another machine was computed from what was read.
    computed: bool,
    /// The SHA-256 of the policy in force.
    policy: String,
    /// The retention class of the segment's events.
    class: String,
    /// The promised term of the segment, in the policy's words. Without it, the policy in force
    /// decides.
    keep: String,
    /// True if the promise allowed an earlier end when space runs short.
    yields: bool,
    /// The name of the segment's remote object.
    object: String,
    /// The SHA-256 of the segment's last bytes, as its stub holds them.
    tail: Sha256Hash,
    /// The segments that this one replaces.
    supersedes: Vec<SegmentName>,
    /// The last day of a hold that begins with `date`.
    to: Date,
    /// The correlation id whose segments are held.
    correlation_id: String,
    /// The number of the hold that is lifted.
    hold: u64,
    /// The identity of the event concerned.
    path: String,
    /// The reason for it.
    reason: String,
    /// A note worth knowing.
    note: String,
    /// The event tree whose days the archive takes from here on.
    tree: TreeRecord,
    /// The origin of the archive, in a manifest that replaces another one.
    origin: String,
    /// The place where a copy was made.
    place: PlaceRecord,
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

/// A record to be written: its members are those of [`Record`]. The writer adds its version, its
/// number and its link.
#[derive(Debug, Clone)]
pub struct NewRecord(Record);

impl Deref for NewRecord {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.0
    }
}

impl DerefMut for NewRecord {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.0
    }
}

impl NewRecord {
    /// Returns a record without details.
    pub fn new(time: Timestamp, op: Op) -> Self {
        Self(Record::bare(time, op))
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
        // Without `..`, so that a new member has to be put on one of the two sides.
        let Record {
            date,
            class,
            segment,
            sha256,
            bytes,
            events,
            invalid,
            first,
            last,
            content,
            v: _,
            seq: _,
            time: _,
            op: _,
            by: _,
            nodes: _,
            computed: _,
            policy: _,
            keep: _,
            yields: _,
            object: _,
            tail: _,
            supersedes: _,
            to: _,
            correlation_id: _,
            hold: _,
            path: _,
            reason: _,
            note: _,
            tree: _,
            origin: _,
            place: _,
            prev: _,
        } = record;
        self.date = *date;
        self.class.clone_from(class);
        self.segment.clone_from(segment);
        self.sha256 = *sha256;
        self.bytes = *bytes;
        self.events = *events;
        self.invalid = *invalid;
        self.first = *first;
        self.last = *last;
        self.content = *content;
    }

    /// Returns the record with its place in the chain.
    pub(super) fn linked(self, seq: u64, prev: Sha256Hash) -> Record {
        // Programs that do not know evictions would miss the files: only those records need
        // version 2.
        let v = if self.op == Op::Evict { 2 } else { 1 };
        Record { v, seq, prev, ..self.0 }
    }
}

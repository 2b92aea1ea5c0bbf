//! Totals of a frame's members, computed alike by the writer and the check.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::Sha256Hash;
use super::index::{FrameStats, FrameValues, IndexBuilder, Totals, count};
use crate::event::{Date, EventHead, PathRef, Timestamp};

/// The totals of one frame's members.
pub(super) struct FrameFacts {
    stats: FrameStats,
    values: FrameValues,
    nodes: BTreeMap<String, u64>,
    event_bytes: u64,
    /// The input of the content digest.
    content: Vec<u8>,
}

impl FrameFacts {
    pub(super) fn new() -> Self {
        Self {
            stats: FrameStats { events: 0, invalid: 0, first: None, last: None },
            values: FrameValues::default(),
            nodes: BTreeMap::new(),
            event_bytes: 0,
            content: Vec::new(),
        }
    }

    /// Adds a member; returns its timestamp if it is an event.
    pub(super) fn add(&mut self, path: PathRef<'_>, bytes: &[u8]) -> Option<Timestamp> {
        self.stats.events += 1;
        self.event_bytes += bytes.len() as u64;
        match self.nodes.get_mut(path.node()) {
            Some(events) => *events += 1,
            None => {
                self.nodes.insert(path.node().to_owned(), 1);
            }
        }
        feed(path, bytes, &mut |part| self.content.extend_from_slice(part));
        let Ok(head) = EventHead::parse(bytes) else {
            self.stats.invalid += 1;
            return None;
        };
        let time = head.timestamp;
        self.stats.first = Some(self.stats.first.map_or(time, |first| first.min(time)));
        self.stats.last = Some(self.stats.last.map_or(time, |last| last.max(time)));
        let fields: [&str; 6] = [
            &head.correlation_id,
            &head.event_type,
            &head.node,
            &head.service,
            head.severity.as_str(),
            &head.source,
        ];
        for (field, value) in fields.into_iter().enumerate() {
            count(&mut self.values, field, value);
        }
        Some(time)
    }
}

/// Passes a member's contribution to a content digest to `take`.
fn feed(path: PathRef<'_>, bytes: &[u8], take: &mut dyn FnMut(&[u8])) {
    for part in [path.date().text().as_str(), "/", path.node(), "/", path.name(), "\0"] {
        take(part.as_bytes());
    }
    take(&Sha256Hash::of(bytes).0);
}

/// The content digest of members, added in the order of their segment.
#[derive(Debug, Default)]
pub(crate) struct ContentDigest(Sha256);

impl ContentDigest {
    /// Adds the next member.
    pub(crate) fn add(&mut self, path: PathRef<'_>, bytes: &[u8]) {
        feed(path, bytes, &mut |part| self.0.update(part));
    }

    /// Returns the digest of all members added.
    pub(crate) fn finish(self) -> Sha256Hash {
        Sha256Hash::finish(self.0)
    }
}

/// The totals of all frames so far.
pub(super) struct SegmentFacts {
    pub(super) index: IndexBuilder,
    pub(super) nodes: BTreeMap<String, u64>,
    pub(super) events: u64,
    pub(super) invalid: u64,
    pub(super) event_bytes: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    content: Sha256,
}

impl SegmentFacts {
    pub(super) fn new() -> Self {
        Self {
            index: IndexBuilder::default(),
            nodes: BTreeMap::new(),
            events: 0,
            invalid: 0,
            event_bytes: 0,
            first: None,
            last: None,
            content: Sha256::new(),
        }
    }

    /// Adds the next frame.
    pub(super) fn add(&mut self, frame: FrameFacts) {
        self.events += u64::from(frame.stats.events);
        self.invalid += u64::from(frame.stats.invalid);
        self.event_bytes += frame.event_bytes;
        self.first = [self.first, frame.stats.first].into_iter().flatten().min();
        self.last = [self.last, frame.stats.last].into_iter().flatten().max();
        self.content.update(&frame.content);
        for (node, events) in frame.nodes {
            *self.nodes.entry(node).or_default() += events;
        }
        self.index.add(frame.stats, frame.values);
    }

    /// Returns the content digest of all frames added.
    pub(super) fn content(&self) -> Sha256Hash {
        Sha256Hash::finish(self.content.clone())
    }

    /// Returns the uncompressed bytes of the index.
    pub(super) fn encode_index(&self, date: Date) -> Vec<u8> {
        self.index.encode(&Totals {
            date,
            events: self.events,
            invalid: self.invalid,
            first: self.first.map_or(i64::MAX, Timestamp::micros),
            last: self.last.map_or(i64::MIN, Timestamp::micros),
            event_bytes: self.event_bytes,
            content: self.content(),
        })
    }
}

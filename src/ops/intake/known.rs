//! Events that are archived here, with their bytes; and events that were, and expired.
//!
//! A segment's index has no names, so a day that an incoming event is filed under is read once, and
//! for each member a digest of its name, one of its bytes and its size are kept.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arrival, Findings};
use crate::archive::{ArchiveDir, Manifest, Record, SegmentName};
use crate::event::{Date, EventHead, EventPath, PathRef};
use crate::ops::Finding;
use crate::policy::RetainRules;
use crate::segment::{SegmentReader, Sha256Hash};
use crate::{Error, Result};

/// Maximum number of members of other days that are kept beside those of the current day.
const MAX_KEPT: usize = 1 << 19;

/// A digest of an identity: the first half of its SHA-256.
pub(super) type KeyedHash = [u8; 16];

pub(super) fn key_of(path: PathRef<'_>) -> KeyedHash {
    let mut key = [0; 16];
    key.copy_from_slice(&Sha256Hash::of(path.to_string().as_bytes()).0[..16]);
    key
}

/// An archived member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Archived {
    key: KeyedHash,
    hash: Sha256Hash,
    bytes: u64,
}

/// The archive's days, read on demand.
pub(in crate::ops) struct ArchivedDays<'a> {
    archive: &'a ArchiveDir,
    manifest: &'a Manifest,
    days: BTreeMap<Date, Vec<Archived>>,
    /// Only these segments, if set; nothing is known of others.
    only: Option<BTreeSet<SegmentName>>,
    /// The expired segments by day, each with the record that it came with, once they were needed.
    expired: Option<BTreeMap<Date, Vec<(&'a SegmentName, &'a Record)>>>,
}

impl<'a> ArchivedDays<'a> {
    pub(super) fn new(archive: &'a ArchiveDir, manifest: &'a Manifest) -> Self {
        Self { archive, manifest, days: BTreeMap::new(), only: None, expired: None }
    }

    /// Creates the same for an archive of which only some segments are here.
    pub(in crate::ops) fn of(
        archive: &'a ArchiveDir,
        manifest: &'a Manifest,
        only: BTreeSet<SegmentName>,
    ) -> Self {
        Self { only: Some(only), ..Self::new(archive, manifest) }
    }

    /// Returns the hashes of the archived files with this identity: none, one, or, in a conflict,
    /// several.
    pub(in crate::ops) fn hashes(
        &mut self,
        path: &EventPath,
        findings: &mut Findings,
    ) -> Result<Vec<Sha256Hash>> {
        Ok(self.found(path, findings)?.iter().map(|archived| archived.hash).collect())
    }

    /// Reports whether events of this one's day, node and class expired: then it did, too, whether
    /// it was among them or comes late. The class is the one that these rules give it.
    pub(in crate::ops) fn has_expired(&mut self, event: &Arrival, rules: &RetainRules) -> bool {
        let expired = self.expired.get_or_insert_with(|| expired_days(self.manifest));
        let Some(segments) = expired.get(&event.path.date) else { return false };
        let Ok(head) = EventHead::parse(&event.bytes) else { return false };
        let class = rules.class_of(&head).map(|class| class.name.as_str());
        let node = event.path.node.as_str();
        segments.iter().any(|(segment, record)| {
            let holds_node = record.nodes.as_ref().is_none_or(|nodes| nodes.contains_key(node));
            segment.class.as_deref() == class && holds_node
        })
    }

    /// Returns the sizes of the archived files with this identity.
    pub(super) fn sizes(&mut self, path: &EventPath, findings: &mut Findings) -> Result<Vec<u64>> {
        Ok(self.found(path, findings)?.iter().map(|archived| archived.bytes).collect())
    }

    fn found(&mut self, path: &EventPath, findings: &mut Findings) -> Result<&[Archived]> {
        if !self.days.contains_key(&path.date) {
            let day = self.read(path.date, findings)?;
            let kept: usize = self.days.values().map(Vec::len).sum();
            if kept + day.len() > MAX_KEPT {
                self.days.clear();
            }
            self.days.insert(path.date, day);
        }
        let day = self.days.get(&path.date).map_or(&[][..], Vec::as_slice);
        if day.is_empty() {
            return Ok(day);
        }
        let key = key_of(path.borrowed());
        let from = day.partition_point(|archived| archived.key < key);
        let to = from + day[from..].partition_point(|archived| archived.key == key);
        Ok(&day[from..to])
    }

    /// Reads a day. As in rotation, a damaged segment counts as far as it can be read: an event
    /// that it does not give is taken once more. A segment that cannot be read for now is an error.
    fn read(&self, date: Date, findings: &mut Findings) -> Result<Vec<Archived>> {
        let mut day = Vec::new();
        let wanted =
            |segment: &SegmentName| self.only.as_ref().is_none_or(|only| only.contains(segment));
        for (segment, _) in self.manifest.segments_of(date).filter(|(name, _)| wanted(name)) {
            match self.read_segment(segment, &mut day) {
                Ok(()) => {}
                Err(error @ Error::Io { .. }) if !error.is_not_found() => return Err(error),
                Err(error) => findings.add(Finding::of(segment.to_string(), &error)),
            }
        }
        day.sort_unstable();
        Ok(day)
    }

    fn read_segment(&self, segment: &SegmentName, day: &mut Vec<Archived>) -> Result<()> {
        let path = self.archive.segment_path(segment);
        let file = self.archive.open_segment(segment)?;
        SegmentReader::open_day(file, &path, segment.date)?.for_each_member(&mut |member| {
            day.push(Archived {
                key: key_of(member.path),
                hash: Sha256Hash::of(member.bytes),
                bytes: member.bytes.len() as u64,
            });
            Ok(())
        })
    }
}

/// Returns the expired segments by day. The record of an expiry does not name the nodes; the one
/// that the segment came with does.
fn expired_days(manifest: &Manifest) -> BTreeMap<Date, Vec<(&SegmentName, &Record)>> {
    let mut expired: BTreeMap<&SegmentName, &Record> = manifest
        .expired()
        .filter_map(|record| record.segment.as_ref().map(|segment| (segment, record)))
        .collect();
    for record in manifest.records().iter().filter(|record| record.nodes.is_some()) {
        if let Some(entry) = record.segment.as_ref().and_then(|name| expired.get_mut(name)) {
            *entry = record;
        }
    }
    let mut days: BTreeMap<Date, Vec<(&SegmentName, &Record)>> = BTreeMap::new();
    for (segment, record) in expired {
        days.entry(segment.date).or_default().push((segment, record));
    }
    days
}

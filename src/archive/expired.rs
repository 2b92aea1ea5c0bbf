//! Expired segments, and the files that interrupted runs left of them.

use std::collections::{BTreeMap, BTreeSet};

use rustix::fs::FileType;

use super::layout::{CATALOGUE, STUB_SUFFIX};
use super::{ArchiveDir, Manifest, Op, Record, SegmentName};
use crate::Result;
use crate::event::Date;

/// Totals of expired segments.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Expired {
    /// The number of days that lost a segment.
    pub days: u64,
    /// The number of segments.
    pub segments: u64,
    /// The number of events in them.
    pub events: u64,
    /// The earliest of the days.
    pub first_day: Date,
    /// The latest of the days.
    pub last_day: Date,
}

impl Expired {
    /// Sums up records of expired segments; `None` if there are none.
    pub(crate) fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Option<Self> {
        Self::sum(records.map(|record| {
            let date = record.date.or(record.segment.as_ref().map(|segment| segment.date));
            (date, record.events.unwrap_or(0))
        }))
    }

    /// Sums up segments, each given as its day and its number of events.
    pub(super) fn sum(gone: impl Iterator<Item = (Option<Date>, u64)>) -> Option<Self> {
        let (mut days, mut segments, mut events) = (BTreeSet::new(), 0, 0_u64);
        for (date, count) in gone {
            segments += 1;
            // A forged record may claim any number.
            events = events.saturating_add(count);
            days.extend(date);
        }
        let (first_day, last_day) = (*days.first()?, *days.last()?);
        Some(Self { days: days.len() as u64, segments, events, first_day, last_day })
    }
}

impl std::fmt::Display for Expired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.days == 1 {
            write!(f, "events of {}", self.first_day)?;
        } else {
            write!(f, "events of {} days from {} to {}", self.days, self.first_day, self.last_day)?;
        }
        f.write_str(" have expired")
    }
}

impl Manifest {
    /// Returns the records of expired segments, oldest first.
    pub fn expired(&self) -> impl Iterator<Item = &Record> {
        self.records().iter().filter(|record| {
            record.op == Op::Prune
                && record.segment.as_ref().is_some_and(|segment| !self.names(segment))
        })
    }

    /// Returns the records of a day's expired segments.
    pub fn expired_of(&self, date: Date) -> impl Iterator<Item = &Record> {
        self.expired().filter(move |record| {
            record.segment.as_ref().is_some_and(|segment| segment.date == date)
        })
    }

    /// Reports whether any record, however old, has this segment's name.
    pub fn ever_named(&self, segment: &SegmentName) -> bool {
        self.records().iter().any(|record| record.segment.as_ref() == Some(segment))
    }

    /// Returns the segments that are no longer in the archive, expired or superseded, by folder.
    fn gone(&self) -> BTreeMap<String, BTreeSet<&SegmentName>> {
        let mut gone: BTreeMap<String, BTreeSet<&SegmentName>> = BTreeMap::new();
        for record in self.records() {
            let expired = record.segment.iter().filter(|_| record.op == Op::Prune);
            for segment in expired.chain(record.supersedes.iter().flatten()) {
                if !self.names(segment) {
                    gone.entry(segment.folder()).or_default().insert(segment);
                }
            }
        }
        gone
    }
}

/// The work that interrupted runs left undone in an archive.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    /// Segments whose files are still there, though the manifest says that they are gone.
    pub(crate) still_there: Vec<SegmentName>,
    /// Segments that are there without their checksum files.
    pub(crate) without_checksum: Vec<SegmentName>,
}

impl ArchiveDir {
    /// Syncs the folder that a segment is or was in.
    pub(crate) fn sync_folder(&self, segment: &SegmentName) -> Result<()> {
        let Some(folder) = self.folder(&segment.folder())? else { return Ok(()) };
        folder.sync()
    }

    /// Looks for work that an interrupted run left. Only where there can be any: in the folders
    /// of segments that are gone, and, since the catalogue goes before any checksum file does, in
    /// all folders if there is no catalogue.
    pub(crate) fn unfinished(&self, manifest: &Manifest) -> Result<Unfinished> {
        let mut unfinished = Unfinished::default();
        let gone = manifest.gone();
        let mut folders: BTreeSet<String> = gone.keys().cloned().collect();
        if !self.has_entry(CATALOGUE) {
            folders.extend(manifest.segments().map(|(name, _)| name.folder()));
        }
        let nothing = BTreeSet::new();
        for name in folders {
            let Some(folder) = self.folder(&name)? else { continue };
            let (mut segments, mut checksums, mut stubs) =
                (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
            folder.list(&mut |file, file_type| {
                let (Ok(file), FileType::RegularFile) = (file.to_str(), file_type) else { return };
                let (stem, found) = match file.strip_suffix(".sha256") {
                    Some(stem) => (stem, &mut checksums),
                    None => match file.strip_suffix(STUB_SUFFIX) {
                        Some(stem) => (stem, &mut stubs),
                        None => (file, &mut segments),
                    },
                };
                found.extend(SegmentName::from_file_name(stem).filter(|s| s.folder() == name));
            })?;
            let gone = gone.get(&name).unwrap_or(&nothing);
            let left: BTreeSet<_> = [&segments, &checksums, &stubs].into_iter().flatten().collect();
            let left = left.into_iter().filter(|segment| gone.contains(segment));
            unfinished.still_there.extend(left.cloned());
            let bare = segments.difference(&checksums).filter(|segment| manifest.names(segment));
            unfinished.without_checksum.extend(bare.cloned());
        }
        Ok(unfinished)
    }
}

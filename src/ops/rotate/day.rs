//! Archiving one day.
//!
//! In one pass, and in one segment for each class, as long as its names fit into the memory that is
//! allowed for them: a million and a half of the form that `emit` writes. The rest follows in
//! further segments, so that nobody can stop the nightly runs by the number of files.

mod reading;
mod segments;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::RotatedDay;
use super::copies::Copies;
use super::files::remove_files;
use crate::Context;
use crate::archive::{ArchiveDir, ManifestWriter, NewRecord, Op, TempSegment};
use crate::event::{Date, EventPath, NodeName};
use crate::live::{Listing, LiveTree, PartitionReader, StampDigest};
use crate::ops::bond::Bond;
use crate::ops::{Finding, Findings};
use crate::policy::Policy;
use crate::progress::Progress;
use crate::segment::SegmentWriter;
use crate::{Error, Result};

/// Maximum size of the names of a day that are listed together, in bytes.
const MAX_LISTING_BYTES: u64 = 48 << 20;

/// The means that the days of a run share.
pub(super) struct DayMeans<'a, 'm> {
    pub(super) live: &'a LiveTree,
    pub(super) archive: &'a ArchiveDir,
    pub(super) manifest: &'a mut ManifestWriter<'m>,
    pub(super) bond: &'a mut Bond<'m>,
    pub(super) policy: &'a Policy,
    pub(super) context: &'a Context,
    pub(super) progress: &'a dyn Progress,
}

pub(super) struct DayRun<'a, 'm> {
    live: &'a LiveTree,
    archive: &'a ArchiveDir,
    manifest: &'a mut ManifestWriter<'m>,
    bond: &'a mut Bond<'m>,
    policy: &'a Policy,
    context: &'a Context,
    progress: &'a dyn Progress,
    date: Date,
    pub(super) report: RotatedDay,
    pub(super) findings: Findings,
    /// The files that stay live, of those that were listed last.
    staying: Findings,
    /// True if the day was archived before.
    is_late: bool,
    /// A file of another program in the day's directory, which keeps it from being removed.
    pub(super) passed_over: Option<PathBuf>,
}

/// A segment under construction: one for each retention class of the day.
struct Building {
    class: Option<String>,
    temp: TempSegment,
    writer: SegmentWriter<BufWriter<File>>,
}

/// The result of reading the day.
#[derive(Default)]
struct DayRead {
    copies: Copies,
    buildings: Vec<Building>,
    /// Files that may be removed once the new segments are recorded.
    removable: Vec<(u32, StampDigest)>,
    conflicts: Vec<u32>,
    /// The first invalid file, if the policy holds the day back for it.
    held_back_by: Option<EventPath>,
}

impl<'a, 'm> DayRun<'a, 'm> {
    pub(super) fn new(means: DayMeans<'a, 'm>, date: Date) -> Self {
        let DayMeans { live, archive, manifest, bond, policy, context, progress } = means;
        let report = RotatedDay::begin(date);
        let (findings, staying) = (Findings::default(), Findings::default());
        let is_late = manifest.manifest().segments_of(date).next().is_some();
        Self {
            live,
            archive,
            manifest,
            bond,
            policy,
            context,
            progress,
            date,
            report,
            findings,
            staying,
            is_late,
            passed_over: None,
        }
    }

    /// Reports fewer findings by name, since the report has so many already.
    pub(super) fn beside(mut self, named: usize) -> Self {
        self.findings = Findings::beside(named);
        self.staying = Findings::beside(named);
        self
    }

    pub(super) fn run(&mut self) -> Result<()> {
        let mut after: Option<NodeName> = None;
        loop {
            let listing = self.live.list_part(self.date, MAX_LISTING_BYTES, after.as_ref())?;
            self.passed_over = listing.passed_over().map(Path::to_owned);
            let before = (self.report.removed, self.report.left);
            let passed = self.pass(&listing);
            let part = std::mem::take(&mut self.staying);
            match listing.stopped_in() {
                // The obstacle is gone, and the rest can be listed.
                Some(_) if passed.is_ok() && self.report.removed > before.0 => {
                    self.report.left = before.1;
                    continue;
                }
                stopped_in => after = stopped_in.cloned(),
            }
            self.findings.extend(part);
            if passed.is_err() || after.is_none() {
                return passed;
            }
        }
    }

    /// Archives and removes what was listed.
    fn pass(&mut self, listing: &Listing) -> Result<()> {
        for entry in listing.unexpected() {
            self.left(entry.path.display().to_string(), format!("{}; left as it is", entry.reason));
        }
        self.report.left += listing.more_unexpected();
        self.staying.unnamed += listing.more_unexpected();
        let partition = self.live.partition(self.date);
        if listing.is_empty() {
            return partition.remove_empty_dirs(self.context.now());
        }
        let archived = self.already_archived(listing)?;
        // Without room, only what is archived already can be removed; that needs none.
        let numbers = match self.lacks_room(listing, &partition, &archived)? {
            None => (0..listing.len() as u32).collect(),
            Some(reason) => {
                let mut known: Vec<u32> = archived.numbers().map(|number| number as u32).collect();
                known.sort_unstable();
                self.report.left += (listing.len() - known.len()) as u64;
                let reason = format!("{reason}; its events stay live");
                self.staying.add(Finding::new(self.date.to_string(), reason));
                known
            }
        };
        let mut read = self.read(listing, &numbers, &partition, &archived)?;
        if let Some(path) = read.held_back_by {
            self.report.left += listing.len() as u64;
            self.staying.add(Finding::new(
                path.to_string(),
                "not an event, and the policy says to hold its day back (rotate.invalid = \"hold\")",
            ));
            return Ok(());
        }
        for building in read.buildings {
            self.archive_segment(building)?;
        }
        self.report.late = if self.is_late { self.report.events } else { 0 };
        for number in read.conflicts {
            let path = listing.path(number as usize);
            let mut record = NewRecord::new(self.context.now(), Op::Conflict);
            record.by = Some(self.context.by().clone());
            record.date = Some(self.date);
            record.path = Some(path.to_string());
            self.manifest.append(record)?;
            self.report.conflicts += 1;
        }
        for copy in read.copies.removable() {
            self.report.already_archived += 1;
            read.removable.push(copy);
        }
        self.remove(listing, &partition, &read.removable)
    }

    fn stop_if_asked(&self) -> Result<()> {
        if self.progress.stop_requested() {
            return Err(Error::Interrupted("the day stays live as it was".to_owned()));
        }
        Ok(())
    }

    fn left(&mut self, path: String, reason: String) {
        self.report.left += 1;
        self.staying.add(Finding::new(path, reason));
    }

    fn remove(
        &mut self,
        listing: &Listing,
        partition: &PartitionReader<'_>,
        removable: &[(u32, StampDigest)],
    ) -> Result<()> {
        let done = remove_files(listing, partition, removable);
        self.report.removed += done.removed;
        self.report.left += done.left.named.len() as u64 + done.left.unnamed;
        self.staying.extend(done.left);
        partition.remove_empty_dirs(self.context.now())
    }
}

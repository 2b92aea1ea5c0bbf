//! Archiving one day.
//!
//! In one pass, and in one segment for each class, as long as its names fit into the memory that is
//! allowed for them: a million and a half of the form that `emit` writes. The rest follows in
//! further segments, so that nobody can stop the nightly runs by the number of files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use super::RotatedDay;
use super::archived::{Archived, merge_join};
use super::copies::Copies;
use super::files::{BLOCK, Judged, ReadFile, describe, read_block, remove_files};
use super::residue::{Held, NameSearch, hold_all, hold_recorded};
use super::room::{Room, is_plenty};
use crate::Context;
use crate::archive::{ArchiveDir, ManifestWriter, NewRecord, Op, SegmentName, TempSegment};
use crate::event::{Date, EventPath, NodeName};
use crate::live::{FileState, Listing, LiveTree, PartitionReader, StampDigest};
use crate::ops::bond::Bond;
use crate::ops::prune::{is_over, since};
use crate::ops::{Finding, Findings};
use crate::policy::{InvalidRule, Policy};
use crate::progress::Progress;
use crate::segment::{
    SegmentOptions, SegmentReader, SegmentSummary, SegmentWriter, Sha256Hash, check_until,
};
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

    /// Finds what is archived already. A damaged or missing segment is no reason to hold late
    /// arrivals back: what it does not give counts as not archived, and is archived again. A
    /// segment that cannot be read for now is one: the day waits, or events would be archived
    /// twice.
    fn already_archived(&mut self, listing: &Listing) -> Result<Archived> {
        let mut archived = Archived::default();
        if listing.is_empty() {
            return Ok(archived);
        }
        let segments: Vec<SegmentName> =
            self.manifest.manifest().segments_of(self.date).map(|(name, _)| name.clone()).collect();
        for segment in segments {
            match merge_join(self.archive, &segment, listing, &mut archived) {
                Ok(()) => {}
                Err(error @ Error::Io { .. }) if !error.is_not_found() => return Err(error),
                Err(error) => self.staying.add(Finding::of(segment.to_string(), &error)),
            }
        }
        Ok(archived)
    }

    /// Returns the reason if the day does not fit into the archive.
    fn lacks_room(
        &self,
        listing: &Listing,
        partition: &PartitionReader<'_>,
        archived: &Archived,
    ) -> Result<Option<String>> {
        let space = self.archive.space()?;
        if is_plenty(space, listing.len()) {
            return Ok(None);
        }
        let wanted = |number: usize| archived.of(number).is_none();
        Ok(Room::of(listing, partition, &wanted, self.policy, space)?.lacks())
    }

    /// Reads the day, a block of files ahead of the one whose segments are being written.
    fn read(
        &mut self,
        listing: &Listing,
        numbers: &[u32],
        partition: &PartitionReader<'_>,
        archived: &Archived,
    ) -> Result<DayRead> {
        let copies = Copies::find(listing, partition, archived);
        let mut read = DayRead { copies, ..DayRead::default() };
        let numbers: Vec<u32> =
            numbers.iter().copied().filter(|number| !read.copies.has(*number)).collect();
        let mut blocks = numbers.chunks(BLOCK);
        let ahead = |block: Option<&[u32]>| {
            block.map(|block| read_block(listing, partition, self.policy, block))
        };
        let mut next = ahead(blocks.next());
        while let Some(files) = next {
            self.stop_if_asked()?;
            let block = blocks.next();
            let taken;
            (next, taken) = rayon::join(
                || ahead(block),
                || {
                    files
                        .into_iter()
                        .try_for_each(|file| self.take(file, partition, archived, &mut read))
                },
            );
            taken?;
            if read.held_back_by.is_some() {
                break;
            }
        }
        Ok(read)
    }

    /// Decides about a file, and adds it to its segment.
    fn take(
        &mut self,
        mut file: ReadFile<'a>,
        partition: &PartitionReader<'_>,
        archived: &Archived,
        read: &mut DayRead,
    ) -> Result<()> {
        if read.held_back_by.is_some() {
            return Ok(());
        }
        if matches!(file.state, Ok(FileState::TooLarge(_))) {
            // A block of files of this size takes minutes.
            self.stop_if_asked()?;
            file.read_alone(partition, self.policy);
        }
        let ReadFile { number, path, state, bytes, judged } = file;
        let stamp = match state {
            Ok(FileState::Read(stamp)) => stamp,
            Ok(FileState::Gone) => return Ok(()),
            Ok(other) => {
                self.left(path.to_string(), format!("{}; left as it is", describe(&other)));
                return Ok(());
            }
            Err(error) => {
                self.report.left += 1;
                self.staying.add(Finding::of(path.to_string(), &error));
                return Ok(());
            }
        };
        if let Some(hashes) = archived.of(number as usize) {
            if hashes.contains(&Sha256Hash::of(&bytes)) {
                read.copies.archived(&path, || Sha256Hash::of(&bytes));
                self.report.already_archived += 1;
                read.removable.push((number, stamp.digest()));
                return Ok(());
            }
            self.findings.add(Finding::new(
                path.to_string(),
                "another event of this name is archived already; both are kept",
            ));
            read.conflicts.push(number);
        }
        let class = match judged {
            Ok(Judged { class, misfiled }) => {
                if let Some(reason) = misfiled {
                    let reason = format!("{reason}; archived as is");
                    self.findings.add(Finding::new(path.to_string(), reason));
                }
                class
            }
            Err(_) if self.policy.rotate.invalid == InvalidRule::Hold => {
                read.held_back_by = Some(path);
                return Ok(());
            }
            Err(invalid) => {
                self.findings.add_with(|| {
                    let reason = format!("not an event: {invalid}; archived as is");
                    Finding::new(path.to_string(), reason)
                });
                None
            }
        };
        self.building(&mut read.buildings, class)?.writer.add(&path, &bytes)?;
        read.copies.archived(&path, || Sha256Hash::of(&bytes));
        read.removable.push((number, stamp.digest()));
        Ok(())
    }

    /// Returns the segment for events of this class, begun when the first one comes.
    fn building<'b>(
        &self,
        buildings: &'b mut Vec<Building>,
        class: Option<&str>,
    ) -> Result<&'b mut Building> {
        let at = if let Some(at) =
            buildings.iter().position(|building| building.class.as_deref() == class)
        {
            at
        } else {
            let temp = self.archive.create_temp(
                self.date,
                self.context.next_token(),
                self.manifest.lock(),
            )?;
            let file =
                temp.file().try_clone().map_err(|error| Error::io(temp.path(), "write", error))?;
            let options = SegmentOptions {
                level: self.policy.rotate.level,
                frame_size: self.policy.rotate.frame_size,
            };
            let out = BufWriter::with_capacity(1 << 18, file);
            let writer = SegmentWriter::new(out, temp.path(), self.date, options);
            buildings.push(Building { class: class.map(str::to_owned), temp, writer });
            buildings.len() - 1
        };
        Ok(&mut buildings[at])
    }

    /// Writes, syncs, reads back, puts in place and records a segment: from the record on, it is
    /// archived.
    fn archive_segment(&mut self, building: Building) -> Result<()> {
        let Building { class, temp, writer } = building;
        self.stop_if_asked()?;
        let (out, summary) = writer.finish()?;
        drop(
            out.into_inner()
                .map_err(|error| Error::io(temp.path(), "write", error.into_error()))?,
        );
        temp.sync()?;
        let stops = || self.progress.stop_requested();
        let report = check_until(&temp.reopen()?, temp.path(), &|_| {}, &stops)?;
        if let Some(finding) = report.findings.first() {
            return Err(Error::corrupt(
                temp.path(),
                format!("read-back verification failed: {finding}"),
            ));
        }
        if report.summary.as_ref() != Some(&summary) {
            return Err(Error::corrupt(
                temp.path(),
                "read-back verification failed; the day stays live",
            ));
        }
        let name = self.free_name(class.as_ref(), &temp)?;
        temp.publish(&name)?;
        if let Err(error) = self.record_segment(&name, &summary) {
            // No record names it, and none will: on a full disk it must not stay. (If a record may
            // still reach the disk, the next run settles it.)
            if !self.manifest.is_poisoned() && !matches!(error, Error::Corrupt { .. }) {
                let _ = self.archive.remove_segment(&name, self.manifest.lock());
            }
            return Err(error);
        }
        self.report.segments.push(name);
        self.report.events += summary.events;
        self.report.invalid += summary.invalid;
        self.report.event_bytes += summary.event_bytes;
        self.report.segment_bytes += summary.bytes;
        Ok(())
    }

    fn record_segment(&mut self, name: &SegmentName, summary: &SegmentSummary) -> Result<()> {
        let token = self.context.next_token();
        self.archive.write_checksum(name, &summary.sha256, token, self.manifest.lock())?;
        let record = self.manifest.append(self.record(name, summary))?;
        let keep = self.policy.retain.keep_of(name.class.as_deref());
        if is_over(keep, since(name, record, record.time), self.context.now()) {
            self.report.outlived += summary.events;
        }
        // From here on the tree has events in this archive; none of them is removed before the tree
        // knows which one.
        self.bond.recorded();
        self.bond.tie(self.manifest.manifest(), self.context);
        Ok(())
    }

    fn record(&self, name: &SegmentName, summary: &SegmentSummary) -> NewRecord {
        let mut record = NewRecord::new(self.context.now(), Op::Rotate);
        record.by = Some(self.context.by().clone());
        record.policy = Some(self.policy.digest().to_owned());
        record.tree = self.bond.to_record();
        record.describe(name, summary);
        if let Some(keep) = self.policy.promise(name.class.as_deref()) {
            record.keep = Some(keep.to_string());
            record.yields = self.policy.retain.yields().then_some(true);
        }
        record
    }

    /// Returns a name for a segment that was just written and read back.
    fn free_name(&mut self, class: Option<&String>, temp: &TempSegment) -> Result<SegmentName> {
        let like = SegmentName { date: self.date, number: 0, class: class.cloned() };
        let (archive, writer) = (self.archive, &*self.manifest);
        // Every event of that segment, and of those that the day has already.
        let held = || {
            let mut held = Held::new();
            hold_all(&SegmentReader::open(temp.reopen()?, temp.path())?, &mut held)?;
            hold_recorded(archive, writer.manifest(), like.date, &mut held);
            Ok(held)
        };
        let blocked = "it holds events that the live day does not";
        let mut findings = Vec::new();
        let search = NameSearch { archive, writer, held: &held, blocked };
        let name = search.free_name(&like, &mut findings);
        for finding in findings {
            self.findings.add(finding);
        }
        name
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

//! Merging one day's segments of one class into a single one.

use std::fs::File;
use std::io::BufWriter;

use super::Compacted;
use super::merge::{Merge, Merged};
use crate::Context;
use crate::archive::{ArchiveDir, ManifestWriter, NewRecord, Op, Record, SegmentName, TempSegment};
use crate::ops::Finding;
use crate::ops::rotate::residue::{Held, NameSearch, hold_recorded};
use crate::policy::{Keep, Policy};
use crate::progress::Progress;
use crate::segment::{SegmentOptions, SegmentReader, SegmentSummary, SegmentWriter, check};
use crate::{Error, Result};

/// Number of members between checks for a request to stop.
const MEMBERS: u64 = 1024;

/// Segments of one day and one class, in order.
pub(super) type Group = Vec<SegmentName>;

pub(super) struct GroupRun<'a, 'm> {
    pub(super) archive: &'a ArchiveDir,
    pub(super) writer: &'a mut ManifestWriter<'m>,
    pub(super) policy: &'a Policy,
    pub(super) context: &'a Context,
    pub(super) group: &'a Group,
    pub(super) findings: &'a mut Vec<Finding>,
    /// Segments that are sound but must stay apart, and why.
    pub(super) remarks: &'a mut Vec<Finding>,
}

impl GroupRun<'_, '_> {
    /// Merges the group into one segment; returns `None` if it stays as it is.
    pub(super) fn run(&mut self, progress: &dyn Progress) -> Result<Option<Compacted>> {
        if !self.is_sound()? {
            return Ok(None);
        }
        let Some((temp, summary)) = self.write(progress)? else { return Ok(None) };
        self.read_back(&temp, &summary)?;
        let name = self.free_name()?;
        temp.publish(&name)?;
        if let Err(error) = self.record(&name, &summary) {
            // As in rotation: no record names it, and none will.
            if !self.writer.is_poisoned() && !matches!(error, Error::Corrupt { .. }) {
                let _ = self.archive.remove_segment(&name, self.writer.lock());
            }
            return Err(error);
        }
        for old in self.group {
            if let Err(error) = self.archive.remove_segment(old, self.writer.lock()) {
                let reason = format!("{name} took its place, but it is still there: {error}");
                self.findings.push(Finding::new(old.to_string(), reason));
            }
        }
        Ok(Some(Compacted {
            date: name.date,
            class: name.class.clone(),
            segment: name,
            supersedes: self.group.clone(),
            events: summary.events,
            segment_bytes: summary.bytes,
        }))
    }

    fn record_of(&self, name: &SegmentName) -> Result<&Record> {
        self.writer
            .manifest()
            .record_of(name)
            .ok_or_else(|| Error::Refused(format!("{name}: it is no longer in the archive")))
    }

    /// Reports whether each segment is, byte for byte, what was recorded.
    fn is_sound(&mut self) -> Result<bool> {
        let mut sound = true;
        for name in self.group {
            let path = self.archive.segment_path(name);
            let report = check(&self.archive.open_segment(name)?, &path, &|_| {})?;
            let record = self.record_of(name)?;
            let is_recorded = report.date.is_none_or(|date| date == name.date)
                && report.summary.as_ref().is_some_and(|summary| {
                    record.sha256 == Some(summary.sha256)
                        && record.bytes == Some(summary.bytes)
                        && record.events == Some(summary.events)
                        && record.content == Some(summary.content)
                });
            let reason = match report.findings.first() {
                Some(finding) => finding.clone(),
                None if is_recorded => continue,
                None => "it differs from the manifest's record".to_owned(),
            };
            sound = false;
            let reason = format!("{reason}; the segments of its day stay apart");
            self.findings.push(Finding::new(name.to_string(), reason));
        }
        Ok(sound)
    }

    fn write(&mut self, progress: &dyn Progress) -> Result<Option<(TempSegment, SegmentSummary)>> {
        let Some(first) = self.group.first() else { return Ok(None) };
        let date = first.date;
        let token = self.context.next_token();
        let temp = self.archive.create_temp(date, token, self.writer.lock())?;
        let file: File =
            temp.file().try_clone().map_err(|error| Error::io(temp.path(), "write", error))?;
        let options = SegmentOptions {
            level: self.policy.rotate.level,
            frame_size: self.policy.rotate.frame_size,
        };
        let out = BufWriter::with_capacity(1 << 18, file);
        let mut writer = SegmentWriter::new(out, temp.path(), date, options);
        let mut merge = Merge::open(self.archive, self.group)?;
        let mut members = 0_u64;
        loop {
            match merge.next()? {
                Merged::Member(path, bytes) => writer.add(&path, &bytes)?,
                Merged::Conflict(path) => {
                    let reason = "two events have this name; their segments stay apart";
                    self.remarks.push(Finding::new(path.to_string(), reason));
                    return Ok(None);
                }
                Merged::End => break,
            }
            members += 1;
            if members.is_multiple_of(MEMBERS) && progress.stop_requested() {
                return Err(Error::Interrupted(format!("{date} stays as it was")));
            }
        }
        let (out, summary) = writer.finish()?;
        out.into_inner().map_err(|error| Error::io(temp.path(), "write", error.into_error()))?;
        temp.sync()?;
        Ok(Some((temp, summary)))
    }

    /// Reads the new segment back from the disk, and the old ones again, and compares every member.
    fn read_back(&self, temp: &TempSegment, summary: &SegmentSummary) -> Result<()> {
        let other = || {
            Error::corrupt(temp.path(), "read-back verification failed; the segments stay apart")
        };
        let report = check(&temp.reopen()?, temp.path(), &|_| {})?;
        if !report.findings.is_empty() || report.summary.as_ref() != Some(summary) {
            return Err(other());
        }
        let mut merge = Merge::open(self.archive, self.group)?;
        SegmentReader::open(temp.reopen()?, temp.path())?.for_each_member(
            &mut |member| match merge.next()? {
                Merged::Member(path, bytes) if member.path == path && bytes == member.bytes => {
                    Ok(())
                }
                _ => Err(other()),
            },
        )?;
        match merge.next()? {
            Merged::End => Ok(()),
            _ => Err(other()),
        }
    }

    /// Returns a name for the new segment.
    fn free_name(&mut self) -> Result<SegmentName> {
        let Some(like) = self.group.first() else {
            return Err(Error::Refused("there is nothing to compact".to_owned()));
        };
        // Every event of the day in a recorded segment.
        let held = || {
            let mut held = Held::new();
            hold_recorded(self.archive, self.writer.manifest(), like.date, &mut held);
            Ok(held)
        };
        let blocked = "it holds events that no other one does";
        let (archive, writer) = (self.archive, &*self.writer);
        NameSearch { archive, writer, held: &held, blocked }.free_name(like, self.findings)
    }

    fn record(&mut self, name: &SegmentName, summary: &SegmentSummary) -> Result<()> {
        let token = self.context.next_token();
        self.archive.write_checksum(name, &summary.sha256, token, self.writer.lock())?;
        let mut record = NewRecord::new(self.context.now(), Op::Compact);
        record.by = Some(self.context.by().clone());
        record.policy = Some(self.policy.digest().to_owned());
        record.describe(name, summary);
        record.supersedes = Some(self.group.clone());
        // The longest promise; it may go early for want of room only if all of them may.
        let promised = || {
            let records = self.group.iter().filter_map(|old| self.record_of(old).ok());
            records.filter_map(|old| Some((old.keep.as_ref()?, old.yields)))
        };
        let longest = promised().max_by_key(|(keep, _)| Keep::parse(keep).unwrap_or(Keep::Forever));
        record.keep = longest.map(|(keep, _)| keep.clone());
        record.yields = (record.keep.is_some()
            && promised().all(|(_, yields)| yields == Some(true)))
        .then_some(true);
        self.writer.append(record)?;
        Ok(())
    }
}

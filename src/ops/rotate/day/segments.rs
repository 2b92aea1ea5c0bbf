//! Segments of a day: each is synced, read back, put in place and recorded.

use super::{Building, DayRun};
use crate::archive::{NewRecord, Op, SegmentName, TempSegment};
use crate::ops::prune::{is_over, since};
use crate::ops::rotate::residue::{Held, NameSearch, hold_all, hold_recorded};
use crate::segment::{SegmentReader, SegmentSummary, check_until};
use crate::{Error, Result};

impl DayRun<'_, '_> {
    /// Writes, syncs, reads back, puts in place and records a segment: from the record on, it is
    /// archived.
    pub(super) fn archive_segment(&mut self, building: Building) -> Result<()> {
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
}

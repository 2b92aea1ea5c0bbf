//! Restoring one segment into files.

use std::collections::HashSet;

use rayon::prelude::*;

use super::RestoredDay;
use super::work::{Work, begin, finish};
use crate::archive::{ArchiveDir, Manifest, Record, SegmentName};
use crate::event::{EventPath, Timestamp};
use crate::live::{BulkPlacer, LiveTree};
use crate::ops::Finding;
use crate::progress::Progress;
use crate::segment::SegmentReader;
use crate::store::Filter;
use crate::{Error, Result};

/// Number of frames that are decompressed together.
const FRAMES: usize = 4;

pub(super) struct SegmentRestore<'a> {
    pub(super) archive: &'a ArchiveDir,
    pub(super) name: &'a SegmentName,
    pub(super) record: &'a Record,
    pub(super) filter: &'a Filter,
    /// The events to restore, if only some are wanted.
    pub(super) only: Option<&'a HashSet<EventPath>>,
    pub(super) work: Work<'a>,
    /// The live tree, if it is the target.
    pub(super) into_live: Option<&'a LiveTree>,
    pub(super) day: &'a mut RestoredDay,
    pub(super) findings: &'a mut Vec<Finding>,
}

/// The result of a frame.
#[derive(Default)]
struct FrameRestored {
    events: u64,
    event_bytes: u64,
    damage: Option<Error>,
    /// Events that readers of the live tree would ignore.
    passed_over: Vec<EventPath>,
}

impl SegmentRestore<'_> {
    pub(super) fn run(&mut self, progress: &dyn Progress) -> Result<()> {
        let path = self.archive.segment_path(self.name);
        self.day.segments.push(self.name.clone());
        let reader = match self.open(&path) {
            Ok(reader) => reader,
            // Expired since the manifest was read, or another segment replaced it.
            Err(error) if error.is_not_found() && self.is_gone() => return Err(error),
            Err(error) => {
                self.finding(&error);
                return Ok(());
            }
        };
        let frames = self.frames(&reader);
        let bulk = begin(self.work)?;
        for block in frames.chunks(FRAMES) {
            if progress.stop_requested() {
                return Err(Error::Interrupted(format!(
                    "nothing of {} was restored; run it again",
                    self.name
                )));
            }
            let outcomes: Vec<_> = block
                .par_iter()
                .map(|frame| self.frame(&reader, *frame, bulk.as_ref()))
                .collect::<Result<_>>()?;
            for outcome in outcomes {
                if let Some(error) = outcome.damage {
                    self.finding(&error);
                }
                for path in outcome.passed_over {
                    self.findings.push(Finding::new(
                        path.to_string(),
                        "readers would skip it in the live tree, like files of other programs \
                         put there; it stays archived (restore --to DIR gives it)",
                    ));
                }
                self.day.events += outcome.events;
                self.day.event_bytes += outcome.event_bytes;
            }
        }
        finish(bulk, self.work, self.day, self.findings)
    }

    /// Opens the segment, after its bytes were compared with the record.
    fn open(&mut self, path: &std::path::Path) -> Result<SegmentReader> {
        let file = self.archive.open_segment(self.name)?;
        let as_recorded = file.matches_record(self.record.bytes, self.record.sha256);
        if !as_recorded.map_err(|error| Error::io(path, "read", error))? {
            self.findings.push(Finding::new(
                self.name.to_string(),
                "its bytes differ from the manifest's record; what can still be read is \
                 restored",
            ));
        }
        SegmentReader::open_day(file, path, self.name.date)
    }

    fn frames(&mut self, reader: &SegmentReader) -> Vec<usize> {
        let all = (0..reader.frames().len()).collect();
        let Some(index) = reader.index() else { return all };
        if self.filter.is_empty() {
            return all;
        }
        match self.filter.frames(index) {
            Ok(frames) => frames,
            Err(error) => {
                self.finding(&error);
                all
            }
        }
    }

    /// Stages the matching events of a frame. Damage ends the frame; what came before it is intact.
    fn frame(
        &self,
        reader: &SegmentReader,
        number: usize,
        bulk: Option<&BulkPlacer<'_>>,
    ) -> Result<FrameRestored> {
        let mut restored = FrameRestored::default();
        let frame = match reader.read_frame(number) {
            Ok(frame) => frame,
            Err(error) => return Ok(FrameRestored { damage: Some(error), ..restored }),
        };
        for member in frame.members() {
            let member = match member {
                Ok(member) => member,
                Err(error) => return Ok(FrameRestored { damage: Some(error), ..restored }),
            };
            let fits = self.filter.is_empty() || self.filter.admits(member.bytes);
            if !fits {
                continue;
            }
            let path = member.path.to_path();
            if self.only.is_some_and(|only| !only.contains(&path)) {
                continue;
            }
            if self.into_live.is_some_and(|live| live.litter().covers_event(&path)) {
                restored.passed_over.push(path);
                continue;
            }
            if let Some(bulk) = bulk {
                let mtime = Timestamp::from_micros(member.mtime.saturating_mul(1_000_000));
                if !bulk.stage(&path, member.bytes, Some(mtime))? {
                    restored.damage.get_or_insert_with(|| {
                        let reason = format!("frame {number}: {} is in it twice", member.path);
                        Error::corrupt(self.archive.segment_path(self.name), reason)
                    });
                    continue;
                }
            }
            restored.events += 1;
            restored.event_bytes += member.bytes.len() as u64;
        }
        Ok(restored)
    }

    fn is_gone(&self) -> bool {
        Manifest::load(self.archive).is_ok_and(|now| !now.names(self.name))
    }

    fn finding(&mut self, error: &Error) {
        self.findings.push(Finding::of(self.name.to_string(), error));
    }
}

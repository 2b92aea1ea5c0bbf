//! One segment's way back into files.

use std::io::Read;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::RestoredDay;
use crate::archive::{ArchiveDir, Record, SegmentName};
use crate::event::{EventHead, EventPath, Timestamp};
use crate::live::{BulkPlacer, FileState, LiveTree, Placed};
use crate::ops::{Context, Finding};
use crate::progress::Progress;
use crate::segment::{SegmentReader, Sha256Hash};
use crate::store::Filter;
use crate::{Error, Result};

/// Frames that are decompressed together.
const FRAMES: usize = 4;

/// Files that are given their names together.
const GROUP: usize = 8192;

pub(super) struct SegmentRestore<'a> {
    pub(super) archive: &'a ArchiveDir,
    pub(super) name: &'a SegmentName,
    pub(super) record: &'a Record,
    pub(super) filter: &'a Filter,
    pub(super) work: Option<(&'a LiveTree, &'a Context)>,
    pub(super) day: &'a mut RestoredDay,
    pub(super) findings: &'a mut Vec<Finding>,
}

/// An event that was asked for.
struct Wanted {
    path: EventPath,
    bytes: Vec<u8>,
    mtime: i64,
}

/// A file that was written and waits for its name.
struct Staged {
    path: EventPath,
    ticket: u64,
    sha256: Sha256Hash,
}

impl SegmentRestore<'_> {
    pub(super) fn run(&mut self, progress: &dyn Progress) -> Result<()> {
        let path = self.archive.segment_path(self.name);
        self.day.segments.push(self.name.to_string());
        let reader = match self.open(&path) {
            Ok(reader) => reader,
            Err(error) => {
                self.finding(&error);
                return Ok(());
            }
        };
        let frames = self.frames(&reader);
        let mut bulk = match self.work {
            Some((tree, context)) => {
                Some(BulkPlacer::begin(tree, context.next_token(), context.now)?)
            }
            None => None,
        };
        let mut staged = Vec::new();
        for block in frames.chunks(FRAMES) {
            if progress.stop_requested() {
                return Err(Error::Interrupted(
                    "what was restored so far stays; run it again to complete it".to_owned(),
                ));
            }
            let outcomes: Vec<_> =
                block.par_iter().map(|frame| self.wanted_of(&reader, *frame)).collect();
            for (wanted, damage) in outcomes {
                if let Some(error) = damage {
                    self.finding(&error);
                }
                self.day.events += wanted.len() as u64;
                self.day.event_bytes +=
                    wanted.iter().map(|event| event.bytes.len() as u64).sum::<u64>();
                if let Some(bulk) = &mut bulk {
                    stage(bulk, wanted, &mut staged)?;
                    if staged.len() >= GROUP {
                        self.name_files(bulk, &mut staged)?;
                    }
                }
            }
        }
        if let Some(bulk) = &mut bulk {
            self.name_files(bulk, &mut staged)?;
        }
        Ok(())
    }

    /// Opens the segment, after its bytes were compared with the record.
    fn open(&mut self, path: &std::path::Path) -> Result<SegmentReader> {
        let mut file = self.archive.open_segment(self.name)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            let got = file.read(&mut buffer).map_err(|error| Error::io(path, "read", error))?;
            if got == 0 {
                break;
            }
            hasher.update(&buffer[..got]);
        }
        if self.record.sha256 != Some(Sha256Hash::finish(hasher)) {
            self.findings.push(Finding::new(
                self.name.to_string(),
                "its bytes are not those that the manifest recorded; what can still be read is \
                 restored",
            ));
        }
        SegmentReader::open(file, path)
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

    /// The events of a frame that are asked for, and what stopped the reading, if anything.
    fn wanted_of(&self, reader: &SegmentReader, frame: usize) -> (Vec<Wanted>, Option<Error>) {
        let mut wanted = Vec::new();
        let frame = match reader.read_frame(frame) {
            Ok(frame) => frame,
            Err(error) => return (wanted, Some(error)),
        };
        for member in frame.members() {
            let member = match member {
                Ok(member) => member,
                Err(error) => return (wanted, Some(error)),
            };
            let fits = self.filter.is_empty()
                || EventHead::parse(member.bytes).is_ok_and(|head| self.filter.matches(&head));
            if fits {
                wanted.push(Wanted {
                    path: member.path,
                    bytes: member.bytes.to_vec(),
                    mtime: member.mtime,
                });
            }
        }
        (wanted, None)
    }

    fn name_files(&mut self, bulk: &mut BulkPlacer<'_>, staged: &mut Vec<Staged>) -> Result<()> {
        let items: Vec<(&EventPath, u64)> =
            staged.iter().map(|file| (&file.path, file.ticket)).collect();
        let outcomes = bulk.commit(&items)?;
        for (file, outcome) in staged.drain(..).zip(outcomes) {
            match outcome {
                Ok(Placed::Created) => self.day.restored += 1,
                Ok(Placed::Exists) => self.compare(bulk.tree(), &file)?,
                Err(error) => self.findings.push(Finding::of(file.path.to_string(), &error)),
            }
        }
        Ok(())
    }

    /// A file that was there already: the same event, or one that is in the way.
    fn compare(&mut self, tree: &LiveTree, file: &Staged) -> Result<()> {
        let partition = tree.partition(file.path.date);
        let mut bytes = Vec::new();
        let same = match partition.read_into(&file.path.node, &file.path.name, &mut bytes)? {
            FileState::Read(_) => Sha256Hash::of(&bytes) == file.sha256,
            _ => false,
        };
        if same {
            self.day.already_there += 1;
        } else {
            self.findings.push(Finding::new(
                tree.root().join(file.path.to_string()).display().to_string(),
                "something else is here already and was left as it is; restore into another \
                 directory to have both",
            ));
        }
        Ok(())
    }

    fn finding(&mut self, error: &Error) {
        self.findings.push(Finding::of(self.name.to_string(), error));
    }
}

fn stage(bulk: &BulkPlacer<'_>, wanted: Vec<Wanted>, staged: &mut Vec<Staged>) -> Result<()> {
    let done: Vec<Result<Staged>> = wanted
        .into_par_iter()
        .map(|event| {
            let mtime = Timestamp::from_micros(event.mtime.saturating_mul(1_000_000));
            let ticket = bulk.stage(&event.bytes, Some(mtime))?;
            let sha256 = Sha256Hash::of(&event.bytes);
            Ok(Staged { path: event.path, ticket, sha256 })
        })
        .collect();
    for file in done {
        staged.push(file?);
    }
    Ok(())
}

//! Checking a whole segment: read once, front to back, and proved to be what the writer
//! makes of the events inside it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::facts::{FrameFacts, SegmentFacts};
use super::frame::{Frame, FrameLabel, decompress};
use super::index::Index;
use super::reader::{FrameInfo, layout};
use super::seek::{self, SKIPPABLE_HEADER_BYTES};
use super::tar;
use super::{INDEX_MAGIC, SegmentSummary, Sha256Hash, TRAILER_BYTES};
use crate::event::{Date, EventPath};
use crate::{Error, Result};

/// What checking a segment found.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// What the segment holds, found anew from its events. `None` when a part of it could
    /// not be read.
    pub summary: Option<SegmentSummary>,
    /// Each thing that is wrong, in a sentence.
    pub findings: Vec<String>,
}

/// Checks a segment's file: every frame and its checksum, every member's header, the
/// order, the index, the seek table, and that there is nothing else. Damage in one frame
/// does not keep the others from being checked. `progress` is told of bytes as they are
/// read. An error means that the file could not be read at all.
pub fn check(file: &File, path: &Path, progress: &(dyn Fn(u64) + Sync)) -> Result<CheckReport> {
    let failed = |error| Error::io(path, "read", error);
    let file_bytes = file.metadata().map_err(failed)?.len();
    let tail_bytes = file_bytes.min(64 << 10);
    let mut tail = vec![0; tail_bytes as usize];
    file.read_exact_at(&mut tail, file_bytes - tail_bytes).map_err(failed)?;
    let layout = layout(file, file_bytes, &tail).map_err(failed)?;
    let mut checker = Checker {
        file,
        path,
        progress,
        hasher: Sha256::new(),
        read_to: 0,
        facts: SegmentFacts::new(),
        date: None,
        last: None,
        findings: layout.damage.into_iter().collect(),
        whole: true,
    };
    let frames = layout.frames.len();
    checker.frames(&layout.frames)?;
    checker.rest(layout.trailer, &layout.entries, file_bytes)?;
    Ok(checker.finish(frames, file_bytes))
}

struct Checker<'a> {
    file: &'a File,
    path: &'a Path,
    progress: &'a (dyn Fn(u64) + Sync),
    hasher: Sha256,
    /// Bytes that were hashed so far.
    read_to: u64,
    facts: SegmentFacts,
    date: Option<Date>,
    last: Option<EventPath>,
    findings: Vec<String>,
    /// Whether every frame could be read.
    whole: bool,
}

/// What one frame held.
struct Checked {
    facts: FrameFacts,
    first: Option<EventPath>,
    last: Option<EventPath>,
}

impl Checker<'_> {
    fn read(&mut self, bytes: u64) -> Result<Vec<u8>> {
        let mut buffer = vec![0; bytes as usize];
        self.file
            .read_exact_at(&mut buffer, self.read_to)
            .map_err(|error| Error::io(self.path, "read", error))?;
        self.hasher.update(&buffer);
        self.read_to += bytes;
        (self.progress)(bytes);
        Ok(buffer)
    }

    fn frames(&mut self, frames: &[FrameInfo]) -> Result<()> {
        let block = 2 * rayon::current_num_threads();
        for (block_number, infos) in frames.chunks(block).enumerate() {
            let mut compressed = Vec::with_capacity(infos.len());
            for info in infos {
                compressed.push(self.read(u64::from(info.compressed))?);
            }
            let path = self.path;
            let checked: Vec<Result<Checked, String>> = compressed
                .par_iter()
                .zip(infos)
                .enumerate()
                .map(|(number, (compressed, info))| {
                    let number = block_number * block + number;
                    let label = FrameLabel { path: path.to_owned(), number };
                    check_frame(compressed, info, label)
                })
                .collect();
            for (number, checked) in checked.into_iter().enumerate() {
                self.take(block_number * block + number, checked);
            }
        }
        Ok(())
    }

    fn take(&mut self, number: usize, checked: Result<Checked, String>) {
        let checked = match checked {
            Ok(checked) => checked,
            Err(reason) => {
                self.whole = false;
                self.findings.push(reason);
                return;
            }
        };
        if let Some(first) = &checked.first {
            let date = *self.date.get_or_insert(first.date);
            if first.date != date {
                self.findings.push(format!("frame {number}: {first} is of another day"));
            }
            if self.last.as_ref().is_some_and(|last| last >= first) {
                self.findings.push(format!("frame {number}: {first} is out of order or twice"));
            }
        }
        self.last = checked.last.or(self.last.take());
        self.facts.add(checked.facts);
    }

    /// The tar's end, the index and the seek table.
    fn rest(
        &mut self,
        trailer: Option<FrameInfo>,
        entries: &[seek::Entry],
        file_bytes: u64,
    ) -> Result<()> {
        if let Some(info) = trailer {
            let compressed = self.read(u64::from(info.compressed))?;
            match decompress(&compressed) {
                Ok(zeros) if zeros == [0; TRAILER_BYTES] => {}
                Ok(_) => self.findings.push("the tar does not end with 1024 zeros".to_owned()),
                Err(reason) => self.findings.push(format!("the tar's end: {reason}")),
            }
        }
        let rest = self.rest_bytes(file_bytes)?;
        if !self.whole {
            // What cannot be made anew cannot be compared; the frames were named.
            return Ok(());
        }
        let Some(date) = self.date.or_else(|| index_date(&rest)) else {
            self.findings.push("it has no events and no index".to_owned());
            return Ok(());
        };
        let index = self.facts.encode_index(date);
        let mut expected = seek::skippable_header(INDEX_MAGIC, index.len()).to_vec();
        expected.extend_from_slice(&index);
        if rest.get(..expected.len()) != Some(expected.as_slice()) {
            self.findings.push(index_reason(&rest));
            return Ok(());
        }
        if rest[expected.len()..] != seek::encode(entries) {
            self.findings.push(
                "its seek table is not that of its frames, or something follows it".to_owned(),
            );
        }
        Ok(())
    }

    /// All that is left of the file: hashed, and kept as far as an index can be.
    fn rest_bytes(&mut self, file_bytes: u64) -> Result<Vec<u8>> {
        const MOST: u64 = 512 << 20;
        const CHUNK: u64 = 1 << 20;
        let mut rest = Vec::new();
        while self.read_to < file_bytes {
            let chunk = self.read((file_bytes - self.read_to).min(CHUNK))?;
            if (rest.len() as u64) < MOST {
                rest.extend_from_slice(&chunk);
            }
        }
        Ok(rest)
    }

    fn finish(self, frames: usize, file_bytes: u64) -> CheckReport {
        let date = self.date;
        let summary = self.whole.then(|| SegmentSummary {
            sha256: Sha256Hash::finish(self.hasher),
            bytes: file_bytes,
            events: self.facts.events,
            invalid: self.facts.invalid,
            nodes: self.facts.nodes.clone(),
            first: self.facts.first,
            last: self.facts.last,
            content: self.facts.content(),
            frames: frames as u64,
            event_bytes: self.facts.event_bytes,
            index_bytes: date.map_or(0, |date| self.facts.encode_index(date).len() as u64),
        });
        CheckReport { summary, findings: self.findings }
    }
}

/// Why the index is not the one it should be: what it says of itself (damage, a version to
/// come) tells more than that it differs.
fn index_reason(rest: &[u8]) -> String {
    let size = rest.get(4..SKIPPABLE_HEADER_BYTES).and_then(|size| size.try_into().ok());
    let payload = size.and_then(|size| {
        let size = u32::from_le_bytes(size) as usize;
        rest[SKIPPABLE_HEADER_BYTES..].get(..size)
    });
    payload
        .and_then(|payload| Index::parse(payload.to_vec()).err())
        .unwrap_or_else(|| "its index is not that of its events".to_owned())
}

fn index_date(rest: &[u8]) -> Option<Date> {
    let at = SKIPPABLE_HEADER_BYTES + 88;
    std::str::from_utf8(rest.get(at..at + 10)?).ok()?.parse().ok()
}

fn check_frame(compressed: &[u8], info: &FrameInfo, label: FrameLabel) -> Result<Checked, String> {
    let number = label.number;
    let tar = decompress(compressed).map_err(|reason| format!("frame {number}: {reason}"))?;
    if tar.len() as u64 != u64::from(info.decompressed) {
        return Err(format!("frame {number}: its size is not the one in the seek table"));
    }
    let frame = Frame::new(tar, label, None);
    let mut checked = Checked { facts: FrameFacts::new(), first: None, last: None };
    for member in frame.members() {
        let member = member.map_err(|error| match error {
            Error::Corrupt { reason, .. } => reason,
            other => other.to_string(),
        })?;
        let timestamp = checked.facts.add(&member.path, member.bytes);
        if tar::mtime(&member.path, timestamp) != member.mtime {
            return Err(format!("frame {number}: the time of {} is not its own", member.path));
        }
        checked.first.get_or_insert_with(|| member.path.clone());
        checked.last = Some(member.path);
    }
    Ok(checked)
}

/// The tar's end must be exactly this long.
const _: () = assert!(TRAILER_BYTES == 2 * tar::BLOCK);

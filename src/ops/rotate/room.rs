//! Room for a day: the space that its segments will need, and the free space.
//!
//! Checked before anything of the day is written. If there is plenty of room this costs one call;
//! if not, a part of the day is compressed to estimate the rest. The estimate is on the safe side:
//! a day that does not fit after all costs nothing either, since what was begun for it is removed
//! again.

use std::io::{self, Write};

use crate::Result;
use crate::archive::Space;
use crate::live::{FileState, Listing, PartitionReader};
use crate::policy::Policy;
use crate::segment::{SegmentOptions, SegmentWriter};

/// Bytes per event with which days are assumed to fit without looking at their files.
const PLENTY_BYTES: u64 = 64 << 10;

/// Maximum size of a file in a segment beyond its own bytes: the rest of its tar header, and its
/// part of the index.
const MAX_BESIDE_BYTES: u64 = 256;

/// Number of files that are compressed to estimate the day, and how many of them lie side by side,
/// as they will in the segment.
const SAMPLE_FILES: usize = 2048;
const SAMPLE_RUN: usize = 256;

/// Size of the files beside a segment: its checksum file and its record, in full blocks.
const BESIDE_BYTES: u64 = 16 << 10;

/// The space that a day needs in the archive, and what is free.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Room {
    pub(super) event_bytes: u64,
    pub(super) needed_bytes: u64,
    pub(super) needed_files: u64,
    pub(super) free_bytes: u64,
    /// Number of free files; none if the file system does not count them.
    pub(super) free_files: Option<u64>,
}

impl Room {
    /// Examines the files of a day for which `wanted` holds.
    pub(super) fn of(
        listing: &Listing,
        partition: &PartitionReader<'_>,
        wanted: &dyn Fn(usize) -> bool,
        policy: &Policy,
        space: Space,
    ) -> Result<Self> {
        let numbers: Vec<usize> = (0..listing.len()).filter(|number| wanted(*number)).collect();
        let mut room = Self { free_bytes: space.bytes, free_files: space.files, ..Self::default() };
        if numbers.is_empty() {
            return Ok(room);
        }
        for number in &numbers {
            // Unstattable files are reported when reading them fails.
            let size = partition.size_of(listing.node(*number), &listing.name(*number));
            room.event_bytes += size.ok().flatten().unwrap_or(0);
        }
        // Segment and checksum file; the folder of the year and the manifest may be new.
        room.needed_files = 2;
        let segments = 1 + policy.retain.classes.len() as u64;
        room.needed_bytes = compressed(listing, partition, &numbers, policy, room.event_bytes)?
            + segments * BESIDE_BYTES;
        Ok(room)
    }

    /// Returns the reason if the day does not fit.
    pub(super) fn lacks(&self) -> Option<String> {
        if self.needed_bytes > self.free_bytes {
            return Some(format!(
                "the day needs about {} bytes in the archive, and {} are free there",
                self.needed_bytes, self.free_bytes
            ));
        }
        let free = self.free_files.filter(|free| *free < self.needed_files)?;
        Some(format!(
            "the day needs {} new files in the archive, and its file system has room for {free} \
             (no inodes are left)",
            self.needed_files
        ))
    }
}

/// Reports whether this many files certainly fit.
pub(super) fn is_plenty(space: Space, files: usize) -> bool {
    space.files.is_none_or(|free| free > 16) && space.bytes / PLENTY_BYTES > files as u64 + 16
}

/// Returns the estimated size of the files in a segment.
fn compressed(
    listing: &Listing,
    partition: &PartitionReader<'_>,
    numbers: &[usize],
    policy: &Policy,
    event_bytes: u64,
) -> Result<u64> {
    let options =
        SegmentOptions { level: policy.rotate.level, frame_size: policy.rotate.frame_size };
    let path = "estimate".as_ref();
    let mut writer = SegmentWriter::new(Nowhere, path, listing.date(), options);
    let runs: Vec<&[usize]> = numbers.chunks(SAMPLE_RUN).collect();
    let every = runs.len().div_ceil(SAMPLE_FILES / SAMPLE_RUN).max(1);
    let (mut files, mut bytes, mut buffer) = (0_u64, 0_u64, Vec::new());
    for number in runs.iter().step_by(every).copied().flatten() {
        let event = listing.path(*number);
        // Rotation leaves unreadable files out, too.
        if let Ok(FileState::Read(_)) = partition.read_into(&event.node, &event.name, &mut buffer) {
            writer.add(&event, &buffer)?;
            files += 1;
            bytes += buffer.len() as u64;
        }
    }
    let (_, summary) = writer.finish()?;
    let max = event_bytes + numbers.len() as u64 * MAX_BESIDE_BYTES;
    if every == 1 || files == 0 {
        return Ok(summary.bytes);
    }
    // By files and bytes alike, whichever is larger, and a tenth for what a sample misses.
    let scaled = |part: u64, whole: u64| {
        u128::from(summary.bytes) * u128::from(whole) / u128::from(part.max(1))
    };
    let likely = scaled(files, numbers.len() as u64).max(scaled(bytes, event_bytes));
    Ok(u64::try_from(likely + likely / 10).unwrap_or(u64::MAX).min(max))
}

/// A sink that keeps nothing: the writer itself knows how much it wrote.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

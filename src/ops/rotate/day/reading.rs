//! Reading of a day: each file is judged, and added to the segment of its class.

use std::io::BufWriter;

use super::{Building, DayRead, DayRun};
use crate::archive::SegmentName;
use crate::live::{FileState, Listing, PartitionReader};
use crate::ops::Finding;
use crate::ops::rotate::archived::{Archived, merge_join};
use crate::ops::rotate::copies::Copies;
use crate::ops::rotate::files::{BLOCK, Judged, ReadFile, describe, read_block};
use crate::ops::rotate::room::{Room, is_plenty};
use crate::policy::InvalidRule;
use crate::segment::{SegmentOptions, SegmentWriter, Sha256Hash};
use crate::{Error, Result};

impl<'a> DayRun<'a, '_> {
    /// Finds what is archived already. A damaged or missing segment is no reason to hold late
    /// arrivals back: what it does not give counts as not archived, and is archived again. A
    /// segment that cannot be read for now is one: the day waits, or events would be archived
    /// twice.
    pub(super) fn already_archived(&mut self, listing: &Listing) -> Result<Archived> {
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
    pub(super) fn lacks_room(
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
    pub(super) fn read(
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
}

//! Restoring live events into a directory.
//!
//! They are read by handle, as everywhere, and never through a link. A file that is gone by the
//! time it is read was rotated meanwhile: the caller looks for it in the segments that came since.

use std::collections::{HashMap, HashSet};

use super::RestoredDay;
use super::work::{RestoreRun, begin, finish};
use crate::archive::{ArchiveDir, Manifest};
use crate::event::{Date, EventPath, Timestamp};
use crate::live::{BulkPlacer, FileState, Listing, LiveTree, PartitionReader};
use crate::ops::Finding;
use crate::ops::rotate::archived::{Archived, merge_join};
use crate::progress::Progress;
use crate::segment::Sha256Hash;
use crate::store::Filter;
use crate::{Error, Result};

/// Number of files between checks for a request to stop.
const BLOCK: usize = 256;

/// A live day, listed before the manifest is read: so no event that moves is missed.
pub(super) struct LiveDay<'a> {
    live: &'a LiveTree,
    listing: Listing,
}

impl<'a> LiveDay<'a> {
    /// Lists a day; returns `None` if nothing of it is live.
    pub(super) fn list(live: &'a LiveTree, date: Date) -> Result<Option<Self>> {
        let listing = live.list(date)?;
        let is_there = !listing.is_empty() || !listing.unexpected().is_empty();
        Ok(is_there.then_some(Self { live, listing }))
    }

    /// Reports whether a file of the day may match.
    pub(super) fn may_match(&self, filter: &Filter) -> bool {
        (0..self.listing.len()).any(|number| meets(&self.listing, number, filter))
            || self.listing.unexpected().iter().any(|entry| entry.hides_events)
    }

    /// Writes the matching events, unless archived with the same bytes. Returns those that were
    /// gone by the time they were to be read.
    pub(super) fn restore(
        &self,
        archived: Option<(&ArchiveDir, &Manifest)>,
        run: &mut RestoreRun<'_>,
        day: &mut RestoredDay,
    ) -> Result<HashSet<EventPath>> {
        let (options, work, findings) = (run.options, run.work, &mut run.report.findings);
        let is_whole = options.filter.is_empty() && !options.dates.is_empty();
        for entry in self.listing.unexpected().iter().filter(|entry| is_whole || entry.hides_events)
        {
            let path = entry.path.display().to_string();
            findings.push(Finding::new(path, format!("{}; not restored", entry.reason)));
        }
        let more = self.listing.more_unexpected();
        if is_whole && more > 0 {
            let day = self.listing.date().to_string();
            findings.push(Finding::new(day, format!("and {more} more that are not events")));
        }
        let mut known = Archived::default();
        if let Some((archive, manifest)) = archived {
            for (segment, _) in manifest.segments_of(self.listing.date()) {
                // An unreadable segment counts as not archived: its events are taken from the live
                // files.
                let _ = merge_join(archive, segment, &self.listing, &mut known);
            }
        }
        let bulk = begin(work)?;
        let mut pass = Pass {
            listing: &self.listing,
            partition: self.live.partition(self.listing.date()),
            known,
            filter: &options.filter,
            bulk,
            copied: HashSet::new(),
            gone: HashSet::new(),
            day,
            findings,
        };
        pass.all(run.progress)?;
        let Pass { bulk, gone, day, findings, .. } = pass;
        finish(bulk, work, day, findings)?;
        Ok(gone)
    }
}

/// One pass over a day's files.
struct Pass<'a> {
    listing: &'a Listing,
    partition: PartitionReader<'a>,
    known: Archived,
    filter: &'a Filter,
    bulk: Option<BulkPlacer<'a>>,
    /// Contents already written for events that have stray copies.
    copied: HashSet<(EventPath, Sha256Hash)>,
    gone: HashSet<EventPath>,
    day: &'a mut RestoredDay,
    findings: &'a mut Vec<Finding>,
}

impl Pass<'_> {
    fn all(&mut self, progress: &dyn Progress) -> Result<()> {
        let copies: HashMap<usize, EventPath> = self.listing.stray_copies().collect();
        let originals: HashSet<EventPath> = copies.values().cloned().collect();
        // A copy counts only if it is all that is left of an event, so events come first, and then
        // copies, those with the shortest names first.
        let mut strays: Vec<usize> = copies.keys().copied().collect();
        strays.sort_by_cached_key(|number| {
            let name = self.listing.name(*number);
            (name.as_str().len(), name)
        });
        let events = (0..self.listing.len()).filter(|number| !copies.contains_key(number));
        let mut buffer = Vec::new();
        for (turn, number) in events.chain(strays).enumerate() {
            if turn % BLOCK == 0 && progress.stop_requested() {
                return Err(Error::Interrupted(format!(
                    "nothing of what is live of {} was restored; run it again",
                    self.listing.date()
                )));
            }
            if meets(self.listing, number, self.filter) {
                self.one(number, copies.get(&number), &originals, &mut buffer)?;
            }
        }
        Ok(())
    }

    fn one(
        &mut self,
        number: usize,
        original: Option<&EventPath>,
        originals: &HashSet<EventPath>,
        buffer: &mut Vec<u8>,
    ) -> Result<()> {
        let path = self.listing.path(number);
        let stamp = match self.partition.read_into(&path.node, &path.name, buffer) {
            Ok(FileState::Read(stamp)) => stamp,
            Ok(FileState::Gone) => {
                self.gone.insert(path);
                return Ok(());
            }
            Ok(FileState::NotRegular(kind)) => {
                self.wrong(&path, format!("it is {kind}, not a file; not restored"));
                return Ok(());
            }
            Ok(FileState::TooLarge(bytes)) => {
                self.wrong(&path, format!("it has {bytes} bytes, more than any event"));
                return Ok(());
            }
            Ok(FileState::Changed) => {
                self.wrong(&path, "it changed while it was read; not restored".to_owned());
                return Ok(());
            }
            Err(error) => {
                let finding = Finding::of(path.to_string(), &error);
                self.findings.push(finding);
                return Ok(());
            }
        };
        let fits = self.filter.is_empty() || self.filter.admits(buffer);
        if !fits {
            return Ok(());
        }
        let archived = self.known.of(number).unwrap_or_default();
        if original.is_some() || !archived.is_empty() || originals.contains(&path) {
            let hash = Sha256Hash::of(buffer);
            let key = (original.unwrap_or(&path).clone(), hash);
            let is_known =
                archived.contains(&hash) || self.known.of_original(number).contains(&hash);
            if is_known || !self.copied.insert(key) {
                return Ok(());
            }
            if !archived.is_empty() {
                self.wrong(
                    &path,
                    "another event of this name is archived, and stands in the directory; this \
                     one stays in the live tree"
                        .to_owned(),
                );
                return Ok(());
            }
        }
        if let Some(bulk) = &self.bulk {
            let mtime = Timestamp::from_micros(stamp.mtime_ns / 1000);
            bulk.stage(&path, buffer, Some(mtime))?;
        }
        self.day.events += 1;
        self.day.live += 1;
        self.day.event_bytes += buffer.len() as u64;
        Ok(())
    }

    fn wrong(&mut self, path: &EventPath, reason: String) {
        self.findings.push(Finding::new(path.to_string(), reason));
    }
}

/// Reports whether a file may match, as far as its name and its day tell its time.
fn meets(listing: &Listing, number: usize, filter: &Filter) -> bool {
    let day = Timestamp::MICROS_PER_DAY;
    let near = |from: i64, to: i64| {
        filter.since.is_none_or(|since| to >= since.micros())
            && filter.until.is_none_or(|until| from < until.micros())
    };
    let date = listing.date();
    let of_day = || near(date.start().micros() - day, date.end().micros() + day);
    match listing.instant(number) {
        Some(instant) if instant.date() != date => {
            near(instant.micros() - day, instant.micros() + day) || of_day()
        }
        Some(_) => of_day(),
        None => true,
    }
}

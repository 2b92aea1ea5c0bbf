//! The source of restored events: an archive, a live tree, or both.

use std::collections::{BTreeSet, HashSet};

use super::live::LiveDay;
use super::segment::SegmentRestore;
use super::work::RestoreRun;
use super::{RestoreOptions, RestoreReport, RestoreTarget, RestoredDay};
use crate::Context;
use crate::archive::{ArchiveDir, Expired, Manifest, Op, Record, SegmentName};
use crate::event::{Date, EventPath};
use crate::live::LiveTree;
use crate::ops::Finding;
use crate::progress::{Progress, Unit};
use crate::store::Store;
use crate::{Error, Result};

pub(super) fn open_archive(store: &Store) -> Result<ArchiveDir> {
    store.existing_archive("--archive or HLARCHIVE_ARCHIVE")
}

/// The source of restored events.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    /// The live tree, if live events are wanted, too.
    pub(super) live: Option<LiveTree>,
    pub(super) archive: Option<(ArchiveDir, Manifest)>,
    /// The reason if the archive is not here.
    pub(super) away: Option<String>,
}

impl<'a> Source<'a> {
    pub(super) fn open(store: &'a Store, options: &RestoreOptions) -> Result<Self> {
        let live = if options.live { store.live()? } else { None };
        let (archive, away) = if live.is_some() {
            let (archive, away) = store.readable_archive()?;
            (archive, away.map(|away| away.reason))
        } else {
            (Some(open_archive(store)?), None)
        };
        let archive = archive
            .map(|archive| {
                let manifest = Manifest::load(&archive)?;
                Ok::<_, Error>((archive, manifest))
            })
            .transpose()?;
        Ok(Self { store, live, archive, away })
    }

    /// Refuses a requested day that does not exist.
    pub(super) fn check_days(&self, options: &RestoreOptions) -> Result<()> {
        for date in &options.dates {
            let manifest = self.archive.as_ref().map(|(_, manifest)| manifest);
            if manifest.is_some_and(|manifest| manifest.segments_of(*date).next().is_some())
                || self.live_day(*date)?.is_some()
            {
                continue;
            }
            if let Some(reason) = &self.away {
                return Err(Error::Refused(reason.clone()));
            }
            let Some(manifest) = manifest else { return open_archive(self.store).map(drop) };
            return Err(not_there(manifest, *date, self.live.is_some()));
        }
        if self.archive.is_none() && self.away.is_none() && self.days(options)?.is_empty() {
            return open_archive(self.store).map(drop);
        }
        Ok(())
    }

    fn live_day(&self, date: Date) -> Result<Option<LiveDay<'_>>> {
        self.live.as_ref().map_or(Ok(None), |live| LiveDay::list(live, date))
    }

    /// Returns the days to read.
    fn days(&self, options: &RestoreOptions) -> Result<BTreeSet<Date>> {
        if !options.dates.is_empty() {
            return Ok(options.dates.iter().copied().collect());
        }
        let mut days = BTreeSet::new();
        // The live tree before the manifest: what moves meanwhile is then in both.
        if let Some(live) = &self.live {
            for date in live.dates()?.0 {
                let day = LiveDay::list(live, date)?;
                if day.is_some_and(|day| day.may_match(&options.filter)) {
                    days.insert(date);
                }
            }
        }
        let newest = self.archive.as_ref().map(|(archive, _)| Manifest::load(archive));
        if let Some(manifest) = newest.transpose()? {
            let wanted = manifest.segments().filter(|(name, it)| options.wants(name.date, it));
            days.extend(wanted.map(|(name, _)| name.date));
        }
        Ok(days)
    }

    pub(super) fn run(
        mut self,
        options: &RestoreOptions,
        work: Option<(&LiveTree, &Context)>,
        progress: &dyn Progress,
    ) -> Result<RestoreReport> {
        let target = match &options.target {
            RestoreTarget::Directory(directory) => directory,
            RestoreTarget::Live => self.store.root(),
        };
        let mut report =
            RestoreReport { target: target.display().to_string(), ..RestoreReport::default() };
        let dates = self.days(options)?;
        let mut bytes = 0_u64;
        if let Some((_, manifest)) = &self.archive {
            report.expired = Expired::of(manifest.expired().filter(|record| {
                let date = record.segment.as_ref().map(|segment| segment.date);
                date.is_some_and(|date| options.wants(date, record))
            }));
            let records = dates.iter().flat_map(|date| manifest.segments_of(*date));
            // A forged record may claim any number.
            bytes = records.filter_map(|(_, it)| it.bytes).fold(0, u64::saturating_add);
        }
        if let Some(reason) = self.away.take() {
            let place = self.store.archive_path().display().to_string();
            let mut finding = Finding::of(place, &Error::Refused(reason));
            finding.is_away = true;
            report.findings.push(finding);
        }
        progress.begin("restoring", Some(bytes), Unit::Bytes);
        let mut run = RestoreRun { options, work, progress, report };
        for date in dates {
            run.report.stopped |= progress.stop_requested();
            if run.report.stopped {
                run.report.left_days.push(date);
                continue;
            }
            let day = self.day(date, &mut run)?;
            if day.events > 0 || (!options.dates.is_empty() && !run.report.stopped) {
                run.report.days.push(day);
            }
        }
        progress.end();
        Ok(run.report)
    }

    /// Restores a day, archived and live.
    fn day(&mut self, date: Date, run: &mut RestoreRun<'_>) -> Result<RestoredDay> {
        let mut day = RestoredDay::begin(date);
        let live = self.live.take();
        let listed = live.as_ref().map(|live| LiveDay::list(live, date)).transpose()?.flatten();
        if listed.is_some() {
            self.look_again()?;
        }
        self.archived(run, &mut day, None)?;
        if let Some(listed) = listed.filter(|_| !run.report.stopped) {
            let archived = self.archive.as_ref().map(|(archive, manifest)| (archive, manifest));
            match listed.restore(archived, run, &mut day) {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => {
                    self.look_again()?;
                    self.archived(run, &mut day, Some(&gone))?;
                }
                Err(Error::Interrupted(_)) => {
                    run.report.stopped = true;
                    run.report.left_days.push(date);
                }
                Err(error) => return Err(error),
            }
        }
        self.live = live;
        Ok(day)
    }

    /// Reloads the manifest; also that of an archive that was created meanwhile.
    fn look_again(&mut self) -> Result<()> {
        match &mut self.archive {
            Some((archive, manifest)) => drop(manifest.reload_if_changed(archive)?),
            archive @ None => {
                if let (Some(found), None) = self.store.readable_archive()? {
                    let manifest = Manifest::load(&found)?;
                    *archive = Some((found, manifest));
                }
            }
        }
        Ok(())
    }

    /// Restores the segments of one day; if only some events are wanted, those not read yet.
    fn archived(
        &mut self,
        run: &mut RestoreRun<'_>,
        day: &mut RestoredDay,
        only: Option<&HashSet<EventPath>>,
    ) -> Result<()> {
        let Some((archive, manifest)) = &mut self.archive else { return Ok(()) };
        let before = day.clone();
        let findings = run.report.findings.len();
        let mut written = 0;
        loop {
            let of_day = manifest.segments_of(day.date);
            let segments =
                of_day.filter(|(name, _)| only.is_none() || !before.segments.contains(name));
            match restore_day(archive, segments, run, only, day) {
                Ok(()) => {
                    day.restored += written;
                    day.already_there = day.already_there.saturating_sub(written);
                    return Ok(());
                }
                // A segment is gone: then the manifest says so by now, and names what replaced it.
                Err(error) if error.is_not_found() => {
                    let head = manifest.head();
                    *manifest = Manifest::load(archive)?;
                    if manifest.head() == head {
                        return Err(error);
                    }
                    written += day.restored - before.restored;
                    run.report.findings.truncate(findings);
                    *day = before.clone();
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Returns the error for a day that cannot be restored.
fn not_there(manifest: &Manifest, date: Date, with_live: bool) -> Error {
    let pruned = manifest
        .records()
        .iter()
        .rfind(|record| record.op == Op::Prune && record.date == Some(date));
    let live = if with_live { "it is not live, and " } else { "" };
    Error::NotFound {
        what: date.to_string(),
        reason: match pruned {
            Some(record) => format!("this day expired, and was removed at {}", record.time),
            None => format!(
                "{live}the archive has no segment of this day; \"hlarchive manifest show\" names \
                 those it has"
            ),
        },
    }
}

/// Restores the segments of one day.
fn restore_day<'a>(
    archive: &ArchiveDir,
    segments: impl Iterator<Item = (&'a SegmentName, &'a Record)>,
    run: &mut RestoreRun<'_>,
    only: Option<&HashSet<EventPath>>,
    day: &mut RestoredDay,
) -> Result<()> {
    for (name, record) in segments {
        let before = (day.events, day.event_bytes);
        let mut one = SegmentRestore {
            archive,
            name,
            record,
            filter: &run.options.filter,
            only,
            work: run.work,
            into_live: run
                .work
                .filter(|_| matches!(run.options.target, RestoreTarget::Live))
                .map(|(live, _)| live),
            day: &mut *day,
            findings: &mut run.report.findings,
        };
        match one.run(run.progress) {
            Ok(()) => run.progress.advance(record.bytes.unwrap_or(0)),
            // The days before are restored, and are reported and recorded as such.
            Err(Error::Interrupted(_)) => {
                (day.events, day.event_bytes) = before;
                run.report.stopped = true;
                run.report.left_days.push(name.date);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

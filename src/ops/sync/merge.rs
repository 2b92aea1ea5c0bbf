//! Merging a readable tree and archive into a writable store.
//!
//! The source may be in use. Its live files are read before its manifest: what a rotation takes
//! away meanwhile is in a segment that the manifest then names.

use std::collections::HashSet;

use super::run::SyncRun;
use super::{SyncReport, nothing_there};
use crate::Context;
use crate::archive::{ArchiveDir, Manifest, ManifestWriter, NewRecord, Op, Record, SegmentName};
use crate::event::{EventHead, Timestamp};
use crate::live::{FileState, LiveTree};
use crate::ops::Finding;
use crate::ops::intake::{Arrival, Intake};
use crate::progress::Unit;
use crate::segment::{ContentDigest, SegmentReader, Sha256Hash};
use crate::store::Store;
use crate::{Error, Result};

/// Number of segments whose events are recorded together.
const SEGMENTS_TOGETHER: usize = 32;

/// Returns the contents that an archive ever had, or that an earlier sync read. A digest that was
/// only claimed by another machine, as older versions recorded it, does not count. If expired
/// events are wanted, too, only those that the archive has now.
pub(super) fn known_contents(manifest: &Manifest, with_expired: bool) -> HashSet<Sha256Hash> {
    if with_expired {
        // What was here once need not be here now.
        return manifest.segments().filter_map(|(_, record)| record.content).collect();
    }
    let is_ours = |record: &&Record| record.segment.is_some() || record.computed == Some(true);
    manifest.records().iter().filter(is_ours).filter_map(|record| record.content).collect()
}

/// The destination of merged events.
pub(super) struct Target<'a> {
    pub(super) live: Option<&'a LiveTree>,
    pub(super) archive: Option<&'a ArchiveDir>,
    pub(super) manifest: &'a Manifest,
    pub(super) context: &'a Context,
    pub(super) dry_run: bool,
    pub(super) with_expired: bool,
    /// The name of the source.
    pub(super) from: String,
    /// The name of its archive.
    pub(super) from_archive: String,
}

impl<'a> Target<'a> {
    pub(super) fn intake(&self) -> Intake<'a> {
        let archived = self.archive.map(|archive| (archive, self.manifest));
        Intake::new(self.live, archived, self.context, self.dry_run).with_expired(self.with_expired)
    }
}

/// Merges one store on this machine into another.
pub(super) fn local(source: &Store, destination: &Store, run: &mut SyncRun<'_>) -> Result<()> {
    let options = run.options;
    let (from_live, from_archive) = (source.live()?, source.archive()?);
    if from_live.is_none() && from_archive.is_none() {
        let archive = source.archive_path().display().to_string();
        return Err(nothing_there(&source.root().display().to_string(), &archive));
    }
    let archive = destination.archive()?;
    let manifest = archive.as_ref().map(Manifest::load).transpose()?.unwrap_or_default();
    let live = if options.dry_run { destination.live()? } else { Some(destination.create_live()?) };
    let target = Target {
        live: live.as_ref(),
        archive: archive.as_ref(),
        manifest: &manifest,
        context: run.context,
        dry_run: options.dry_run,
        with_expired: options.expired,
        from: run.report.source.clone(),
        from_archive: source.archive_path().display().to_string(),
    };
    if let Some(live) = live.as_ref().filter(|_| !options.dry_run) {
        live.remove_leftovers();
    }
    if let Some(from_live) = &from_live {
        take_live(from_live, &target, run)?;
    }
    let Some(from_archive) = &from_archive else { return Ok(()) };
    let from_manifest = Manifest::load(from_archive)?;
    let known = known_contents(&manifest, options.expired);
    let wanted = wanted(&from_manifest, &known, &mut run.report);
    take_segments(from_archive, &wanted, &target, run)
}

/// Returns the segments of a source that may hold something new.
pub(super) fn wanted<'m>(
    from: &'m Manifest,
    known: &HashSet<Sha256Hash>,
    report: &mut SyncReport,
) -> Vec<(&'m SegmentName, &'m Record)> {
    let mut wanted = Vec::new();
    for (name, record) in from.segments() {
        report.segments += 1;
        if record.content.is_some_and(|content| known.contains(&content)) {
            report.segments_known += 1;
        } else {
            wanted.push((name, record));
        }
    }
    wanted
}

/// Takes in every live event of a tree.
pub(super) fn take_live(from: &LiveTree, target: &Target<'_>, run: &mut SyncRun<'_>) -> Result<()> {
    let mut intake = target.intake();
    let outcome = offer_live(from, &target.from, run, &mut |arrival| intake.add(arrival));
    let flushed = intake.flush();
    let new = intake.stats.new;
    if new > 0 && !target.dry_run {
        let mut record = NewRecord::new(target.context.now(), Op::Import);
        record.events = Some(new);
        record.nodes = Some(intake.stats.nodes.clone());
        record.first = intake.stats.span.map(|(first, _)| first);
        record.last = intake.stats.span.map(|(_, last)| last);
        record.note = Some(format!("live events synced from {}", target.from));
        append(target, vec![record], &mut run.report)?;
    }
    run.report.take(intake);
    outcome.and(flushed)
}

/// Offers every live event of a tree, and reports what is not one; `label` is the name of the tree.
pub(super) fn offer_live(
    from: &LiveTree,
    label: &str,
    run: &mut SyncRun<'_>,
    take: &mut dyn FnMut(Arrival) -> Result<()>,
) -> Result<()> {
    let (dates, _) = from.dates()?;
    run.progress.begin("comparing live days", Some(dates.len() as u64), Unit::Days);
    let mut bytes = Vec::new();
    for date in dates {
        let listing = from.list(date)?;
        for entry in listing.unexpected().iter().filter(|entry| entry.hides_events) {
            let path = format!("{label}/{}", entry.path.display());
            run.report.findings.push(Finding::new(path, entry.reason.clone()));
        }
        let partition = from.partition(date);
        for number in 0..listing.len() {
            run.stop_if_asked()?;
            let path = listing.path(number);
            let named = || format!("{label}/{path}");
            let stamp = match partition.read_into(&path.node, &path.name, &mut bytes) {
                Ok(FileState::Read(stamp)) => stamp,
                // Rotation has it: the manifest, which is read later, tells where.
                Ok(FileState::Gone) => continue,
                Ok(_) => {
                    run.report
                        .findings
                        .push(Finding::new(named(), "it cannot be read in its present state"));
                    continue;
                }
                Err(error) => {
                    run.report.findings.push(Finding::of(named(), &error));
                    continue;
                }
            };
            if let Err(invalid) = EventHead::parse(&bytes) {
                run.report.invalid += 1;
                let reason = format!("not an event: {invalid}; it stays where it is");
                run.report.findings.push(Finding::new(named(), reason));
                continue;
            }
            let mtime = Some(Timestamp::from_micros(stamp.mtime_ns.div_euclid(1000)));
            take(Arrival { path, bytes: std::mem::take(&mut bytes), mtime })?;
        }
        run.progress.advance(1);
    }
    run.progress.end();
    Ok(())
}

/// Takes in the events of these segments, and records that they are here now.
pub(super) fn take_segments(
    from: &ArchiveDir,
    segments: &[(&SegmentName, &Record)],
    target: &Target<'_>,
    run: &mut SyncRun<'_>,
) -> Result<()> {
    run.progress.begin("comparing segments", Some(segments.len() as u64), Unit::Files);
    for together in segments.chunks(SEGMENTS_TOGETHER) {
        let mut records = Vec::new();
        let mut outcome = Ok(());
        for (name, record) in together {
            let mut intake = target.intake();
            let read = run
                .stop_if_asked()
                .and_then(|()| {
                    let segment = Offered { from, name, record, label: &target.from_archive };
                    segment.offer(&mut run.report, &mut |arrival| intake.add(arrival))
                })
                .and_then(|content| intake.flush().map(|()| content));
            outcome = match read {
                Ok(content) => {
                    let taken = content.filter(|_| intake.stats.conflicts == 0);
                    records.extend(taken.map(|it| seen(target, name, it, intake.stats.new)));
                    Ok(())
                }
                Err(error) => Err(error),
            };
            run.report.take(intake);
            run.progress.advance(1);
            if outcome.is_err() {
                break;
            }
        }
        append(target, records, &mut run.report)?;
        outcome?;
    }
    run.progress.end();
    Ok(())
}

/// A segment whose events are offered.
pub(super) struct Offered<'a> {
    pub(super) from: &'a ArchiveDir,
    pub(super) name: &'a SegmentName,
    pub(super) record: &'a Record,
    /// The name of its archive.
    pub(super) label: &'a str,
}

impl Offered<'_> {
    /// Offers every event. Returns the content digest of what was read; `None` if some of the
    /// segment cannot be read.
    pub(super) fn offer(
        &self,
        report: &mut SyncReport,
        take: &mut dyn FnMut(Arrival) -> Result<()>,
    ) -> Result<Option<Sha256Hash>> {
        let mut sound = true;
        let mut content = ContentDigest::default();
        let Self { from, name, record, .. } = *self;
        let path = from.segment_path(name);
        let label = format!("{}/{name}", self.label);
        report.segments_read += 1;
        let opened = from.open_segment(name).and_then(|file| {
            let as_recorded = file
                .matches_record(record.bytes, record.sha256)
                .map_err(|error| Error::io(&path, "read", error))?;
            Ok((as_recorded, SegmentReader::open_day(file, &path, name.date)?))
        });
        let reader = match opened {
            Ok((as_recorded, reader)) => {
                if !as_recorded {
                    sound = false;
                    report.findings.push(Finding::new(
                        label.clone(),
                        "its bytes differ from its manifest's record; what can still be read \
                     is taken",
                    ));
                }
                reader
            }
            Err(error) => {
                report.findings.push(Finding::of(label, &error));
                return Ok(None);
            }
        };
        for number in 0..reader.frames().len() {
            // Damage in a frame costs the events inside it.
            let frame = match reader.read_frame(number) {
                Ok(frame) => frame,
                Err(error) => {
                    sound = false;
                    report.findings.push(Finding::of(label.clone(), &error));
                    continue;
                }
            };
            for member in frame.members() {
                let member = match member {
                    Ok(member) => member,
                    Err(error) => {
                        sound = false;
                        report.findings.push(Finding::of(label.clone(), &error));
                        break;
                    }
                };
                content.add(member.path, member.bytes);
                if EventHead::parse(member.bytes).is_err() {
                    report.invalid += 1;
                    continue;
                }
                let mtime = Some(Timestamp::from_micros(member.mtime.saturating_mul(1_000_000)));
                take(Arrival { path: member.path.to_path(), bytes: member.bytes.to_vec(), mtime })?;
            }
        }
        let content = content.finish();
        if sound && record.content.is_some_and(|claimed| claimed != content) {
            let reason = "its events differ from its manifest's claims; what is in it was \
                          taken";
            report.findings.push(Finding::new(label, reason));
        }
        Ok(sound.then_some(content))
    }
}

/// Returns a record that all events of a segment are here now; by its content the next sync knows
/// it.
fn seen(target: &Target<'_>, name: &SegmentName, content: Sha256Hash, new: u64) -> NewRecord {
    let mut told = NewRecord::new(target.context.now(), Op::Import);
    told.date = Some(name.date);
    told.events = Some(new);
    told.content = Some(content);
    told.computed = Some(true);
    told.note = Some(format!("events of {name} synced from {}", target.from));
    told
}

/// Appends records, if there is an archive. While another run holds its lock they are left out:
/// they spare the next sync work, and nothing else depends on them.
fn append(target: &Target<'_>, records: Vec<NewRecord>, report: &mut SyncReport) -> Result<()> {
    let Some(archive) = target.archive.filter(|_| !target.dry_run && !records.is_empty()) else {
        return Ok(());
    };
    let lock = match archive.lock() {
        Err(Error::Busy { path, .. }) => {
            report.remarks.push(Finding::new(
                path.display().to_string(),
                "another hlarchive is at work here, so the manifest does not record this sync; \
                 the next one looks at the same segments again",
            ));
            return Ok(());
        }
        lock => lock?,
    };
    let context = target.context;
    let (mut writer, _) = ManifestWriter::open(archive, &lock, context.now(), context.by())?;
    for mut record in records {
        record.by = Some(context.by().clone());
        writer.append(record)?;
    }
    Ok(())
}

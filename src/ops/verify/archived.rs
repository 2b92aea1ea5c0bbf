//! Checks of segments against their records, their checksum files and themselves.

use std::collections::{BTreeMap, HashSet};

use super::run::VerifyRun;
use super::{Depth, VerifyReport};
use crate::Context;
use crate::archive::catalogue::{self, Checksums};
use crate::archive::copies::{PEERS, only_copy_gone};
use crate::archive::{
    ArchiveDir, FoundSegment, Manifest, Op, Record, SegmentName, UnexpectedEntry, overview,
};
use crate::event::{EventHead, Timestamp};
use crate::ops::Finding;
use crate::ops::rotate::files;
use crate::progress::{Progress, Unit};
use crate::segment::{SegmentReader, SegmentSummary, check};
use crate::{Error, Result};

/// Maximum number of misfiled events of a segment that are named; the rest are counted.
const MAX_MISFILED: usize = 20;
const OTHER_OVERVIEW: &str = "it differs from the manifest, so list, trace and show may miss \
                              segments; the next rotate recreates it";

const OTHER_MIRROR: &str = "it differs from that host's manifest, so list, trace and show may \
                            miss segments; the next \"hlarchive remote pull\" recreates it";

const OTHER_ENTRY: &str = "the catalogue differs from its index, so a trace may miss it; the next \
                           rotate rebuilds the catalogue";

const OTHER_STUB: &str = "its stub differs from its record, so events in it may be missed; \
                          \"hlarchive remote pull\" recreates it";

pub(super) fn verify_segments(archive: &ArchiveDir, manifest: &Manifest, run: &mut VerifyRun<'_>) {
    let (context, options, progress) = (run.context, run.options, run.progress);
    let report = &mut run.report;
    let wanted: Vec<_> = manifest.segments().filter(|(name, _)| options.wants(name.date)).collect();
    // A forged record may claim any number.
    let sizes = wanted.iter().filter_map(|(_, record)| record.bytes);
    let bytes = sizes.fold(0, u64::saturating_add);
    progress.begin("checking segments", Some(bytes), Unit::Bytes);
    if overview::is_false(archive, manifest).unwrap_or(false) {
        report.wrong("overview", OTHER_OVERVIEW);
    }
    let catalogued = catalogue::checksums(archive);
    let evicted = manifest.evicted();
    let lost = lost_copies(archive, &evicted, report);
    for (name, record) in wanted {
        if progress.stop_requested() {
            report.stopped = true;
            break;
        }
        let whole = match options.depth {
            Depth::Full => true,
            Depth::Quick => false,
            Depth::Sample(percent) => chance(context) * 100.0 < percent,
        };
        report.segments += 1;
        report.archived_events = report.archived_events.saturating_add(record.events.unwrap_or(0));
        report.archived_invalid_files =
            report.archived_invalid_files.saturating_add(record.invalid.unwrap_or(0));
        let label = name.to_string();
        let findings_before = report.findings.len();
        let mut findings = Vec::new();
        let eviction = evicted.get(name).filter(|_| archive.has_file(name).is_ok_and(|has| !has));
        let outcome = match eviction {
            Some(eviction) => {
                let lost = eviction.object.as_ref().filter(|object| lost.contains(*object));
                findings.extend(lost.map(|object| only_copy_gone(object)));
                verify_stub(archive, name, record, eviction, &mut findings)
            }
            None if whole => verify_checksum_file(archive, name, record, &mut findings)
                .and_then(|()| verify_whole(archive, name, record, progress, &mut findings)),
            None => verify_checksum_file(archive, name, record, &mut findings)
                .and_then(|()| verify_quick(archive, name, record, &mut findings)),
        };
        let outcome =
            outcome.and_then(|()| verify_entry(archive, name, record, &catalogued, &mut findings));
        if eviction.is_some() {
            report.segments_elsewhere += 1;
        }
        if !whole || eviction.is_some() {
            progress.advance(record.bytes.unwrap_or(0));
        }
        if whole && eviction.is_none() {
            report.segments_read_whole += 1;
            report.segment_bytes = report.segment_bytes.saturating_add(record.bytes.unwrap_or(0));
        }
        report.findings.extend(findings.into_iter().map(|reason| Finding::new(&label, reason)));
        if outcome.is_ok() {
            name_misfiled(archive, name, record, whole && eviction.is_none(), report);
        }
        if let Err(error) = outcome {
            // Removed since the manifest was read: it expired, or another one replaced it.
            if error.is_not_found()
                && Manifest::load_checked(archive).is_ok_and(|(now, _)| !now.names(name))
            {
                report.findings.truncate(findings_before);
                continue;
            }
            let reason = if error.is_not_found() {
                "the manifest records this segment, but there is no such file".to_owned()
            } else {
                Finding::of(&label, &error).reason
            };
            report.wrong(label, reason);
        }
    }
    progress.end();
}

/// Returns the lost copies of segments without a local file, as far as that can be seen without a
/// request over a network.
fn lost_copies(
    archive: &ArchiveDir,
    evicted: &BTreeMap<&SegmentName, &Record>,
    report: &mut VerifyReport,
) -> HashSet<String> {
    let objects: Vec<&str> =
        evicted.values().filter_map(|record| record.object.as_deref()).collect();
    match archive.lost_copies(&objects) {
        Ok(lost) => lost.into_iter().collect(),
        Err(error) => {
            let reason = format!("the copies were not looked for: {}", crate::error::plain(&error));
            let path = archive.manifest_path().display().to_string();
            report.remarks.push(Finding::new(path, reason));
            HashSet::new()
        }
    }
}

/// Reports archived events whose timestamps are not of the day that they are filed under. That is
/// not damage: what is archived never changes, and a query by their time finds them.
fn name_misfiled(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    whole: bool,
    report: &mut VerifyReport,
) {
    let (Some(first), Some(last)) = (record.first, record.last) else { return };
    if first.date() == name.date && last.date() == name.date {
        return;
    }
    let mut misfiled = Vec::new();
    if whole {
        // Unreadable segments were reported when they were checked.
        let _ = gather_misfiled(archive, name, &mut misfiled);
    }
    if misfiled.is_empty() {
        let reason = format!("it holds events of other days than its own: {first} to {last}");
        report.misfiled.push(Finding::new(name.to_string(), reason));
        return;
    }
    let more = misfiled.len().saturating_sub(MAX_MISFILED);
    misfiled.truncate(MAX_MISFILED);
    report.misfiled.append(&mut misfiled);
    if more > 0 {
        let reason = format!("{more} more events of it have timestamps that are not of its day");
        report.misfiled.push(Finding::new(name.to_string(), reason));
    }
}

fn gather_misfiled(
    archive: &ArchiveDir,
    name: &SegmentName,
    misfiled: &mut Vec<Finding>,
) -> Result<()> {
    let file = archive.open_segment(name)?;
    let reader = SegmentReader::open_day(file, &archive.segment_path(name), name.date)?;
    for number in 0..reader.frames().len() {
        let stats = reader.index().map(|index| index.frame(number));
        let is_of_day = |time: Option<Timestamp>| time.is_none_or(|time| time.date() == name.date);
        if stats.is_some_and(|stats| is_of_day(stats.first) && is_of_day(stats.last)) {
            continue;
        }
        for member in reader.read_frame(number)?.members() {
            let member = member?;
            let path = member.path.to_path();
            if let Ok(head) = EventHead::parse(member.bytes)
                && let Some(reason) = files::misfiled(&path, &head)
            {
                misfiled.push(Finding::new(path.to_string(), reason));
            }
        }
    }
    Ok(())
}

/// Returns a number from 0 up to 1.
fn chance(context: &Context) -> f64 {
    f64::from((context.next_token() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

fn verify_checksum_file(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    findings: &mut Vec<String>,
) -> Result<()> {
    let Some(sha256) = record.sha256 else {
        findings.push("its record has no sha256".to_owned());
        return Ok(());
    };
    let expected = ArchiveDir::checksum_text(name, &sha256);
    match archive.read_checksum(name)? {
        None => findings.push(format!("its checksum file {}.sha256 is missing", name.file_name())),
        Some(text) if text != expected.as_bytes() => findings.push(format!(
            "its checksum file {}.sha256 differs from the manifest's record",
            name.file_name()
        )),
        Some(_) => {}
    }
    Ok(())
}

/// Checks that a stub says of its segment what the manifest says. Nothing is fetched: remote data
/// is checked by "remote verify".
fn verify_stub(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    eviction: &Record,
    findings: &mut Vec<String>,
) -> Result<()> {
    let Some(stub) = archive.read_stub(name)? else {
        findings.push(
            "it is remote, but its stub is missing; \"hlarchive remote pull\" recreates it"
                .to_owned(),
        );
        return Ok(());
    };
    if Some(stub.bytes) != record.bytes
        || Some(stub.sha256) != record.sha256
        || Some(&stub.object) != eviction.object.as_ref()
        || eviction.tail.is_some_and(|tail| tail != stub.tail_sha256())
    {
        findings.push(OTHER_STUB.to_owned());
    }
    verify_quick(archive, name, record, findings)
}

fn verify_whole(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    progress: &dyn Progress,
    findings: &mut Vec<String>,
) -> Result<()> {
    let path = archive.segment_path(name);
    if !archive.has_file(name)? {
        return Err(no_file(&path));
    }
    let file = archive.open_segment(name)?;
    let report = check(&file, &path, &|bytes| progress.advance(bytes))?;
    findings.extend(report.findings);
    if report.date.is_some_and(|date| date != name.date) {
        findings.push("its events are of another day than its name says".to_owned());
    }
    if let Some(summary) = report.summary {
        compare(record, &summary, findings);
    }
    Ok(())
}

/// Returns the error for a missing file: a stub does not make up for a file that was not evicted.
fn no_file(path: &std::path::Path) -> Error {
    Error::io(path, "open", std::io::ErrorKind::NotFound)
}

/// Checks the segment's entry in the catalogue, if there is one, against its index.
fn verify_entry(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    catalogued: &Checksums,
    findings: &mut Vec<String>,
) -> Result<()> {
    let Some(sha256) = record.sha256 else { return Ok(()) };
    let Some(checksums) = catalogued.get(&sha256) else { return Ok(()) };
    let reader = SegmentReader::open_day(
        archive.open_segment(name)?,
        &archive.segment_path(name),
        name.date,
    )?;
    // A segment without its index was reported already.
    let Some(index) = reader.index() else { return Ok(()) };
    // Any of several entries would be enough to skip the segment.
    for checksum in checksums {
        if !catalogue::is_entry_of(*checksum, sha256, index)? {
            findings.push(OTHER_ENTRY.to_owned());
            break;
        }
    }
    Ok(())
}

/// Checks the mirrors of other hosts' archives: what is derived must say what their manifests say.
/// Their segments are remote, and "remote verify" reads those.
pub(super) fn verify_mirrors(archive: &ArchiveDir, run: &mut VerifyRun<'_>) -> Result<()> {
    let (options, progress, report) = (run.options, run.progress, &mut run.report);
    for (host, mirror) in archive.peers()? {
        let label = |what: &dyn std::fmt::Display| format!("{PEERS}/{host}/{what}");
        let (manifest, damages) = Manifest::load_checked(&mirror)?;
        for damage in &damages {
            report.wrong(label(&"manifest.jsonl"), damage.clone());
        }
        if !damages.is_empty() {
            continue;
        }
        if overview::is_false(&mirror, &manifest).unwrap_or(false) {
            report.wrong(label(&"overview"), OTHER_MIRROR);
        }
        let catalogued = catalogue::checksums(&mirror);
        let evicted = manifest.evicted();
        for (name, record) in manifest.segments().filter(|(name, _)| options.wants(name.date)) {
            if progress.stop_requested() {
                report.stopped = true;
                return Ok(());
            }
            let mut findings = Vec::new();
            let outcome = verify_mirrored(&mirror, name, record, &evicted, &mut findings)
                .and_then(|()| verify_entry(&mirror, name, record, &catalogued, &mut findings));
            let wrong = findings.into_iter().map(|reason| Finding::new(label(name), reason));
            report.findings.extend(wrong);
            if let Err(error) = outcome
                && !error.is_not_found()
            {
                let reason = Finding::of(name.to_string(), &error).reason;
                report.wrong(label(name), reason);
            }
        }
    }
    Ok(())
}

fn verify_mirrored(
    mirror: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    evicted: &BTreeMap<&SegmentName, &Record>,
    findings: &mut Vec<String>,
) -> Result<()> {
    // A pull may not have reached it yet; readers report it.
    let Some(stub) = mirror.read_stub(name)? else { return Ok(()) };
    let tail = evicted.get(name).and_then(|eviction| eviction.tail);
    if Some(stub.bytes) != record.bytes
        || Some(stub.sha256) != record.sha256
        || tail.is_some_and(|tail| tail != stub.tail_sha256())
    {
        findings.push(OTHER_STUB.to_owned());
    }
    verify_quick(mirror, name, record, findings)
}

/// Compares the record with the contents of the segment.
fn compare(record: &Record, summary: &SegmentSummary, findings: &mut Vec<String>) {
    let mut same = |what: &str, same: bool| {
        if !same {
            findings.push(format!("its {what} differs from the manifest's record"));
        }
    };
    same("SHA-256", record.sha256 == Some(summary.sha256));
    same("size", record.bytes == Some(summary.bytes));
    same("number of events", record.events == Some(summary.events));
    same("number of invalid files", record.invalid == Some(summary.invalid));
    same("count by node", record.nodes.as_ref() == Some(&summary.nodes));
    same("first timestamp", record.first == summary.first);
    same("last timestamp", record.last == summary.last);
    same("content digest", record.content == Some(summary.content));
}

fn verify_quick(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    findings: &mut Vec<String>,
) -> Result<()> {
    let path = archive.segment_path(name);
    let file = archive.open_segment(name)?;
    let bytes = file.len().map_err(|error| Error::io(&path, "read", error))?;
    if record.bytes != Some(bytes) {
        findings.push(format!("it has {bytes} bytes, which differs from the manifest's record"));
    }
    let reader = SegmentReader::open_day(file, &path, name.date)?;
    if let Some(damage) = reader.damage() {
        findings.push(damage.to_owned());
    }
    if let Some(index) = reader.index() {
        let mut same = |what: &str, same: bool| {
            if !same {
                findings
                    .push(format!("the {what} in its index differs from the manifest's record"));
            }
        };
        same("number of events", record.events == Some(index.events()));
        same("number of invalid files", record.invalid == Some(index.invalid()));
        same("first timestamp", record.first == index.first());
        same("last timestamp", record.last == index.last());
        same("content digest", record.content == Some(index.content()));
    }
    Ok(())
}

/// Reports files that no record names.
pub(super) fn verify_unrecorded(
    archive: &ArchiveDir,
    manifest: &Manifest,
    files: &[FoundSegment],
    unexpected: &[UnexpectedEntry],
    run: &mut VerifyRun<'_>,
) {
    let (options, report) = (run.options, &mut run.report);
    let recorded: HashSet<&SegmentName> = manifest.segments().map(|(name, _)| name).collect();
    let extra: Vec<&FoundSegment> = files
        .iter()
        .filter(|found| options.wants(found.name.date) && !recorded.contains(&found.name))
        .collect();
    if extra.is_empty() && unexpected.is_empty() {
        return;
    }
    // A run that was active at the first look may have finished since: only what is still there
    // without a record at a second look was left behind.
    let is_locked = archive.is_locked();
    let Ok((files_now, unexpected_now)) = archive.segment_files() else { return };
    let Ok((manifest_now, _)) = Manifest::load_checked(archive) else { return };
    let extra: Vec<&FoundSegment> = extra
        .into_iter()
        .filter(|found| files_now.contains(found) && !manifest_now.names(&found.name))
        .collect();
    if is_locked {
        for found in extra {
            report.remarks.push(Finding::new(
                found.name.to_string(),
                "not recorded yet; another hlarchive is at work on this archive",
            ));
        }
        return;
    }
    for found in extra {
        let is_gone = |record: &Record| {
            (record.op == Op::Prune && record.segment.as_ref() == Some(&found.name))
                || record.supersedes.iter().flatten().any(|old| *old == found.name)
        };
        let reason = if manifest.records().iter().any(is_gone) {
            "the manifest records it as gone, but the file is still there; the next rotate or \
             prune removes it"
        } else {
            "no record of the manifest names this file: a run was stopped before it was done \
             (the next rotate of its day settles it), or it was put here by other means"
        };
        report.wrong(found.name.to_string(), reason);
    }
    for entry in unexpected.iter().filter(|entry| unexpected_now.contains(entry)) {
        report.wrong(entry.path.display().to_string(), entry.reason.clone());
    }
}

//! Checks of segments against their records, their checksum files and themselves.

use std::collections::{BTreeMap, HashSet};

use super::misfiled::name_misfiled;
use super::run::VerifyRun;
use super::segment::{verify_checksum_file, verify_entry, verify_quick, verify_stub, verify_whole};
use super::{Depth, VerifyReport};
use crate::Context;
use crate::archive::copies::only_copy_gone;
use crate::archive::words::Listed;
use crate::archive::{ArchiveDir, Manifest, Record, SegmentName, catalogue, overview};
use crate::ops::Finding;
use crate::progress::Unit;

const OTHER_OVERVIEW: &str = "it differs from the manifest, so list, trace and show may miss \
                              segments; the next rotate recreates it";

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
    // Only what reads the events can compare their words.
    let listed = match options.depth {
        Depth::Quick => Listed::default(),
        Depth::Full | Depth::Sample(_) => Listed::load(archive),
    };
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
                .and_then(|()| verify_whole(archive, name, record, &listed, progress))
                .map(|found| findings.extend(found)),
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

/// Returns a number from 0 up to 1.
fn chance(context: &Context) -> f64 {
    f64::from((context.next_token() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

//! Files in an archive that no record names.

use std::collections::HashSet;

use super::run::VerifyRun;
use crate::archive::{
    ArchiveDir, FoundSegment, Manifest, Op, Record, SegmentName, UnexpectedEntry,
};
use crate::ops::Finding;

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

//! Checks of live files: each is read and parsed, and must match its path.

use rayon::prelude::*;

use super::run::VerifyRun;
use crate::Result;
use crate::archive::{ArchiveDir, Manifest};
use crate::event::{EventHead, EventPath};
use crate::live::{FileState, LiveTree, PartitionReader};
use crate::ops::rotate::archived::{Archived, merge_join};
use crate::ops::rotate::files::misfiled;
use crate::ops::{Finding, is_future};
use crate::progress::Unit;
use crate::segment::Sha256Hash;

/// Number of files that are read together.
const BLOCK: usize = 2048;

pub(super) fn verify_live(
    live: &LiveTree,
    archived: Option<(&ArchiveDir, &Manifest)>,
    run: &mut VerifyRun<'_>,
) -> Result<()> {
    let (options, progress, now) = (run.options, run.progress, run.context.now());
    let report = &mut run.report;
    let (dates, unexpected) = live.dates()?;
    for entry in unexpected {
        report.wrong(entry.path.display().to_string(), entry.reason);
    }
    let dates: Vec<_> = dates.into_iter().filter(|date| options.wants(*date)).collect();
    progress.begin("checking live days", Some(dates.len() as u64), Unit::Days);
    for date in dates {
        let listing = live.list(date)?;
        for entry in listing.unexpected() {
            report.wrong(entry.path.display().to_string(), entry.reason.clone());
        }
        let mut twice = Archived::default();
        if let (Some((archive, manifest)), false) = (archived, listing.is_empty()) {
            for (segment, _) in manifest.segments_of(date) {
                // An unreadable segment was reported when the archive was checked.
                let _ = merge_join(archive, segment, &listing, &mut twice);
            }
        }
        let partition = live.partition(date);
        for from in (0..listing.len()).step_by(BLOCK) {
            if progress.stop_requested() {
                report.stopped = true;
                return Ok(());
            }
            let to = (from + BLOCK).min(listing.len());
            let findings: Vec<Finding> = (from..to)
                .into_par_iter()
                .map_init(Vec::new, |buffer, number| {
                    let path = listing.path(number);
                    let reason = match partition.read_into(&path.node, &path.name, buffer) {
                        Ok(FileState::Gone) => None,
                        Ok(FileState::Read(_)) => {
                            let archived = twice.of(number).unwrap_or_default();
                            judge(&path, buffer, archived)
                        }
                        Ok(FileState::NotRegular(kind)) => {
                            Some(format!("it is {kind}, not a file"))
                        }
                        Ok(FileState::TooLarge(bytes)) => {
                            Some(format!("it has {bytes} bytes, more than any event"))
                        }
                        Ok(FileState::Changed) => {
                            Some("it changes while it is read; events never change".to_owned())
                        }
                        Err(error) => Some(Finding::of(path.to_string(), &error).reason),
                    };
                    reason.map(|reason| Finding::new(path.to_string(), reason))
                })
                .flatten()
                .collect();
            report.live_files += (to - from) as u64;
            report.findings.extend(findings);
            // Not damage: it will be as it should in its time.
            for path in (from..to).map(|number| listing.path(number)) {
                let (_, time) = path.sort_parts();
                if is_future(time, now) {
                    let reason =
                        format!("its timestamp {time} is later than now: is a clock wrong?");
                    report.remarks.push(Finding::new(path.to_string(), reason));
                }
            }
        }
        for (number, original) in listing.stray_copies() {
            let path = listing.path(number);
            if is_copy(&partition, &path, &original, twice.of_original(number)) {
                let reason = format!(
                    "a stray copy of {}: it counts once, and goes with the next rotate of its day",
                    original.name
                );
                report.remarks.push(Finding::new(path.to_string(), reason));
            }
        }
        progress.advance(1);
    }
    progress.end();
    report.passed_over = live.passed_over();
    Ok(())
}

/// Reports whether a file has the content of the event, live or archived, that it was copied from.
fn is_copy(
    partition: &PartitionReader<'_>,
    path: &EventPath,
    original: &EventPath,
    archived: &[Sha256Hash],
) -> bool {
    let read = |path: &EventPath| {
        let mut bytes = Vec::new();
        match partition.read_into(&path.node, &path.name, &mut bytes) {
            Ok(FileState::Read(_)) => Some(Sha256Hash::of(&bytes)),
            _ => None,
        }
    };
    read(path).is_some_and(|hash| archived.contains(&hash) || read(original) == Some(hash))
}

fn judge(path: &EventPath, bytes: &[u8], archived: &[Sha256Hash]) -> Option<String> {
    if !archived.is_empty() && !archived.contains(&Sha256Hash::of(bytes)) {
        return Some(
            "another event of this name is archived; the next rotate keeps both".to_owned(),
        );
    }
    let head = match EventHead::parse(bytes) {
        Ok(head) => head,
        Err(error) => return Some(format!("not an event: {error}")),
    };
    if let Some(reason) = misfiled(path, &head) {
        return Some(reason);
    }
    if head.node != path.node.as_str() {
        return Some(format!(
            "it names node {}, but is in the directory of {}",
            crate::event::shown(&head.node),
            path.node
        ));
    }
    None
}

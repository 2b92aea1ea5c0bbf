//! Verify: proof that nothing was lost or altered, or a report of each thing that was.
//!
//! Reads everything and writes nothing. The manifest's chain is checked first, then each segment it
//! names against its record, its checksum file and its own index, then files in the archive without
//! a record, then the live files.

mod after;
mod archived;
mod live;
mod mirrors;
mod misfiled;
mod options;
mod proof;
mod report;
mod run;
mod segment;
mod unrecorded;

pub use after::AfterHead;
pub use options::{Depth, VerifyOptions};
pub use report::{ReadDepth, VerifyReport};
use run::VerifyRun;

use super::clock::from_the_future;
use super::standing;
use crate::Context;
use crate::History;
use crate::archive::{ArchiveDir, Expired, Manifest};
use crate::live::{FoundNote, NOTE};
use crate::ops::Finding;
use crate::progress::Progress;
use crate::segment::Sha256Hash;
use crate::store::{FoundArchive, Store};
use crate::{Error, Result};

/// The message that refuses a head of zeros.
const ZEROS: &str = "--head: 64 zeros are the head before the first record, with which every \
                     manifest begins, so they prove nothing; give a head that \"hlarchive manifest \
                     head\" printed";

impl History {
    /// Checks the history: the manifest's chain, every segment against its record and its
    /// own checksums, the derived files, and the live files.
    ///
    /// Problems are in the report's findings; the call itself fails only if nothing can be checked.
    ///
    /// ```
    /// use hlarchive::{History, RotateOptions, VerifyOptions};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// history.emit("backup_completed").timestamp(history.time("30d ago")?).send()?;
    /// history.rotate(&RotateOptions::default())?;
    /// let report = history.verify(&VerifyOptions::default())?;
    /// assert!(report.findings.is_empty());
    /// assert_eq!(report.segments, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn verify(&self, options: &VerifyOptions) -> Result<VerifyReport> {
        verify(&self.store, &self.context.stopped(), options, &*self.progress)
    }
}

/// Checks the history.
fn verify(
    store: &Store,
    context: &Context,
    options: &VerifyOptions,
    progress: &dyn Progress,
) -> Result<VerifyReport> {
    if options.head == Some(Sha256Hash::ZERO) {
        return Err(Error::Usage(ZEROS.to_owned()));
    }
    let mut run = VerifyRun { context, options, progress, report: VerifyReport::default() };
    let report = &mut run.report;
    let live = store.live()?;
    let FoundArchive { dir, away, note } = store.found_archive()?;
    let is_away = away.is_some();
    let archive = dir;
    if live.is_none() && archive.is_none() && away.is_none() {
        return Err(Error::NotFound {
            what: store.root().display().to_string(),
            reason: format!(
                "there is neither an event tree here nor an archive at {}; name them with \
                 --root and --archive",
                store.archive_path().display()
            ),
        });
    }
    if let FoundNote::Doubtful(reason) = &note {
        report.wrong(NOTE, format!("{reason}, so it does not count as the tree's note"));
    }
    if options.archive {
        if let Some(reason) = away {
            let path = store.archive_path().display().to_string();
            let reason = reason.strip_prefix(&format!("{path}: ")).unwrap_or(&reason);
            report.wrong(path, reason);
        }
        // An existing archive is checked, whosever it is.
        if let Some(archive) = &archive {
            verify_archive(store, archive, &mut run)?;
        } else {
            let path = store.archive_path().display().to_string();
            if options.head.is_some() {
                let reason = "there is no archive, so the given head is not in its manifest";
                run.report.wrong(path, reason);
            } else if options.witness.is_some() {
                run.report.wrong(path, "there is no archive, so nothing in it is signed");
            } else if !is_away {
                run.report.remarks.push(Finding::new(path, "there is no archive here yet"));
            }
        }
    }
    if let (true, Some(live)) = (options.live, &live) {
        let manifest = archive.as_ref().map(Manifest::load).transpose().unwrap_or_default();
        let archived = archive.as_ref().zip(manifest.as_ref());
        live::verify_live(live, archived, &mut run)?;
    }
    proof::tell(&mut run.report, options, archive.is_some(), live.is_some());
    Ok(run.report)
}

fn verify_archive(store: &Store, archive: &ArchiveDir, run: &mut VerifyRun<'_>) -> Result<()> {
    let (options, report) = (run.options, &mut run.report);
    // Files first, then the manifest: so a segment that a rotation puts in place meanwhile is
    // rather recorded and not listed than the other way round.
    let (files, unexpected) = archive.segment_files()?;
    let (manifest, damages) = Manifest::load_checked(archive)?;
    let manifest_path = archive.manifest_path().display().to_string();
    for damage in damages {
        report.wrong(manifest_path.clone(), damage);
    }
    if let Some(torn) = manifest.torn() {
        report.wrong(
            manifest_path.clone(),
            format!(
                "the last line is torn ({} bytes): a crash cut it off, or it was damaged; the \
                 next rotate repairs it and says so",
                torn.bytes
            ),
        );
    }
    report.manifest_records = manifest.records().len() as u64;
    report.manifest_head = Some(manifest.head());
    if let Some(head) = options.head
        && !manifest.has_head(head)
    {
        report.wrong(
            manifest_path,
            format!("{head} was never a head of this manifest: it was rewritten or cut off"),
        );
    }
    let expired = manifest.expired().filter(|record| {
        record.segment.as_ref().is_some_and(|segment| options.wants(segment.date))
    });
    if let Some(expired) = Expired::of(expired) {
        (report.expired_segments, report.expired_events) = (expired.segments, expired.events);
        let count = |number: u64, what: &str| {
            format!("{number} {what}{}", if number == 1 { "" } else { "s" })
        };
        let (segments, events) =
            (count(expired.segments, "segment"), count(expired.events, "event"));
        let remark = format!("{expired}: {segments}, {events}");
        report.remarks.push(Finding::new(archive.manifest_path().display().to_string(), remark));
    }
    report.remarks.extend(from_the_future(&manifest, run.context.now()));
    if let Some(witness) = &options.witness {
        witness.check(archive, &manifest, report)?;
    }
    let given = options.head.and_then(|head| manifest.records_at(head));
    let proven = given.max(report.signed_records);
    report.after_head = proven.map(|proven| after::records_after(&manifest, proven));
    archived::verify_segments(archive, &manifest, run);
    mirrors::verify_mirrors(archive, run)?;
    if options.depth == Depth::Full
        && options.dates.is_empty()
        && run.report.findings.is_empty()
        && standing::is_false(store, archive, &manifest).unwrap_or(false)
    {
        run.report.wrong("state", "it differs from the segments; the next write repairs it");
    }
    unrecorded::verify_unrecorded(archive, &manifest, &files, &unexpected, run);
    Ok(())
}

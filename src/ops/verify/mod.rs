//! Verify: proof that nothing was lost or altered, or the name of each thing that was.
//!
//! Reads everything and writes nothing. The manifest's chain is checked first, then each
//! segment it names against its record, its checksum file and its own index, then what
//! lies in the archive without a record, then the live files.

mod after;
mod archived;
mod live;
mod proof;

use serde::Serialize;

pub use after::AfterHead;
pub use proof::ReadDepth;

use super::clock::from_the_future;
use super::standing;
use crate::Context;
use crate::History;
use crate::archive::{ArchiveDir, Expired, Manifest};
use crate::event::Date;
use crate::live::{FoundNote, NOTE};
use crate::ops::Finding;
use crate::ops::sign::Witness;
use crate::progress::Progress;
use crate::segment::Sha256Hash;
use crate::store::{FoundArchive, Store};
use crate::{Error, Result};

/// How much of a segment is read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Depth {
    /// All of it: every byte is hashed, every frame decompressed, every member parsed.
    #[default]
    Full,
    /// Only sizes, checksum files, indexes and seek tables.
    Quick,
    /// All of a random share of the segments, in percent; of the others as `Quick`.
    Sample(f64),
}

/// What to verify.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Only these days; empty for all.
    pub dates: Vec<Date>,
    /// Whether live files are checked.
    pub live: bool,
    /// Whether the archive is checked.
    pub archive: bool,
    /// How much of each segment is read.
    pub depth: Depth,
    /// A head of the manifest that was kept elsewhere: nothing up to it may have changed.
    pub head: Option<Sha256Hash>,
    /// A public key, and perhaps a signature that was kept elsewhere: what was signed must
    /// still be so.
    pub witness: Option<Witness>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            dates: Vec::new(),
            live: true,
            archive: true,
            depth: Depth::Full,
            head: None,
            witness: None,
        }
    }
}

impl VerifyOptions {
    fn wants(&self, date: Date) -> bool {
        self.dates.is_empty() || self.dates.contains(&date)
    }
}

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct VerifyReport {
    /// What was read.
    pub depth: ReadDepth,
    /// Who vouches for the manifest: `none`, `head`, `signature` or `head and signature`.
    pub witness: &'static str,
    /// What it proves, in one sentence.
    pub proves: String,
    /// Records of the manifest.
    pub manifest_records: u64,
    /// The manifest's head, as `manifest head` prints it.
    pub manifest_head: Option<Sha256Hash>,
    /// Of how many of them a signature vouches, where signatures were checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_records: Option<u64>,
    /// The records after the newest one that the given head or a signature vouches for, where
    /// there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_head: Option<Vec<AfterHead>>,
    /// Segments that were looked at.
    pub segments: u64,
    /// Among them those that were read whole.
    pub segments_read_whole: u64,
    /// Segments whose files lie elsewhere: their stubs were checked.
    pub segments_elsewhere: u64,
    /// Bytes of segments that were read whole.
    pub segment_bytes: u64,
    /// Events in the segments, as recorded.
    pub archived_events: u64,
    /// Segments that expired: known, and not wrong.
    pub expired_segments: u64,
    /// The events that were in them, as recorded.
    pub expired_events: u64,
    /// Live files that were read.
    pub live_files: u64,
    /// Files and directories of other programs that were passed over in the live tree.
    pub passed_over: u64,
    /// Archived files that are no events, kept as they were: known, and not wrong.
    pub archived_invalid_files: u64,
    /// Each thing that is wrong.
    pub findings: Vec<Finding>,
    /// What is remarkable, but not wrong.
    pub remarks: Vec<Finding>,
    /// Archived events whose timestamps are not of the day that they are filed under.
    pub misfiled: Vec<Finding>,
    /// Whether the caller asked to stop before all was checked.
    pub stopped: bool,
}

impl VerifyReport {
    fn wrong(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        self.findings.push(Finding::new(path, reason));
    }
}

/// Why a head of zeros is refused.
const ZEROS: &str = "--head: 64 zeros are the head before the first record, with which every \
                     manifest begins, so they prove nothing; give a head that \"hlarchive manifest \
                     head\" printed";

impl History {
    /// Checks the history: the manifest's chain, every segment against its record and its
    /// own checksums, the derived files, and the live files.
    ///
    /// What is wrong is in the report's findings; the call itself fails only where nothing
    /// can be checked.
    ///
    /// ```
    /// use hlarchive::{History, RotateOptions, VerifyOptions};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// history.emit("backup_completed").timestamp("2026-05-16T03:00:00Z".parse()?).send()?;
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
    let mut report = VerifyReport::default();
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
        // What is there is looked at, whosever it is.
        if let Some(archive) = &archive {
            verify_archive(store, archive, context, options, progress, &mut report)?;
        } else {
            let path = store.archive_path().display().to_string();
            if options.head.is_some() {
                let reason = "there is no archive, so the given head is not in its manifest";
                report.wrong(path, reason);
            } else if options.witness.is_some() {
                report.wrong(path, "there is no archive, so nothing in it is signed");
            } else if !is_away {
                report.remarks.push(Finding::new(path, "there is no archive here yet"));
            }
        }
    }
    if let (true, Some(live)) = (options.live, &live) {
        let manifest = archive.as_ref().map(Manifest::load).transpose().unwrap_or_default();
        let archived = archive.as_ref().zip(manifest.as_ref());
        live::verify_live(live, archived, options, context.now(), progress, &mut report)?;
    }
    proof::tell(&mut report, options, archive.is_some(), live.is_some());
    Ok(report)
}

fn verify_archive(
    store: &Store,
    archive: &ArchiveDir,
    context: &Context,
    options: &VerifyOptions,
    progress: &dyn Progress,
    report: &mut VerifyReport,
) -> Result<()> {
    // Files first, then the manifest: so a segment that a rotation puts in place
    // meanwhile is rather recorded and not listed than the other way round.
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
                 next rotate mends it and says so",
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
            format!("{head} is no head that this manifest ever had: it was rewritten or cut off"),
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
    report.remarks.extend(from_the_future(&manifest, context.now()));
    if let Some(witness) = &options.witness {
        witness.check(archive, &manifest, report)?;
    }
    let given = options.head.and_then(|head| manifest.records_at(head));
    let proven = given.max(report.signed_records);
    report.after_head = proven.map(|proven| after::records_after(&manifest, proven));
    archived::verify_segments(archive, &manifest, context, options, progress, report);
    archived::verify_mirrors(archive, options, progress, report)?;
    if options.depth == Depth::Full
        && options.dates.is_empty()
        && report.findings.is_empty()
        && standing::is_false(store, archive, &manifest).unwrap_or(false)
    {
        report.wrong("state", "it does not say what the segments say; the next write mends it");
    }
    archived::verify_unrecorded(archive, &manifest, &files, &unexpected, options, report);
    Ok(())
}

//! Rebuilding the manifest from the segments.

use crate::Context;
use crate::History;
use crate::archive::{
    ArchiveIdentity, Manifest, NewRecord, Op, Record, Replaced, SegmentName, Stub, TreeRecord,
    rebuild,
};
use crate::live::FoundNote;
use crate::ops::derived;
use crate::ops::{Finding, audit};
use crate::progress::{Progress, Unit};
use crate::segment::{SegmentSummary, check};
use crate::store::{FoundArchive, Store};
use crate::{Error, Result};

/// A report of a rebuild.
#[derive(Debug, Default, serde::Serialize)]
#[non_exhaustive]
pub struct ManifestRebuildReport {
    /// Segments that the new manifest names.
    pub segments: u64,
    /// Segments that are damaged, and so were left out.
    pub findings: Vec<Finding>,
}

impl History {
    /// Writes a new manifest from the existing segments, each read and checked in full. What only
    /// the old one knew (holds, what expired) is lost, so this is for an archive whose manifest is
    /// lost or damaged beyond a backup.
    pub fn rebuild_manifest(&self) -> Result<ManifestRebuildReport> {
        rebuild_manifest(&self.store, &self.context.stopped(), &*self.progress)
    }

    /// Loads the manifest and checks its chain; without an archive it is empty.
    pub(crate) fn manifest(&self) -> Result<Manifest> {
        load(&self.store)
    }
}

/// Writes a new manifest from the existing segments, each read and checked in full. A segment that
/// cannot be read at all stops the rebuild. The old manifest is kept beside it; the new one says
/// that it was rebuilt, and takes over its holds, its promises and what expired.
fn rebuild_manifest(
    store: &Store,
    context: &Context,
    progress: &dyn Progress,
) -> Result<ManifestRebuildReport> {
    // Any archive will do: a lost or damaged manifest may be what keeps it from being recognized.
    let FoundArchive { dir, away, note } = store.found_archive()?;
    let (archive, away) = match (dir, away) {
        (Some(archive), away) => (archive, away),
        (None, Some(reason)) => return Err(Error::Refused(reason)),
        (None, None) => return Err(Error::no_archive(store.archive_path(), "--archive")),
    };
    // An empty directory is not what is left of the tree's archive.
    if let Some(reason) = away
        && archive.identity()? == ArchiveIdentity::New
        && archive.segment_files()?.0.is_empty()
        && archive.stub_names()?.is_empty()
    {
        return Err(Error::Refused(reason));
    }
    let lock = archive.lock()?;
    archive.remove_leftovers(&lock)?;
    let mut report = ManifestRebuildReport::default();
    // A remote segment has its stub here; the rest of it is fetched.
    let mut found = archive.stub_names()?;
    found.extend(archive.segment_files()?.0.into_iter().map(|found| found.name));
    progress.begin("reading segments", Some(found.len() as u64), Unit::Files);
    // The segments do not know what expired, what was promised, and what is held. From a damaged
    // manifest, the lines that are intact are believed.
    let old = Manifest::load_checked(&archive).map(|(old, _)| old).unwrap_or_default();
    let mut records: Vec<NewRecord> = old.expired().map(|record| again(context, record)).collect();
    let copies = old.copies();
    for name in found {
        if progress.stop_requested() {
            return Err(Error::Interrupted("the manifest stays as it was".to_owned()));
        }
        let path = archive.segment_path(&name);
        let checked = archive.open_segment(&name).and_then(|file| check(&file, &path, &|_| {}));
        match checked {
            Ok(checked) if checked.date.is_some_and(|date| date != name.date) => {
                report.findings.push(Finding::new(
                    name.to_string(),
                    "its events are of another day than its name says",
                ));
            }
            Ok(checked) if checked.findings.is_empty() => {
                if let Some(summary) = checked.summary {
                    let mut record = NewRecord::new(context.now(), Op::Import);
                    record.by = Some(context.by().clone());
                    record.note = Some("rebuilt from the segment".to_owned());
                    record.describe(&name, &summary);
                    let was = old.record_of(&name);
                    if let Some(was) = was.filter(|was| was.sha256 == Some(summary.sha256)) {
                        record.keep.clone_from(&was.keep);
                        record.yields = was.yields;
                    }
                    records.push(record);
                    report.segments += 1;
                    if !archive.has_file(&name)? {
                        let stub = archive.read_stub(&name)?;
                        let object = stub.as_ref().map(|stub| stub.object.as_str());
                        let copy = |op| copy_record(context, op, &name, &summary, object);
                        let mut eviction = copy(Op::Evict);
                        eviction.tail = stub.as_ref().map(Stub::tail_sha256);
                        records.extend([copy(Op::Upload), eviction]);
                        continue;
                    }
                    if let Some(object) = copies.get(&summary.sha256) {
                        let copy = copy_record(context, Op::Upload, &name, &summary, Some(object));
                        records.push(copy);
                    }
                    // A run that was stopped without room may have left it without a checksum file.
                    if archive.read_checksum(&name).is_ok_and(|text| text.is_none()) {
                        let token = context.next_token();
                        archive.write_checksum(&name, &summary.sha256, token, &lock)?;
                    }
                }
            }
            Ok(checked) => report.findings.extend(
                checked.findings.into_iter().map(|reason| Finding::new(name.to_string(), reason)),
            ),
            // The segment may be intact: a manifest without it would hide its events.
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => report.findings.push(Finding::of(name.to_string(), &error)),
        }
        progress.advance(1);
    }
    progress.end();
    let held: Vec<u64> = old.holds().iter().map(|hold| hold.id).collect();
    let held = old.records().iter().filter(|record| held.contains(&record.seq));
    records.extend(held.map(|record| again(context, record)));
    let token = context.next_token();
    let by = Some(context.by().clone());
    rebuild(&archive, &lock, context.now(), by, replaced(&old, &note), records, token)?;
    let manifest = Manifest::load(&archive)?;
    derived::complete(store, &archive, &manifest, context.next_token(), &lock);
    let event = audit::AuditEvent { event_type: "archive_rebuilt", ..audit::AuditEvent::default() };
    report.findings.extend(audit::emit_audit(store, context, &manifest, 0, event));
    Ok(report)
}

/// Returns what the new manifest takes over: the identity of the archive, by its first record or
/// else by what the tree remembers, and the tree.
fn replaced(old: &Manifest, note: &FoundNote) -> Replaced {
    let noted = match note {
        FoundNote::Believed(note) => note.origin.as_deref(),
        _ => None,
    };
    let noted = noted.and_then(|origin| u64::from_str_radix(origin, 16).ok());
    let tree = old.tree().map(|bound| TreeRecord {
        since: Some(bound.since),
        host: bound.host.map(str::to_owned),
        ..bound.tree.clone()
    });
    Replaced { origin: old.identity().or(noted), tree }
}

/// Records that a segment has a remote copy, or is only remote.
fn copy_record(
    context: &Context,
    op: Op,
    name: &SegmentName,
    summary: &SegmentSummary,
    object: Option<&str>,
) -> NewRecord {
    let mut record = NewRecord::new(context.now(), op);
    record.by = Some(context.by().clone());
    record.describe_copy(name, summary.sha256, summary.bytes, object);
    record
}

/// Copies a record of the replaced manifest into the new one.
fn again(context: &Context, record: &Record) -> NewRecord {
    let note = format!("record {} of the manifest that was replaced", record.seq);
    let mut again = NewRecord::new(context.now(), record.op.clone());
    again.by.clone_from(&record.by);
    again.describe_as(record);
    again.to = record.to;
    again.correlation_id.clone_from(&record.correlation_id);
    again.reason.clone_from(&record.reason);
    again.note = Some(note);
    again
}

/// Loads the manifest as it is, for display.
pub(crate) fn load(store: &Store) -> Result<Manifest> {
    match store.archive()? {
        Some(archive) => Manifest::load(&archive),
        None => Ok(Manifest::default()),
    }
}

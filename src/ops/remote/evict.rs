//! Eviction: local segments with safe remote copies are removed to free space; a stub stays.
//!
//! Stub, record, removal, in this order. The copy was read back in full when it was made; before
//! the local file is removed, the remote is asked again whether it is there.

use std::collections::HashMap;

use serde::Serialize;

use super::place::Place;
use super::{Listing, Remote, hash_of};
use crate::Context;
use crate::History;
use crate::archive::{ArchiveDir, Manifest, ManifestWriter, NewRecord, Op, SegmentName};
use crate::ops::Finding;
use crate::ops::clock::check_clock;
use crate::ops::hold::Holds;
use crate::ops::job::Job;
use crate::ops::prune::{is_over, since};
use crate::policy::Policy;
use crate::progress::Unit;
use crate::segment::Sha256Hash;
use crate::store::Store;
use crate::{Error, Result};

/// A segment whose local file is removed, or was.
#[derive(Debug, Clone, Serialize)]
pub struct Evicted {
    /// Its path in the archive.
    pub segment: SegmentName,
    /// The object that replaces it.
    pub object: String,
    /// The size of the local file.
    pub bytes: u64,
    #[serde(skip)]
    sha256: Sha256Hash,
}

/// A report of what an eviction did, or would do.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct EvictReport {
    /// Evicted segments.
    pub evicted: Vec<Evicted>,
    /// Segments that are due but stay, since they are held.
    pub held: Vec<SegmentName>,
    /// Segments that are due but stay, since they have no copy yet.
    pub not_copied: Vec<SegmentName>,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub recovered: Vec<Finding>,
    /// Problems.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

/// Returns what [`evict`] would do, as far as known without asking the remote.
pub(super) fn evict_plan(store: &Store, policy: &Policy, context: &Context) -> Result<EvictReport> {
    let Some(archive) = store.archive()? else { return Ok(EvictReport::default()) };
    let manifest = Manifest::load(&archive)?;
    plan(&archive, &manifest, &manifest.copies(), policy, context)
}

fn plan(
    archive: &ArchiveDir,
    manifest: &Manifest,
    copies: &HashMap<Sha256Hash, &str>,
    policy: &Policy,
    context: &Context,
) -> Result<EvictReport> {
    let mut report = EvictReport::default();
    let holds = Holds::of(archive, manifest.holds());
    for (name, record) in manifest.segments() {
        let (Some(sha256), Some(bytes)) = (record.sha256, record.bytes) else { continue };
        let since = since(name, record, record.time);
        if !is_over(policy.retain.local, since, context.now()) || !archive.has_file(name)? {
            continue;
        }
        if holds.keeping(name).is_some() {
            report.held.push(name.clone());
            continue;
        }
        match copies.get(&sha256) {
            None => report.not_copied.push(name.clone()),
            Some(object) => report.evicted.push(Evicted {
                segment: name.clone(),
                object: (*object).to_owned(),
                bytes,
                sha256,
            }),
        }
    }
    Ok(report)
}

/// Removes the local files of segments that are due and have copies.
pub(super) fn evict(
    history: &History,
    context: &Context,
    trust_now: bool,
    remote: Remote<'_>,
) -> Result<EvictReport> {
    let History { store, policy, progress, .. } = history;
    let Some(archive) = store.archive()? else { return Ok(EvictReport::default()) };
    let live = store.live()?;
    let lock = archive.lock()?;
    let accept = |manifest: &Manifest| check_clock(context, trust_now, manifest, live.as_ref());
    let mut job = Job::begin(store, context, &archive, &lock, &accept)?;
    job.remove_leftovers()?;
    finish_last(&archive, &job.writer)?;
    let manifest = job.manifest();
    let mut report = plan(&archive, manifest, &manifest.copies(), policy, context)?;
    if report.evicted.is_empty() {
        report.recovered = job.recovered;
        return Ok(report);
    }
    // Only what was copied to this very place may be removed.
    let listing = Listing::of(remote.bucket, remote.host)?;
    let place = Place::of(remote, &listing, manifest, false, context.next_token())?;
    let copies = manifest.copies_at(&place.record);
    report = plan(&archive, manifest, &copies, policy, context)?;
    report.recovered = std::mem::take(&mut job.recovered);
    let planned = std::mem::take(&mut report.evicted);
    let eviction = Eviction { archive: &archive, context, remote, place: &place };
    progress.begin("evicting", Some(planned.len() as u64), Unit::Files);
    for segment in planned {
        report.stopped |= progress.stop_requested();
        if report.stopped {
            break;
        }
        match eviction.evict_one(&mut job.writer, &segment) {
            Ok(()) => report.evicted.push(segment),
            Err(error) if job.writer.is_poisoned() || error.is_away() => return Err(error),
            Err(error) => report.findings.push(Finding::of(segment.segment.to_string(), &error)),
        }
        progress.advance(1);
    }
    progress.end();
    job.complete_derived();
    Ok(report)
}

/// Repeats the removal of the last eviction: after a power cut, the checksum file may have outlived
/// the segment.
fn finish_last(archive: &ArchiveDir, writer: &ManifestWriter<'_>) -> Result<()> {
    let last = writer.manifest().records().iter().rev().find(|record| record.op == Op::Evict);
    match last.and_then(|record| record.segment.as_ref()) {
        Some(name) if !archive.has_file(name)? => archive.remove_local(name, writer.lock()),
        _ => Ok(()),
    }
}

/// The removal of local files that have copies in one place.
struct Eviction<'a> {
    archive: &'a ArchiveDir,
    context: &'a Context,
    remote: Remote<'a>,
    place: &'a Place,
}

impl Eviction<'_> {
    fn evict_one(&self, writer: &mut ManifestWriter<'_>, segment: &Evicted) -> Result<()> {
        let Self { archive, context, remote, place } = *self;
        let Evicted { segment: name, object, .. } = segment;
        let mut is_there = remote.bucket.size(object)? == Some(segment.bytes);
        if is_there && place.is_renumbered {
            // It was mounted again, or is a copy of the original: so more than the size is checked.
            let read = hash_of(remote.bucket, object, segment.bytes, 0, &|_| {})?;
            is_there = read.sha256 == segment.sha256;
        }
        if !is_there {
            return Err(Error::corrupt(
                format!("{}/{object}", remote.bucket.url()),
                "the copy is missing or differs from its record, so the file stays here; the next \
                 push sends it again",
            ));
        }
        let stub = archive.make_stub(name, object, segment.sha256)?;
        archive.write_stub(name, &stub, context.next_token(), writer.lock())?;
        let mut record = NewRecord::new(context.now(), Op::Evict);
        record.by = Some(context.by().clone());
        record.describe_copy(name, segment.sha256, segment.bytes, Some(object));
        record.tail = Some(stub.tail_sha256());
        writer.append(record)?;
        archive.remove_local(name, writer.lock())
    }
}

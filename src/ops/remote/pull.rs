//! Mirrors of other hosts' archives: their manifests, and a stub of each segment.
//!
//! From then on readers know of them without a request, and fetch only the frames they need.
//! Nothing depends on a mirror: it can be removed, and is created again. This host's own stubs that
//! are missing or damaged are recreated, too.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::place::nothing_at;
use super::{Listing, Remote, manifest_text, whole};
use crate::Context;
use crate::archive::copies::{PEERS, segment_object};
use crate::archive::{ArchiveDir, ArchiveLock, Manifest, SegmentName, Stub, derived};
use crate::event::NodeName;
use crate::ops::Finding;
use crate::progress::{Progress, Unit};
use crate::remote::Bucket;
use crate::segment::{Away, Fetch, Piece, SegmentBytes, SegmentReader, Sha256Hash, tail_offset};
use crate::store::Store;
use crate::{Error, Result};

/// Size of the first part fetched of a segment: enough for seek table and index of a usual day.
const TAIL_BYTES: u64 = 64 << 10;

/// Number of tails that are fetched together.
const TOGETHER: usize = 64;

/// Totals of a mirrored host.
#[derive(Debug, Clone, Serialize)]
pub struct MirroredHost {
    /// Its name.
    pub host: String,
    /// Number of records of its manifest.
    pub records: u64,
    /// Number of its segments.
    pub segments: u64,
    /// Number of the events in them.
    pub events: u64,
    /// Number of stubs that are new here.
    pub new_stubs: u64,
}

/// A report of a pull.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct PullReport {
    /// The other hosts.
    pub hosts: Vec<MirroredHost>,
    /// Recreated stubs of this host's own segments.
    pub mended_stubs: Vec<SegmentName>,
    /// Problems.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

/// Updates the mirrors of all other hosts. A problem with one costs only that one; a bucket that
/// cannot be reached ends the run.
pub(super) fn pull(
    store: &Store,
    context: &Context,
    remote: Remote<'_>,
    progress: &dyn Progress,
) -> Result<PullReport> {
    let mut report = PullReport::default();
    let folders: BTreeSet<String> = remote.bucket.folders()?.into_iter().collect();
    let archive = store.create_archive()?;
    if !folders.contains(remote.host)
        && Manifest::load(&archive)?.uploads_of(remote.host).next().is_some()
    {
        return Err(nothing_at(remote.bucket.url()));
    }
    mend_own(&archive, context, remote, &mut report)?;
    let hosts: Vec<String> = folders
        .into_iter()
        .filter(|host| host != remote.host && NodeName::for_writing(host).is_ok())
        .collect();
    progress.begin("mirroring", Some(hosts.len() as u64), Unit::Files);
    for host in hosts {
        report.stopped |= progress.stop_requested();
        if report.stopped {
            break;
        }
        match mirror(&archive, context, remote.bucket, &host, &mut report.findings) {
            Ok(mirrored) => report.hosts.push(mirrored),
            Err(error) if error.is_away() => return Err(error),
            Err(error) => report.findings.push(Finding::of(host, &error)),
        }
        progress.advance(1);
    }
    progress.end();
    Ok(report)
}

fn mirror(
    archive: &ArchiveDir,
    context: &Context,
    bucket: &Bucket,
    host: &str,
    findings: &mut Vec<Finding>,
) -> Result<MirroredHost> {
    let mirror = ArchiveDir::create(&archive.root().join(PEERS).join(host))?;
    let lock = mirror.lock()?;
    for path in mirror.remove_leftovers(&lock)? {
        let _ = path;
    }
    let listing = Listing::of(bucket, host)?;
    let known = Manifest::load(&mirror).ok().filter(|manifest| manifest.torn().is_none());
    let ahead = known.as_ref().map(|manifest| (&mirror, manifest));
    // A rebuilt host may have another history than the known one.
    let text = match manifest_text(bucket, host, &listing, ahead) {
        Err(Error::Corrupt { .. }) if known.is_some() => {
            manifest_text(bucket, host, &listing, None)?
        }
        text => text?,
    };
    let there = known.as_ref().and_then(whole).map(|all| mirror.manifest_lines(&all));
    let is_new = there.transpose()?.as_ref() != Some(&text);
    let manifest = Manifest::of_text(&text, &format!("{}/{host}", bucket.url()))?;
    let mut wanted = Vec::new();
    let evicted = manifest.evicted();
    for (name, record) in manifest.segments() {
        let (Some(sha256), Some(bytes)) = (record.sha256, record.bytes) else { continue };
        let object = segment_object(host, name, sha256);
        let tail = evicted.get(name).and_then(|eviction| eviction.tail);
        let has = |stub: &Stub| {
            stub.sha256 == sha256
                && stub.bytes == bytes
                && stub.object == object
                && tail.is_none_or(|tail| tail == stub.tail_sha256())
        };
        if mirror.read_stub(name).ok().flatten().as_ref().is_some_and(has) {
            continue;
        }
        if listing.size(host, &object) == Some(bytes) {
            wanted.push(Wanted { name: name.clone(), object, sha256, bytes });
        } else {
            let path = format!("{PEERS}/{host}/{name}");
            let reason = format!("{}/{object} is missing or differs from its record", bucket.url());
            findings.push(Finding::new(path, reason));
        }
    }
    let new_stubs = wanted.len() as u64;
    let stubs = StubMaker { archive: &mirror, context, bucket, lock: &lock };
    stubs.make(&wanted, findings)?;
    // Readers learn of segments only when their stubs are there; and of removed ones, before their
    // stubs are removed.
    if is_new && !text.is_empty() {
        mirror.sync_names(manifest.segments().map(|(name, _)| name))?;
        mirror.put_manifest(&text, true, context.next_token(), &lock)?;
    }
    for gone in mirror.stub_names()?.iter().filter(|name| !manifest.names(name)) {
        mirror.remove_stub(gone, &lock)?;
    }
    derived::complete(&mirror, &manifest, context.next_token(), &lock);
    let events = manifest.segments().filter_map(|(_, record)| record.events);
    Ok(MirroredHost {
        host: host.to_owned(),
        records: manifest.records().len() as u64,
        segments: manifest.segments().count() as u64,
        events: events.fold(0, u64::saturating_add),
        new_stubs,
    })
}

/// Recreates stubs of this host's own evicted segments.
fn mend_own(
    archive: &ArchiveDir,
    context: &Context,
    remote: Remote<'_>,
    report: &mut PullReport,
) -> Result<()> {
    let manifest = Manifest::load(archive)?;
    let mut wanted = Vec::new();
    for (name, record) in manifest.evicted() {
        let (Some(sha256), Some(bytes), Some(object)) =
            (record.sha256, record.bytes, record.object.clone())
        else {
            continue;
        };
        let is_of = |stub: &Stub| {
            stub.sha256 == sha256
                && stub.bytes == bytes
                && stub.object == object
                && record.tail.is_none_or(|tail| tail == stub.tail_sha256())
        };
        let is_sound = archive.read_stub(name).is_ok_and(|stub| stub.as_ref().is_some_and(is_of));
        if !is_sound && !archive.has_file(name)? {
            wanted.push(Wanted { name: name.clone(), object, sha256, bytes });
        }
    }
    if wanted.is_empty() {
        return Ok(());
    }
    let lock = archive.lock()?;
    let names = wanted.iter().map(|wanted| wanted.name.clone()).collect();
    let before = report.findings.len();
    let stubs = StubMaker { archive, context, bucket: remote.bucket, lock: &lock };
    stubs.make(&wanted, &mut report.findings)?;
    if report.findings.len() == before {
        report.mended_stubs = names;
    }
    Ok(())
}

/// A segment that is to be fetched, or needs a stub.
pub(super) struct Wanted {
    pub(super) name: SegmentName,
    pub(super) object: String,
    pub(super) sha256: Sha256Hash,
    pub(super) bytes: u64,
}

/// The way from a bucket's segments to stubs in an archive.
pub(super) struct StubMaker<'a> {
    pub(super) archive: &'a ArchiveDir,
    pub(super) context: &'a Context,
    pub(super) bucket: &'a Bucket,
    pub(super) lock: &'a ArchiveLock,
}

impl StubMaker<'_> {
    /// Fetches the tails of segments, and makes stubs of them.
    pub(super) fn make(&self, wanted: &[Wanted], findings: &mut Vec<Finding>) -> Result<()> {
        let Self { archive, context, bucket, lock } = *self;
        for wanted in wanted.chunks(TOGETHER) {
            let piece = |wanted: &Wanted| Piece {
                object: wanted.object.as_str().into(),
                range: wanted.bytes.saturating_sub(TAIL_BYTES)..wanted.bytes,
            };
            let tails = bucket.fetch(&wanted.iter().map(piece).collect::<Vec<_>>());
            for (wanted, tail) in wanted.iter().zip(tails) {
                let path = archive.segment_path(&wanted.name);
                let made = tail
                    .map_err(|error| {
                        Error::io(format!("{}/{}", bucket.url(), wanted.object), "read", error)
                    })
                    .and_then(|tail| stub(bucket, wanted, tail, &path));
                match made {
                    Ok(stub) => {
                        archive.write_stub(&wanted.name, &stub, context.next_token(), lock)?;
                    }
                    Err(error) if error.is_away() => return Err(error),
                    Err(error) => findings.push(Finding::of(wanted.name.to_string(), &error)),
                }
            }
        }
        Ok(())
    }
}

fn stub(bucket: &Bucket, wanted: &Wanted, tail: Vec<u8>, path: &std::path::Path) -> Result<Stub> {
    // The part of the index before that tail is fetched as well.
    let rest = Arc::new(Ranged(wanted.object.clone()));
    let tail_start = wanted.bytes - tail.len() as u64;
    let away = Away::new(wanted.object.as_str().into(), rest, wanted.bytes, tail.clone());
    let at = tail_offset(&SegmentBytes::Away(away), path)?;
    let tail = match at.checked_sub(tail_start) {
        Some(from) => tail[from as usize..].to_vec(),
        None => [bucket.get_range(&wanted.object, at..tail_start)?, tail].concat(),
    };
    let stub = Stub::new(&wanted.object, wanted.bytes, wanted.sha256, tail);
    // A stub vouches for itself from now on, so what arrived is checked first.
    let rest = Arc::new(Ranged(wanted.object.clone()));
    let reader = SegmentReader::open_day(stub.clone().open(rest), path, wanted.name.date)?;
    match reader.damage() {
        None => Ok(stub),
        Some(damage) => Err(Error::corrupt(
            format!("{}/{}", bucket.url(), wanted.object),
            format!("the fetched data is damaged: {damage}; the next pull fetches it again"),
        )),
    }
}

/// Nothing more is fetched to find where an index begins: its seek table is near the end.
#[derive(Debug)]
struct Ranged(String);

impl Fetch for Ranged {
    fn fetch(&self, pieces: &[Piece]) -> Vec<std::io::Result<Vec<u8>>> {
        let reason = format!("{}: its seek table is larger than any day's", self.0);
        pieces.iter().map(|_| Err(std::io::Error::other(reason.clone()))).collect()
    }
}

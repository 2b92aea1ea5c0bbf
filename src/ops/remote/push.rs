//! Remote copies of segments and of the manifest.
//!
//! The remote is asked what is there, by a list of the host's objects; nothing is assumed. What is
//! missing is sent, read back, compared, and only then recorded. The manifest follows, and after it
//! what expired or was superseded is removed there, too: so the copy of the manifest never names
//! what the copy lacks, unless it says that it is gone.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::place::Place;
use super::{Listing, Remote, hash_of, whole};
use crate::Context;
use crate::archive::copies::{ManifestPiece, chosen, segment_object, segment_of_object};
use crate::archive::{ArchiveDir, Manifest, ManifestWriter, NewRecord, Op, SegmentName};
use crate::ops::Finding;
use crate::progress::{Progress, Unit};
use crate::segment::Sha256Hash;
use crate::store::Store;
use crate::{Error, Result};

/// The number of pieces above which the manifest is sent in full the next time.
const MANY_PIECES: usize = 32;

/// A segment that was copied.
#[derive(Debug, Clone, Serialize)]
pub struct Copied {
    /// Its path in the archive.
    pub segment: SegmentName,
    /// The object's name below the bucket's address.
    pub object: String,
    /// Its size.
    pub bytes: u64,
}

/// A report of a push.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct PushReport {
    /// The name of this machine's copies.
    pub host: String,
    /// Segments that were sent, or were found there, and are recorded now.
    pub copied: Vec<Copied>,
    /// Segments whose copies were there already.
    pub already_there: u64,
    /// Number of records that were sent.
    pub records: u64,
    /// Objects that were removed, since their segments are gone.
    pub removed: Vec<String>,
    /// Problems.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

/// Sends what is not remote yet. A segment that cannot be sent costs only itself; a bucket that
/// cannot be reached ends the run. `anew` starts in a place that was never copied to, or that lost
/// everything.
pub(super) fn push(
    store: &Store,
    context: &Context,
    remote: Remote<'_>,
    anew: bool,
    progress: &dyn Progress,
) -> Result<PushReport> {
    let mut report = PushReport { host: remote.host.to_owned(), ..PushReport::default() };
    let Some(archive) = store.archive()? else { return Ok(report) };
    let manifest = Manifest::load(&archive)?;
    if manifest.records().is_empty() {
        return Ok(report);
    }
    let listing = Listing::of(remote.bucket, remote.host)?;
    check_lineage(remote, &listing, &manifest)?;
    let place = Place::of(remote, &listing, &manifest, anew, context.next_token())?;
    place.mark(remote)?;
    let run = PushRun { archive: &archive, context, remote, listing: &listing, place: &place };
    let wanted = run.wanted(&manifest, &mut report)?;
    let bytes = wanted.iter().map(|wanted| wanted.bytes).fold(0, u64::saturating_add);
    progress.begin("copying segments", Some(bytes), Unit::Bytes);
    for wanted in wanted {
        report.stopped |= progress.stop_requested();
        if report.stopped {
            break;
        }
        match run.send(&wanted, progress) {
            Ok(()) => {}
            // Nothing further could be sent either.
            Err(error) if error.is_away() || is_refused(&error) => {
                progress.end();
                return Err(error);
            }
            Err(error) => {
                report.findings.push(Finding::of(wanted.name.to_string(), &error));
                continue;
            }
        }
        match run.record(&wanted) {
            Ok(true) => report.copied.push(Copied {
                segment: wanted.name,
                object: wanted.object,
                bytes: wanted.bytes,
            }),
            // It was removed meanwhile.
            Ok(false) => {}
            Err(Error::Busy { .. }) => report.findings.push(Finding::new(
                wanted.name.to_string(),
                "its copy is made, but not recorded, since another hlarchive is at work; the \
                 next push records it",
            )),
            Err(error) => return Err(error),
        }
    }
    progress.end();
    if report.stopped {
        return Ok(report);
    }
    let now = Manifest::load(&archive)?;
    report.records = run.send_manifest(&now)?;
    // Only what was gone before this run: the heir of what was removed since may not be there yet.
    // Nor is anything removed while there are findings.
    if report.findings.is_empty() {
        run.remove_gone(&manifest, &mut report);
    }
    Ok(report)
}

/// A segment that is to be sent, or checked.
struct Wanted {
    name: SegmentName,
    object: String,
    sha256: Sha256Hash,
    bytes: u64,
    /// True if an object of this name and size is there.
    is_there: bool,
}

/// A push to a place whose objects are listed.
struct PushRun<'a> {
    archive: &'a ArchiveDir,
    context: &'a Context,
    remote: Remote<'a>,
    listing: &'a Listing,
    place: &'a Place,
}

impl PushRun<'_> {
    /// Returns the segments whose copies are missing, or not recorded.
    fn wanted(&self, manifest: &Manifest, report: &mut PushReport) -> Result<Vec<Wanted>> {
        let Self { archive, remote, listing, place, .. } = *self;
        let copies = manifest.copies_at(&place.record);
        let mut wanted = Vec::new();
        for (name, record) in manifest.segments() {
            let (Some(sha256), Some(bytes)) = (record.sha256, record.bytes) else { continue };
            let object = segment_object(remote.host, name, sha256);
            let is_there = listing.size(remote.host, &object) == Some(bytes);
            let is_recorded = copies.get(&sha256) == Some(&object.as_str());
            if is_there && is_recorded {
                report.already_there += 1;
            } else if archive.has_file(name)? {
                wanted.push(Wanted { name: name.clone(), object, sha256, bytes, is_there });
            } else if !is_there && !has_other_copy(remote, &manifest.copies(), sha256, bytes)? {
                report.findings.push(Finding::new(
                    name.to_string(),
                    format!(
                        "its file is no longer here, and {object} is not in {}: look for a backup",
                        remote.bucket.url()
                    ),
                ));
            }
        }
        Ok(wanted)
    }

    /// Sends a segment unless it is there, and reads it back.
    fn send(&self, wanted: &Wanted, progress: &dyn Progress) -> Result<()> {
        let Self { archive, remote, .. } = *self;
        let bucket = remote.bucket;
        if wanted.is_there && is_whole(remote, wanted)? {
            progress.advance(wanted.bytes);
            return bucket.settle(&wanted.object);
        }
        let path = archive.segment_path(&wanted.name);
        let file = archive.open_segment(&wanted.name)?;
        let as_recorded = file.matches_record(Some(wanted.bytes), Some(wanted.sha256));
        if !as_recorded.map_err(|error| Error::io(&path, "read", error))? {
            return Err(Error::corrupt(
                path,
                "its bytes differ from the manifest's record, so it was not copied",
            ));
        }
        // Other content under this name is a copy that was damaged: the name says what belongs
        // there, so it is sent again.
        bucket.put(&wanted.object, &file, &|bytes| progress.advance(bytes))?;
        if is_whole(remote, wanted)? {
            return bucket.settle(&wanted.object);
        }
        Err(Error::corrupt(
            format!("{}/{}", bucket.url(), wanted.object),
            "read-back verification of the sent copy failed; the next push sends it again",
        ))
    }

    /// Records that a copy was made, unless the segment is gone by now.
    fn record(&self, wanted: &Wanted) -> Result<bool> {
        let Self { archive, context, place, .. } = *self;
        let lock = archive.lock()?;
        let (mut writer, _) = ManifestWriter::open(archive, &lock, context.now(), context.by())?;
        let there = writer.manifest().record_of(&wanted.name).and_then(|record| record.sha256);
        if there != Some(wanted.sha256) {
            return Ok(false);
        }
        let mut record = NewRecord::new(context.now(), Op::Upload);
        record.by = Some(context.by().clone());
        record.describe_copy(&wanted.name, wanted.sha256, wanted.bytes, Some(&wanted.object));
        record.place = Some(place.record.clone());
        writer.append(record)?;
        Ok(true)
    }

    /// Sends the records that are not there yet; returns how many.
    fn send_manifest(&self, manifest: &Manifest) -> Result<u64> {
        let Self { archive, remote, listing, .. } = *self;
        let Some(whole) = whole(manifest) else { return Ok(0) };
        let mut there = chosen(&listing.pieces(), whole.origin);
        // From the first truncated piece on, they are sent again.
        let mut sound = 0;
        for piece in &there {
            let bytes = archive.manifest_lines(piece)?.len() as u64;
            if listing.piece_bytes(remote.host, piece) != Some(bytes) {
                break;
            }
            sound += 1;
        }
        there.truncate(sound);
        let covered = there.last().map_or(0, |piece| piece.last);
        if covered == whole.last {
            return Ok(0);
        }
        let first = if there.len() >= MANY_PIECES { 1 } else { covered + 1 };
        let piece = ManifestPiece { first, ..whole };
        let before = manifest.hash_at(first - 1).unwrap_or(Sha256Hash::ZERO);
        let text = archive.manifest_lines(&piece)?;
        let changed = |path: String, reason: &str| Err(Error::corrupt(path, reason));
        if !piece.matches(&text, before) {
            let path = archive.manifest_path().display().to_string();
            return changed(path, "it was changed while it was copied; the next push copies it");
        }
        archive.sync_manifest()?;
        let name = format!("{}/{piece}", remote.host);
        remote.bucket.put_text(&name, text.clone())?;
        let came = match remote.bucket.get_range(&name, 0..text.len() as u64) {
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::UnexpectedEof) => Vec::new(),
            came => came?,
        };
        if came != text {
            // By its name it would be taken as sent.
            remote.bucket.delete(&name)?;
            let path = format!("{}/{name}", remote.bucket.url());
            return changed(
                path,
                "read-back verification of the sent copy failed; the next push sends it again",
            );
        }
        remote.bucket.settle(&name)?;
        Ok(whole.last - covered)
    }

    /// Removes the copies of segments that the manifest says are gone for good.
    fn remove_gone(&self, manifest: &Manifest, report: &mut PushReport) {
        let Self { remote, listing, .. } = *self;
        let gone: HashSet<Sha256Hash> = manifest.gone_contents().into_keys().collect();
        for object in &listing.objects {
            let Some((_, sha256)) = segment_of_object(&object.name) else { continue };
            if !gone.contains(&sha256) {
                continue;
            }
            let name = format!("{}/{}", remote.host, object.name);
            match remote.bucket.delete(&name) {
                Ok(()) => report.removed.push(name),
                Err(error) => report.findings.push(Finding::of(name, &error)),
            }
        }
    }
}

/// Reports whether continuing is pointless: the credentials are wrong, or nothing fits.
fn is_refused(error: &Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(error.io_kind(), Some(K::PermissionDenied | K::StorageFull | K::QuotaExceeded))
        && !matches!(error, Error::Io { action: "open", .. })
}

/// Reports whether a segment was copied under another name, for example before the machine was
/// renamed.
fn has_other_copy(
    remote: Remote<'_>,
    copies: &HashMap<Sha256Hash, &str>,
    sha256: Sha256Hash,
    bytes: u64,
) -> Result<bool> {
    match copies.get(&sha256) {
        Some(object) => Ok(remote.bucket.size(object)? == Some(bytes)),
        None => Ok(false),
    }
}

/// Reports whether the copy reads back as it was recorded.
fn is_whole(remote: Remote<'_>, wanted: &Wanted) -> Result<bool> {
    match hash_of(remote.bucket, &wanted.object, wanted.bytes, 0, &|_| {}) {
        Ok(read) => Ok(read.sha256 == wanted.sha256),
        Err(error) if error.io_kind() == Some(std::io::ErrorKind::UnexpectedEof) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses to write beside another machine's objects under the same name.
fn check_lineage(remote: Remote<'_>, listing: &Listing, manifest: &Manifest) -> Result<()> {
    for piece in listing.pieces() {
        let is_ours = Some(piece.origin) == manifest.origin();
        // A rebuilt manifest replaces whatever was there before.
        if (is_ours && manifest.hash_at(piece.last) == Some(piece.head))
            || (!is_ours && manifest.is_rebuilt())
        {
            continue;
        }
        let reason = if is_ours && piece.last > manifest.records().len() as u64 {
            "knows more of this host than the archive here does"
        } else {
            "holds another history of this host"
        };
        return Err(Error::Refused(format!(
            "{}: {}/{} {reason}; if the archive here was lost, \"hlarchive remote rebuild\" makes \
             it again from there; if two machines have one name, give each a [remote] host of \
             its own",
            remote.bucket.url(),
            remote.host,
            piece
        )));
    }
    Ok(())
}

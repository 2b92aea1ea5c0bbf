//! Rebuilding a lost archive from its copy alone.
//!
//! Segments first, each compared with what its name says, and the manifest last: until it is there,
//! there is no archive, and a run that was stopped is started again without fetching what is here.
//! Copies that no record names are from a run that was stopped before it could record them; they
//! get a record of their own before the manifest is put in its place: after that, nobody would look
//! for them again.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::pull::{StubMaker, Wanted};
use super::{Listing, Remote, manifest_text};
use crate::Context;
use crate::archive::copies::{MANIFEST_FOLDER, chosen, segment_object, segment_of_object};
use crate::archive::{
    ArchiveDir, ArchiveLock, Manifest, ManifestWriter, NewRecord, Op, SegmentName,
};
use crate::ops::Finding;
use crate::ops::bond::Pair;
use crate::ops::derived;
use crate::progress::{Progress, Unit};
use crate::remote::Object;
use crate::segment::{Sha256Hash, check};
use crate::store::Store;
use crate::{Error, Result};

/// The objects that a rebuild believed. Anyone who may write there could have written all of them.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Believed {
    /// Their location: the bucket's address and the host's name.
    pub place: String,
    /// The first digits of the hash of the manifest's first record, which tell it from any other
    /// manifest of this host; absent without a manifest.
    pub origin: Option<String>,
    /// The manifest's other origins there, which were not believed.
    pub other_origins: Vec<String>,
    /// The pieces that the manifest was made of.
    pub pieces: Vec<String>,
    /// The hash of the last record that came from there, to be compared with a head that was kept
    /// on another machine.
    pub head: Option<Sha256Hash>,
}

impl Believed {
    fn of(remote: Remote<'_>, listing: &Listing, manifest: &Manifest) -> Self {
        let place = format!("{}/{}", remote.bucket.url(), remote.host);
        let pieces = listing.pieces();
        let digits = |origin: u64| format!("{origin:016x}");
        let others: BTreeSet<u64> = pieces.iter().map(|piece| piece.origin).collect();
        let others = others.into_iter().filter(|other| Some(*other) != manifest.origin());
        let chosen = manifest.origin().map(|origin| chosen(&pieces, origin)).unwrap_or_default();
        Self {
            place,
            origin: manifest.origin().map(digits),
            other_origins: others.map(digits).collect(),
            pieces: chosen.iter().map(ToString::to_string).collect(),
            head: manifest.origin().map(|_| manifest.head()),
        }
    }
}

/// A report of a rebuild.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct RemoteRebuildReport {
    /// The host whose archive it is.
    pub host: String,
    /// The objects that were believed.
    pub believed: Believed,
    /// Number of records of the manifest that was copied.
    pub records: u64,
    /// Number of segments that were fetched.
    pub fetched: u64,
    /// Number of segments that were here already.
    pub already_here: u64,
    /// Number of segments that stay remote, as before; their stubs are here.
    pub stubs: u64,
    /// Segments that no record named; they have one now.
    pub taken_up: Vec<SegmentName>,
    /// Number of the events in all of them.
    pub events: u64,
    /// Problems.
    pub findings: Vec<Finding>,
}

/// Rebuilds this host's archive, or fetches what an earlier run could not. Refused if there is a
/// complete one, or another.
pub(super) fn rebuild(
    store: &Store,
    context: &Context,
    remote: Remote<'_>,
    progress: &dyn Progress,
) -> Result<RemoteRebuildReport> {
    let mut report =
        RemoteRebuildReport { host: remote.host.to_owned(), ..RemoteRebuildReport::default() };
    let listing = Listing::of(remote.bucket, remote.host)?;
    if listing.objects.is_empty() {
        return Err(Error::NotFound {
            what: format!("{}/{}", remote.bucket.url(), remote.host),
            reason: "nothing of this host is there; name the host with --host".to_owned(),
        });
    }
    // Any archive will do: the loss of the tree's own is why this is done.
    let archive = store.create_any_archive()?;
    let lock = archive.lock()?;
    let here = Manifest::load(&archive)?;
    let is_lost = here.records().is_empty();
    if !is_lost && unnamed(&listing, &here).is_empty() && !lacks_files(&archive, &here)? {
        return Err(refusal(&archive));
    }
    archive.remove_leftovers(&lock)?;
    let mut text = manifest_text(remote.bucket, remote.host, &listing, None)?;
    let mut there = Manifest::of_text(&text, &format!("{}/{}", remote.bucket.url(), remote.host))?;
    report.records = there.records().len() as u64;
    report.believed = Believed::of(remote, &listing, &there);
    let run = Run { archive: &archive, lock: &lock, context, remote, listing: &listing };
    if is_lost {
        run.segments(&there, &mut report, progress)?;
        for record in run.take_up(&there, &mut report)? {
            there.extend(&mut text, record);
        }
        archive.sync_names(there.segments().map(|(name, _)| name))?;
        if !text.is_empty() {
            archive.put_manifest(&text, false, context.next_token(), &lock)?;
        }
    } else if here.hash_at(report.records) == Some(there.head()) {
        // An earlier run could not fetch all of them.
        run.segments(&here, &mut report, progress)?;
        let records = run.take_up(&here, &mut report)?;
        let (mut writer, _) = ManifestWriter::open(&archive, &lock, context.now(), context.by())?;
        for record in records {
            writer.append(record)?;
        }
    } else {
        return Err(refusal(&archive));
    }
    let manifest = Manifest::load(&archive)?;
    let events = manifest.segments().filter_map(|(_, record)| record.events);
    report.events = events.fold(0, u64::saturating_add);
    derived::complete(store, &archive, &manifest, context.next_token(), &lock);
    // On another machine under another name the next rotation would refuse it as another tree's.
    if let Some(live) = store.live()?
        && store.found_archive()?.away.is_none()
    {
        let pair = Pair { store, live: &live, archive: &archive, is_meant: true };
        let mut bond = pair.bond(&manifest, context)?;
        report.findings.extend(bond.tie_as_recorded(&manifest, context));
    }
    Ok(report)
}

fn refusal(archive: &ArchiveDir) -> Error {
    Error::Refused(format!(
        "{}: there is an archive here already; \"hlarchive remote rebuild\" rebuilds a lost one \
         again, in an empty directory",
        archive.root().display()
    ))
}

/// Reports whether local files are missing.
fn lacks_files(archive: &ArchiveDir, manifest: &Manifest) -> Result<bool> {
    let evicted = manifest.evicted();
    for (name, _) in manifest.segments() {
        if !evicted.contains_key(name) && !archive.has_file(name)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the copies that no record names.
fn unnamed<'a>(
    listing: &'a Listing,
    manifest: &Manifest,
) -> Vec<(SegmentName, Sha256Hash, &'a Object)> {
    let mut known: HashSet<Sha256Hash> = manifest.gone_contents().into_keys().collect();
    known.extend(manifest.segments().filter_map(|(_, record)| record.sha256));
    let found = listing.objects.iter().filter_map(|object| {
        let (name, sha256) = segment_of_object(&object.name)?;
        (!known.contains(&sha256)).then_some((name, sha256, object))
    });
    found.collect()
}

struct Run<'a> {
    archive: &'a ArchiveDir,
    lock: &'a ArchiveLock,
    context: &'a Context,
    remote: Remote<'a>,
    listing: &'a Listing,
}

impl Run<'_> {
    fn segments(
        &self,
        manifest: &Manifest,
        report: &mut RemoteRebuildReport,
        progress: &dyn Progress,
    ) -> Result<()> {
        let evicted = manifest.evicted();
        let copies = manifest.copies();
        let total = manifest.segments().filter_map(|(_, record)| record.bytes);
        let total = total.fold(0, u64::saturating_add);
        progress.begin("fetching segments", Some(total), Unit::Bytes);
        let mut stubs = Vec::new();
        for (name, record) in manifest.segments() {
            if progress.stop_requested() {
                let what = "fetched data is kept, and the next rebuild continues there";
                return Err(Error::Interrupted(what.to_owned()));
            }
            let (Some(sha256), Some(bytes)) = (record.sha256, record.bytes) else { continue };
            let object = segment_object(self.remote.host, name, sha256);
            let object = match (self.listing.size(self.remote.host, &object), copies.get(&sha256)) {
                // Copied before the machine got its name.
                (None, Some(other)) => (*other).to_owned(),
                _ => object,
            };
            let wanted = Wanted { name: name.clone(), object, sha256, bytes };
            if evicted.contains_key(name) {
                stubs.push(wanted);
                progress.advance(bytes);
                continue;
            }
            match self.fetch(&wanted, progress) {
                Ok(true) => report.fetched += 1,
                Ok(false) => report.already_here += 1,
                Err(error) if !is_of_copy(&error) => return Err(error),
                Err(error) => report.findings.push(Finding::of(name.to_string(), &error)),
            }
        }
        progress.end();
        report.stubs = stubs.len() as u64;
        let (archive, context, lock) = (self.archive, self.context, self.lock);
        let maker = StubMaker { archive, context, bucket: self.remote.bucket, lock };
        maker.make(&stubs, &mut report.findings)
    }

    /// Fetches a segment into its place; returns false if it was there.
    fn fetch(&self, wanted: &Wanted, progress: &dyn Progress) -> Result<bool> {
        let (archive, context) = (self.archive, self.context);
        let Wanted { name, object, sha256, bytes } = wanted;
        let (sha256, bytes) = (*sha256, *bytes);
        let path = archive.segment_path(name);
        if archive.has_file(name)? {
            let as_recorded = archive.open_segment(name)?.matches_record(Some(bytes), Some(sha256));
            if as_recorded.map_err(|error| Error::io(&path, "read", error))? {
                archive.write_checksum(name, &sha256, context.next_token(), self.lock)?;
                return Ok(false);
            }
            return Err(Error::corrupt(path, "another file has this name; it was left as it is"));
        }
        let temp = archive.create_temp(name.date, context.next_token(), self.lock)?;
        let mut file = temp.file();
        let mut hasher = Sha256::new();
        self.remote.bucket.get(object, bytes, &mut |part| {
            progress.advance(part.len() as u64);
            hasher.update(part);
            file.write_all(part).map_err(|error| Error::io(temp.path(), "write", error))
        })?;
        if Sha256Hash::finish(hasher) != sha256 {
            return Err(Error::corrupt(
                format!("{}/{object}", self.remote.bucket.url()),
                "it is not what its name says; the segment is missing here until another rebuild \
                 finds it intact",
            ));
        }
        temp.sync()?;
        let as_recorded = temp.reopen()?.matches_record(Some(bytes), Some(sha256));
        if !as_recorded.map_err(|error| Error::io(temp.path(), "read", error))? {
            let reason = "read-back verification failed; run it again";
            return Err(Error::io(temp.path(), "write", std::io::Error::other(reason)));
        }
        temp.publish(name)?;
        archive.write_checksum(name, &sha256, context.next_token(), self.lock)?;
        Ok(true)
    }

    /// Fetches the copies that no record names; returns records of them.
    fn take_up(
        &self,
        known: &Manifest,
        report: &mut RemoteRebuildReport,
    ) -> Result<Vec<NewRecord>> {
        let unknown = self.listing.objects.iter().filter(|object| {
            segment_of_object(&object.name).is_none()
                && !object.name.starts_with(&format!("{MANIFEST_FOLDER}/"))
        });
        for object in unknown {
            let label = format!("{}/{}", self.remote.host, object.name);
            report.findings.push(Finding::new(label, "it does not belong to hlarchive"));
        }
        let mut records = Vec::new();
        for (name, sha256, object) in unnamed(self.listing, known) {
            match self.take_up_one(known, &name, object, sha256) {
                Ok((name, record)) => {
                    report.taken_up.push(name.clone());
                    records.push(record);
                }
                Err(error) if !is_of_copy(&error) => return Err(error),
                Err(error) => report.findings.push(Finding::of(object.name.clone(), &error)),
            }
        }
        Ok(records)
    }

    /// Reports whether another file has the name of this segment.
    fn is_other(&self, name: &SegmentName, bytes: u64, sha256: Sha256Hash) -> Result<bool> {
        if !self.archive.has_file(name)? {
            return Ok(false);
        }
        let as_recorded =
            self.archive.open_segment(name)?.matches_record(Some(bytes), Some(sha256));
        let path = self.archive.segment_path(name);
        as_recorded.map(|it| !it).map_err(|error| Error::io(path, "read", error))
    }

    fn take_up_one(
        &self,
        known: &Manifest,
        name: &SegmentName,
        object: &Object,
        sha256: Sha256Hash,
    ) -> Result<(SegmentName, NewRecord)> {
        let mut name = name.clone();
        while known.ever_named(&name) || self.is_other(&name, object.bytes, sha256)? {
            name.number += 1;
        }
        let full = format!("{}/{}", self.remote.host, object.name);
        let wanted =
            Wanted { name: name.clone(), object: full.clone(), sha256, bytes: object.bytes };
        self.fetch(&wanted, &crate::progress::Silent)?;
        let path = self.archive.segment_path(&name);
        let report = check(&self.archive.open_segment(&name)?, &path, &|_| {})?;
        let summary = report.summary.filter(|_| report.findings.is_empty());
        let Some(summary) = summary else {
            self.archive.remove_segment(&name, self.lock)?;
            return Err(Error::corrupt(full, "it is damaged, and was not added"));
        };
        let mut record = NewRecord::new(self.context.now(), Op::Import);
        record.by = Some(self.context.by().clone());
        record.describe(&name, &summary);
        record.note = Some("found among the copies elsewhere, where no record named it".to_owned());
        Ok((name, record))
    }
}

/// Reports whether the error is only about this copy: then the others are fetched all the same.
fn is_of_copy(error: &Error) -> bool {
    use std::io::ErrorKind::{NotFound, UnexpectedEof};
    matches!(error, Error::Corrupt { .. })
        || matches!(error.io_kind(), Some(NotFound | UnexpectedEof))
}

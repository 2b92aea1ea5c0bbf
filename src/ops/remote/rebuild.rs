//! A lost archive is made again from its copy alone.
//!
//! Segments first, each compared with what its name says, and the manifest last: until it is
//! there, there is no archive, and a run that was stopped is begun again without fetching
//! what is here. Copies that no record names are of a run that was stopped before it could
//! tell of them; they are taken up with a record of their own.

use std::io::Write;

use serde::Serialize;

use super::pull::{Wanted, make_stubs};
use super::{Listing, Remote, manifest_text};
use crate::archive::copies::{MANIFEST_FOLDER, segment_object, segment_of_object};
use crate::archive::{
    ArchiveDir, ArchiveLock, Manifest, ManifestWriter, NewRecord, Op, SegmentName, catalogue,
    overview,
};
use crate::ops::{Context, Finding};
use crate::progress::{Progress, Unit};
use crate::segment::{Sha256Hash, check};
use crate::store::Store;
use crate::{Error, Result};

/// What a rebuild did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RebuildReport {
    /// The host whose archive it is.
    pub host: String,
    /// The records of the manifest that was copied.
    pub records: u64,
    /// Segments that were fetched.
    pub fetched: u64,
    /// Segments that were here already.
    pub already_here: u64,
    /// Segments that stay elsewhere, as they did before; their stubs are here.
    pub stubs: u64,
    /// Segments that no record named; they have one now.
    pub taken_up: Vec<String>,
    /// The events in all of them.
    pub events: u64,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Makes this host's archive again. Refused where there is one.
pub fn rebuild(
    store: &Store,
    context: &Context,
    remote: Remote<'_>,
    progress: &dyn Progress,
) -> Result<RebuildReport> {
    let mut report = RebuildReport { host: remote.host.to_owned(), ..RebuildReport::default() };
    let listing = Listing::of(remote.bucket, remote.host)?;
    if listing.objects.is_empty() {
        return Err(Error::NotFound {
            what: format!("{}/{}", remote.bucket.url(), remote.host),
            reason: "there is nothing of this host; say whose archive is meant with --host"
                .to_owned(),
        });
    }
    let archive = store.create_archive()?;
    let lock = archive.lock()?;
    if !Manifest::load(&archive)?.records().is_empty() {
        return Err(Error::Refused(format!(
            "{}: there is an archive here already; \"hlarchive remote rebuild\" makes a lost one \
             again, in an empty directory",
            archive.root().display()
        )));
    }
    archive.remove_leftovers(&lock)?;
    let text = manifest_text(remote.bucket, remote.host, &listing, None)?;
    let aside = Aside::read(&archive, &text, context)?;
    report.records = aside.manifest.records().len() as u64;
    let run = Run { archive: &archive, lock: &lock, context, remote, listing: &listing };
    run.segments(&aside.manifest, &mut report, progress)?;
    if !text.is_empty() {
        archive.put_manifest(&text, false, context.next_token(), &lock)?;
    }
    run.take_up(&aside.manifest, &mut report)?;
    let manifest = Manifest::load(&archive)?;
    let events = manifest.segments().filter_map(|(_, record)| record.events);
    report.events = events.fold(0, u64::saturating_add);
    // Readers do without what cannot be written now; the next run tries again.
    let _ = catalogue::complete(&archive, &manifest, &lock);
    let _ = overview::refresh(&archive, &manifest, context.next_token(), &lock);
    Ok(report)
}

/// A manifest that was read in a place of its own, before it is put where it belongs.
struct Aside {
    manifest: Manifest,
}

impl Aside {
    fn read(archive: &ArchiveDir, text: &[u8], context: &Context) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix(crate::fs::TEMP_PREFIX)
            .tempdir_in(archive.root())
            .map_err(|error| Error::io(archive.root(), "create", error))?;
        let place = ArchiveDir::create(directory.path())?;
        let lock = place.lock()?;
        if !text.is_empty() {
            place.put_manifest(text, true, context.next_token(), &lock)?;
        }
        Ok(Self { manifest: Manifest::load(&place)? })
    }
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
        report: &mut RebuildReport,
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
                let what = "what was fetched stays, and the next rebuild goes on from there";
                return Err(Error::Interrupted(what.to_owned()));
            }
            let (Some(sha256), Some(bytes)) = (record.sha256, record.bytes) else { continue };
            let object = segment_object(self.remote.host, name, sha256);
            let object = match (self.listing.size(self.remote.host, &object), copies.get(&sha256)) {
                // Copied before the machine got its name.
                (None, Some(other)) => (*other).to_owned(),
                _ => object,
            };
            if evicted.contains_key(name) {
                stubs.push(Wanted { name: name.clone(), object, sha256, bytes });
                progress.advance(bytes);
                continue;
            }
            match self.fetch(name, &object, sha256, bytes, progress) {
                Ok(true) => report.fetched += 1,
                Ok(false) => report.already_here += 1,
                Err(error) if error.is_away() || is_local(&error) => return Err(error),
                Err(error) => report.findings.push(Finding::of(name.to_string(), &error)),
            }
        }
        progress.end();
        report.stubs = stubs.len() as u64;
        let (bucket, findings) = (self.remote.bucket, &mut report.findings);
        make_stubs(self.archive, self.context, bucket, stubs, self.lock, findings)
    }

    /// Fetches a segment into its place; false when it was there.
    fn fetch(
        &self,
        name: &SegmentName,
        object: &str,
        sha256: Sha256Hash,
        bytes: u64,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let (archive, context) = (self.archive, self.context);
        let path = archive.segment_path(name);
        if archive.has_file(name)? {
            let are = archive.open_segment(name)?.are(Some(bytes), Some(sha256));
            if are.map_err(|error| Error::io(&path, "read", error))? {
                archive.write_checksum(name, &sha256, context.next_token(), self.lock)?;
                return Ok(false);
            }
            return Err(Error::corrupt(path, "another file has this name; it was left as it is"));
        }
        let temp = archive.create_temp(name.date.year(), context.next_token(), self.lock)?;
        let mut file = temp.file();
        self.remote.bucket.get(object, bytes, &mut |part| {
            progress.advance(part.len() as u64);
            file.write_all(part).map_err(|error| Error::io(temp.path(), "write", error))
        })?;
        temp.sync()?;
        let are = temp.reopen()?.are(Some(bytes), Some(sha256));
        if !are.map_err(|error| Error::io(temp.path(), "read", error))? {
            return Err(Error::corrupt(
                format!("{}/{object}", self.remote.bucket.url()),
                "it is not what its name says; the segment is missing here",
            ));
        }
        temp.publish(name)?;
        archive.write_checksum(name, &sha256, context.next_token(), self.lock)?;
        Ok(true)
    }

    /// Takes up the copies that no record names.
    fn take_up(&self, known: &Manifest, report: &mut RebuildReport) -> Result<()> {
        let gone = known.gone_contents();
        let named: std::collections::HashSet<_> =
            known.segments().filter_map(|(_, record)| record.sha256).collect();
        for object in &self.listing.objects {
            let Some((name, sha256)) = segment_of_object(&object.name) else {
                let is_manifest = object.name.starts_with(&format!("{MANIFEST_FOLDER}/"));
                if !is_manifest {
                    let label = format!("{}/{}", self.remote.host, object.name);
                    report.findings.push(Finding::new(label, "it is nothing of hlarchive's"));
                }
                continue;
            };
            if named.contains(&sha256) || gone.contains_key(&sha256) {
                continue;
            }
            match self.take_up_one(&name, object, sha256) {
                Ok(name) => report.taken_up.push(name.to_string()),
                Err(error) if error.is_away() || is_local(&error) => return Err(error),
                Err(error) => report.findings.push(Finding::of(object.name.clone(), &error)),
            }
        }
        Ok(())
    }

    fn take_up_one(
        &self,
        name: &SegmentName,
        object: &crate::remote::Object,
        sha256: Sha256Hash,
    ) -> Result<SegmentName> {
        let mut name = name.clone();
        let (mut writer, _) =
            ManifestWriter::open(self.archive, self.lock, self.context.now, &self.context.by)?;
        while self.archive.has_segment(&name)? || writer.manifest().ever_named(&name) {
            name.number += 1;
        }
        let full = format!("{}/{}", self.remote.host, object.name);
        self.fetch(&name, &full, sha256, object.bytes, &crate::progress::Silent)?;
        let path = self.archive.segment_path(&name);
        let report = check(&self.archive.open_segment(&name)?, &path, &|_| {})?;
        let summary = report.summary.filter(|_| report.findings.is_empty());
        let Some(summary) = summary else {
            self.archive.remove_segment(&name, self.lock)?;
            return Err(Error::corrupt(full, "it is damaged, and was not taken up"));
        };
        let mut record = NewRecord::new(self.context.now, Op::Import);
        record.by = Some(self.context.by.clone());
        record.describe(&name, &summary);
        record.note = Some("found among the copies elsewhere, where no record named it".to_owned());
        writer.append(record)?;
        Ok(name)
    }
}

/// Whether it is this machine's disk that does not take what comes.
fn is_local(error: &Error) -> bool {
    error.is_no_room() || matches!(error, Error::Io { action: "write" | "sync" | "create", .. })
}

//! Verification of the remote copy against the local manifest.

use std::collections::HashSet;

use serde::Serialize;

use super::place::Place;
use super::{Listing, Remote, hash_of, manifest_text};
use crate::archive::copies::{
    FILE_GONE, MANIFEST_FOLDER, PEERS, only_copy_gone, segment_object, segment_of_object,
};
use crate::archive::{ArchiveDir, Manifest, SegmentName, Stub};
use crate::ops::Finding;
use crate::progress::{Progress, Unit};
use crate::store::Store;
use crate::{Error, Result};

/// Options of a verification.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RemoteVerifyOptions {
    /// True to compare only names and sizes; nothing is read.
    pub quick: bool,
    /// True to include the copies of the other hosts that are mirrored here.
    pub all_hosts: bool,
}

/// A report of a verification.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct RemoteVerifyReport {
    /// Number of copies that were checked.
    pub objects: u64,
    /// Their size.
    pub bytes: u64,
    /// True if each was read and hashed.
    pub read_whole: bool,
    /// Segments that are not copied yet.
    pub not_copied: Vec<SegmentName>,
    /// Problems.
    pub findings: Vec<Finding>,
    /// True if the caller asked to stop before the end.
    pub stopped: bool,
}

/// Checks the copies.
pub(super) fn verify(
    store: &Store,
    remote: Remote<'_>,
    options: RemoteVerifyOptions,
    progress: &dyn Progress,
) -> Result<RemoteVerifyReport> {
    let report = RemoteVerifyReport { read_whole: !options.quick, ..RemoteVerifyReport::default() };
    let Some(archive) = store.archive()? else { return Ok(report) };
    let mut check = CopyCheck { options, progress, report };
    check.host(&archive, remote, None)?;
    if options.all_hosts {
        for (host, mirror) in archive.peers()? {
            let of = Remote { host: &host, ..remote };
            check.host(&mirror, of, Some(&host))?;
        }
    }
    Ok(check.report)
}

/// A check of copies, host by host.
struct CopyCheck<'a> {
    options: RemoteVerifyOptions,
    progress: &'a dyn Progress,
    report: RemoteVerifyReport,
}

impl CopyCheck<'_> {
    /// Checks the copies of one host; `peer` is its name if it is another one.
    fn host(&mut self, archive: &ArchiveDir, remote: Remote<'_>, peer: Option<&str>) -> Result<()> {
        let Self { options, progress, report } = self;
        let manifest = Manifest::load(archive)?;
        let listing = Listing::of(remote.bucket, remote.host)?;
        if peer.is_none() {
            Place::of(remote, &listing, &manifest, false, 0)?;
        }
        let copies = manifest.copies();
        let label = |name: &dyn std::fmt::Display| match peer {
            Some(host) => format!("{PEERS}/{host}/{name}"),
            None => name.to_string(),
        };
        let total = manifest.segments().filter_map(|(_, record)| record.bytes);
        progress.begin("checking copies", Some(total.fold(0, u64::saturating_add)), Unit::Bytes);
        let mut known = HashSet::new();
        for (name, record) in manifest.segments() {
            if progress.stop_requested() {
                report.stopped = true;
                break;
            }
            let (Some(sha256), Some(bytes)) = (record.sha256, record.bytes) else { continue };
            known.insert(sha256);
            let own = segment_object(remote.host, name, sha256);
            let object = copies.get(&sha256).map_or(own.as_str(), |object| object);
            let size = match listing.size(remote.host, object) {
                None if object != own => remote.bucket.size(object)?,
                size => size,
            };
            let Some(size) = size else {
                if peer.is_some() {
                    let reason = format!(
                        "its copy {object} is gone; the next push of its machine \
                                          recreates it, if it has the file"
                    );
                    report.findings.push(Finding::new(label(name), reason));
                } else if !archive.has_file(name)? {
                    report.findings.push(Finding::new(label(name), only_copy_gone(object)));
                } else if copies.contains_key(&sha256) {
                    let reason = format!("its copy {object} is gone; the next push recreates it");
                    report.findings.push(Finding::new(label(name), reason));
                } else {
                    report.not_copied.push(name.clone());
                }
                continue;
            };
            report.objects += 1;
            report.bytes = report.bytes.saturating_add(size);
            let (mut end, mut is_sound) = (Vec::new(), size == bytes);
            // Its index and seek table are read from the stub, if there is one here.
            let stub = archive.read_stub(name).ok().flatten();
            if is_sound && !options.quick {
                let wanted = stub.as_ref().map_or(0, Stub::tail_bytes);
                let advance = |bytes| progress.advance(bytes);
                let read = hash_of(remote.bucket, object, bytes, wanted, &advance)?;
                (is_sound, end) = (read.sha256 == sha256, read.end);
            }
            if !is_sound {
                let mut reason = format!("its copy {object} differs from its record");
                if peer.is_none() && !archive.has_file(name)? {
                    reason.push_str(FILE_GONE);
                }
                report.findings.push(Finding::new(label(name), reason));
            } else if stub.is_some_and(|stub| !stub.ends_like(&end)) {
                let reason = format!(
                    "its stub here differs from its copy {object}, so events in it may be \
                     missed; remove the stub, and \"hlarchive remote pull\" recreates it"
                );
                report.findings.push(Finding::new(label(name), reason));
            }
        }
        progress.end();
        let gone = manifest.gone_contents();
        for object in &listing.objects {
            let full = format!("{}/{}", remote.host, object.name);
            match segment_of_object(&object.name) {
                Some((_, sha256)) if known.contains(&sha256) || gone.contains_key(&sha256) => {}
                // A mirror may be older than the copy.
                Some(_) if peer.is_some() => {}
                Some(_) => report.findings.push(Finding::new(full, "no record names this copy")),
                None if object.name.starts_with(&format!("{MANIFEST_FOLDER}/")) => {}
                None => report.findings.push(Finding::new(full, "it does not belong to hlarchive")),
            }
        }
        match manifest_text(remote.bucket, remote.host, &listing, None) {
            Ok(_) => Ok(()),
            Err(Error::Corrupt { path, reason }) => {
                report.findings.push(Finding::new(path.display().to_string(), reason));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

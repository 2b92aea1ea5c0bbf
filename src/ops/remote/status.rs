//! Status of the remote: copied and missing segments, and the mirrors of other hosts.

use serde::Serialize;

use super::place::Place;
use super::{Listing, Remote};
use crate::archive::copies::{chosen, segment_object, segment_of_object};
use crate::archive::{Manifest, Op};
use crate::event::Timestamp;
use crate::store::Store;
use crate::{Error, Result};

/// The status of a host.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub host: String,
    /// True if it is this host.
    pub own: bool,
    /// Number of remote segments; none if the remote could not be asked.
    pub objects: Option<u64>,
    /// Their size.
    pub object_bytes: Option<u64>,
    /// Number of segments in the archive, or in its mirror here.
    pub segments: u64,
    /// Number of them whose files are local.
    pub local: u64,
    /// Number of them that are not copied yet.
    pub not_copied: Option<u64>,
    /// Number of them that are lost: neither file nor copy exists.
    pub lost: Option<u64>,
    /// Number of records of the manifest that are not copied yet; for a mirror, of those that are
    /// not here.
    pub records_behind: Option<u64>,
    /// The time of the last copy or mirror.
    pub last: Option<Timestamp>,
}

/// The status of the remote.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RemoteStatus {
    /// The bucket's address.
    pub url: String,
    /// The hosts: this one first, then the others by name.
    pub hosts: Vec<HostStatus>,
    /// The reason if the bucket could not be asked.
    pub unreachable: Option<String>,
}

/// Determines what is where. Without an answer from the remote, reports what is known locally.
pub(super) fn status(store: &Store, remote: Remote<'_>) -> Result<RemoteStatus> {
    let mut status =
        RemoteStatus { url: remote.bucket.url().to_owned(), ..RemoteStatus::default() };
    let archive = store.archive()?;
    let mut hosts = vec![(remote.host.to_owned(), None)];
    if let Some(archive) = &archive {
        let peers = archive.peers()?.into_iter();
        hosts.extend(peers.map(|(host, mirror)| (host.to_string(), Some(mirror))));
    }
    match remote.bucket.folders() {
        Ok(folders) => {
            for host in folders {
                if !hosts.iter().any(|(known, _)| *known == host) {
                    hosts.push((host, None));
                }
            }
        }
        Err(error) if error.is_away() => status.unreachable = Some(error.to_string()),
        Err(error) => return Err(error),
    }
    hosts[1..].sort_by(|a, b| a.0.cmp(&b.0));
    for (host, mirror) in hosts {
        let own = host == remote.host;
        let here = if own { archive.as_ref() } else { mirror.as_ref() };
        let manifest = here.map(Manifest::load).transpose()?.unwrap_or_default();
        let listing = match Listing::of(remote.bucket, &host) {
            Ok(listing) => Some(listing),
            Err(error) if error.is_away() => None,
            Err(error) => return Err(error),
        };
        let listing = match listing {
            Some(listing) if own => {
                match Place::of(remote, &listing, &manifest, false, 0) {
                    Ok(_) => Some(listing),
                    // There is nothing to compare with.
                    Err(error) => {
                        status.unreachable.get_or_insert(error.to_string());
                        None
                    }
                }
            }
            listing => listing,
        };
        status.hosts.push(of_host(&host, own, &manifest, here, listing.as_ref())?);
    }
    Ok(status)
}

fn of_host(
    host: &str,
    own: bool,
    manifest: &Manifest,
    here: Option<&crate::archive::ArchiveDir>,
    listing: Option<&Listing>,
) -> Result<HostStatus, Error> {
    let mut status = HostStatus { host: host.to_owned(), own, ..HostStatus::default() };
    let (mut not_copied, mut lost) = (0, 0);
    let copies = manifest.copies();
    for (name, record) in manifest.segments() {
        status.segments += 1;
        let is_here = here.map(|here| here.has_file(name)).transpose()?.unwrap_or(false);
        status.local += u64::from(is_here);
        // Copied before the machine got its name, it has another one.
        let other = record.sha256.and_then(|sha256| copies.get(&sha256));
        let object = record.sha256.map(|sha256| segment_object(host, name, sha256));
        let there = listing.zip(object).and_then(|(listing, object)| listing.size(host, &object));
        not_copied += u64::from(there != record.bytes && is_here);
        let is_other = other.is_some_and(|other| !other.starts_with(&format!("{host}/")));
        lost += u64::from(there != record.bytes && !is_here && !is_other);
    }
    if let Some(listing) = listing {
        let copies = listing.objects.iter().filter(|o| segment_of_object(&o.name).is_some());
        let (count, bytes) =
            copies.fold((0, 0_u64), |(n, b), o| (n + 1, b.saturating_add(o.bytes)));
        (status.objects, status.object_bytes) = (Some(count), Some(bytes));
        status.not_copied = Some(not_copied).filter(|_| own);
        status.lost = Some(lost).filter(|_| own);
        let pieces = listing.pieces();
        let here = manifest.records().len() as u64;
        let there = manifest.origin().map(|origin| chosen(&pieces, origin));
        let there = there.and_then(|chosen| chosen.last().map(|piece| piece.last)).unwrap_or(0);
        status.records_behind = Some(here.abs_diff(there));
    }
    let last = manifest.records().iter().rev();
    let mut last = last.filter(|record| !own || record.op == Op::Upload);
    status.last = last.next().map(|record| record.time);
    Ok(status)
}

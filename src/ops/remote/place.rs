//! Checking that the remote is the place where the copies were made.
//!
//! A disk or a NAS that is not mounted leaves an empty directory. So a directory carries a mark, an
//! object whose name holds a number, and each record of a copy says where it was made: at which
//! address, and which mark that had. A copy in one place does not count as a copy in another, and
//! if expected copies are missing, nothing is started unasked.

use super::{Listing, Remote};
use crate::archive::copies::{MANIFEST_FOLDER, segment_of_object};
use crate::archive::{Manifest, PlaceRecord};
use crate::{Error, Result};

/// The beginning of a mark's name, below the host's.
const MARK: &str = "place-";

/// The place of the copies.
pub(super) struct Place {
    /// Its form in records.
    pub(super) record: PlaceRecord,
    /// True if its mark exists already.
    pub(super) is_marked: bool,
    /// True if its file system has another number than before: it was mounted again, or is a copy
    /// of the original.
    pub(super) is_renumbered: bool,
}

impl Place {
    /// Identifies the place. `anew` starts over, whatever was recorded of it; then, and if nothing
    /// was recorded, a directory may get the mark `fresh`.
    pub(super) fn of(
        remote: Remote<'_>,
        listing: &Listing,
        manifest: &Manifest,
        anew: bool,
        fresh: u64,
    ) -> Result<Self> {
        let (bucket, url) = (remote.bucket, remote.bucket.url());
        let marks = listing.marks();
        // Only what was copied here, by the records: what another address or another name of this
        // machine had is not expected here.
        let uploads = || manifest.uploads_of(remote.host);
        let places = || uploads().filter_map(|record| record.place.as_ref());
        let recorded = places().rfind(|place| place.url == url);
        let is_expected =
            recorded.is_some() || (places().next().is_none() && uploads().next().is_some());
        let is_it =
            |place: &&PlaceRecord| place.mark.as_deref().is_none_or(|mark| marks.contains(&mark));
        let known = recorded.filter(is_it);
        if is_expected && !anew {
            if !listing.has_copies_of(manifest) {
                return Err(nothing_at(url));
            }
            if recorded.is_some() && known.is_none() {
                return Err(another(url));
            }
        }
        let device = bucket.device()?;
        let mark = match (known.and_then(|place| place.mark.as_deref()), marks.first().copied()) {
            _ if device.is_none() => None,
            (Some(mark), _) | (None, Some(mark)) => Some(mark.to_owned()),
            (None, None) => Some(format!("{fresh:016x}")),
        };
        let was = known.and_then(|place| place.device);
        Ok(Self {
            is_marked: mark.as_deref().is_none_or(|mark| marks.contains(&mark)),
            is_renumbered: was.is_some() && was != device,
            record: PlaceRecord { url: url.to_owned(), mark, device },
        })
    }

    /// Writes its mark, if it is to have one and does not have it yet.
    pub(super) fn mark(&self, remote: Remote<'_>) -> Result<()> {
        let Some(mark) = self.record.mark.as_deref().filter(|_| !self.is_marked) else {
            return Ok(());
        };
        let name = format!("{}/{MANIFEST_FOLDER}/{MARK}{mark}", remote.host);
        let text = format!("{{\"v\":1,\"place\":\"{mark}\"}}\n");
        remote.bucket.put_text(&name, text.into_bytes())?;
        remote.bucket.settle(&name)
    }
}

impl Listing {
    /// Returns the numbers in the existing marks.
    fn marks(&self) -> Vec<&str> {
        let names = self.objects.iter().map(|object| object.name.as_str());
        let files = names.filter_map(|name| name.strip_prefix(MANIFEST_FOLDER)?.strip_prefix('/'));
        let marks = files.filter_map(|name| name.strip_prefix(MARK));
        marks.filter(|mark| mark.len() == 16 && u64::from_str_radix(mark, 16).is_ok()).collect()
    }

    /// Reports whether anything of this archive is there.
    fn has_copies_of(&self, manifest: &Manifest) -> bool {
        let copies = manifest.copies();
        self.pieces().iter().any(|piece| Some(piece.origin) == manifest.origin())
            || self.objects.iter().any(|object| {
                segment_of_object(&object.name)
                    .is_some_and(|(_, sha256)| copies.contains_key(&sha256))
            })
    }
}

/// Returns the error for every search for copies that finds none.
pub(super) fn nothing_at(url: &str) -> Error {
    Error::Refused(format!(
        "nothing of this archive is at {url}; is it mounted? (\"hlarchive remote push --anew\" \
         begins there again)"
    ))
}

fn another(url: &str) -> Error {
    Error::Refused(format!(
        "{url}: this is not the place where the copies of this archive were made, for it has not \
         that one's mark; is the right one mounted? (\"hlarchive remote push --anew\" begins there \
         again)"
    ))
}

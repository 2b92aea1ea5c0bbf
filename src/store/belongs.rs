//! The check that the archive that is found is the tree's own.
//!
//! A disk that is not mounted leaves an empty directory, and an empty directory looks like an
//! archive that has not begun. So the tree remembers its archive in a note; where that is missing
//! or does not count, the state that the last runs left outside of both decides. What does not
//! fit is *away*: readers say so and continue with what is live, everything else stops.

use std::path::{Path, PathBuf};

use super::{LastState, Store, Unreached};
use crate::archive::{ArchiveDir, ArchiveIdentity, Manifest, origin_text};
use crate::live::{FoundNote, LiveTree, TreeNote};
use crate::{Error, Result};

/// The result of looking at an archive's place.
#[derive(Debug)]
pub(crate) struct FoundArchive {
    /// The archive; none where there is no directory.
    pub(crate) dir: Option<ArchiveDir>,
    /// The reason why it is not the tree's own, if it is not.
    pub(crate) away: Option<String>,
    /// The tree's note.
    pub(crate) note: FoundNote,
}

/// Returns the first 48 bits of an origin: what a floating-point number holds without loss.
pub(crate) fn short_origin(origin: u64) -> u64 {
    origin >> 16
}

/// Resolves as much of a path as possible.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    if let Ok(whole) = std::fs::canonicalize(path) {
        return whole;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match (absolute.parent().map(std::fs::canonicalize), absolute.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => absolute,
    }
}

impl Store {
    /// Looks at what is in the archive's place, and whether it is the tree's.
    pub(crate) fn found_archive(&self) -> Result<FoundArchive> {
        // The note before the manifest: a first rotation writes them in the reverse order.
        let live = self.live().ok().flatten();
        let dir = self.any_archive()?;
        let note = live.as_ref().map_or(FoundNote::Missing, |live| self.note(live, dir.as_ref()));
        let identity = match &dir {
            Some(dir) => dir.identity()?,
            None => ArchiveIdentity::New,
        };
        let away = match &note {
            _ if self.takes_any => None,
            FoundNote::Believed(note) => self.against_note(note, identity, dir.as_ref(), &live),
            _ => self.against_state(identity, dir.as_ref(), &live),
        };
        Ok(FoundArchive { dir, away, note })
    }

    /// Reads the tree's note. The owner of the tree's directory, of the archive's, or of the last
    /// runs' state may have written it.
    pub(crate) fn note(&self, live: &LiveTree, archive: Option<&ArchiveDir>) -> FoundNote {
        live.note(&|owner| {
            owner == 0
                || owner == rustix::process::geteuid().as_raw()
                || Some(owner) == live.owner()
                || Some(owner) == archive.and_then(ArchiveDir::owner)
                || self.last_state().is_some_and(|state| state.owner == owner)
        })
    }

    fn last_state(&self) -> Option<LastState> {
        self.state.as_ref()?.last_state()
    }

    fn against_note(
        &self,
        note: &TreeNote,
        identity: ArchiveIdentity,
        dir: Option<&ArchiveDir>,
        live: &Option<LiveTree>,
    ) -> Option<String> {
        let origin = note.origin.as_deref()?;
        match identity {
            ArchiveIdentity::Unknown => None,
            ArchiveIdentity::New => Some(self.not_here(dir, Some(&note.archive))),
            ArchiveIdentity::Known(found) if origin_text(found) == origin => None,
            // An older note that was put back does not count.
            ArchiveIdentity::Known(_) if is_newer(note, dir, live.as_ref()) => None,
            ArchiveIdentity::Known(found) => {
                Some(self.not_it(origin, &origin_text(found), Some(&note.archive)))
            }
        }
    }

    fn against_state(
        &self,
        identity: ArchiveIdentity,
        dir: Option<&ArchiveDir>,
        live: &Option<LiveTree>,
    ) -> Option<String> {
        let ArchiveIdentity::Known(found) = identity else {
            let was = identity == ArchiveIdentity::New
                && self.last_state().is_some_and(|state| state.archived);
            return was.then(|| self.not_here(dir, None));
        };
        let origin = self.last_state()?.origin?;
        let fits = origin == short_origin(found)
            || dir.zip(live.as_ref()).is_some_and(|(dir, live)| takes(dir, live));
        let short = |origin: u64| format!("{origin:012x}");
        (!fits).then(|| self.not_it(&short(origin), &short(short_origin(found)), None))
    }

    fn not_here(&self, dir: Option<&ArchiveDir>, was: Option<&str>) -> String {
        let has_segments =
            |dir: &ArchiveDir| dir.segment_files().is_ok_and(|(segments, _)| !segments.is_empty());
        if dir.is_some_and(has_segments) {
            return format!(
                "{}: the manifest of this archive is not here, so nothing in it counts; \"hlarchive \
                 manifest rebuild\" makes a new one from the segments",
                self.archive.display()
            );
        }
        format!(
            "{}: the archive of the events in {} is not here{}; is its disk mounted? (\"hlarchive \
             rotate --new-archive\" begins another one)",
            self.archive.display(),
            self.root.display(),
            self.former_place(was)
        )
    }

    fn not_it(&self, wanted: &str, found: &str, was: Option<&str>) -> String {
        format!(
            "{}: this is not the archive of the events in {}: its origin is {found}, and not \
             {wanted}{}; is the right disk mounted? (\"hlarchive rotate --new-archive\" goes on \
             with this one)",
            self.archive.display(),
            self.root.display(),
            self.former_place(was)
        )
    }

    fn former_place(&self, was: Option<&str>) -> String {
        let here = resolved(&self.archive);
        let was = was.filter(|was| Path::new(was) != here);
        was.map(|was| format!(", it was at {was}")).unwrap_or_default()
    }

    /// Opens the archive, if it exists, whichever it is: for callers that rebuild it, or that
    /// were told to accept it.
    pub fn any_archive(&self) -> Result<Option<ArchiveDir>> {
        let archive = ArchiveDir::open(&self.archive)?;
        Ok(archive.map(|archive| self.equipped(archive)))
    }

    /// Opens it likewise, creating it when missing.
    pub(crate) fn create_any_archive(&self) -> Result<ArchiveDir> {
        Ok(self.equipped(ArchiveDir::create(&self.archive)?))
    }

    /// Opens the archive, if it exists.
    ///
    /// # Errors
    ///
    /// The tree's archive is another one, or is not there.
    pub fn archive(&self) -> Result<Option<ArchiveDir>> {
        let found = self.found_archive()?;
        found.away.map_or(Ok(found.dir), |reason| Err(Error::Refused(reason)))
    }

    /// Opens the archive, which must exist; `way_out` is what the error says that it is named with.
    pub(crate) fn existing_archive(&self, way_out: &str) -> Result<ArchiveDir> {
        self.archive()?.ok_or_else(|| Error::no_archive(&self.archive, way_out))
    }

    /// Opens the archive, creating it when missing; like [`archive`](Self::archive), only if it
    /// is the tree's own.
    pub fn create_archive(&self) -> Result<ArchiveDir> {
        match self.archive()? {
            Some(archive) => Ok(archive),
            None => self.create_any_archive(),
        }
    }

    /// Opens the archive for a reader: an archive that is away counts as none, and its notice is
    /// returned.
    pub(crate) fn readable_archive(&self) -> Result<(Option<ArchiveDir>, Option<Unreached>)> {
        let FoundArchive { dir, away, .. } = self.found_archive()?;
        Ok(match away {
            None => (dir, None),
            Some(reason) => {
                (None, Some(Unreached { days: std::collections::BTreeSet::new(), reason }))
            }
        })
    }

    /// Reports whether the tree's own archive is missing although it once was in this very place.
    pub fn archive_left(&self) -> Result<bool> {
        let FoundArchive { away, note, .. } = self.found_archive()?;
        let was_here = match note {
            FoundNote::Believed(note) => Path::new(&note.archive) == resolved(&self.archive),
            _ => true,
        };
        Ok(away.is_some() && was_here)
    }
}

/// Reports whether an archive says that it takes the days of this tree, and has done so since
/// after the note was written.
fn is_newer(note: &TreeNote, dir: Option<&ArchiveDir>, live: Option<&LiveTree>) -> bool {
    let manifest = dir.and_then(|dir| Manifest::load(dir).ok());
    let bound = manifest.as_ref().and_then(Manifest::tree);
    bound.zip(live).is_some_and(|(bound, live)| {
        bound.since > note.since
            && live
                .identity()
                .is_ok_and(|here| here.root == bound.tree.root || here.inode == bound.tree.inode)
    })
}

/// Reports whether an archive says that it takes the days of this tree.
fn takes(dir: &ArchiveDir, live: &LiveTree) -> bool {
    let Ok(manifest) = Manifest::load(dir) else { return false };
    let Some(bound) = manifest.tree() else { return false };
    live.identity().is_ok_and(|here| {
        here.root == bound.tree.root
            || (here.inode == bound.tree.inode && here.device == bound.tree.device)
    })
}

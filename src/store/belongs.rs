//! Whether the archive that is found is the tree's own.
//!
//! A disk that is not mounted leaves an empty directory, and an empty directory looks like an
//! archive that has not begun. So the tree remembers its archive by a note; where that is
//! missing or does not count, the state that the last runs left outside of both speaks. What
//! does not fit is *away*: readers say so and go on with what is live, everybody else stops.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Store, Unreached};
use crate::archive::{ArchiveDir, ArchiveIdentity, Manifest, origin_text};
use crate::live::{FoundNote, LiveTree, TreeNote};
use crate::{Error, Result};

/// What the last runs left outside of tree and archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastState {
    /// The first 48 bits of the archive's origin, if they are known.
    pub origin: Option<u64>,
    /// Whether anything was archived.
    pub archived: bool,
    /// The user to whom that state belongs, who is one of those who rotate.
    pub owner: u32,
}

/// Knows what the last runs left. It is asked when the tree itself does not tell.
pub trait Remembers: fmt::Debug + Send + Sync {
    /// What they left, if it can be read.
    fn last_state(&self) -> Option<LastState>;
}

/// What was found in an archive's place.
#[derive(Debug)]
pub(crate) struct FoundArchive {
    /// The archive; none where there is no directory.
    pub(crate) dir: Option<ArchiveDir>,
    /// Why it is not the tree's own, if it is not.
    pub(crate) away: Option<String>,
    /// The tree's note.
    pub(crate) note: FoundNote,
}

/// The first 48 bits of an origin: what a floating-point number holds without loss.
pub(crate) fn short_origin(origin: u64) -> u64 {
    origin >> 16
}

/// A path with everything in it resolved that can be.
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
    /// Looks at what is in the archive's place, and whose it is.
    pub(crate) fn found_archive(&self) -> Result<FoundArchive> {
        // The note before the manifest: a first rotation writes them the other way round.
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

    /// Reads the tree's note. Whoever owns the tree's directory, the archive's, or the state of
    /// the last runs may have written it.
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
            // An older note that somebody put back does not count.
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
            self.was_elsewhere(was)
        )
    }

    fn not_it(&self, wanted: &str, found: &str, was: Option<&str>) -> String {
        format!(
            "{}: this is not the archive of the events in {}: its origin is {found}, and not \
             {wanted}{}; is the right disk mounted? (\"hlarchive rotate --new-archive\" goes on \
             with this one)",
            self.archive.display(),
            self.root.display(),
            self.was_elsewhere(was)
        )
    }

    fn was_elsewhere(&self, was: Option<&str>) -> String {
        let here = resolved(&self.archive);
        let was = was.filter(|was| Path::new(was) != here);
        was.map(|was| format!(", it was at {was}")).unwrap_or_default()
    }

    /// The archive, if it exists, whichever it is: for those who are to make it again, or who
    /// were told to take it as it is.
    pub fn any_archive(&self) -> Result<Option<ArchiveDir>> {
        let archive = ArchiveDir::open(&self.archive)?;
        Ok(archive.map(|archive| self.equipped(archive)))
    }

    /// The same, made when missing.
    pub(crate) fn create_any_archive(&self) -> Result<ArchiveDir> {
        Ok(self.equipped(ArchiveDir::create(&self.archive)?))
    }

    /// The archive, if it exists.
    ///
    /// # Errors
    ///
    /// The archive of this tree is another one, or is not there.
    pub fn archive(&self) -> Result<Option<ArchiveDir>> {
        let found = self.found_archive()?;
        found.away.map_or(Ok(found.dir), |reason| Err(Error::Refused(reason)))
    }

    /// The archive, made when missing; as for [`archive`](Self::archive), only if it is the
    /// tree's own.
    pub fn create_archive(&self) -> Result<ArchiveDir> {
        match self.archive()? {
            Some(archive) => Ok(archive),
            None => self.create_any_archive(),
        }
    }

    /// The archive for who reads: what is away is no archive, and what there is to say of it.
    pub(crate) fn readable_archive(&self) -> Result<(Option<ArchiveDir>, Option<Unreached>)> {
        let FoundArchive { dir, away, .. } = self.found_archive()?;
        Ok(match away {
            None => (dir, None),
            Some(reason) => {
                (None, Some(Unreached { days: std::collections::BTreeSet::new(), reason }))
            }
        })
    }

    /// Whether the tree's own archive is not here, though it was once in this very place.
    pub fn archive_left(&self) -> Result<bool> {
        let FoundArchive { away, note, .. } = self.found_archive()?;
        let was_here = match note {
            FoundNote::Believed(note) => Path::new(&note.archive) == resolved(&self.archive),
            _ => true,
        };
        Ok(away.is_some() && was_here)
    }
}

/// Whether an archive says that it takes the days of this tree, and since a time after the
/// note was written.
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

/// Whether an archive says that it takes the days of this tree.
fn takes(dir: &ArchiveDir, live: &LiveTree) -> bool {
    let Ok(manifest) = Manifest::load(dir) else { return false };
    let Some(bound) = manifest.tree() else { return false };
    live.identity().is_ok_and(|here| {
        here.root == bound.tree.root
            || (here.inode == bound.tree.inode && here.device == bound.tree.device)
    })
}

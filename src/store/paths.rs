//! Where a history lies: two paths, and what else is known of them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::archive::ArchiveDir;
use crate::event::SharedLitter;
use crate::fs;
use crate::live::LiveTree;
use crate::segment::Fetch;
use crate::{Error, Result};

/// The state that the last runs left outside of tree and archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastState {
    /// The first 48 bits of the archive's origin, if known.
    pub origin: Option<u64>,
    /// True if anything was archived.
    pub archived: bool,
    /// The user who owns that state, one of those who rotate.
    pub owner: u32,
}

/// A memory of what the last runs left, consulted when the tree itself does not say.
pub trait Remembers: fmt::Debug + Send + Sync {
    /// Returns what they left, if it can be read.
    fn last_state(&self) -> Option<LastState>;
}

/// The location of a history. Cheap to create; opens nothing by itself.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) root: PathBuf,
    pub(super) archive: PathBuf,
    remote: Option<Arc<dyn Fetch>>,
    pub(super) state: Option<Arc<dyn Remembers>>,
    pub(super) takes_any: bool,
    litter: SharedLitter,
}

impl Store {
    /// Returns the history with live events below `root` and segments below `archive`, by default
    /// the root's sibling with `-archive` appended.
    pub fn new(root: impl Into<PathBuf>, archive: Option<PathBuf>) -> Self {
        let root = root.into();
        let archive = archive.unwrap_or_else(|| Self::default_archive(&root));
        Self {
            root,
            archive,
            remote: None,
            state: None,
            takes_any: false,
            litter: SharedLitter::default(),
        }
    }

    /// Sets another directory for the segments.
    #[must_use]
    pub fn with_archive(self, archive: PathBuf) -> Self {
        Self { archive, ..self }
    }

    /// Adds a source for the parts of the archive that are remote. It is not contacted before a
    /// query needs it.
    #[must_use]
    pub fn with_remote(mut self, remote: Arc<dyn Fetch>) -> Self {
        self.remote = Some(remote);
        self
    }

    /// Adds a memory of what the last runs left.
    #[must_use]
    pub fn with_state(mut self, state: Arc<dyn Remembers>) -> Self {
        self.state = Some(state);
        self
    }

    /// Accepts whatever archive is there, or a new one: it becomes the tree's with the next
    /// rotation.
    #[must_use]
    pub fn with_any_archive(mut self) -> Self {
        self.takes_any = true;
        self
    }

    /// Reports whether any archive that is there is accepted as the tree's.
    pub(crate) fn takes_any(&self) -> bool {
        self.takes_any
    }

    /// Replaces the list of names that are passed over.
    #[must_use]
    pub fn with_litter(mut self, litter: SharedLitter) -> Self {
        self.litter = litter;
        self
    }

    /// Returns the names of other programs' files that are passed over.
    pub fn litter(&self) -> &SharedLitter {
        &self.litter
    }

    /// Returns the archive of an event root when none is named.
    pub fn default_archive(root: &Path) -> PathBuf {
        // "." and "/srv/.." have no name of their own.
        let settled;
        let root = if root.file_name().is_some() {
            root
        } else {
            settled = fs::settled(root);
            settled.as_path()
        };
        let mut name = root.file_name().unwrap_or_default().to_os_string();
        name.push("-archive");
        root.with_file_name(name)
    }

    /// Returns the event root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the archive's directory.
    pub fn archive_path(&self) -> &Path {
        &self.archive
    }

    /// Refuses a tree and an archive that lie one inside the other: each would take parts of the
    /// other for its own days or segments.
    pub fn check_apart(&self) -> Result<()> {
        let (root, archive) = (fs::settled(&self.root), fs::settled(&self.archive));
        let reason = if root == archive {
            "is the event tree itself"
        } else if archive.starts_with(&root) {
            "lies inside the event tree"
        } else if root.starts_with(&archive) {
            "holds the event tree"
        } else {
            return Ok(());
        };
        Err(Error::Usage(format!(
            "{}: the archive {reason}, {}; name a directory beside it with --archive",
            self.archive.display(),
            self.root.display()
        )))
    }

    /// Refuses to write to a directory that is, or lies in, the tree or the archive, on behalf of
    /// an operation that only reads these.
    pub fn check_outside(&self, directory: &Path, operation: &str) -> Result<()> {
        let settled = fs::settled(directory);
        let what = if settled.starts_with(fs::settled(&self.root)) {
            "the event tree"
        } else if settled.starts_with(fs::settled(&self.archive)) {
            "the archive"
        } else {
            return Ok(());
        };
        Err(Error::Usage(format!(
            "{}: this is {what}, which {operation} only reads; choose another directory",
            directory.display()
        )))
    }

    /// Returns the live tree, if its root exists.
    pub fn live(&self) -> Result<Option<LiveTree>> {
        Ok(LiveTree::open(&self.root)?.map(|live| live.with_litter(self.litter.clone())))
    }

    /// Returns the live tree, creating it when missing.
    pub fn create_live(&self) -> Result<LiveTree> {
        Ok(LiveTree::create(&self.root)?.with_litter(self.litter.clone()))
    }

    pub(super) fn equipped(&self, archive: ArchiveDir) -> ArchiveDir {
        archive.with_remote(self.remote.clone()).with_litter(self.litter.clone())
    }
}

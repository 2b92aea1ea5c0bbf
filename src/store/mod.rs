//! The live tree and the archive as one history.
//!
//! A [`Store`] is two paths. Reading takes no lock: a [`Query`] becomes an
//! [`EventStream`], which lists a live day *before* it looks at the manifest, and looks
//! up in the archive what vanished from the tree in between. So each event is seen
//! exactly once at every moment, also while days are being rotated or restored.

mod arena;
mod candidates;
mod cursor;
mod filter;
mod find;
pub mod follow;
mod frames;
mod notice;
mod row;
mod searched;
mod source;
mod stream;

#[cfg(test)]
mod interleaved;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use cursor::Cursor;
pub use filter::{Filter, Order, Query, Scope};
pub use find::Name;
pub use notice::{Notice, Notices, Unreached};
pub use row::FoundEvent;
pub(crate) use row::{bounds, clamp};
pub use stream::EventStream;

use crate::Result;
use crate::archive::ArchiveDir;
use crate::event::SharedLitter;
use crate::live::LiveTree;
use crate::segment::Fetch;

/// A point at which the world may have changed under a reader; tests change it there.
#[cfg(not(test))]
fn step() {}
#[cfg(test)]
use interleaved::step;

/// Where a history lies. Cheap to make; opens nothing by itself.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    archive: PathBuf,
    elsewhere: Option<Arc<dyn Fetch>>,
    litter: SharedLitter,
}

impl Store {
    /// The history with live events below `root` and segments below `archive`; by
    /// default the sibling of the root with `-archive` appended.
    pub fn new(root: impl Into<PathBuf>, archive: Option<PathBuf>) -> Self {
        let root = root.into();
        let archive = archive.unwrap_or_else(|| Self::default_archive(&root));
        Self { root, archive, elsewhere: None, litter: SharedLitter::default() }
    }

    /// The same, with somebody who fetches what of the archive lies elsewhere. Nothing is
    /// asked of it before a query needs it.
    #[must_use]
    pub fn with_elsewhere(mut self, elsewhere: Arc<dyn Fetch>) -> Self {
        self.elsewhere = Some(elsewhere);
        self
    }

    /// The same, with another list of what is passed over.
    #[must_use]
    pub fn with_litter(mut self, litter: SharedLitter) -> Self {
        self.litter = litter;
        self
    }

    /// The names of other programs that are passed over.
    pub fn litter(&self) -> &SharedLitter {
        &self.litter
    }

    /// The archive that belongs to an event root when none is named.
    pub fn default_archive(root: &Path) -> PathBuf {
        let mut name = root.file_name().unwrap_or_default().to_os_string();
        name.push("-archive");
        root.with_file_name(name)
    }

    /// The event root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The archive's directory.
    pub fn archive_path(&self) -> &Path {
        &self.archive
    }

    /// The live tree, if its root exists.
    pub fn live(&self) -> Result<Option<LiveTree>> {
        Ok(LiveTree::open(&self.root)?.map(|live| live.with_litter(self.litter.clone())))
    }

    /// The live tree, made when missing.
    pub fn create_live(&self) -> Result<LiveTree> {
        Ok(LiveTree::create(&self.root)?.with_litter(self.litter.clone()))
    }

    /// The archive, if it exists.
    pub fn archive(&self) -> Result<Option<ArchiveDir>> {
        let archive = ArchiveDir::open(&self.archive)?;
        Ok(archive.map(|archive| self.equipped(archive)))
    }

    /// The archive, made when missing.
    pub fn create_archive(&self) -> Result<ArchiveDir> {
        Ok(self.equipped(ArchiveDir::create(&self.archive)?))
    }

    fn equipped(&self, archive: ArchiveDir) -> ArchiveDir {
        archive.with_elsewhere(self.elsewhere.clone()).with_litter(self.litter.clone())
    }

    /// The events that a query asks for, in its order.
    pub fn events(&self, query: Query) -> Result<EventStream> {
        EventStream::open(self, query, stream::Amounts::default())
    }
}

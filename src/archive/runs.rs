//! The outcomes of the last runs, as they left them: the file `runs`.
//!
//! It belongs to the archive and says nothing about its events, so nothing depends on it: readers
//! of the history ignore it, and it can be removed at any time. Any process that may write there
//! replaces it as a whole, without the lock, even one that only verifies.

use std::io::Read;

use rustix::fs::{Access, AtFlags};

use super::ArchiveDir;
use super::layout::{MANIFEST, NEXT_RUNS, RUNS};
use crate::Result;
use crate::fs::{self, Staged};

/// The largest valid file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

impl ArchiveDir {
    /// Returns the text of the file, if there is one.
    pub(crate) fn runs(&self) -> Option<String> {
        let file = fs::open_regular(self.fd(), RUNS).ok()?;
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Reports whether there is an archive for the file, and this user may replace it.
    pub(crate) fn may_put_runs(&self) -> bool {
        rustix::fs::accessat(self.fd(), ".", Access::WRITE_OK, AtFlags::EACCESS).is_ok()
            && fs::open_regular(self.fd(), MANIFEST).is_ok()
    }

    /// Replaces the file.
    pub(crate) fn put_runs(&self, text: &str) -> Result<()> {
        self.dir().remove(NEXT_RUNS)?;
        let mut staged = Staged::create(self.dir(), NEXT_RUNS.to_owned(), 0o644)?;
        staged.write(text.as_bytes())?;
        staged.sync()?;
        staged.replace(RUNS)
    }
}

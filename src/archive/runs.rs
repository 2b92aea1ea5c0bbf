//! How the last runs ended, as they left it: the file `runs`.
//!
//! It is of the archive and says nothing of its events, so nobody needs it; readers of the
//! history pass it over, and it can be removed at any time. Whoever may write there replaces
//! it as a whole, without the lock: also who only verifies.

use std::io::{Read, Write};

use rustix::fs::{Access, AtFlags};

use super::ArchiveDir;
use super::dir::MANIFEST;
use crate::fs;
use crate::{Error, Result};

/// The file's name.
pub(super) const RUNS: &str = "runs";

/// The name of one that has not got its own yet: no leftover, since who comes next takes it.
pub(super) const NEXT_RUNS: &str = "runs.new";

/// A larger file is none.
const MAX_BYTES: u64 = 1 << 20;

impl ArchiveDir {
    /// The text of the file, if there is one.
    pub(crate) fn runs(&self) -> Option<String> {
        let file = fs::open_regular(self.fd(), RUNS).ok()?;
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Returns whether there is an archive that it can be of, and this user may replace the file.
    pub(crate) fn may_put_runs(&self) -> bool {
        rustix::fs::accessat(self.fd(), ".", Access::WRITE_OK, AtFlags::EACCESS).is_ok()
            && fs::open_regular(self.fd(), MANIFEST).is_ok()
    }

    /// Replaces the file.
    pub(crate) fn put_runs(&self, text: &str) -> Result<()> {
        let failed = |error: std::io::Error| Error::io(self.root().join(RUNS), "write", error);
        let put = || -> std::io::Result<()> {
            fs::unlink(self.fd(), NEXT_RUNS)?;
            let mut file = std::fs::File::from(fs::create_new(self.fd(), NEXT_RUNS, 0o644)?);
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            Ok(rustix::fs::renameat(self.fd(), NEXT_RUNS, self.fd(), RUNS)?)
        };
        put().map_err(|error| {
            let _ = fs::unlink(self.fd(), NEXT_RUNS);
            failed(error)
        })
    }
}

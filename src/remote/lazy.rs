//! A bucket that is opened when something is first fetched from it.

use std::fmt;
use std::io;
use std::sync::OnceLock;

use super::Bucket;
use crate::segment::{Fetch, Piece};
use crate::{Error, Result};

/// A function that opens a bucket.
type Opens = dyn Fn() -> Result<Bucket> + Send + Sync;

/// A bucket that is opened only when it is needed: most queries are answered without.
pub(crate) struct Lazy {
    opens: Box<Opens>,
    opened: OnceLock<Result<Bucket, String>>,
}

impl Lazy {
    /// Returns a bucket that `opens` will open.
    pub(crate) fn new(opens: impl Fn() -> Result<Bucket> + Send + Sync + 'static) -> Self {
        Self { opens: Box::new(opens), opened: OnceLock::new() }
    }
}

impl fmt::Debug for Lazy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lazy").finish_non_exhaustive()
    }
}

impl Lazy {
    fn opened(&self) -> &Result<Bucket, String> {
        self.opened.get_or_init(|| (self.opens)().map_err(|error: Error| error.to_string()))
    }
}

impl Fetch for Lazy {
    fn lost(&self, objects: &[&str]) -> io::Result<Vec<String>> {
        match self.opened() {
            Ok(bucket) => bucket.lost(objects),
            Err(reason) => Err(io::Error::new(io::ErrorKind::HostUnreachable, reason.clone())),
        }
    }

    fn fetch(&self, pieces: &[Piece]) -> Vec<io::Result<Vec<u8>>> {
        match self.opened() {
            Ok(bucket) => bucket.fetch(pieces),
            Err(reason) => {
                let failed = || io::Error::new(io::ErrorKind::HostUnreachable, reason.clone());
                pieces.iter().map(|_| Err(failed())).collect()
            }
        }
    }
}

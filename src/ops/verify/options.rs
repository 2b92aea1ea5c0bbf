//! Options of a verification, and its depth.

use crate::event::Date;
use crate::ops::sign::Witness;
use crate::segment::Sha256Hash;

/// The part of a segment that is read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Depth {
    /// All of it: every byte is hashed, every frame decompressed, every member parsed.
    #[default]
    Full,
    /// Only sizes, checksum files, indexes and seek tables.
    Quick,
    /// All of a random share of the segments, in percent; the others as `Quick`.
    Sample(f64),
}

/// Options of a verification.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Only these days; empty for all.
    pub dates: Vec<Date>,
    /// True to check live files.
    pub live: bool,
    /// True to check the archive.
    pub archive: bool,
    /// The part of each segment that is read.
    pub depth: Depth,
    /// A head of the manifest that was kept on another machine: nothing up to it may have changed.
    pub head: Option<Sha256Hash>,
    /// A public key, and perhaps a signature that was kept on another machine: what was signed must
    /// be unchanged.
    pub witness: Option<Witness>,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            dates: Vec::new(),
            live: true,
            archive: true,
            depth: Depth::Full,
            head: None,
            witness: None,
        }
    }
}

impl VerifyOptions {
    pub(super) fn wants(&self, date: Date) -> bool {
        self.dates.is_empty() || self.dates.contains(&date)
    }
}

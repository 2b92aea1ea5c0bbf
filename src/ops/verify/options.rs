//! What is verified, and how thoroughly.

use crate::event::Date;
use crate::ops::sign::Witness;
use crate::segment::Sha256Hash;

/// How much of a segment is read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Depth {
    /// All of it: every byte is hashed, every frame decompressed, every member parsed.
    #[default]
    Full,
    /// Only sizes, checksum files, indexes and seek tables.
    Quick,
    /// All of a random share of the segments, in percent; of the others as `Quick`.
    Sample(f64),
}

/// What to verify.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// Only these days; empty for all.
    pub dates: Vec<Date>,
    /// Whether live files are checked.
    pub live: bool,
    /// Whether the archive is checked.
    pub archive: bool,
    /// How much of each segment is read.
    pub depth: Depth,
    /// A head of the manifest that was kept elsewhere: nothing up to it may have changed.
    pub head: Option<Sha256Hash>,
    /// A public key, and perhaps a signature that was kept elsewhere: what was signed must
    /// still be so.
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

//! One segment.

mod hash;

pub use hash::Sha256Hash;

//! Tests that run the readers of this module against a history that changes under them.

mod interleaved;
pub(super) mod world;

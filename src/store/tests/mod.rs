//! Tests that run the readers of this module against a history that changes under them.

pub(super) mod interleaved;

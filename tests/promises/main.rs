//! Each promise of the design, kept by real processes, files and tools: one file a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod residue;

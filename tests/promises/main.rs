//! Each promise of the design, kept by real processes, files and tools: one file a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod determinism;
mod fixtures;
mod flips;
mod format_page;
mod interop;
mod layers;

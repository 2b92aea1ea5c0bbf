//! Each promise of the design, kept by real processes, files and tools: one file a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod catalogue;
mod circles;
mod clock;
mod concurrency;
mod determinism;
mod docs;
mod fixtures;
mod flips;
mod forge;
mod format_page;
mod hostile;
mod hostile_archive;
mod hostile_entries;
mod hostile_import;
mod hostile_manifest;
mod hostile_swap;
mod hostile_tree;
mod interop;
mod layers;
mod man;
mod meanwhile;
mod one_answer;
mod opened;
mod planted;
mod protocol;
mod public;
mod residue;
mod room;
mod roundtrip;
mod signals;
mod units;
mod vectors;
mod words;
mod years;

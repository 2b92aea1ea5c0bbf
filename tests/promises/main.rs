//! Each promise of the design, kept by real processes, files and tools: one file a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod docs;
mod hostile;
mod hostile_swap;
mod hostile_tree;
mod man;
mod protocol;
mod units;

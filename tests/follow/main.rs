//! Following a history: each event once, over any number of runs, whatever moves meanwhile.
//! Real processes at work on one tree: emitters, rotations, restores, followers that are
//! killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod cursor;
mod killed;
mod support;
mod wake;

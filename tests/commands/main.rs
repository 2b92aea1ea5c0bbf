//! Each command through the binary, as a user runs it: one file a command.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod rotate;

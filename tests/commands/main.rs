//! Each command through the binary, as a user runs it: one file a command.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub
)]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod always;
mod answers;
mod attempts;
mod away;
mod bad_input;
mod clocks;
mod compact;
mod complete;
mod count;
mod emit;
mod emit_anyway;
mod emit_batch;
mod evidence;
mod export;
mod follow;
mod global;
mod grep;
mod hold;
mod import;
mod inspect;
mod list;
mod list_foreign;
mod list_output;
mod litter;
mod log;
mod manifest;
#[cfg(feature = "mcp")]
mod mcp;
mod metrics;
mod outages;
mod policy;
mod prune;
mod restore;
mod rotate;
mod rotate_again;
mod rotate_odd;
mod shells;
mod show;
mod sign;
mod spool;
mod status;
mod status_runs;
mod status_state;
mod sync;
mod trace;
mod trace_seen;
mod users;
mod verify;
mod verify_manifest;
mod width;

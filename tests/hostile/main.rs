//! Nobody who may emit, sync or write a bucket destroys, hides or forges what is not theirs.
//!
//! One file a promise; each test replays an attack as the users of a real machine would run
//! into it. SECURITY.md names these tests beside what they keep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;
mod support;

mod burden;
mod derived;
mod emit_goes_on;
mod expiry;
mod layout;
mod lock;
mod memory;
mod note;
mod output;
mod staging;
mod sync;

//! What needs an administrator: file systems that are full, read-only or another one, and
//! users without rights. Elsewhere each test says that it shows nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod disk;
mod expire;
#[cfg(feature = "parquet")]
mod export;
#[cfg(all(feature = "parquet", feature = "remote"))]
mod export_bucket;
mod full;
mod link;
mod readonly;
mod rights;
mod runbooks;
mod sync;

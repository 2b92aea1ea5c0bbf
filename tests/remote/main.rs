//! Copies in object storage, against a real server: Garage, on this machine alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    unreachable_pub
)]

#[path = "../common/mod.rs"]
mod common;
mod garage;
mod proxy;
mod site;

mod cluster;
mod counting;
mod export;
mod faults;
mod forged;
mod hosts;
mod offline;
mod place;
mod push;
mod rebuild;
mod refused;
mod tiers;

//! Keeps a homelab's event history.

pub mod archive;
pub mod error;
pub mod event;
pub mod live;
pub mod policy;
pub mod segment;

pub use error::{Error, Result};

//! Keeps a homelab's event history.
//!
//! Every node writes its events as single immutable JSON files,
//! `EVENTS/YYYY-MM-DD/NODE/TIMESTAMP_TYPE_UUID.json`. This library emits them
//! ([`ops::emit`]), rotates closed days into checksummed, searchable `.tar.zst` segments
//! ([`ops::rotate`]), reads across live and archived days as if nothing had moved
//! ([`store`]), proves that nothing was lost or altered ([`ops::verify`]) and turns
//! archived events back into files ([`ops::restore`]).
//!
//! It never prints, never ends the process, and never looks at the environment, the
//! clock or a source of randomness by itself: the caller hands in a [`Context`].
//!
//! ```
//! use hlarchive::archive::By;
//! use hlarchive::ops::emit::{NewEvent, emit};
//! use hlarchive::policy::Policy;
//! use hlarchive::{Context, Query, Store};
//!
//! # fn main() -> hlarchive::Result<()> {
//! # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
//! let store = Store::new(directory.path().join("events"), None);
//! let policy = Policy::built_in()?;
//! let now = std::time::SystemTime::now().into();
//! let by = By { user: "me".into(), host: "pi4".into(), command: "example".into(), sudo_user: None };
//! let context = Context::new(now, by, [7; 32]); // random bytes in real life
//!
//! let new = NewEvent {
//!     event_type: "deployment_started".into(),
//!     severity: None, // its type says
//!     source: "deploy.sh".into(),
//!     service: "mosquitto".into(),
//!     correlation_id: Some("deploy-882".into()),
//!     payload: r#"{"version": "2.0.18"}"#.into(),
//!     node: "pi4".into(),
//!     timestamp: None,
//! };
//! let emitted = emit(&store, &policy.events, &context, &new)?;
//! assert!(emitted.file.exists());
//!
//! let events: Vec<_> = store.events(Query::default())?.collect::<Result<_, _>>()?;
//! assert_eq!(events[0].path, emitted.path);
//! # Ok(())
//! # }
//! ```

pub mod archive;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
pub mod error;
pub mod event;
mod fs;
pub mod live;
pub mod ops;
pub mod policy;
pub mod progress;
pub mod remote;
pub mod segment;
pub mod store;
pub mod text;
pub mod views;

pub use error::{Error, Result};
pub use event::{Date, Event, Timestamp};
pub use ops::Context;
pub use store::{Query, Store};

/// The README's Rust code must at least compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

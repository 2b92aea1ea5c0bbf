//! Keeps a homelab's event history.
//!
//! Every node writes its events as single immutable JSON files,
//! `EVENTS/YYYY-MM-DD/NODE/TIMESTAMP_TYPE_UUID.json`. A [`History`] emits them, rotates closed
//! days into checksummed, searchable `.tar.zst` segments, reads live and archived days as one,
//! proves that nothing was lost or altered, and turns archived events back into files.
//!
//! ```
//! use hlarchive::{History, RotateOptions};
//!
//! # fn main() -> hlarchive::Result<()> {
//! # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
//! # let root = directory.path().join("events");
//! let history = History::open(&root)?;
//! history.emit("deployment_started").service("mosquitto").correlation_id("deploy-882").send()?;
//! history.rotate(&RotateOptions::default())?; // each night: closed days become segments
//! for event in history.events().service("mosquitto").since("90d")? {
//!     println!("{}", event?.path);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! * Nothing is lost: a live file is removed only after its bytes were read back from the segment
//!   and the segment was recorded, and only if it is still the file that was read.
//! * Nothing archived is ever changed. Plain tools read a segment: `tar --zstd -xf`.
//! * What is missing is said: an archive that is not mounted is an error or a notice, never an
//!   empty history.
//!
//! A fault of one file or one day is a [`Finding`] in an operation's report, and stops nothing
//! else. The library never prints and never ends the process; time, user, host and
//! randomness come in by a [`Context`].
//!
//! # Cargo features
//!
//! * `cli` (on): the command. Without default features this is the library alone.
//! * `parquet` (on): exports as Apache Parquet.
//! * `remote`: copies of segments in S3-compatible object storage.
//! * `mcp`: the command's server for agents.

// What is public is the list below. Without the inner parts opened, what only they need is not
// reached.
#![cfg_attr(not(feature = "internals"), allow(unreachable_pub))]
// The command uses much that the library alone does not.
#![cfg_attr(not(feature = "cli"), allow(dead_code, unused_imports))]

mod archive;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod context;
mod error;
mod event;
mod fs;
mod history;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod live;
mod ops;
mod policy;
mod progress;
mod remote;
mod segment;
mod store;
mod system;
mod text;
mod views;
mod when;

pub use archive::{By, Expired, Head, Op, SegmentName, SegmentPlace};
pub use context::Context;
pub use error::{Error, Result};
pub use event::{Date, Event, EventPath, InvalidEvent, Malformed, NodeName, Severity, Timestamp};
pub use history::History;
pub use ops::Finding;
pub use ops::answers::attempts::{AttemptReport, Attempts};
pub use ops::answers::count::{CountReport, CountedGroup};
pub use ops::answers::events::Events;
pub use ops::answers::outages::{OutageReport, Outages};
pub use ops::answers::status::StatusReport;
pub use ops::answers::trace::Story;
pub use ops::compact::{CompactOptions, CompactPlan, CompactReport, Compacted, PlannedCompaction};
pub use ops::emit::{Emit, Sent};
pub use ops::evidence::{
    EvidenceDay, EvidenceManifest, EvidenceOptions, EvidenceReport, EvidenceSegment,
};
pub use ops::export::{ExportFormat, ExportOptions, ExportReport, ExportTarget, ExportedDay};
pub use ops::hold::{HoldPicture, HoldReport, HoldSubject};
pub use ops::import::{ImportOptions, ImportReport};
pub use ops::inspect::{ExpiredSegment, InspectSubject, SegmentPicture};
pub use ops::manifest::ManifestRebuildReport;
pub use ops::metrics::LastEnd;
pub use ops::prune::{Difference, Expiring, Held, PruneOptions, PrunePlan, PruneReport};
pub use ops::remote::{
    Believed, Copied, EvictReport, Evicted, HostStatus, MirroredHost, PullReport, PushReport,
    RemoteArchive, RemoteRebuildReport, RemoteStatus, RemoteVerifyOptions, RemoteVerifyReport,
};
pub use ops::restore::{RestoreOptions, RestoreReport, RestoreTarget, RestoredDay};
pub use ops::rotate::{PlannedDay, RotateOptions, RotateReport, RotatedDay};
pub use ops::sign::{SignReport, SigningKey, Witness};
pub use ops::status::{ArchivedStatus, CalendarDay, LastRun, LiveStatus, Status, StatusOptions};
pub use ops::sync::{End, SyncOptions, SyncReport, Transport};
pub use ops::verify::{AfterHead, Depth, ReadDepth, VerifyOptions, VerifyReport};
pub use policy::{Policy, PolicyError};
pub use progress::{Progress, Unit};
pub use remote::Bucket;
pub use segment::Sha256Hash;
pub use store::{FoundEvent, Notice, Unreached};
pub use views::attempts::{ActionSummary, Afterwards, Attempt, AttemptOutcome};
pub use views::outages::{AttemptEnd, Figures, Outage, OutageAttempt};
pub use views::problems::{Problem, Unended};
pub use views::standing::ProblemKind;
pub use views::trace::{ChainFailure, OpenTrouble, Outcome, Remediation, Step, TraceSummary, Why};

/// The README's Rust code must at least compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

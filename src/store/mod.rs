//! The live tree and the archive as one history.
//!
//! A [`Store`] is two paths. Reading takes no lock: a [`Query`] becomes an [`EventStream`], which
//! lists a live day *before* it reads the manifest, and looks in the archive for what has
//! vanished from the tree since. So each event is seen exactly once at any moment, even while
//! days are being rotated or restored.

mod archive_scan;
mod belongs;
mod filter;
mod find;
pub(crate) mod follow;
mod frames;
mod known;
mod looked;
mod named;
mod notice;
mod page_cursor;
mod paths;
pub(crate) mod pattern;
mod query;
mod row;
mod row_buffer;
mod source;
mod sources;
mod step;
mod stream;
mod survey;
mod whole_days;

#[cfg(test)]
mod tests;

pub(crate) use belongs::{FoundArchive, resolved, short_origin};
pub use filter::Filter;
pub(crate) use filter::{Asked, Like};
pub(crate) use find::Name;
pub(crate) use looked::Looked;
pub(crate) use notice::Notices;
pub use notice::{Notice, Unreached};
pub(crate) use page_cursor::PageCursor;
pub use paths::Store;
pub(crate) use paths::{LastState, Remembers};
pub use query::{Query, Scope};
pub use row::{FoundEvent, Order};
pub(crate) use row::{bounds, clamp};
use step::step;
pub(crate) use stream::EventStream;

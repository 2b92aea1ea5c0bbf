//! How a long operation tells what it is doing, and is asked to stop.
//!
//! The library calls this trait and never prints; who draws it (or not) is the caller's
//! choice. Every method does nothing by default.

/// What a progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes read or written.
    Bytes,
    /// Events.
    Events,
    /// Files.
    Files,
    /// Days.
    Days,
}

/// The listener of a long operation. It may be called from several threads.
pub trait Progress: Send + Sync {
    /// A stretch of work begins: `what` in words, and how much there is, if known.
    fn begin(&self, what: &str, total: Option<u64>, unit: Unit) {
        let _ = (what, total, unit);
    }

    /// So much more is done.
    fn advance(&self, amount: u64) {
        let _ = amount;
    }

    /// The stretch is over.
    fn end(&self) {}

    /// Whether the operation should stop at the next point where stopping is safe.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {}

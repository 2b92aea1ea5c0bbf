//! Progress of long operations, and requests to stop them.
//!
//! The library calls this trait and never prints; the caller chooses who draws it, if anyone.
//! Every method does nothing by default.

/// The unit that a progress counts.
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
    /// Begins a stretch of work: `what` in words, and how much there is, if known.
    fn begin(&self, what: &str, total: Option<u64>, unit: Unit) {
        let _ = (what, total, unit);
    }

    /// Adds an amount of finished work.
    fn advance(&self, amount: u64) {
        let _ = amount;
    }

    /// Ends the stretch of work.
    fn end(&self) {}

    /// Reports whether the operation should stop at the next point where stopping is safe.
    fn stop_requested(&self) -> bool {
        false
    }
}

/// A listener that does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Silent;

impl Progress for Silent {}

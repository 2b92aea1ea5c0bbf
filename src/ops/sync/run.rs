//! A sync at work.

use super::{SyncOptions, SyncReport};
use crate::progress::Progress;
use crate::{Context, Error, Result};

/// A sync at work: its settings, and its report so far.
pub(super) struct SyncRun<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a SyncOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) report: SyncReport,
}

impl SyncRun<'_> {
    pub(super) fn stop_if_asked(&self) -> Result<()> {
        if self.progress.stop_requested() {
            return Err(Error::Interrupted(String::new()));
        }
        Ok(())
    }
}

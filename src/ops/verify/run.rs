//! A verification at work.

use super::{VerifyOptions, VerifyReport};
use crate::Context;
use crate::progress::Progress;

/// A verification at work: its settings, and its report so far.
pub(super) struct VerifyRun<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a VerifyOptions,
    pub(super) progress: &'a dyn Progress,
    pub(super) report: VerifyReport,
}

//! The remote steps after a rotation or a prune, if the policy keeps remote copies.
//!
//! The work done before stays done, whatever happens here: its report is printed first, and
//! then what went wrong here.

use serde_json::Value;

use crate::ops::remote::{EvictReport, PushReport};
use crate::policy::Keep;
use crate::{History, Result};

use super::remote::{end_of_push, evict_lines, push_lines};
use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure, stdout_failed};
use crate::cli::session::Session;

/// The work done remotely.
#[derive(Default)]
pub(super) struct RemoteFollowUp {
    evicted: Option<EvictReport>,
    pushed: Option<PushReport>,
    failed: Option<crate::Error>,
}

impl RemoteFollowUp {
    /// Copies what was rotated.
    pub(super) fn rotation(history: &History) -> Self {
        Self::run(history, None)
    }

    /// Evicts files that are safe remotely, then copies what is not copied yet.
    pub(super) fn prune(history: &History, trust_now: bool) -> Self {
        Self::run(history, Some(trust_now))
    }

    fn run(history: &History, evicts: Option<bool>) -> Self {
        let mut followup = Self::default();
        if history.policy.remote.is_some() && !history.progress.stop_requested() {
            followup.failed = followup.copy(history, evicts).err();
        }
        followup
    }

    /// Finds what a prune would evict, as far as is known without asking the remote.
    pub(super) fn plan(history: &History) -> Result<Self> {
        let mut followup = Self::default();
        if history.policy.retain.local != Keep::Forever {
            followup.evicted = Some(history.plan_evict()?);
        }
        Ok(followup)
    }

    fn copy(&mut self, history: &History, evicts: Option<bool>) -> Result<()> {
        let remote = history.remote()?;
        if let Some(trust_now) = evicts.filter(|_| history.policy.retain.local != Keep::Forever) {
            self.evicted = Some(remote.evict(trust_now)?);
        }
        self.pushed = Some(remote.push(false)?);
        Ok(())
    }

    /// The report of the work before, with what was done here.
    pub(super) fn json(&self, report: &impl serde::Serialize) -> Result<Value, Failure> {
        let failed = |error: serde_json::Error| stdout_failed(error.into());
        let mut report = serde_json::to_value(report).map_err(failed)?;
        if let Some(object) = report.as_object_mut() {
            if let Some(evicted) = &self.evicted {
                object.insert("evict".to_owned(), serde_json::to_value(evicted).map_err(failed)?);
            }
            if let Some(pushed) = &self.pushed {
                object.insert("push".to_owned(), serde_json::to_value(pushed).map_err(failed)?);
            }
        }
        Ok(report)
    }

    /// Prints what was done; the work before ended with `exit`.
    pub(super) fn end(
        self,
        session: &mut Session,
        format: Format,
        exit: Exit,
    ) -> Result<Exit, Failure> {
        let mut own = Exit::Done;
        if let Some(evicted) = &self.evicted {
            if format != Format::Json {
                evict_lines(session, evicted)?;
            }
            if !evicted.findings.is_empty() {
                own = Exit::Wrong;
            }
        }
        if let Some(pushed) = &self.pushed {
            if format != Format::Json && !(pushed.copied.is_empty() && pushed.removed.is_empty()) {
                push_lines(session, pushed)?;
            }
            let ended = end_of_push(session, pushed)?;
            own = if own == Exit::Done { ended } else { own };
        }
        if let Some(error) = self.failed {
            session.flush()?;
            session.warn(&format!(
                "the archive here is as it should be, but its copy is not: {error}"
            ));
            own = crate::cli::exit::code(&error);
        }
        Ok(if exit == Exit::Done { own } else { exit })
    }
}

//! What comes after a rotation or a prune where the policy keeps copies elsewhere.
//!
//! What was done before stays done, whatever becomes of this: its report is printed first,
//! and then what went wrong here.

use crate::ops::Context;
use crate::ops::remote::{EvictReport, PushReport, Remote, evict, evict_plan, push};
use crate::policy::{Keep, Policy};
use crate::progress::Progress;
use serde_json::Value;

use super::remote::{end_of_push, evict_lines, push_lines};
use crate::cli::args::Format;
use crate::cli::elsewhere;
use crate::cli::exit::{Exit, Failure, stdout_failed};
use crate::cli::session::Session;

/// What was done elsewhere.
#[derive(Default)]
pub(super) struct After {
    evicted: Option<EvictReport>,
    pushed: Option<PushReport>,
    failed: Option<crate::Error>,
}

impl After {
    /// Copies what was rotated.
    pub(super) fn rotation(
        session: &Session,
        policy: &Policy,
        context: &Context,
        progress: &dyn Progress,
    ) -> Self {
        Self::run(session, policy, context, None, progress)
    }

    /// Lets files go that are safe elsewhere, and then copies what is to be copied.
    pub(super) fn prune(
        session: &Session,
        policy: &Policy,
        context: &Context,
        trust_now: bool,
        progress: &dyn Progress,
    ) -> Self {
        Self::run(session, policy, context, Some(trust_now), progress)
    }

    fn run(
        session: &Session,
        policy: &Policy,
        context: &Context,
        evicts: Option<bool>,
        progress: &dyn Progress,
    ) -> Self {
        let mut after = Self::default();
        if policy.remote.is_some() && !progress.stop_requested() {
            after.failed = after.copy(session, policy, context, evicts, progress).err();
        }
        after
    }

    /// What a prune would let go, as far as can be told without asking elsewhere.
    pub(super) fn plan(
        session: &Session,
        policy: &Policy,
        context: &Context,
    ) -> crate::Result<Self> {
        let mut after = Self::default();
        if policy.retain.local != Keep::Forever {
            after.evicted = Some(evict_plan(&session.store, policy, context)?);
        }
        Ok(after)
    }

    fn copy(
        &mut self,
        session: &Session,
        policy: &Policy,
        context: &Context,
        evicts: Option<bool>,
        progress: &dyn Progress,
    ) -> crate::Result<()> {
        let Some(rules) = &policy.remote else { return Ok(()) };
        let bucket = elsewhere::open(rules)?;
        let host = elsewhere::host(rules);
        let remote = Remote::new(&bucket, &host)?;
        let store = &session.store;
        if let Some(trust_now) = evicts.filter(|_| policy.retain.local != Keep::Forever) {
            self.evicted = Some(evict(store, policy, context, trust_now, remote, progress)?);
        }
        self.pushed = Some(push(store, context, remote, false, progress)?);
        Ok(())
    }

    /// The report of what came before, with what was done here.
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

    /// Prints what was done; what came before ended with `exit`.
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

//! The history as a command opens it, and the policy's rules for it.

use std::sync::Arc;

use super::Session;
use crate::cli::exit::Failure;
use crate::history::machine;
use crate::ops::emit::{OnError, take_in};
use crate::policy::{AnswerRules, EventRules, LenientRules, Policy};
use crate::progress::Progress;
use crate::{Context, History, system};

impl Session {
    /// Returns the policy in force.
    pub(in crate::cli) fn policy(&self) -> Result<Policy, Failure> {
        Ok(machine::policy(self.global.policy.as_deref())?)
    }

    /// Returns the policy's rules for judging answers. A wrong policy does not make an
    /// answer fail: it is reported, and the built-in rules apply.
    pub(in crate::cli) fn answer_rules(&self) -> AnswerRules {
        match machine::policy(self.global.policy.as_deref()) {
            Ok(policy) => policy.answers,
            Err(error) => {
                self.warn(&format!("{error}; attempts are judged by the built-in rules"));
                AnswerRules::default()
            }
        }
    }

    /// Returns the policy's rules for emitting. Errors in the policy are reported and never
    /// keep an event from being written.
    pub(in crate::cli) fn event_rules(&self) -> EventRules {
        let LenientRules { rules, warning } = machine::event_rules(self.global.policy.as_deref());
        if let Some(warning) = warning {
            self.warn(&warning);
        }
        rules
    }

    /// Returns what becomes of events that cannot be placed.
    pub(in crate::cli) fn on_error(&self, best_effort: bool) -> OnError {
        let wanted = system::variable("HLARCHIVE_ON_ERROR").unwrap_or_default();
        let wanted = if best_effort { "spool" } else { wanted.as_str() };
        match (wanted, machine::spool()) {
            ("spool", Some(spool)) => OnError::Spool(spool),
            ("spool" | "warn", _) => OnError::Warn,
            ("" | "fail", _) => OnError::Fail,
            _ => {
                self.warn("HLARCHIVE_ON_ERROR is not spool, warn or fail, and counts as fail");
                OnError::Fail
            }
        }
    }

    /// Takes in the events in the spool, if there is one. A failure here does not stop the
    /// command.
    pub(in crate::cli) fn take_in_spool(&self, most: usize) {
        let Some(spool) = machine::spool() else { return };
        let taken = self.context().map(|context| take_in(&self.store, &context, &spool, most));
        match taken {
            Ok(Ok(report)) => {
                if report.taken > 0 {
                    let events = if report.taken == 1 { "event" } else { "events" };
                    let from = spool.display();
                    self.remark(&format!(
                        "hlarchive: took in {} {events} from {from}",
                        report.taken
                    ));
                }
                for finding in report.findings.iter().take(10) {
                    self.warn(&format!("{}: {finding}", spool.display()));
                }
            }
            Ok(Err(error)) => self.warn(&error.to_string()),
            Err(_) => {}
        }
    }

    /// Opens the history for a command that does not need the policy.
    pub(in crate::cli) fn history(
        &self,
        progress: impl Progress + 'static,
    ) -> Result<History, Failure> {
        Ok(self.history_by(Policy::built_in()?, progress)?)
    }

    /// Opens the history by the policy in force, which must be acceptable.
    pub(in crate::cli) fn by_policy(
        &self,
        progress: impl Progress + 'static,
    ) -> Result<History, Failure> {
        Ok(self.history_by(self.policy()?, progress)?)
    }

    /// Opens the history for actions that the policy may want reported as events. An
    /// unacceptable policy does not keep anyone from restoring or holding.
    pub(in crate::cli) fn acting(
        &self,
        progress: impl Progress + 'static,
    ) -> Result<History, Failure> {
        match self.policy() {
            Ok(policy) => Ok(self.history_by(policy, progress)?),
            Err(Failure::Library(error)) => {
                self.warn(&format!("{error}; so no event reports this action"));
                self.history(progress)
            }
            Err(other) => Err(other),
        }
    }

    /// Opens the history to take events in, by the policy's rules of how long they are kept. An
    /// unacceptable policy does not prevent that.
    pub(in crate::cli) fn taking_in(
        &self,
        progress: impl Progress + 'static,
    ) -> Result<History, Failure> {
        match self.policy() {
            Ok(policy) => Ok(self.history_by(policy, progress)?),
            Err(_) => self.history(progress),
        }
    }

    fn history_by(
        &self,
        policy: Policy,
        progress: impl Progress + 'static,
    ) -> crate::Result<History> {
        let context = self.context()?;
        Ok(History::of(self.store.clone(), policy, context, Arc::new(progress)))
    }

    /// Returns who acts, at the time of this run.
    pub(in crate::cli) fn context(&self) -> crate::Result<Context> {
        Ok(Context::from_system(self.command())?.at(self.now))
    }
}

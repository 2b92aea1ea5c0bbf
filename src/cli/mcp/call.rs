//! One call of a tool: its context, its time, its failures and its cancellation.

use crate::History;
use crate::history::machine;
use crate::system;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Context;
use crate::Timestamp;
use crate::policy::{LenientRules, Policy};
use crate::progress::Progress;
use crate::store::{Notice, Notices, Store};
use rmcp::model::JsonObject;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use super::trouble::Trouble;

/// The state that all calls share.
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) policy: Option<PathBuf>,
    /// The place of the runs' metrics.
    pub(super) metrics: Option<PathBuf>,
    /// The server's command line, for records and events.
    pub(super) command: String,
}

/// One call.
pub(super) struct Call {
    desk: Arc<Desk>,
    /// The time of this call.
    pub(super) now: Timestamp,
    cancelled: Arc<Cancelled>,
}

/// Returns whether the client cancelled a call.
type Cancelled = dyn Fn() -> bool + Send + Sync;

/// The listener of a long operation, which stops when its call is cancelled.
struct Patience(Arc<Cancelled>);

impl Progress for Patience {
    fn stop_requested(&self) -> bool {
        (self.0)()
    }
}

impl Call {
    pub(super) fn new(desk: Arc<Desk>, cancelled: Arc<Cancelled>) -> Self {
        Self { desk, now: system::now(), cancelled }
    }

    pub(super) fn store(&self) -> &Store {
        &self.desk.store
    }

    pub(super) fn metrics(&self) -> Option<PathBuf> {
        self.desk.metrics.clone()
    }

    /// Reads the policy again for each call: it may be edited while the server runs.
    pub(super) fn policy(&self) -> Result<Policy, Trouble> {
        Ok(machine::policy(self.desk.policy.as_deref())?)
    }

    /// Returns the rules of emitting, whatever else is wrong with the policy.
    pub(super) fn event_rules(&self) -> LenientRules {
        machine::event_rules(self.desk.policy.as_deref())
    }

    pub(super) fn context(&self) -> Result<Context, Trouble> {
        Ok(Context::from_system(self.desk.command.clone())?.at(self.now))
    }

    /// Opens the history for operations that do not need the policy.
    pub(super) fn history(&self) -> Result<History, Trouble> {
        let progress = Arc::new(Patience(Arc::clone(&self.cancelled)));
        Ok(History::of(self.store().clone(), Policy::built_in()?, self.context()?, progress))
    }

    pub(super) fn stop_requested(&self) -> bool {
        (self.cancelled)()
    }

    /// Ends a call that nobody waits for any more.
    pub(super) fn go_on(&self) -> Result<(), Trouble> {
        if self.stop_requested() {
            Err(Trouble("the call was cancelled".to_owned()))
        } else {
            Ok(())
        }
    }

    /// Refuses to answer from a history that does not exist: an empty answer would mislead.
    pub(super) fn must_exist(&self) -> Result<(), Trouble> {
        let store = self.store();
        if store.live()?.is_some() || store.archive()?.is_some() {
            return Ok(());
        }
        Err(Trouble(format!(
            "{}: there is neither an event tree here nor an archive at {}; whoever starts this \
             server must name them with --root and --archive",
            store.root().display(),
            store.archive_path().display()
        )))
    }
}

/// Renders a tool's answer as the text of one JSON object.
pub(super) type Answer = Result<String, Trouble>;

pub(super) fn answer(value: &impl Serialize) -> Answer {
    serde_json::to_string(value).map_err(|error| Trouble(format!("the answer is lost: {error}")))
}

/// Parses the arguments of a call. A null counts as an argument left out.
pub(super) fn arguments<T: DeserializeOwned>(mut object: JsonObject) -> Result<T, Trouble> {
    object.retain(|_, value| !value.is_null());
    let error = match serde_json::from_value(Value::Object(object.clone())) {
        Ok(arguments) => return Ok(arguments),
        Err(error) => error.to_string(),
    };
    // Serde does not say where. The culprit is the argument without which the error is another.
    let of = |key: &String| {
        let mut rest = object.clone();
        rest.remove(key);
        let other = serde_json::from_value::<T>(Value::Object(rest)).err();
        other.is_none_or(|other| other.to_string() != error)
    };
    let named = error.starts_with("unknown field") || error.starts_with("missing field");
    let place = object.keys().find(|key| !named && of(key));
    let place = place.map(|key| format!("{}: ", crate::event::shown(key))).unwrap_or_default();
    Err(Trouble(format!("{place}{error}; the tool's input schema says what is expected")))
}

/// The files that a query skipped, as part of its answer.
#[derive(Serialize)]
pub(super) struct Passed {
    /// True if nothing that could hold an answer was unreadable.
    complete: bool,
    /// The skipped files; those that cost events come first.
    warnings: Vec<String>,
    /// The number of further ones.
    more_warnings: u64,
}

/// Warnings in one answer.
const FEW: usize = 10;

impl Passed {
    /// True if nothing that could hold an answer was unreadable.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn of(notices: &mut Notices) -> Self {
        let complete = !notices.any_cost();
        let (mut kept, beyond) = notices.take();
        // Expired days have a member of their own.
        kept.retain(|notice| !matches!(notice, Notice::Expired(_)));
        kept.sort_by_key(|notice| !notice.costs_events());
        let more_warnings = kept.len().saturating_sub(FEW) as u64 + beyond;
        let warnings =
            kept.iter().take(FEW).map(|notice| super::page::clipped(&notice.to_string()));
        Self { complete, warnings: warnings.collect(), more_warnings }
    }
}

//! [`History`]: a tree of events and its archive, and every operation on them.
//!
//! This holds what every operation needs: the location of the history, its policy, its context, and
//! the listener for progress. The operations themselves are methods in their own files below `ops`.

pub(crate) mod machine;
pub(crate) mod remote;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::event::{Date, SharedLitter};
use crate::policy::Policy;
use crate::progress::{Progress, Silent};
use crate::remote::Lazy;
use crate::store::Store;
use crate::{Context, Result};

/// A tree of events and its archive: the one handle of this library.
///
/// Opening it touches nothing: the tree need not exist yet. It is cheap to clone, and may be
/// used from several threads.
///
/// ```
/// use hlarchive::History;
/// use serde_json::json;
///
/// # fn main() -> hlarchive::Result<()> {
/// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
/// # let root = directory.path().join("events");
/// let history = History::open(&root)?;
/// let deployment = history
///     .emit("deployment_started")
///     .service("mosquitto")
///     .payload(json!({"version": "2.0.18"}))
///     .send()?;
/// deployment.emit("deployment_failed").payload(json!({"error": "port 1883 not bound"})).send()?;
///
/// let story = history.trace(deployment.correlation_id())?;
/// assert_eq!(story.steps.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct History {
    pub(crate) store: Store,
    pub(crate) policy: Arc<Policy>,
    pub(crate) context: Context,
    pub(crate) progress: Arc<dyn Progress>,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("root", &self.root())
            .field("archive", &self.archive_path())
            .field("policy", &self.policy.origin())
            .finish_non_exhaustive()
    }
}

impl History {
    /// Opens the history below an event root, as the command does: with the archive that
    /// `HLARCHIVE_ARCHIVE` names, by default the root's sibling with `-archive` appended; with the
    /// policy that `HLARCHIVE_POLICY` names, else `/etc/hlarchive/policy.toml`, else the built-in
    /// one; and with the machine's clock, user, host and randomness.
    ///
    /// Fails if the policy is not acceptable. Whether the tree and the archive exist is checked by
    /// the operation that needs them.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        machine::check_root(&root)?;
        let policy = machine::policy(machine::named_policy().as_deref())?;
        let store = Store::new(root, machine::named_archive());
        let context = Context::from_system("the hlarchive library")?;
        Ok(Self::of(Self::equip(store, &policy), policy, context, Arc::new(Silent)))
    }

    /// Puts a history together from parts that the caller determined.
    pub(crate) fn of(
        store: Store,
        policy: Policy,
        context: Context,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let context = context.with_audit(policy.audit).with_retain(policy.retain.clone());
        Self { store, policy: Arc::new(policy), context, progress }
    }

    /// Uses this directory for segments.
    #[must_use]
    pub fn with_archive(mut self, archive: impl Into<PathBuf>) -> Self {
        self.store = self.store.with_archive(archive.into());
        self
    }

    /// Uses this policy. Remote segments are fetched from where it says.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self::of(Self::equip(self.store, &policy), policy, self.context, self.progress)
    }

    /// Lets a store fetch and skip what a policy says.
    fn equip(store: Store, policy: &Policy) -> Store {
        let (rules, origin) = (policy.remote.clone(), policy.origin().to_owned());
        let ignore = policy.events.ignore.clone();
        let opens = move || remote::open_for(rules.as_ref(), &origin);
        store.with_remote(Arc::new(Lazy::new(opens))).with_litter(SharedLitter::new(move || ignore))
    }

    /// Uses this context: its clock, and its user's name.
    #[must_use]
    pub fn with_context(self, context: Context) -> Self {
        let context = context.with_audit(self.policy.audit).with_retain(self.policy.retain.clone());
        Self { context, ..self }
    }

    /// Reports the progress of long operations to this listener, which may ask them to stop.
    #[must_use]
    pub fn with_progress(self, progress: impl Progress + 'static) -> Self {
        Self { progress: Arc::new(progress), ..self }
    }

    /// Returns the event root.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Returns the directory of the archive.
    pub fn archive_path(&self) -> &Path {
        self.store.archive_path()
    }

    /// Returns the policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns the current day by this history's clock, in UTC.
    pub fn today(&self) -> Date {
        self.context.now().date()
    }
}

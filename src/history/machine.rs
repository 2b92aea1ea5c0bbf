//! Settings of the machine for a history: its policy, and the location of its remote copies.

use std::io;
use std::path::{Path, PathBuf};

use crate::event::Litter;
use crate::policy::{EventRules, LenientRules, Policy};
use crate::{Error, Result, system};

/// Loads the policy from this file, else the machine's, else the built-in one.
pub(crate) fn policy(named: Option<&Path>) -> Result<Policy> {
    if let Some(path) = named {
        return Policy::load(path);
    }
    match Policy::load(Path::new(system::POLICY_PATH)) {
        Err(error) if error.is_not_found() => Policy::built_in(),
        loaded => loaded,
    }
}

/// Loads only the rules of emitting, with the problem of the policy that has them.
pub(crate) fn event_rules(named: Option<&Path>) -> LenientRules {
    match (named, std::fs::symlink_metadata(system::POLICY_PATH)) {
        (Some(path), _) => EventRules::load_lenient(path),
        (None, Err(error)) if error.kind() == io::ErrorKind::NotFound => LenientRules::default(),
        (None, _) => EventRules::load_lenient(Path::new(system::POLICY_PATH)),
    }
}

/// Loads the list of ignored files. A policy that cannot be read names none: then fewer files are
/// skipped, not more. The commands that need it refuse it.
pub(crate) fn litter(named: Option<&Path>) -> Litter {
    policy(named).map(|policy| policy.events.ignore).unwrap_or_default()
}

/// Returns the policy that the environment names, as the command takes it.
pub(crate) fn named_policy() -> Option<PathBuf> {
    system::variable_os("HLARCHIVE_POLICY").map(PathBuf::from)
}

/// Returns the archive that the environment names, as the command takes it.
pub(crate) fn named_archive() -> Option<PathBuf> {
    system::variable_os("HLARCHIVE_ARCHIVE").map(PathBuf::from)
}

/// Returns the directory of events that could not be placed.
pub(crate) fn spool() -> Option<PathBuf> {
    system::variable_os("HLARCHIVE_SPOOL").map(PathBuf::from)
}

/// Refuses an empty root.
pub(crate) fn check_root(root: &Path) -> Result<()> {
    if root.as_os_str().is_empty() {
        return Err(Error::Usage("the event root is empty; name a directory".to_owned()));
    }
    Ok(())
}

//! Checks of the named places: a reader must not take a wrong path for an empty history.

use std::path::Path;

use super::Session;
use crate::cli::exit::Failure;
use crate::store::Store;
use crate::{Error, system};

/// The variable that names the event tree.
const ROOT_VARIABLE: &str = "HLARCHIVE_ROOT";

/// The named places that must exist.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Checked {
    pub(in crate::cli) root: bool,
    /// True if the archive must exist even if the tree has none yet.
    pub(in crate::cli) archive: bool,
    /// The way out if there is no archive.
    pub(in crate::cli) hint: &'static str,
}

impl Session {
    /// Refuses to work with a named place that does not exist: to a reader it would look like
    /// a history without events. An archive at the default path may not have begun yet; one
    /// that the tree remembers is unreachable, and the answer says so.
    pub(in crate::cli) fn check_named(&self, checked: Checked) -> Result<(), Failure> {
        let store = &self.store;
        let nothing = |what: &Path, reason: String| {
            Failure::Library(Error::NotFound { what: what.display().to_string(), reason })
        };
        let is_missing = store.any_archive()?.is_none();
        let names_root = self.is_typed("--root") || system::variable_os(ROOT_VARIABLE).is_some();
        if checked.root && names_root && store.live()?.is_none() {
            return Err(nothing(
                store.root(),
                if is_missing {
                    nowhere(store)
                } else {
                    format!("there is no event tree here; name it with --root or {ROOT_VARIABLE}")
                },
            ));
        }
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let default = absolute(&Store::default_archive(store.root()));
        let named = self.global.archive.as_deref().filter(|_| is_missing);
        if let Some(archive) = named.filter(|archive| absolute(archive) != default)
            && !store.archive_left()?
            && (checked.archive || store.archive().is_err())
        {
            return Err(Error::no_archive(archive, checked.hint).into());
        }
        Ok(())
    }

    /// Warns if neither half of the history exists: more likely a typo in a path than a
    /// history that has not begun.
    pub(in crate::cli) fn warn_of_nowhere(&self) -> Result<bool, Failure> {
        let is_nowhere = self.store.live()?.is_none() && self.store.any_archive()?.is_none();
        if is_nowhere && !self.global.quiet {
            self.warn(&format!("{}: {}", self.store.root().display(), nowhere(&self.store)));
        }
        Ok(is_nowhere)
    }
}

fn nowhere(store: &Store) -> String {
    format!(
        "there is neither an event tree here nor an archive at {}; name them with --root and \
         --archive",
        store.archive_path().display()
    )
}

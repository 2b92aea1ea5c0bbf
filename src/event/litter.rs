//! Files of other programs among events: one list of names, ignored everywhere alike.
//!
//! File systems, file managers, NAS systems, synchronizers and editors put files of their own
//! into every directory they touch. `emit` writes none of these names, so none of them can be an
//! event's. The policy adds patterns to the list; whatever they say, a day, a node and an event
//! as `emit` names them are never passed over.

mod pattern;

use std::fmt;
use std::path::{Component, Path};
use std::sync::{Arc, LazyLock};

pub(crate) use pattern::Pattern;

use super::{Date, EventName, EventPath, NodeName};

/// Names of files and directories of other programs, in lower case: they are compared without
/// regard to case, as on the systems they come from.
const NAMES: [&str; 18] = [
    // File systems.
    "lost+found",
    "aquota.user",
    "aquota.group",
    // NAS systems.
    "@eadir",
    "@tmp",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    // Windows.
    "$recycle.bin",
    "system volume information",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    // macOS and its file servers; their other names begin with a dot.
    "icon\r",
    "network trash folder",
    "temporary items",
    "__macosx",
];

/// The role of an entry in the tree, by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryRole {
    /// A directory in the root of a tree: a day.
    Day,
    /// A directory in a day: a node.
    Node,
    /// A file in a node's directory: an event.
    Event,
    /// No role in the tree.
    Other,
}

impl EntryRole {
    /// Reports whether `emit` could have used this name in this role.
    fn is_ours(self, name: &str) -> bool {
        match self {
            Self::Day => name.parse::<Date>().is_ok(),
            Self::Node => NodeName::for_writing(name).is_ok(),
            Self::Event => EventName::parse(name).is_some(),
            Self::Other => false,
        }
    }
}

/// The built-in names and the patterns of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Litter {
    patterns: Vec<Pattern>,
}

impl Litter {
    /// Returns the built-in list extended by these patterns.
    pub fn with(patterns: Vec<Pattern>) -> Self {
        Self { patterns }
    }

    /// Reports whether a name belongs to other programs wherever it stands: it begins with a dot,
    /// is among the names that systems use, or is an editor's backup.
    pub fn is_built_in(name: &str) -> bool {
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        name.starts_with('.')
            || ends(&["~", ".swp", ".swo"])
            || (name.len() > 1 && name.starts_with('#') && name.ends_with('#'))
            || NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
            || name.starts_with("~syncthing~")
    }

    /// Reports whether an entry is passed over.
    pub fn covers(&self, role: EntryRole, name: &str) -> bool {
        (Self::is_built_in(name) || self.patterns.iter().any(|pattern| pattern.matches(name)))
            && !role.is_ours(name)
    }

    /// Reports whether an event of this identity would be passed over as a file.
    pub fn covers_event(&self, path: &EventPath) -> bool {
        self.covers(EntryRole::Node, path.node.as_str())
            || self.covers(EntryRole::Event, path.name.as_str())
    }

    /// Reports whether a file is passed over because of its own name or that of a directory on
    /// its path, which may begin above a tree.
    pub fn covers_file(&self, path: &Path) -> bool {
        let mut parts = path
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy()),
                _ => None,
            })
            .peekable();
        let mut above = None;
        while let Some(name) = parts.next() {
            let is_file = parts.peek().is_none();
            if self.covers(Self::role(above.as_deref(), !is_file), &name) {
                return true;
            }
            above = Some(name);
        }
        false
    }

    /// Returns the role of an entry in a directory named `above`; a tree may begin anywhere.
    pub fn role(above: Option<&str>, is_directory: bool) -> EntryRole {
        match above {
            _ if !is_directory => EntryRole::Event,
            Some(above) if above.parse::<Date>().is_ok() => EntryRole::Node,
            _ => EntryRole::Day,
        }
    }
}

/// A shared list, evaluated when it is first needed: `emit` alone needs none.
#[derive(Clone)]
pub struct SharedLitter(Arc<LazyLock<Litter, FindOut>>);

type FindOut = Box<dyn FnOnce() -> Litter + Send>;

impl SharedLitter {
    /// Returns a list that `find_out` evaluates on first use.
    pub fn new(find_out: impl FnOnce() -> Litter + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(find_out))))
    }

    /// Returns the list.
    pub fn get(&self) -> &Litter {
        &self.0
    }
}

impl Default for SharedLitter {
    fn default() -> Self {
        Self::new(Litter::default)
    }
}

impl fmt::Debug for SharedLitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedLitter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

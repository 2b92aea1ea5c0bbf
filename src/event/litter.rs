//! Files of other programs among events: one list of names, ignored everywhere alike.
//!
//! File systems, file managers, NAS systems, synchronizers and editors put files of their own
//! into every directory they touch. `emit` writes none of these names, so none of them can be an
//! event's. The policy adds patterns to the list; whatever they say, a day, a node and an event
//! as `emit` names them are never passed over.

use std::fmt;
use std::path::{Component, Path};
use std::sync::{Arc, LazyLock};

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

/// A pattern for names: `*` matches any text, `?` any one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    parts: Vec<PatternPart>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PatternPart {
    Any,
    One,
    This(char),
}

/// The reason a text is not a valid pattern for names to be passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPattern {
    /// It is empty, or names a path.
    NoName,
    /// It would match names of events as `emit` writes them.
    Events,
    /// It would match names of days.
    Days,
}

impl fmt::Display for NoPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoName => {
                "is not a pattern for names; write for example \"*.bak\", without a slash"
            }
            Self::Events => "fits names of events as emit writes them, and no event is passed over",
            Self::Days => "fits names of days, and no day is passed over",
        })
    }
}

impl Pattern {
    /// Parses a pattern; refuses one that could hide what `emit` writes.
    pub fn parse(text: &str) -> Result<Self, NoPattern> {
        if text.is_empty() || text.len() > 255 || text.contains(['/', '\0']) {
            return Err(NoPattern::NoName);
        }
        let part = |c| match c {
            '*' => PatternPart::Any,
            '?' => PatternPart::One,
            other => PatternPart::This(other),
        };
        let pattern = Self { text: text.to_owned(), parts: text.chars().map(part).collect() };
        if pattern.meets(&event_names()) {
            return Err(NoPattern::Events);
        }
        if pattern.meets(&days()) {
            return Err(NoPattern::Days);
        }
        Ok(pattern)
    }

    fn matches(&self, name: &str) -> bool {
        let name: Vec<FormStep> = name.chars().map(|c| FormStep::Once(Chars::This(c))).collect();
        self.meets(&name)
    }

    /// Reports whether the pattern matches any text of this form.
    fn meets(&self, form: &[FormStep]) -> bool {
        // The steps of the form that may come next, after each prefix of the pattern.
        let mut at = vec![false; form.len() + 1];
        at[0] = true;
        skip(form, &mut at);
        for part in &self.parts {
            let mut next = vec![false; form.len() + 1];
            match part {
                PatternPart::Any => {
                    let first = at.iter().position(|is_there| *is_there);
                    if let Some(first) = first {
                        next[first..].fill(true);
                    }
                }
                PatternPart::One | PatternPart::This(_) => {
                    for (number, step) in form.iter().enumerate().filter(|(number, _)| at[*number])
                    {
                        let (chars, stays) = match step {
                            FormStep::Once(chars) => (chars, false),
                            FormStep::AnyNumber(chars) => (chars, true),
                        };
                        let fits = match part {
                            PatternPart::This(c) => chars.has(*c),
                            _ => true,
                        };
                        if fits {
                            next[if stays { number } else { number + 1 }] = true;
                        }
                    }
                    skip(form, &mut next);
                }
            }
            at = next;
        }
        at[form.len()]
    }
}

/// A step of a form of names.
#[derive(Debug, Clone, Copy)]
enum FormStep {
    Once(Chars),
    AnyNumber(Chars),
}

/// The characters a step accepts.
#[derive(Debug, Clone, Copy)]
enum Chars {
    This(char),
    Digit,
    Hex,
    Word,
}

impl Chars {
    fn has(self, c: char) -> bool {
        match self {
            Self::This(this) => this == c,
            Self::Digit => c.is_ascii_digit(),
            Self::Hex => matches!(c, '0'..='9' | 'a'..='f'),
            Self::Word => matches!(c, '0'..='9' | 'a'..='z' | '_'),
        }
    }
}

/// Marks the steps that follow an optional one as reachable, too.
fn skip(form: &[FormStep], at: &mut [bool]) {
    for (number, step) in form.iter().enumerate() {
        if at[number] && matches!(step, FormStep::AnyNumber(_)) {
            at[number + 1] = true;
        }
    }
}

/// Builds a form: `9` stands for a digit, `x` for a hexadecimal one, `w` for the characters of a
/// word.
fn form(text: &str) -> Vec<FormStep> {
    let step = |c| match c {
        '9' => FormStep::Once(Chars::Digit),
        'x' => FormStep::Once(Chars::Hex),
        'w' => FormStep::AnyNumber(Chars::Word),
        other => FormStep::Once(Chars::This(other)),
    };
    text.chars().map(step).collect()
}

fn event_names() -> Vec<FormStep> {
    let mut names = form("99999999T999999.999999Z_w_xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
    names.extend(".json".chars().map(|c| FormStep::Once(Chars::This(c))));
    names
}

fn days() -> Vec<FormStep> {
    form("9999-99-99")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EVENT: &str =
        "20260516T101112.123456Z_backup_done_019b76da-acd6-70f2-a430-64b3d3ac94af.json";

    fn litter(patterns: &[&str]) -> Litter {
        Litter::with(patterns.iter().map(|text| Pattern::parse(text).unwrap()).collect())
    }

    #[test]
    fn names_that_systems_and_editors_use_are_passed_over_in_every_place() {
        for name in [
            ".DS_Store",
            ".stversions",
            ".stfolder",
            ".Trash-1000",
            ".nfs0000001",
            ".x.json.swp",
            ".hlarchive-sync-0",
            "lost+found",
            "@eaDir",
            "#recycle",
            "$RECYCLE.BIN",
            "$Recycle.Bin",
            "System Volume Information",
            "x.json~",
            "#x.json#",
            ".#x.json",
            "~syncthing~x.json.tmp",
            "Icon\r",
        ] {
            for role in [EntryRole::Day, EntryRole::Node, EntryRole::Event, EntryRole::Other] {
                assert!(litter(&[]).covers(role, name), "{name:?} {role:?}");
            }
        }
        for name in ["Thumbs.db", "thumbs.db", "desktop.ini", "x.swp", "aquota.user"] {
            assert!(litter(&[]).covers(EntryRole::Event, name), "{name}");
            assert!(litter(&[]).covers(EntryRole::Other, name), "{name}");
        }
    }

    #[test]
    fn what_emit_names_is_never_passed_over() {
        let all = litter(&["*.bak", "pi?", "odd*", "*.sync-conflict-*"]);
        assert!(!all.covers(EntryRole::Day, "2026-05-16"));
        assert!(!all.covers(EntryRole::Event, EVENT));
        for node in ["pi4", "pi4.bak", "odd", "thumbs.db", "x.swp"] {
            assert!(NodeName::for_writing(node).is_ok());
            assert!(!all.covers(EntryRole::Node, node), "{node}");
        }
        for name in ["notes.bak", "pi4", "odd.json", "x.sync-conflict-20260516-101112-ABC.json"] {
            assert!(all.covers(EntryRole::Other, name), "{name}");
            assert!(all.covers(EntryRole::Event, name), "{name}");
        }
        assert!(!all.covers(EntryRole::Event, "x.baker") && !all.covers(EntryRole::Other, "pi44"));
    }

    #[test]
    fn a_pattern_that_could_hide_events_or_days_is_no_pattern() {
        let a_name = EVENT.replace("backup_done", "x");
        for text in [
            "*",
            "*.json",
            "*.js?n",
            "2026*",
            "*_*",
            "????????T*",
            "*conflict*",
            "*.*",
            "**",
            EVENT,
            &a_name,
            "*af.json",
            "*Z_*_0*n",
        ] {
            assert_eq!(Pattern::parse(text), Err(NoPattern::Events), "{text}");
        }
        for text in ["2026-05-16", "????-??-??", "2026-*", "*-05-*"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
        for text in ["", "a/b", "*/x", "\0"] {
            assert_eq!(Pattern::parse(text), Err(NoPattern::NoName), "{text:?}");
        }
        for text in ["*.bak", "*.json.old", "odd.json", "*.sync-conflict-*", "* (?).json", "ü*"] {
            assert_eq!(Pattern::parse(text).unwrap().text.as_str(), text);
        }
    }

    #[test]
    fn a_path_is_passed_over_for_any_of_its_names() {
        let all = litter(&["*.bak"]);
        let covers = |path: &str| all.covers_file(Path::new(path));
        let event = |above: &str| covers(&format!("{above}/{EVENT}"));
        assert!(!event("2026-05-16/pi4") && !event("./x/2026-05-16/pi4.bak") && !covers(EVENT));
        for above in [
            "2026-05-16/@eaDir",
            "2026-05-16/.Trash-1000/pi4",
            ".stversions/2026-05-16/pi4",
            "old.bak/2026-05-16/pi4",
            "./lost+found",
        ] {
            assert!(event(above), "{above}");
        }
        assert!(covers("2026-05-16/pi4/.DS_Store") && covers("2026-05-16/pi4/x.json.bak"));
        assert!(!covers("") && !covers("../x.json"));
    }
}

//! The place of the cursor in a command line: which values belong there, by the definition of the
//! command line alone.

use std::path::PathBuf;

use clap::{Arg, Command};

use crate::segment::Field;
use crate::system;

/// Values that are not files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The values of a field.
    Value(Field),
    /// The types that a new event may well have.
    NewType,
    /// Archived days, and with `live` those of the live tree.
    Day { live: bool },
    /// The number of a hold in force.
    Hold,
    /// A severity.
    Level,
    /// A field to count by.
    CountField,
}

impl Kind {
    /// Returns the kinds that the name of a command's value stands for.
    pub(super) fn of(command: &str, value_name: &str) -> Vec<Self> {
        let live = matches!(command, "list" | "count" | "values" | "rotate" | "export" | "verify");
        let kind = |name| match name {
            "NODE" => Some(Self::Value(Field::Node)),
            "SERVICE" => Some(Self::Value(Field::Service)),
            "SOURCE" => Some(Self::Value(Field::Source)),
            "TYPE" => Some(Self::Value(Field::Type)),
            "ID" | "CORRELATION_ID" => Some(Self::Value(Field::CorrelationId)),
            "DATE" => Some(Self::Day { live }),
            "HOLD" => Some(Self::Hold),
            "LEVEL" => Some(Self::Level),
            "FIELD" => Some(Self::CountField),
            _ => None,
        };
        let mut kinds: Vec<Self> = value_name.split('|').filter_map(kind).collect();
        if command == "emit" && kinds == [Self::Value(Field::Type)] {
            kinds.push(Self::NewType);
        }
        kinds
    }

    /// Returns the kinds of an argument's value, and whether it may also be a file.
    pub(super) fn of_arg(command: &Command, arg: &Arg) -> (Vec<Self>, bool) {
        let names = arg.get_value_names().unwrap_or_default();
        let name = names.first().map_or("", |name| name.as_str());
        (Self::of(command.get_name(), name), name.split('|').any(|name| name == "FILE"))
    }
}

/// The place of the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) kinds: Vec<Kind>,
    /// True if the value may also be a file.
    pub(super) or_file: bool,
    /// The value up to the cursor.
    pub(super) value: String,
    /// The number of characters before the value in its word: those of `--flag=`.
    pub(super) start_of_value: usize,
    /// The flags before the cursor that name places.
    pub(super) globals: Vec<String>,
}

/// The words up to the cursor, as far as they were understood.
struct Walk<'a> {
    command: &'a Command,
    /// The number of positional values of this command.
    positionals: usize,
    /// True after `--`.
    only_positionals: bool,
    /// The flag whose value is to come.
    pending: Option<&'a Arg>,
    globals: Vec<String>,
}

/// Finds the place at the end of the last word, if values belong there. The definition must be
/// built. Without a place if a flag names a tree or archive in a way that only a shell knows.
pub(super) fn find(definition: &Command, words: &[String]) -> Option<Place> {
    let (current, before) = words.get(1..)?.split_last()?;
    let mut walk = Walk {
        command: definition,
        positionals: 0,
        only_positionals: false,
        pending: None,
        globals: Vec::new(),
    };
    for word in before {
        walk.word(word)?;
    }
    walk.place(current)
}

impl<'a> Walk<'a> {
    fn word(&mut self, word: &str) -> Option<()> {
        if let Some(arg) = self.pending.take() {
            return self.value(arg, word);
        }
        if self.only_positionals {
            self.positionals += 1;
        } else if word == "--" {
            self.only_positionals = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            };
            match (self.long(name), value) {
                (Some(arg), Some(value)) => self.value(arg, value)?,
                (arg, _) => self.pending = arg,
            }
        } else if let Some(shorts) = word.strip_prefix('-').filter(|shorts| !shorts.is_empty()) {
            self.shorts(shorts);
        } else if let Some(command) = self.command.find_subcommand(word) {
            (self.command, self.positionals) = (command, 0);
        } else {
            self.positionals += 1;
        }
        Some(())
    }

    /// Returns the flag of this name, if it takes a value.
    fn long(&self, name: &str) -> Option<&'a Arg> {
        let of_name = |arg: &&Arg| arg.get_long() == Some(name);
        self.command.get_arguments().find(of_name).filter(|arg| takes_value(arg))
    }

    fn shorts(&mut self, shorts: &str) {
        for (at, short) in shorts.char_indices() {
            let of_name = |arg: &&Arg| arg.get_short() == Some(short);
            let arg = self.command.get_arguments().find(of_name).filter(|arg| takes_value(arg));
            if arg.is_some() {
                let is_last = at + short.len_utf8() == shorts.len();
                self.pending = arg.filter(|_| is_last);
                return;
            }
        }
    }

    fn value(&mut self, arg: &Arg, value: &str) -> Option<()> {
        let Some(flag) = arg.get_long().filter(|flag| matches!(*flag, "root" | "archive")) else {
            return Some(());
        };
        self.globals.push(format!("--{flag}={}", expanded(value)?.to_str()?));
        Some(())
    }

    fn place(self, current: &str) -> Option<Place> {
        let (arg, start) = if let Some(arg) = self.pending {
            (arg, 0)
        } else if !self.only_positionals && current.starts_with('-') {
            let (name, _) = current.strip_prefix("--")?.split_once('=')?;
            (self.long(name)?, "--=".len() + name.len())
        } else {
            (self.positional()?, 0)
        };
        let (kinds, or_file) = Kind::of_arg(self.command, arg);
        let value = current.get(start..)?.to_owned();
        let start_of_value = current.get(..start)?.chars().count();
        (!kinds.is_empty()).then_some(Place {
            kinds,
            or_file,
            value,
            start_of_value,
            globals: self.globals,
        })
    }

    /// Returns the positional argument that comes next; the last one may take many values.
    fn positional(&self) -> Option<&'a Arg> {
        let all: Vec<&Arg> = self.command.get_positionals().collect();
        let takes_many =
            |arg: &&&Arg| arg.get_num_args().is_some_and(|range| range.max_values() > 1);
        all.get(self.positionals).or_else(|| all.last().filter(takes_many)).copied()
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|range| range.min_values() > 0)
}

/// Returns the path that a word of a shell means. A home or an exported variable at its beginning
/// is known here, what only the shell could tell is not.
fn expanded(word: &str) -> Option<PathBuf> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, rest) = if word == "~" || word.starts_with("~/") {
        ("HOME", &word[1..])
    } else if let Some(braced) = word.strip_prefix("${") {
        braced.split_once('}')?
    } else if let Some(named) = word.strip_prefix('$') {
        named.split_at(named.find(|c| !is_name(c)).unwrap_or(named.len()))
    } else {
        ("", word)
    };
    if rest.contains(['$', '`']) || !name.chars().all(is_name) {
        return None;
    }
    if name.is_empty() {
        return (rest.len() == word.len()).then(|| PathBuf::from(rest));
    }
    let mut path = system::variable_os(name)?;
    path.push(rest);
    Some(path.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(words: &str) -> Option<Place> {
        let mut definition = crate::cli::command();
        definition.build();
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        find(&definition, &words)
    }

    #[test]
    fn a_value_belongs_where_the_definition_names_one() {
        let of = Kind::Value;
        for (line, kind, value) in [
            ("hlarchive list --service ", of(Field::Service), ""),
            ("hlarchive list --service gra", of(Field::Service), "gra"),
            ("hlarchive list --service=gra", of(Field::Service), "gra"),
            ("hlarchive list --since -2d --limit 3 --node ", of(Field::Node), ""),
            ("hlarchive -q list -o json --type dep", of(Field::Type), "dep"),
            ("hlarchive list -qo json --source ", of(Field::Source), ""),
            ("hlarchive trace deploy", of(Field::CorrelationId), "deploy"),
            ("hlarchive trace -- -dep", of(Field::CorrelationId), "-dep"),
            ("hlarchive restore 2026-05-10 2026", Kind::Day { live: false }, "2026"),
            ("hlarchive list --date ", Kind::Day { live: true }, ""),
            ("hlarchive hold release ", Kind::Hold, ""),
            ("hlarchive count --by service,no", Kind::CountField, "service,no"),
            ("hlarchive list --min-severity ", Kind::Level, ""),
        ] {
            let place = at(line).map(|place| (place.kinds, place.value));
            assert_eq!(place, Some((vec![kind], value.to_owned())), "{line}");
        }
        for line in [
            "hlarchive ",
            "hlarchive li",
            "hlarchive list ",
            "hlarchive list --se",
            "hlarchive list --since ",
            "hlarchive trace deploy-882 ",
            "hlarchive hold ",
            "hlarchive restore --to ",
            "hlarchive no-such --service ",
            "hlarchive",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }

    #[test]
    fn places_that_were_named_on_the_line_are_heeded_and_what_only_a_shell_knows_is_not_guessed() {
        let globals = |line: &str| at(line).map(|place| place.globals);
        let wanted = vec!["--root=/a b".replace(' ', "_"), "--archive=/c".to_owned()];
        assert_eq!(globals("hlarchive --root /a_b list --archive=/c --node "), Some(wanted));
        for word in ["$(pwd)/x", "`pwd`", "/a/$x", "${no", "$no_such_variable_is_set/x", "$"] {
            assert_eq!(globals(&format!("hlarchive --root {word} list --node ")), None, "{word}");
        }
        let home = system::variable("HOME").unwrap();
        for word in ["~/x", "$HOME/x", "${HOME}/x"] {
            let wanted = Some(vec![format!("--root={home}/x")]);
            assert_eq!(globals(&format!("hlarchive --root {word} list --node ")), wanted);
        }
    }
}

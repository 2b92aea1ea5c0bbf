//! The words of the command line as they were typed.

use std::borrow::Cow;
use std::path::Path;

use super::Session;
use crate::text::without_secrets;

/// Flags whose values may carry secrets: the environment of a remote shell, an event's payload.
const SECRETIVE: [&str; 2] = ["--ssh", "--payload"];

impl Session {
    /// Returns whether a flag was given on the command line, not by the environment.
    pub(in crate::cli) fn is_typed(&self, flag: &str) -> bool {
        let is_it = |word: &String| {
            word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.words.iter().any(is_it)
    }

    /// Returns the archive that was named on the command line.
    pub(in crate::cli) fn typed_archive(&self) -> Option<String> {
        let archive = self.global.archive.as_ref().filter(|_| self.is_typed("--archive"));
        archive.map(|archive| archive.to_string_lossy().into_owned())
    }

    /// Returns the command line as typed, without possible secrets, cut to a length that
    /// fits a record.
    pub(in crate::cli) fn command(&self) -> String {
        const MAX: usize = 500;
        let mut words = self.words.iter();
        let program = words
            .next()
            .and_then(|path| Path::new(path).file_name())
            .map_or_else(|| "hlarchive".to_owned(), |name| name.to_string_lossy().into_owned());
        let mut command = program;
        for word in without_values(words) {
            command.push(' ');
            command.push_str(&without_secrets(&word));
        }
        if let Some((at, _)) = command.char_indices().nth(MAX) {
            command.truncate(at);
            command.push('…');
        }
        command
    }
}

/// Returns the words without the values of flags that may carry secrets: records stay forever.
fn without_values<'a>(mut words: impl Iterator<Item = &'a String>) -> Vec<Cow<'a, str>> {
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let flag = SECRETIVE.iter().find(|flag| {
            word.strip_prefix(**flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        match flag {
            Some(flag) if word == flag => {
                kept.push(Cow::Borrowed(word.as_str()));
                kept.extend(words.next().map(|_| Cow::Borrowed("…")));
            }
            Some(flag) => kept.push(Cow::Owned(format!("{flag}=…"))),
            None => kept.push(Cow::Borrowed(word.as_str())),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_that_may_be_secret_are_left_out() {
        for (typed, kept) in [
            ("sync a --ssh X b", "sync a --ssh … b"),
            ("sync --ssh=X a", "sync --ssh=… a"),
            ("emit t --payload X --payload=X", "emit t --payload … --payload=…"),
            ("sync --ssh", "sync --ssh"),
            ("verify --sshx X --ssl", "verify --sshx X --ssl"),
        ] {
            let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            assert_eq!(super::without_values(words.iter()).join(" "), kept);
        }
    }
}

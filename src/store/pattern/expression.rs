//! Regular expressions as they are typed.

use regex::{Regex, RegexBuilder};

use super::pieces::Pieces;
use crate::text::shown;
use crate::{Error, Result};

/// Compiles a pattern; returns its pieces, too, if every match has one.
pub(super) fn compile(text: &str, plain: bool) -> Result<(Regex, Option<Pieces>)> {
    let pattern = if plain { regex::escape(text) } else { text.to_owned() };
    let ignores_case = !has_upper_case(&pattern);
    let refused = |error: regex::Error| {
        let reason = error.to_string();
        let reason = reason.lines().last().unwrap_or_default().trim();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        Error::Usage(format!(
            "the pattern \"{}\" is not a regular expression: {reason}; -F takes it as plain text",
            shown(text)
        ))
    };
    let regex =
        RegexBuilder::new(&pattern).case_insensitive(ignores_case).build().map_err(refused)?;
    let pieces = Pieces::of(&pattern, ignores_case);
    Ok((regex, pieces))
}

/// Reports whether a pattern has an upper-case letter that stands for itself.
fn has_upper_case(pattern: &str) -> bool {
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter == '\\' {
            // The name of a class, as in `\W` or `\pL`.
            if matches!(letters.next(), Some('p' | 'P')) && letters.next() == Some('{') {
                letters.by_ref().find(|letter| *letter == '}');
            }
        } else if letter.is_uppercase() {
            return true;
        }
    }
    false
}

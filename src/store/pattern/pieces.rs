//! Literal pieces that every match of a pattern contains.

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::{Hir, HirKind};

/// The shortest piece, in bytes, that is worth a search of its own.
const MIN_BYTES: usize = 2;

/// The names of the fields of each event.
const FIELDS: [&str; 8] =
    ["timestamp", "node", "type", "severity", "source", "service", "correlation_id", "payload"];

/// The longest list of alternatives that is still searched for together.
const MAX_PIECES: usize = 64;

/// Texts of which one is contained in every match, each with whether its case is ignored.
#[derive(Debug, Clone, Default)]
pub(super) struct Pieces(Vec<(String, bool)>);

impl Pieces {
    /// Returns one piece, unless it is too short.
    pub(super) fn one(text: &str, ignores_case: bool) -> Option<Self> {
        let longest = longest_part(text)?;
        Some(Self(vec![(longest.to_owned(), ignores_case)]))
    }

    /// Returns the pieces of a regular expression, if each match has one.
    pub(super) fn of(pattern: &str, ignores_case: bool) -> Option<Self> {
        // Parsed with its case: with ignored case, letters are classes of two.
        let hir = regex_syntax::ParserBuilder::new().build().parse(pattern).ok()?;
        let mut found = required(&hir)?;
        found.sort_unstable();
        found.dedup();
        let fits = !found.is_empty() && found.len() <= MAX_PIECES;
        fits.then(|| Self(found.into_iter().map(|text| (text, ignores_case)).collect()))
    }

    /// Returns the pieces of a search that matches what either of two does.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Returns those of two that are likely to be found less often, for a match that has both.
    pub(super) fn better(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        let worth = |pieces: &Option<Self>| pieces.as_ref().map(Self::worth);
        if worth(&other) > worth(&one) { other } else { one }
    }

    fn worth(&self) -> usize {
        self.0.iter().map(|(text, _)| worth(text)).min().unwrap_or(0)
    }

    /// Returns the texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(text, _)| text.as_str())
    }

    /// Returns a search for any of them in raw bytes.
    pub(super) fn finder(&self) -> Option<Regex> {
        let alternatives: Vec<String> = self
            .0
            .iter()
            .map(|(text, ignores_case)| {
                let flag = if *ignores_case { "i" } else { "-i" };
                format!("(?{flag}:{})", regex::escape(text))
            })
            .collect();
        RegexBuilder::new(&alternatives.join("|")).build().ok()
    }
}

/// Returns texts of which one is in every match.
fn required(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            longest_part(text).map(|part| vec![part.to_owned()])
        }
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => required(&repetition.sub),
        HirKind::Concat(parts) => parts.iter().filter_map(required).max_by_key(|found| {
            // One long piece before many short ones.
            let worths = found.iter().map(|text| worth(text));
            (worths.min(), std::cmp::Reverse(found.len()))
        }),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(required(part)?);
            }
            Some(all)
        }
        _ => None,
    }
}

/// Returns the longest part of a literal that is in one piece in the JSON of each match: the path
/// of a value and the value are apart there, and so are the names in a path.
fn longest_part(text: &str) -> Option<&str> {
    let parts = text.split(['=', '.']).filter(|part| part.len() >= MIN_BYTES);
    parts.max_by_key(|part| worth(part))
}

/// Returns how much a piece is worth: the names of fields, which each event has, next to nothing.
fn worth(part: &str) -> usize {
    if FIELDS.contains(&part) { 0 } else { part.len() }
}

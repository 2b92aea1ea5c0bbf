//! Search in the text of events, and conditions on their values.
//!
//! The text of an event is one line for each value in it: the path of the value, `=`, and the value
//! as a person reads it ([`each_leaf`]). A pattern matches an event if it matches within one of these
//! lines. How a value is escaped, or where its JSON has spaces, changes nothing.
//!
//! Most events need not be parsed to be excluded: every match of a pattern contains one of a few
//! literal pieces ([`pieces`]), and JSON without a backslash holds each of them unchanged.

mod condition;
mod expression;
mod pieces;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use regex::{Regex, bytes};

pub(crate) use condition::Condition;
use expression::compile;
use pieces::Pieces;

use crate::Result;
use crate::event::each_leaf;

/// Patterns of which one must match, in the words of the caller.
#[derive(Debug, Clone, Default)]
pub(crate) struct TextQuery {
    /// Alternatives.
    pub(crate) any_of: Vec<String>,
    /// Patterns that must match as well, each by itself.
    pub(crate) all_of: Vec<String>,
    /// True for events that the patterns do not match.
    pub(crate) invert: bool,
    /// True if patterns are plain text, and not regular expressions.
    pub(crate) plain: bool,
    /// Conditions on values, all of which must hold; see [`Condition`].
    pub(crate) conditions: Vec<String>,
}

/// A compiled search.
#[derive(Debug)]
pub struct Pattern {
    /// Groups of alternatives; one of each must match.
    groups: Vec<Vec<Regex>>,
    invert: bool,
    conditions: Vec<Condition>,
    /// Finds a place in each match whose JSON has no backslash.
    scan: Option<bytes::Regex>,
    pieces: Option<Pieces>,
}

impl Pattern {
    /// Compiles a search; returns `None` if it asks for nothing.
    ///
    /// Fails with [`Error::Usage`](crate::Error::Usage) if a pattern or a condition cannot be
    /// understood.
    pub(crate) fn compile(query: &TextQuery) -> Result<Option<Self>> {
        let mut groups = Vec::new();
        let mut pieces = None;
        let texts = query.all_of.iter().map(std::slice::from_ref);
        for alternatives in std::iter::once(query.any_of.as_slice()).chain(texts) {
            if alternatives.is_empty() {
                continue;
            }
            let mut group = Vec::with_capacity(alternatives.len());
            let mut found = Some(Pieces::default());
            for text in alternatives {
                let (regex, of_one) = compile(text, query.plain)?;
                group.push(regex);
                found = found.zip(of_one).map(|(all, one)| all.or(one));
            }
            groups.push(group);
            pieces = Pieces::better(pieces, found.filter(|_| !query.invert));
        }
        let mut conditions = Vec::new();
        for text in &query.conditions {
            let (condition, found) = Condition::parse(text)?;
            conditions.push(condition);
            pieces = Pieces::better(pieces, found);
        }
        if groups.is_empty() && conditions.is_empty() {
            return Ok(None);
        }
        let scan = pieces.as_ref().and_then(Pieces::finder);
        Ok(Some(Self { groups, invert: query.invert, conditions, scan, pieces }))
    }

    /// Returns what finds the places of pieces in raw JSON; `None` if a match need not contain any.
    pub(super) fn scan(&self) -> Option<&bytes::Regex> {
        self.scan.as_ref()
    }

    /// Returns texts of which one is in the text of every match; `None` if there need be none.
    pub(super) fn pieces(&self) -> Option<Vec<&str>> {
        self.pieces.as_ref().map(|pieces| pieces.texts().collect())
    }

    /// Judges an event by its text. `json` must be valid.
    pub(super) fn matches(&self, json: &str) -> bool {
        let mut line = String::with_capacity(256);
        let mut met = vec![false; self.groups.len()];
        let mut states: Vec<_> =
            self.conditions.iter().map(|_| condition::State::default()).collect();
        each_leaf(json, &mut |path, leaf| {
            for (condition, state) in self.conditions.iter().zip(&mut states) {
                condition.see(path, &leaf, state);
            }
            let Some(text) = leaf.text() else { return };
            if met.iter().all(|met| *met) {
                return;
            }
            line.clear();
            line.push_str(path);
            line.push('=');
            line.push_str(text);
            for (group, met) in self.groups.iter().zip(&mut met) {
                *met = *met || group.iter().any(|regex| regex.is_match(&line));
            }
        });
        let is_met = self.groups.is_empty() || met.iter().all(|met| *met) != self.invert;
        is_met
            && self.conditions.iter().zip(states).all(|(condition, state)| condition.holds(state))
    }
}

/// Returns the first value with this path in a valid event, as a person reads it.
pub(crate) fn value_at(event: &[u8], wanted: &str) -> Option<String> {
    let mut found = None;
    each_leaf(std::str::from_utf8(event).ok()?, &mut |path, leaf| {
        if found.is_none() && path == wanted {
            found = leaf.text().map(str::to_owned);
        }
    });
    found
}

//! Conditions on single values: `FIELD OP VALUE`.

use std::cmp::Ordering;

use regex::Regex;

use super::expression::compile;
use super::pieces::Pieces;
use crate::event::Leaf;
use crate::text::shown;
use crate::{Error, Result};

/// A condition on the value with a certain path, such as `payload.attempt>=3`.
///
/// | condition | holds for events that have |
/// |---|---|
/// | `PATH` | the path, whatever its value |
/// | `!PATH` | no such path |
/// | `PATH=VALUE` | this value: the same text, or the same number |
/// | `PATH!=VALUE` | the path with another value |
/// | `PATH<VALUE`, `<=`, `>`, `>=` | a value before or after it: as numbers if both are numbers, else as text |
/// | `PATH~PATTERN` | a value that the regular expression matches |
///
/// Of several values with one path, such as the elements of an array, one must meet the condition.
#[derive(Debug)]
pub(crate) struct Condition {
    path: String,
    /// The path of values within this one: it ends in a dot.
    below: String,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Exists,
    Missing,
    Equal(String),
    Other(String),
    Matches(Regex),
    Ordered(fn(Ordering) -> bool, String),
}

/// The part of an event that a condition has seen.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct State {
    is_there: bool,
    is_met: bool,
}

/// The operators, the longer ones first.
const OPERATORS: [&str; 7] = ["!=", ">=", "<=", "=", ">", "<", "~"];

impl Condition {
    /// Parses a condition. Returns its pieces, too, if every match has one.
    pub(super) fn parse(text: &str) -> Result<(Self, Option<Pieces>)> {
        let refused = |reason: &str| {
            Error::Usage(format!(
                "the condition \"{}\" {reason}; conditions look like payload.stage=pull, \
                 payload.attempt>=3, payload.error~OOM, payload.url or !payload.url",
                shown(text)
            ))
        };
        let at = text.find(['!', '=', '<', '>', '~']).filter(|at| *at > 0);
        let Some(at) = at else {
            let (path, test) = match text.strip_prefix('!') {
                Some(path) => (path, Test::Missing),
                None => (text, Test::Exists),
            };
            let path = path.trim();
            if path.is_empty() || path.contains(['!', '=', '<', '>', '~']) {
                return Err(refused("names no field"));
            }
            let pieces = if matches!(test, Test::Exists) { Pieces::one(path, false) } else { None };
            return Ok((Self::of(path, test), pieces));
        };
        let (path, rest) = text.split_at(at);
        let operator = OPERATORS.into_iter().find(|operator| rest.starts_with(operator));
        let operator = operator.ok_or_else(|| refused("has no operator that is known"))?;
        let rest = &rest[operator.len()..];
        if rest.starts_with(['=', '<', '>', '~', '!']) {
            return Err(refused("has no operator that is known"));
        }
        let (path, value) = (path.trim(), rest.trim());
        if path.is_empty() {
            return Err(refused("names no field"));
        }
        let of_path = Pieces::one(path, false);
        let value = value.to_owned();
        let (test, pieces) = match operator {
            "=" => {
                // The same number may be written in another way.
                let is_verbatim = number(&value).is_none() && is_plain(&value);
                let of_value = is_verbatim.then(|| Pieces::one(&value, false)).flatten();
                (Test::Equal(value), of_value.or(of_path))
            }
            "!=" => (Test::Other(value), of_path),
            "~" => {
                let (regex, pieces) = compile(&value, false)?;
                (Test::Matches(regex), pieces.or(of_path))
            }
            ">=" => (Test::Ordered(Ordering::is_ge, value), of_path),
            "<=" => (Test::Ordered(Ordering::is_le, value), of_path),
            ">" => (Test::Ordered(Ordering::is_gt, value), of_path),
            _ => (Test::Ordered(Ordering::is_lt, value), of_path),
        };
        Ok((Self::of(path, test), pieces))
    }

    fn of(path: &str, test: Test) -> Self {
        Self { path: path.to_owned(), below: format!("{path}."), test }
    }

    /// Takes a value of the event into account.
    pub(super) fn see(&self, path: &str, leaf: &Leaf<'_>, state: &mut State) {
        let is_here = path == self.path;
        state.is_there |= is_here || path.starts_with(&self.below);
        if !is_here || state.is_met {
            return;
        }
        let Some(text) = leaf.text() else { return };
        state.is_met = match &self.test {
            Test::Exists | Test::Missing => false,
            Test::Equal(value) => is_same(leaf, text, value),
            Test::Other(value) => !is_same(leaf, text, value),
            Test::Matches(regex) => regex.is_match(text),
            Test::Ordered(holds, value) => holds(compare(text, value)),
        };
    }

    /// Reports whether the condition holds for an event that was seen in full.
    pub(super) fn holds(&self, state: State) -> bool {
        match self.test {
            Test::Exists => state.is_there,
            Test::Missing => !state.is_there,
            _ => state.is_met,
        }
    }
}

/// Reports whether JSON holds a text unchanged, unless it was escaped without need.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

fn is_same(leaf: &Leaf<'_>, text: &str, value: &str) -> bool {
    let is_number = matches!(leaf, Leaf::Word(_));
    text == value
        || is_number && number(text).zip(number(value)).is_some_and(|(a, b)| a.compare(b).is_eq())
}

fn compare(text: &str, value: &str) -> Ordering {
    match number(text).zip(number(value)) {
        Some((a, b)) => a.compare(b),
        None => text.cmp(value),
    }
}

/// A number, exact as long as it is whole and not astronomic.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(i128),
    Broken(f64),
}

impl Number {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(&b),
            (a, b) => a.float().total_cmp(&b.float()),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            // Minus zero is zero.
            Self::Broken(broken) => broken + 0.0,
        }
    }
}

/// Parses a number as JSON writes it.
fn number(text: &str) -> Option<Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if let Ok(whole) = text.parse() {
        return Some(Number::Whole(whole));
    }
    text.parse().ok().filter(|float: &f64| float.is_finite()).map(Number::Broken)
}

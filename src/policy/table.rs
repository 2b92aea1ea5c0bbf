//! Walks a TOML table: every known key is looked up, and a key that was not is an error.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::PolicyError;
use crate::event::{near_miss, shown};

/// The text of a policy, to turn offsets into lines.
#[derive(Clone, Copy)]
pub(super) struct PolicyText<'a> {
    pub(super) text: &'a str,
    pub(super) origin: &'a str,
}

impl PolicyText<'_> {
    pub(super) fn error(self, at: usize, reason: impl Into<String>) -> PolicyError {
        let before = self.text.as_bytes().get(..at).unwrap_or(self.text.as_bytes());
        let line = memchr::memchr_iter(b'\n', before).count() + 1;
        self.error_without_line(reason).at_line(line)
    }

    pub(super) fn error_without_line(self, reason: impl Into<String>) -> PolicyError {
        PolicyError { origin: self.origin.to_owned(), line: None, reason: reason.into() }
    }
}

/// A table of the policy, with a record of the keys that were looked up.
pub(super) struct Table<'a> {
    source: PolicyText<'a>,
    /// The name as in the file: `[rotate]`; empty at the top.
    name: &'a str,
    at: usize,
    entries: Option<&'a DeTable<'a>>,
    known: RefCell<Vec<&'static str>>,
}

/// A value with its key and offset.
pub(super) struct PolicyValue<'a> {
    pub(super) key: &'static str,
    pub(super) at: usize,
    pub(super) content: &'a DeValue<'a>,
    source: PolicyText<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn top(source: PolicyText<'a>, entries: &'a DeTable<'a>) -> Self {
        Self { source, name: "", at: 0, entries: Some(entries), known: RefCell::default() }
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &'static str) -> Option<PolicyValue<'a>> {
        self.known.borrow_mut().push(key);
        let (spanned_key, spanned) = self.entries?.get_key_value(key)?;
        Some(PolicyValue {
            key,
            at: spanned_key.span().start,
            content: spanned.get_ref(),
            source: self.source,
        })
    }

    /// Returns a table inside this one; an absent one is empty.
    pub(super) fn table(&self, key: &'static str, name: &'a str) -> Result<Table<'a>, PolicyError> {
        match self.get(key) {
            None => Ok(Table {
                source: self.source,
                name,
                at: 0,
                entries: None,
                known: RefCell::default(),
            }),
            Some(value) => value.table(name),
        }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Returns all keys and values of a table with arbitrary keys.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'a str, PolicyValue<'a>)> {
        let source = self.source;
        self.entries.into_iter().flatten().map(move |(key, spanned)| {
            let at = key.span().start;
            (
                key.get_ref().as_ref(),
                PolicyValue { key: "", at, content: spanned.get_ref(), source },
            )
        })
    }

    /// Reports whether the table is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_none_or(toml::map::Map::is_empty)
    }

    /// Returns an error about the table as a whole.
    pub(super) fn error(&self, reason: &str) -> PolicyError {
        self.source.error(self.at, format!("{}: {reason}", self.name))
    }

    /// Fails if the table has keys that were not looked up.
    pub(super) fn finish(&self) -> Result<(), PolicyError> {
        let known = self.known.borrow();
        let Some(entries) = self.entries else { return Ok(()) };
        let unknown = entries.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref()));
        let Some((key, _)) = unknown else { return Ok(()) };
        let place = if self.name.is_empty() {
            "at the top".to_owned()
        } else {
            format!("in {}", self.name)
        };
        let hint = match near_miss(key.get_ref(), known.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => format!("known keys are {}", known.join(", ")),
        };
        Err(self.source.error(
            key.span().start,
            format!("unknown key {} {place}; {hint}", shown(key.get_ref())),
        ))
    }
}

impl<'a> PolicyValue<'a> {
    pub(super) fn error(&self, reason: impl Into<String>) -> PolicyError {
        self.source.error(self.at, reason)
    }

    pub(super) fn error_at(&self, at: usize, reason: impl Into<String>) -> PolicyError {
        self.source.error(at, reason)
    }

    /// Returns the error "`keep_live` = -3: …".
    pub(super) fn wrong(&self, expected: &str) -> PolicyError {
        let found = match self.content {
            DeValue::String(text) => format!("\"{}\"", shown(text)),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(value) => value.to_string(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        };
        self.error(format!("{} = {found}: expected {expected}", self.key))
    }

    pub(super) fn text(&self, expected: &str) -> Result<&'a str, PolicyError> {
        match self.content {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(self.wrong(expected)),
        }
    }

    pub(super) fn integer(&self, expected: &str) -> Result<i64, PolicyError> {
        match self.content {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| self.wrong(expected)),
            _ => Err(self.wrong(expected)),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, PolicyError> {
        match self.content {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// Returns a list of texts; a single text counts as a list of one.
    pub(super) fn texts(&self, expected: &str) -> Result<Vec<&'a str>, PolicyError> {
        let texts: Vec<&str> = match self.content {
            DeValue::String(text) => vec![text.as_ref()],
            DeValue::Array(values) => values
                .iter()
                .map(|value| match value.get_ref() {
                    DeValue::String(text) => Ok(text.as_ref()),
                    _ => Err(self.wrong(expected)),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(self.wrong(expected)),
        };
        if texts.is_empty() {
            return Err(self.error(format!("{} is an empty list; expected {expected}", self.key)));
        }
        Ok(texts)
    }

    pub(super) fn table(&self, name: &'a str) -> Result<Table<'a>, PolicyError> {
        match self.content {
            DeValue::Table(entries) => Ok(Table {
                source: self.source,
                name,
                at: self.at,
                entries: Some(entries),
                known: RefCell::default(),
            }),
            _ => Err(self.wrong(&format!("a table, {name}"))),
        }
    }

    /// Returns a list of tables, `[[like.this]]`.
    pub(super) fn tables(&self, name: &'a str) -> Result<Vec<Table<'a>>, PolicyError> {
        let DeValue::Array(values) = self.content else {
            return Err(self.wrong(&format!("a list of tables, {name}")));
        };
        values
            .iter()
            .map(|value: &Spanned<DeValue<'_>>| match value.get_ref() {
                DeValue::Table(entries) => Ok(Table {
                    source: self.source,
                    name,
                    at: value.span().start,
                    entries: Some(entries),
                    known: RefCell::default(),
                }),
                _ => Err(self.wrong(&format!("a list of tables, {name}"))),
            })
            .collect()
    }
}

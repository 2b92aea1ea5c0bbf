//! Values of the history while a command line is being typed: the door that the completion
//! scripts of bash, zsh and fish knock at.
//!
//! `hlarchive __complete SHELL …` prints a value per line, perhaps with a tab and a remark, and
//! succeeds if values of the history belong at the cursor, even if there are none. It never prints
//! a message, never fetches anything from a remote place, and takes a bounded time. Values come
//! from files that others write: none that has a control character is given, and to bash, which
//! inserts text as it is, each is given with quotes.

mod line;
mod place;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::FromArgMatches;

use super::args;
use crate::event::{Date, KNOWN_TYPES, Severity};
use crate::segment::Field;
use crate::store::Store;
use crate::text::{is_unseen, shown};
use crate::views::count::Period;
use line::Typed;
use place::{Kind, Place};

/// Makes the command line's definition.
type Definition<'a> = &'a dyn Fn() -> clap::Command;

pub(super) use script::script;

/// The word that opens the door. It is no command: help and manual do not know it.
const DOOR: &str = "__complete";

/// The time after which no further segment is opened.
const PATIENCE: Duration = Duration::from_millis(30);

/// Maximum number of values of the newest days: of ids, which are many and alike, and of others.
const MAX_IDS: usize = 100;
const MAX_VALUES: usize = 1000;

/// The longest value that is given, in bytes: nobody types a longer one.
const MAX_BYTES: usize = 255;

/// Answers a completion script, if one asks.
pub(super) fn answer(words: &[OsString], definition: Definition<'_>) -> Option<ExitCode> {
    if words.get(1)? != DOOR {
        return None;
    }
    let words: Vec<String> =
        words.iter().skip(2).map(|word| word.to_string_lossy().into_owned()).collect();
    let text = lines(&words, definition);
    let told = text.as_ref().map(|text| io::stdout().write_all(text.as_bytes()));
    Some(if matches!(told, Some(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the lines for a script, or none if the cursor is not at a value of the history.
fn lines(words: &[String], making: Definition<'_>) -> Option<String> {
    let (shell, rest) = words.split_first()?;
    let typed = match (shell.as_str(), rest) {
        ("bash", [line, breaks]) => Typed::in_bash(line, breaks),
        ("zsh", [..]) => Typed::in_zsh(rest),
        ("fish", [..]) => Typed::in_fish(rest)?,
        _ => return None,
    };
    let mut definition = making();
    definition.build();
    let place = place::find(&definition, &typed.words)?;
    let candidates = candidates(&place, making);
    if candidates.is_empty() && place.or_file {
        return None;
    }
    let mut text = String::new();
    for (value, remark) in candidates {
        if shell == "bash" {
            let Some(word) = typed.insertion(&value, place.start_of_value) else { continue };
            text.push_str(&word);
        } else {
            text.push_str(&value);
            if let Some(remark) = remark {
                text.extend(["\t", &shown(&remark)]);
            }
        }
        text.push('\n');
    }
    Some(text)
}

/// Returns what may stand at a place, as values and remarks.
fn candidates(place: &Place, making: Definition<'_>) -> Vec<(String, Option<String>)> {
    let began = Instant::now();
    let stops = || began.elapsed() > PATIENCE;
    let store = store(&place.globals, making);
    let mut found = BTreeMap::new();
    for kind in &place.kinds {
        match (kind, &store) {
            (Kind::Level, _) => add(&mut found, Severity::ALL.map(Severity::as_str)),
            (Kind::NewType, _) => add(&mut found, KNOWN_TYPES),
            (Kind::CountField, _) => add(&mut found, fields(&place.value)),
            (Kind::Value(field), Some(store)) => {
                let limit = if *field == Field::CorrelationId { MAX_IDS } else { MAX_VALUES };
                add(&mut found, store.known_values(*field, &place.value, limit, &stops));
            }
            (Kind::Day { live }, Some(store)) => add(&mut found, days(store, *live, &place.value)),
            (Kind::Hold, Some(store)) => {
                found.extend(store.known_holds().into_iter().map(|hold| {
                    let reason = hold.reason.map(|reason| format!(": {reason}"));
                    let remark = format!("{}{}", hold.scope, reason.unwrap_or_default());
                    (hold.id.to_string(), Some(remark))
                }));
            }
            (_, None) => {}
        }
    }
    let is_plain = |value: &str| {
        !value.is_empty() && value.len() <= MAX_BYTES && !value.chars().any(is_unseen)
    };
    found.retain(|value, _| value.starts_with(&place.value) && is_plain(value));
    found.into_iter().collect()
}

fn add<T: ToString>(
    found: &mut BTreeMap<String, Option<String>>,
    values: impl IntoIterator<Item = T>,
) {
    found.extend(values.into_iter().map(|value| (value.to_string(), None)));
}

/// Returns the history that the words before the cursor and the environment name.
fn store(globals: &[String], making: Definition<'_>) -> Option<Store> {
    let words = ["hlarchive"].into_iter().chain(globals.iter().map(String::as_str));
    let words = words.chain(["status"]);
    let matches = making().try_get_matches_from(words).ok()?;
    let args::Global { root, archive, .. } = args::Global::from_arg_matches(&matches).ok()?;
    Some(Store::new(root, archive))
}

/// Returns days, and after `FIRST..` those that end a range.
fn days(store: &Store, live: bool, typed: &str) -> Vec<String> {
    let days: BTreeSet<Date> = store.known_days(live);
    match typed.split_once("..") {
        Some((first, _)) => {
            let Ok(from) = first.parse::<Date>() else { return Vec::new() };
            days.range(from..).map(|to| format!("{first}..{to}")).collect()
        }
        None => days.iter().map(ToString::to_string).collect(),
    }
}

/// Returns the fields to count by, after those that were typed with commas.
fn fields(typed: &str) -> Vec<String> {
    let before = typed.rfind(',').map_or("", |at| &typed[..=at]);
    let fields = Field::ALL.into_iter().map(Field::as_str);
    let fields = fields.chain(Period::ALL.into_iter().map(Period::as_str));
    fields.map(|field| format!("{before}{field}")).collect()
}

//! The rules for emitting: `[events]`.

use std::collections::BTreeMap;

use crate::event::{EventType, Litter, MAX_EVENT_BYTES, Pattern, Severity};
use crate::policy::quantity::size;
use crate::policy::table::{PolicyValue, Table};
use crate::policy::{EventRules, FutureRule, PolicyError, UnknownTypes};

pub(super) fn events(table: &Table<'_>) -> Result<EventRules, PolicyError> {
    let mut rules = EventRules::default();
    if let Some(value) = table.get("unknown_types") {
        let expected = "\"allow\", \"warn\" or \"reject\"";
        rules.unknown_types = match value.text(expected)? {
            "allow" => UnknownTypes::Allow,
            "warn" => UnknownTypes::Warn,
            "reject" => UnknownTypes::Reject,
            _ => return Err(value.wrong(expected)),
        };
    }
    if let Some(value) = table.get("future") {
        let expected = "\"warn\" or \"reject\"";
        rules.future = match value.text(expected)? {
            "warn" => FutureRule::Warn,
            "reject" => FutureRule::Reject,
            _ => return Err(value.wrong(expected)),
        };
    }
    if let Some(value) = table.get("types") {
        for text in value.texts("a list of event types, such as [\"backup_completed\"]")? {
            rules.types.push(event_type(text, "types", &value)?);
        }
    }
    if let Some(value) = table.get("severity") {
        rules.severities = severities(&value.table("severity")?)?;
    }
    if let Some(value) = table.get("max_bytes") {
        let expected = "a size from \"1KiB\" to \"64MiB\"";
        rules.max_bytes = size(value.text(expected)?)
            .filter(|size| (1 << 10..=MAX_EVENT_BYTES).contains(size))
            .ok_or_else(|| value.wrong(expected))?;
    }
    if let Some(value) = table.get("ignore") {
        let texts = value.texts("a list of patterns for names, such as [\"*.bak\"]")?;
        let patterns = texts.into_iter().map(|text| {
            Pattern::parse(text).map_err(|why| {
                value.error(format!("ignore: \"{}\" {why}", crate::event::shown(text)))
            })
        });
        rules.ignore = Litter::with(patterns.collect::<Result<_, _>>()?);
    }
    table.finish()?;
    Ok(rules)
}

/// Reads `severity = { disk_full = "critical" }`.
fn severities(table: &Table<'_>) -> Result<BTreeMap<String, Severity>, PolicyError> {
    let mut severities = BTreeMap::new();
    for (key, value) in table.pairs() {
        let kind = event_type(key, "severity", &value)?;
        let expected = "info, warning, error or critical";
        let word = value.text(expected).map_err(|error| of_key(error, &kind))?;
        let severity = word.parse().map_err(|_| of_key(value.wrong(expected), &kind))?;
        severities.insert(kind, severity);
    }
    Ok(severities)
}

/// Names the key in an error about a value whose key is an event type.
fn of_key(error: PolicyError, kind: &str) -> PolicyError {
    PolicyError { reason: format!("severity: {kind}{}", error.reason), ..error }
}

/// Normalizes an event type.
fn event_type(text: &str, list: &str, value: &PolicyValue<'_>) -> Result<String, PolicyError> {
    let normalized =
        EventType::normalize(text).map_err(|error| value.error(format!("{list}: {error}")))?;
    if normalized.as_str() != text {
        return Err(value.error(format!(
            "{list}: \"{}\" is not in its normal form; write \"{normalized}\"",
            crate::event::shown(text)
        )));
    }
    Ok(text.to_owned())
}

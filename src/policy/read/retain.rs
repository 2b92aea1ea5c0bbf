//! The terms of keeping: `[retain]` and its classes.

use super::span::span;
use crate::event::Severity;
use crate::policy::quantity::{percent, size};
use crate::policy::table::{PolicyValue, Table};
use crate::policy::{Class, Keep, MinFree, PolicyError, RetainRules, RotateRules};

/// The longest `grace`.
const MAX_GRACE: u64 = 10 * 365 * 86_400;

/// The longest term other than "forever".
const MAX_KEEP: u64 = 1000 * 365 * 86_400;

pub(super) fn retain(table: &Table<'_>, rotate: &RotateRules) -> Result<RetainRules, PolicyError> {
    let mut rules = RetainRules::default();
    if let Some(value) = table.get("keep") {
        rules.keep = keep(&value, rotate)?;
    }
    if let Some(value) = table.get("grace") {
        rules.grace = span(&value, MAX_GRACE, "at most 10y")?;
    }
    if let Some(value) = table.get("max_size") {
        let expected = "a size of at least \"1MiB\", such as \"20GiB\"";
        let bytes = size(value.text(expected)?)
            .filter(|bytes| *bytes >= 1 << 20)
            .ok_or_else(|| value.wrong(expected))?;
        rules.max_size = Some(bytes);
    }
    if let Some(value) = table.get("min_free") {
        let expected = "a share such as \"10%\" (at most 90%) or a size such as \"5GiB\"";
        let text = value.text(expected)?;
        let share = percent(text).filter(|share| (0.0..=90.0).contains(share));
        rules.min_free = Some(match (share, size(text)) {
            (Some(share), _) => MinFree::Percent(share),
            (None, Some(bytes)) => MinFree::Bytes(bytes),
            (None, None) => return Err(value.wrong(expected)),
        });
    }
    if let Some(value) = table.get("local") {
        rules.local = keep(&value, rotate)?;
    }
    if let Some(value) = table.get("class") {
        for entry in value.tables("[[retain.class]]")? {
            let class = class(&value, &entry, rotate)?;
            if rules.classes.iter().any(|other| other.name == class.name) {
                let name = entry.get("name");
                let at = name.as_ref().unwrap_or(&value);
                return Err(at.error(format!(
                    "two classes are named \"{}\"; give each a name of its own",
                    class.name
                )));
            }
            rules.classes.push(class);
        }
    }
    table.finish()?;
    Ok(rules)
}

fn class(
    list: &PolicyValue<'_>,
    table: &Table<'_>,
    rotate: &RotateRules,
) -> Result<Class, PolicyError> {
    let missing = |what: &str, example: &str| {
        list.error_at(table.at(), format!("a class has no {what}; write for example {example}"))
    };
    let name = table.get("name").ok_or_else(|| missing("name", "name = \"incidents\""))?;
    let expected = "a short name: a lower-case letter, then letters, digits or dashes, at most 32";
    let text = name.text(expected)?;
    let fits = text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        return Err(name.wrong(expected));
    }
    let keep_value = table.get("keep").ok_or_else(|| missing("keep", "keep = \"7y\""))?;
    let mut class = Class {
        name: text.to_owned(),
        keep: keep(&keep_value, rotate)?,
        severities: Vec::new(),
        types: Vec::new(),
        nodes: Vec::new(),
        services: Vec::new(),
        sources: Vec::new(),
    };
    let example = "match = { severity = [\"error\", \"critical\"] }";
    let matching = table.get("match").ok_or_else(|| missing("match", example))?;
    let fields = matching.table("match")?;
    if fields.is_empty() {
        return Err(matching.error(format!(
            "match is empty, so the class would take every event; write for example {example}"
        )));
    }
    if let Some(value) = fields.get("severity") {
        let expected = "severities: info, warning, error or critical";
        for text in value.texts(expected)? {
            let severity: Severity = text.parse().map_err(|_| {
                value.error(format!(
                    "severity \"{}\" does not exist; expected {expected}",
                    crate::event::shown(text)
                ))
            })?;
            class.severities.push(severity);
        }
    }
    let lists: [(&'static str, &mut Vec<String>); 4] = [
        ("type", &mut class.types),
        ("node", &mut class.nodes),
        ("service", &mut class.services),
        ("source", &mut class.sources),
    ];
    for (key, list) in lists {
        if let Some(value) = fields.get(key) {
            list.extend(value.texts("a list of texts")?.into_iter().map(str::to_owned));
        }
    }
    fields.finish()?;
    table.finish()?;
    Ok(class)
}

fn keep(value: &PolicyValue<'_>, rotate: &RotateRules) -> Result<Keep, PolicyError> {
    let expected = "a duration such as \"2y\" or \"400d\", or \"forever\"";
    if value.text(expected)? == "forever" {
        return Ok(Keep::Forever);
    }
    let span = span(value, MAX_KEEP, "at most 1000y, or \"forever\"")?;
    if span.seconds() < 86_400 {
        let text = value.text(expected)?;
        let hint = if text.contains('m') { "; m are minutes, write \"6 months\"" } else { "" };
        return Err(value.wrong(&format!("at least one day, \"1d\"{hint}")));
    }
    if span < rotate.keep_live {
        return Err(value.error(format!(
            "keep = \"{span}\" is shorter than keep_live = \"{}\", so days would expire while \
             they are live; make keep longer or keep_live shorter",
            rotate.keep_live
        )));
    }
    Ok(Keep::For(span))
}

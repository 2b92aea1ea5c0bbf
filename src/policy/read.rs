//! From TOML to rules, with every check.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::DeTable;

use super::quantity::{Span, SpanError, percent, size};
use super::table::{PolicyText, PolicyValue, Table};
use super::{
    AnswerRules, AuditRules, Class, EventRules, FutureRule, InvalidRule, Keep, MinFree,
    PolicyError, RemoteRules, RetainRules, RotateRules, UnknownTypes,
};
use crate::event::{EventType, Litter, MAX_EVENT_BYTES, NodeName, Pattern, Severity};
use crate::text::without_secrets;

/// The longest `keep_live`; more is surely a typo.
const MAX_KEEP_LIVE: u64 = 10 * 365 * 86_400;

/// The longest `grace`.
const MAX_GRACE: u64 = 10 * 365 * 86_400;

/// The longest `within`: beyond it, everything would be credited with everything.
const MAX_WITHIN: u64 = 30 * 86_400;

/// The longest term other than "forever".
const MAX_KEEP: u64 = 1000 * 365 * 86_400;

/// All rules of a policy.
pub(super) struct Rules {
    pub(super) rotate: RotateRules,
    pub(super) retain: RetainRules,
    /// True if the policy sets any term of keeping.
    pub(super) retains: bool,
    pub(super) events: EventRules,
    pub(super) audit: AuditRules,
    pub(super) answers: AnswerRules,
    pub(super) remote: Option<RemoteRules>,
}

/// Parses the text as TOML.
fn toml(source: PolicyText<'_>) -> Result<Spanned<DeTable<'_>>, PolicyError> {
    DeTable::parse(source.text).map_err(|error| {
        let reason = error.message().trim().replace('\n', ", ");
        match error.span() {
            Some(span) => source.error(span.start, format!("this is not TOML: {reason}")),
            None => source.error_without_line(format!("this is not TOML: {reason}")),
        }
    })
}

/// Refuses versions that this program does not know.
fn check_version(source: PolicyText<'_>, top: &Table<'_>) -> Result<(), PolicyError> {
    let version = top.get("version").ok_or_else(|| {
        source.error_without_line("the version is missing; begin the policy with \"version = 1\"")
    })?;
    if version.integer("1")? != 1 {
        return Err(version.wrong("1, the version that this program understands"));
    }
    Ok(())
}

/// Reads `[events]`, and nothing else but the version.
pub(super) fn events_alone(text: &str, origin: &str) -> Result<EventRules, PolicyError> {
    let source = PolicyText { text, origin };
    let parsed = toml(source)?;
    let top = Table::top(source, parsed.get_ref());
    check_version(source, &top)?;
    events(&top.table("events", "[events]")?)
}

/// Reads the whole policy.
pub(super) fn policy(text: &str, origin: &str) -> Result<Rules, PolicyError> {
    let source = PolicyText { text, origin };
    let parsed = toml(source)?;
    let top = Table::top(source, parsed.get_ref());
    check_version(source, &top)?;
    let rotate = rotate(&top.table("rotate", "[rotate]")?)?;
    let retains = top.get("retain").is_some();
    let retain = retain(&top.table("retain", "[retain]")?, &rotate)?;
    let events = events(&top.table("events", "[events]")?)?;
    let audit = audit(&top.table("audit", "[audit]")?)?;
    let answers = answers(&top.table("answers", "[answers]")?)?;
    let remote = remote(&top.table("remote", "[remote]")?)?;
    if let (Keep::For(local), None) = (retain.local, &remote) {
        return Err(source.error_without_line(format!(
            "[retain] local = \"{local}\" lets files go whose copies are elsewhere, but there is \
             no [remote] url that says where that is"
        )));
    }
    top.finish()?;
    Ok(Rules { rotate, retain, retains, events, audit, answers, remote })
}

fn remote(table: &Table<'_>) -> Result<Option<RemoteRules>, PolicyError> {
    let mut rules = RemoteRules {
        url: String::new(),
        host: None,
        cache: 1 << 30,
        timeout: Span::from_seconds(30),
    };
    if let Some(value) = table.get("url") {
        let expected = "s3://BUCKET/PREFIX, or file:///DIRECTORY";
        let url = value.text(expected)?;
        // Not shown here either: it may be a secret.
        let is_file = url.starts_with("file:///");
        if !is_file && (url.contains('@') || without_secrets(url) != url) {
            return Err(value.error(
                "the url has a user, a password or a query; a policy is no place for secrets: \
                 credentials come from the AWS variables and files, and the url is \
                 s3://BUCKET/PREFIX",
            ));
        }
        let place = url.strip_prefix("s3://").or(url.strip_prefix("file:///"));
        if !place.is_some_and(|place| place.starts_with(|c: char| c.is_ascii_alphanumeric())) {
            return Err(value.wrong(expected));
        }
        url.trim_end_matches('/').clone_into(&mut rules.url);
    }
    if let Some(value) = table.get("host") {
        let host = value.text("a host name")?;
        let checked =
            NodeName::for_writing(host).map_err(|error| value.error(error.to_string()))?;
        rules.host = Some(checked.to_string());
    }
    if let Some(value) = table.get("cache") {
        let expected = "a size such as \"1GiB\", or \"0B\" for none";
        rules.cache = size(value.text(expected)?).ok_or_else(|| value.wrong(expected))?;
    }
    if let Some(value) = table.get("timeout") {
        rules.timeout = span(&value, 3600, "at most 1h")?;
    }
    if rules.url.is_empty() && !table.is_empty() {
        return Err(table.error("it has no url; write for example url = \"s3://bucket/prefix\""));
    }
    table.finish()?;
    Ok((!rules.url.is_empty()).then_some(rules))
}

fn audit(table: &Table<'_>) -> Result<AuditRules, PolicyError> {
    let mut rules = AuditRules::default();
    if let Some(value) = table.get("emit") {
        rules.emit = value.boolean()?;
    }
    table.finish()?;
    Ok(rules)
}

fn answers(table: &Table<'_>) -> Result<AnswerRules, PolicyError> {
    let mut rules = AnswerRules::default();
    if let Some(value) = table.get("within") {
        rules.within = span(&value, MAX_WITHIN, "at most 30d")?;
        if rules.within.seconds() == 0 {
            return Err(value.wrong("a duration such as \"30m\""));
        }
    }
    table.finish()?;
    Ok(rules)
}

fn rotate(table: &Table<'_>) -> Result<RotateRules, PolicyError> {
    let mut rules = RotateRules {
        keep_live: Span::from_seconds(7 * 86_400),
        level: 9,
        frame_size: 512 << 10,
        invalid: InvalidRule::Archive,
    };
    if let Some(value) = table.get("keep_live") {
        rules.keep_live = span(&value, MAX_KEEP_LIVE, "at most 10y")?;
    }
    if let Some(value) = table.get("level") {
        let expected = "a zstd level from 1 to 22";
        rules.level = i32::try_from(value.integer(expected)?)
            .ok()
            .filter(|level| (1..=22).contains(level))
            .ok_or_else(|| value.wrong(expected))?;
    }
    if let Some(value) = table.get("frame_size") {
        let expected = "a size from \"4KiB\" to \"64MiB\"";
        rules.frame_size = size(value.text(expected)?)
            .filter(|size| (4 << 10..=64 << 20).contains(size))
            .ok_or_else(|| value.wrong(expected))?;
    }
    if let Some(value) = table.get("invalid") {
        let expected = "\"archive\" or \"hold\"";
        rules.invalid = match value.text(expected)? {
            "archive" => InvalidRule::Archive,
            "hold" => InvalidRule::Hold,
            _ => return Err(value.wrong(expected)),
        };
    }
    table.finish()?;
    Ok(rules)
}

fn retain(table: &Table<'_>, rotate: &RotateRules) -> Result<RetainRules, PolicyError> {
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

fn events(table: &Table<'_>) -> Result<EventRules, PolicyError> {
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

fn span(value: &PolicyValue<'_>, max: u64, limit: &str) -> Result<Span, PolicyError> {
    let expected = "a duration such as \"7d\", \"12h\" or \"2y\"";
    let span: Span = value.text(expected)?.parse().map_err(|error| match error {
        SpanError::Malformed => value.wrong(expected),
        ambiguous @ SpanError::CapitalM(_) => value.wrong(&format!("{expected}: {ambiguous}")),
    })?;
    if span.seconds() > max {
        return Err(value.wrong(&format!("a duration of {limit}")));
    }
    Ok(span)
}

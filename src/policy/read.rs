//! From TOML to rules, with every check.

mod events;
mod retain;
mod span;

use toml::Spanned;
use toml::de::DeTable;

use events::events;
use retain::retain;
use span::span;

use super::quantity::{Span, size};
use super::table::{PolicyText, Table};
use super::{
    AnswerRules, AuditRules, EventRules, InvalidRule, Keep, PolicyError, RemoteRules, RetainRules,
    RotateRules,
};
use crate::event::NodeName;
use crate::text::without_secrets;

/// The longest `keep_live`; more is surely a typo.
const MAX_KEEP_LIVE: u64 = 10 * 365 * 86_400;

/// The longest `within`: beyond it, everything would be credited with everything.
const MAX_WITHIN: u64 = 30 * 86_400;

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

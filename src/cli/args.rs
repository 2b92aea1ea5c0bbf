//! Flags that several commands share.

mod query;
mod text;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub(super) use query::{Per, QueryArgs};
pub(super) use text::TextArgs;

use super::exit::Failure;
use super::log::LogFormat;
use crate::event::{Date, EventType, Severity, Timestamp, shown};
use crate::policy::Span;
use crate::store::{Filter, Name, Store};
use crate::when;

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub(super) struct Global {
    /// The event tree
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "HLARCHIVE_ROOT",
        hide_env_values = true,
        default_value = "/opt/homelab/events",
        help_heading = "Global options"
    )]
    pub(super) root: PathBuf,
    /// The archive [default: the event tree's name plus -archive]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "HLARCHIVE_ARCHIVE",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(super) archive: Option<PathBuf>,
    /// The policy [default: /etc/hlarchive/policy.toml, else a built-in one]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "HLARCHIVE_POLICY",
        hide_env_values = true,
        help_heading = "Global options"
    )]
    pub(super) policy: Option<PathBuf>,
    /// Output format: table, json, ndjson (one object per line) or path; trace and outages have more
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        hide_possible_values = true,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub(super) output: Option<Format>,
    /// Print only results and errors: no remarks, no progress
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(super) quiet: bool,
    /// More detail: name all skipped files, show all values
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Global options")]
    pub(super) verbose: bool,
    #[arg(
        long,
        help = "Format of remarks, warnings and errors: text or json (one object per line)",
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        env = "HLARCHIVE_LOG_FORMAT",
        hide_env_values = true,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    pub(super) log_format: LogFormat,
    #[arg(
        long,
        help = "When to use colours: auto (which heeds NO_COLOR), always or never",
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        env = "HLARCHIVE_COLOR",
        hide_env_values = true,
        hide_possible_values = true,
        help_heading = "Global options"
    )]
    pub(super) color: ColorWhen,
}

/// The cases in which colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// Colours on a terminal.
    Auto,
    /// Colours everywhere.
    Always,
    /// Colours nowhere.
    Never,
}

/// The format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text for people.
    Table,
    /// One JSON document.
    Json,
    /// One JSON object per line.
    Ndjson,
    /// Only paths, one per line.
    Path,
    /// A diagram for Mermaid.
    Mermaid,
    /// A graph for Graphviz.
    Dot,
    /// A web page.
    Html,
    /// Comma-separated values.
    Csv,
}

impl Format {
    /// Returns the flag's word.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Path => "path",
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
            Self::Html => "html",
            Self::Csv => "csv",
        }
    }
}

/// Flags that choose events.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which events")]
pub(super) struct FilterArgs {
    /// At or after this time: a date, a timestamp, yesterday, "2h ago"
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) since: Option<String>,
    /// Before this time; a date means the end of that day
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) until: Option<String>,
    /// Around this time, or this event: its UUID, the beginning of one, or its path
    #[arg(long, value_name = "TIME|EVENT", conflicts_with_all = ["since", "until"])]
    pub(super) around: Option<String>,
    /// So long before and after --around [default: 10m]
    #[arg(long, value_name = "DURATION", requires = "around")]
    pub(super) within: Option<String>,
    /// Only this node; this and the following flags may be repeated
    #[arg(long, value_name = "NODE")]
    pub(super) node: Vec<String>,
    /// Only this type
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) event_type: Vec<String>,
    /// Only this severity: info, warning, error or critical
    #[arg(long, value_name = "LEVEL", value_parser = severity)]
    pub(super) severity: Vec<Severity>,
    /// Only this severity or worse
    #[arg(long, value_name = "LEVEL", value_parser = severity)]
    pub(super) min_severity: Option<Severity>,
    /// Only this service
    #[arg(long, value_name = "SERVICE")]
    pub(super) service: Vec<String>,
    /// Only this source
    #[arg(long, value_name = "SOURCE")]
    pub(super) source: Vec<String>,
    /// Only this correlation id
    #[arg(long, value_name = "ID")]
    pub(super) correlation_id: Vec<String>,
    #[command(flatten)]
    pub(super) text: TextArgs,
}

fn severity(text: &str) -> Result<Severity, String> {
    text.to_ascii_lowercase()
        .parse()
        .map_err(|_| "expected info, warning, error or critical".to_owned())
}

impl FilterArgs {
    /// Returns the filter that the flags ask for. An event that they name is looked for in `store`.
    pub(super) fn filter(&self, now: Timestamp, store: &Store) -> Result<Filter, Failure> {
        let (since, until) = match &self.around {
            Some(middle) => self.around(middle, now, store)?,
            None => time_range(self.since.as_ref(), self.until.as_ref(), now)?,
        };
        // Foreign events may carry any word: the one that was typed is searched for, too.
        let mut types = self.event_type.clone();
        types.extend(
            self.event_type
                .iter()
                .filter_map(|text| EventType::normalize(text).ok().map(|kind| kind.to_string())),
        );
        types.sort_unstable();
        types.dedup();
        Ok(Filter {
            correlation_ids: self.correlation_id.clone(),
            types,
            nodes: self.node.clone(),
            services: self.service.clone(),
            severities: self.severity.clone(),
            sources: self.source.clone(),
            min_severity: self.min_severity,
            since,
            until,
            like: None,
            pattern: self.text.pattern()?,
        })
    }

    /// Returns the range around a time or an event, both of its ends included.
    fn around(
        &self,
        middle: &str,
        now: Timestamp,
        store: &Store,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
        let middle = match when::parse(middle, now, when::Bound::Since) {
            Ok(time) => time,
            Err(reason) => {
                let Ok(name) = store.named(middle) else {
                    let what = "and it does not name an event either";
                    return Err(Failure::usage(format!("--around: {reason}; {what}")));
                };
                instant_of(store, &name)?
            }
        };
        let within = self.within.as_deref().unwrap_or("10m");
        let span: Span = within
            .parse()
            .map_err(|error| Failure::usage(format!("--within {}: {error}", shown(within))))?;
        let micros = span.micros().unwrap_or(i64::MAX);
        let since = Timestamp::from_micros(middle.micros().saturating_sub(micros));
        let until =
            Timestamp::from_micros(middle.micros().saturating_add(micros).saturating_add(1));
        Ok((Some(since), Some(until)))
    }

    /// Returns whether a time was given.
    pub(super) fn has_time(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.around.is_some()
    }

    /// Returns whether anything but a time was given.
    pub(super) fn asks_for_more(&self) -> bool {
        // Without `..`, so that no new flag is forgotten.
        let Self {
            since: _,
            until: _,
            around: _,
            within: _,
            node,
            event_type,
            severity,
            min_severity,
            service,
            source,
            correlation_id,
            text,
        } = self;
        [node, event_type, service, source, correlation_id].iter().any(|values| !values.is_empty())
            || !severity.is_empty()
            || min_severity.is_some()
            || text.is_given()
    }
}

/// Returns when an event happened.
fn instant_of(store: &Store, name: &Name) -> Result<Timestamp, Failure> {
    let event = store.find(name)?;
    Ok(event.event()?.timestamp)
}

/// Flags that choose only a period.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct TimeArgs {
    /// At or after this time: a date, a timestamp, yesterday, "2h ago"
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Before this time; a date means the end of that day
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
}

impl TimeArgs {
    /// Creates a period that was not typed as flags.
    #[cfg(feature = "mcp")]
    pub(super) fn of(since: Option<String>, until: Option<String>) -> Self {
        Self { since, until }
    }

    /// Returns the earliest instant and the first one that is too late.
    pub(super) fn range(
        &self,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
        time_range(self.since.as_ref(), self.until.as_ref(), now)
    }
}

fn time_range(
    since: Option<&String>,
    until: Option<&String>,
    now: Timestamp,
) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
    let bound = |text: Option<&String>, flag: &str, bound| {
        text.map(|text| {
            when::parse(text, now, bound)
                .map_err(|reason| Failure::usage(format!("{flag}: {reason}")))
        })
        .transpose()
    };
    let since = bound(since, "--since", when::Bound::Since)?;
    // There is no instant after the last possible day: that end is as good as none.
    let until = bound(until, "--until", when::Bound::Until)?.filter(|end| *end != Timestamp::MAX);
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        return Err(Failure::usage(format!(
            "--since {since} is not before {until}, where --until ends; nothing could match"
        )));
    }
    Ok((since, until))
}

/// Turns `verify --archive` into its own flag: it asks for the archive only, while
/// `--archive DIR` names one, as for every command. The next word tells them apart:
/// nothing, another flag or a day cannot be meant as a directory.
pub(super) fn verify_archive(mut words: Vec<OsString>) -> Vec<OsString> {
    let Some(verify) = words.iter().position(|word| word == "verify") else { return words };
    for at in verify + 1..words.len() {
        let alone = words.get(at + 1).is_none_or(|next| {
            let next = next.to_string_lossy();
            next.starts_with('-') || next.parse::<Date>().is_ok()
        });
        if words[at] == "--archive" && alone {
            words[at] = "--archived".into();
        }
    }
    words
}

/// Parses a day: a date or a word such as `yesterday`.
pub(super) fn dates(texts: &[String], now: Timestamp) -> Result<Vec<Date>, Failure> {
    let mut dates = texts
        .iter()
        .map(|text| when::parse_date(text, now).map_err(Failure::usage))
        .collect::<Result<Vec<Date>, Failure>>()?;
    dates.sort_unstable();
    dates.dedup();
    Ok(dates)
}

/// Parses a day, or a range of days, both included, such as `2026-05-01..yesterday`.
pub(super) fn day_range(text: &str, now: Timestamp) -> Result<(Date, Date), Failure> {
    let date = |text: &str| when::parse_date(text, now).map_err(Failure::usage);
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    Ok((date(from)?, date(to)?))
}

/// Parses an instant.
pub(super) fn instant(flag: &str, text: &str, now: Timestamp) -> Result<Timestamp, Failure> {
    when::parse(text, now, when::Bound::Since)
        .map_err(|reason| Failure::usage(format!("{flag}: {reason}")))
}

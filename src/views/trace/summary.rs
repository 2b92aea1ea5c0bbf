//! The summary of a chain.

use serde::Serialize;

use crate::event::{EventHead, Severity, Timestamp};
use crate::views::attempts::{self, Attempt};
use crate::views::detail::detail;

/// The outcome of a chain after its last event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It completed, and nothing had failed.
    Completed,
    /// Something failed, and recovered later.
    Recovered,
    /// Something failed, and a remediation completed; whether it helped was not reported.
    Remediated,
    /// Something failed, and a remediation began that has not completed.
    Remediating,
    /// Something failed, and nothing better was reported since.
    Failed,
    /// It started, and its end was not reported.
    Running,
    /// None of its events says.
    Unknown,
}

impl Outcome {
    /// Returns the outcome as a clause.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Recovered => "failed, then recovered",
            Self::Remediated => "failed, then remediated; recovery not reported",
            Self::Remediating => "failed; remediation has not completed",
            Self::Failed => "failed",
            Self::Running => "started; its end is not reported",
            Self::Unknown => "no outcome reported",
        }
    }
}

/// One event of a chain, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Microseconds since the chain's first event.
    pub offset_us: i64,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The host.
    pub node: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its severity.
    pub severity: Severity,
    /// The service concerned.
    pub service: String,
    /// The component that emitted it.
    pub source: String,
    /// The informative part of its payload.
    pub detail: Option<String>,
    /// True if it is dated later than now, and so decides nothing yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub future: bool,
}

/// The summary of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TraceSummary {
    /// The number of events.
    pub events: u64,
    /// The first event's timestamp.
    pub first: Timestamp,
    /// The last event's timestamp.
    pub last: Timestamp,
    /// Microseconds from the first event to the last.
    pub duration_us: i64,
    /// The outcome.
    pub outcome: Outcome,
    /// The informative part of the cause, if anything failed.
    pub failure: Option<String>,
    /// The first failure.
    pub cause: Option<ChainFailure>,
    /// Failures after it, a limited number; repeated ones once.
    pub also: Vec<ChainFailure>,
    /// The number of further ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_also: u64,
    /// The chain's remediations and their outcomes, if the caller looked for them.
    pub tried: Vec<Remediation>,
    /// The number of earlier ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_tried: u64,
    /// Troubles still open, a limited number.
    pub open: Vec<OpenTrouble>,
    /// The number of further ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_open: u64,
    /// The number of events dated later than now, which decide nothing.
    #[serde(skip_serializing_if = "is_zero")]
    pub future: u64,
    /// True if an end is dated before its start, so that a clock must have been set back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Maximum number of remediations in a summary, the latest.
const MAX_TRIED: usize = 20;

/// Maximum number of them in words.
const TRIED_IN_WORDS: usize = 8;

/// Returns a place in words.
fn place(service: &str, node: &str) -> String {
    if service == "all" { format!("on {node}") } else { format!("{service} on {node}") }
}

fn moment(time: Timestamp) -> String {
    format!("{} {}", time.date(), time.clock())
}

impl TraceSummary {
    /// Sets the remediations: the chain's attempts, earliest first.
    pub(crate) fn set_tried(&mut self, attempts: &[Attempt]) {
        let more = attempts.len().saturating_sub(MAX_TRIED);
        self.tried = attempts.iter().skip(more).map(Remediation::from).collect();
        self.more_tried = more as u64;
    }

    /// Returns the remarks on a chain beside its outcome, each line with its subject: the cause,
    /// other failures, remediations, and what is open. Names are as in the events.
    pub(crate) fn notes(&self) -> Vec<(&'static str, String)> {
        let mut notes = Vec::new();
        let more = |label, number: u64| (number > 0).then(|| (label, format!("{number} more")));
        let in_words = |failure: &ChainFailure| {
            let mut words = format!(
                "{} {}, {}",
                failure.event_type,
                place(&failure.service, &failure.node),
                moment(failure.timestamp)
            );
            if failure.times > 1 {
                words.push_str(&format!(" ({} times)", failure.times));
            }
            with_text(words, failure.text.as_deref())
        };
        notes.extend(self.cause.iter().map(|cause| ("cause", in_words(cause))));
        notes.extend(self.also.iter().map(|failure| ("also", in_words(failure))));
        notes.extend(more("also", self.more_also));
        let before = self.tried.len().saturating_sub(TRIED_IN_WORDS);
        notes.extend(more("tried", self.more_tried + before as u64));
        for tried in &self.tried[before..] {
            let action = tried.action.as_deref().unwrap_or("remediation");
            let end = if tried.completed { "" } else { ", its end is not reported" };
            notes.push((
                "tried",
                format!(
                    "{action} {}, {}: {}{end}",
                    place(&tried.service, &tried.node),
                    moment(tried.timestamp),
                    tried.outcome.describe()
                ),
            ));
        }
        for open in &self.open {
            let (since, end) = match open.why {
                Why::Bad => ("since ", ""),
                Why::NoEnd => ("", ", its end is not reported"),
            };
            let words = format!(
                "{} {}, {since}{}{end}",
                open.event_type,
                place(&open.service, &open.node),
                moment(open.timestamp)
            );
            // What the cause says is not repeated.
            let is_cause = self.cause.as_ref().is_some_and(|cause| cause.path == open.path);
            let text = open.text.as_deref().filter(|_| !is_cause);
            notes.push(("open", with_text(words, text)));
        }
        notes.extend(more("open", self.more_open));
        notes
    }
}

fn with_text(words: String, text: Option<&str>) -> String {
    match text {
        Some(text) => format!("{words}: {text}"),
        None => words,
    }
}

/// Maximum length of a name in a summary, in characters.
const MAX_NAME: usize = 200;

/// Returns a name, or its beginning.
pub(super) fn name(text: &str) -> String {
    match text.char_indices().nth(MAX_NAME) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainFailure {
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The host.
    pub node: String,
    /// The service concerned.
    pub service: String,
    /// The time of its first occurrence.
    pub timestamp: Timestamp,
    /// The informative part of the event's payload.
    pub text: Option<String>,
    /// The event's identity.
    pub path: String,
    /// The number of times that the chain says the same.
    pub times: u64,
}

impl ChainFailure {
    /// Reads a failure from an event.
    pub(super) fn of(event: &EventHead<'_>, path: &str) -> Self {
        Self {
            event_type: name(&event.event_type),
            node: name(&event.node),
            service: name(&event.service),
            timestamp: event.timestamp,
            text: detail(event.payload.get()),
            path: path.to_owned(),
            times: 1,
        }
    }

    /// Reports whether both say the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.event_type == other.event_type
            && self.node == other.node
            && self.service == other.service
            && self.text == other.text
    }
}

/// The reason why something is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is bad, and nothing better was reported of it since.
    Bad,
    /// It began, and its end was not reported.
    NoEnd,
}

/// Something of the chain that is still bad, or has no end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenTrouble {
    /// The reason.
    pub why: Why,
    /// The type of the event since which it is open.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The host.
    pub node: String,
    /// The service concerned.
    pub service: String,
    /// The time since when it is open.
    pub timestamp: Timestamp,
    /// The informative part of that event's payload.
    pub text: Option<String>,
    /// That event's identity.
    pub path: String,
}

impl OpenTrouble {
    pub(super) fn of(why: Why, event: &EventHead<'_>, path: &str) -> Self {
        let ChainFailure { event_type, node, service, timestamp, text, path, .. } =
            ChainFailure::of(event, path);
        Self { why, event_type, node, service, timestamp, text, path }
    }
}

/// A remediation of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Remediation {
    /// Its start.
    pub timestamp: Timestamp,
    /// The host.
    pub node: String,
    /// The service concerned.
    pub service: String,
    /// The action that was tried.
    pub action: Option<String>,
    /// Its outcome.
    pub outcome: attempts::AttemptOutcome,
    /// True if its end was reported.
    pub completed: bool,
    /// The identity of the event that started it.
    pub path: String,
}

impl From<&Attempt> for Remediation {
    fn from(attempt: &Attempt) -> Self {
        Self {
            timestamp: attempt.started,
            node: name(&attempt.node),
            service: name(&attempt.service),
            action: attempt.action.as_deref().map(name),
            outcome: attempt.outcome,
            completed: attempt.completed,
            path: attempt.path.clone(),
        }
    }
}

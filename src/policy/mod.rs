//! The rules: how long days stay live, how segments are made, how long they are kept, and which
//! events are accepted.
//!
//! A policy is TOML. It is accepted completely or not at all: an unknown key, an invalid value or
//! two that contradict each other are refused with the line, the reason and a suggestion, before
//! anything is touched.

mod keep;
mod quantity;
mod read;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use keep::Keep;
pub use quantity::{Span, SpanError};

use crate::event::{AUDIT_TYPES, EventHead, KNOWN_TYPES, Litter, Severity, near_miss};
use crate::{Error, Result};

/// The default policy.
const DEFAULT: &str = include_str!("../../policies/default.toml");

/// The largest file that is read as a policy, in bytes.
const MAX_POLICY_BYTES: u64 = 1 << 20;

/// The reason a policy is refused: the file, the line, the problem and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct PolicyError {
    /// The file, or the name of a built-in policy.
    pub origin: String,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// The problem, and what to write instead.
    pub reason: String,
}

/// A policy that was checked completely.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The rules by which days become segments.
    pub rotate: RotateRules,
    /// The rules for how long segments are kept.
    pub retain: RetainRules,
    /// The rules for which events are accepted.
    pub events: EventRules,
    /// The events about the archive's own actions.
    pub audit: AuditRules,
    /// The rules for judging attempts.
    pub answers: AnswerRules,
    /// The place where copies of segments are kept.
    pub remote: Option<RemoteRules>,
    origin: String,
    text: String,
    digest: String,
    /// True if the operator chose it; false for the built-in default.
    chosen: bool,
}

/// The rules by which days become segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateRules {
    /// The time a closed day stays plain files.
    pub keep_live: Span,
    /// The zstd level, 1 to 22.
    pub level: i32,
    /// The bytes of tar in a frame, before compression.
    pub frame_size: u64,
    /// The treatment of files that are not valid events.
    pub invalid: InvalidRule,
}

/// The treatment of files that are not valid events, at rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidRule {
    /// They are archived as is, and counted.
    Archive,
    /// Their day stays live until someone has looked at them.
    Hold,
}

/// The space to keep free on the archive's file system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MinFree {
    /// A share of the file system, in percent.
    Percent(f64),
    /// A number of bytes.
    Bytes(u64),
}

/// The rules for how long segments are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RetainRules {
    /// The term of events that belong to no class.
    pub keep: Keep,
    /// The time anything stays once it is in the archive, however old it is: no term ends before
    /// it, and when space runs short it goes last.
    pub grace: Span,
    /// The largest size of the archive in bytes; beyond it the oldest days go first.
    pub max_size: Option<u64>,
    /// The space to keep free; below it the oldest days go first.
    pub min_free: Option<MinFree>,
    /// The time a segment's own file stays here once a copy of it is safe in the remote.
    pub local: Keep,
    /// The classes split off at rotation, in the order in which they are tried.
    pub classes: Vec<Class>,
}

/// A class of events with segments of their own and their own term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// The name, which becomes a part of file names.
    pub name: String,
    /// The time its segments are kept.
    pub keep: Keep,
    severities: Vec<Severity>,
    types: Vec<String>,
    nodes: Vec<String>,
    services: Vec<String>,
    sources: Vec<String>,
}

impl Class {
    /// Reports whether the event belongs to the class: each field that the policy names must have
    /// one of the listed values.
    pub fn matches(&self, event: &EventHead<'_>) -> bool {
        let among = |wanted: &[String], value: &str| {
            wanted.is_empty() || wanted.iter().any(|candidate| candidate == value)
        };
        (self.severities.is_empty() || self.severities.contains(&event.severity))
            && among(&self.types, &event.event_type)
            && among(&self.nodes, &event.node)
            && among(&self.services, &event.service)
            && among(&self.sources, &event.source)
    }
}

/// The treatment of undeclared event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownTypes {
    /// They are accepted.
    Allow,
    /// They are accepted with a warning.
    Warn,
    /// They are refused.
    Reject,
}

/// The rules for emitting events. Reading never refuses an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRules {
    /// The treatment of types that are neither built in nor among `types`.
    pub unknown_types: UnknownTypes,
    /// The types in addition to the built-in ones, normalized.
    pub types: Vec<String>,
    /// The severities of events emitted without one, by their types, normalized; for other types
    /// [`Severity::usual`].
    pub severities: BTreeMap<String, Severity>,
    /// The treatment of events with a time in the future.
    pub future: FutureRule,
    /// The largest event, in bytes.
    pub max_bytes: u64,
    /// The files of other programs that are passed over, in the tree and wherever events are read
    /// from.
    pub ignore: Litter,
}

/// The treatment of events with a time in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FutureRule {
    /// They are accepted with a warning.
    Warn,
    /// They are refused.
    Reject,
}

impl Default for EventRules {
    /// Returns the rules for a policy that leaves them out.
    fn default() -> Self {
        Self {
            unknown_types: UnknownTypes::Warn,
            types: Vec::new(),
            severities: BTreeMap::new(),
            future: FutureRule::Warn,
            max_bytes: 1 << 20,
            ignore: Litter::default(),
        }
    }
}

/// The events about the archive's own actions, in addition to the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditRules {
    /// True if each action also leaves an event in the live tree.
    pub emit: bool,
}

/// The rules for judging attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerRules {
    /// The time after its end within which an attempt is credited with a recovery.
    pub within: Span,
}

impl Default for AnswerRules {
    /// Returns the rules for a policy that leaves them out.
    fn default() -> Self {
        Self { within: Span::from_seconds(30 * 60) }
    }
}

/// The place where copies of segments are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRules {
    /// `s3://bucket/prefix` or `file:///directory`.
    pub url: String,
    /// The name under which this machine's copies are stored; by default the host name.
    pub host: Option<String>,
    /// The size of the local cache of fetched frames, in bytes.
    pub cache: u64,
    /// The time that a request and its retries may take.
    pub timeout: Span,
}

impl Default for RetainRules {
    fn default() -> Self {
        Self {
            keep: Keep::Forever,
            grace: Span::from_seconds(30 * 86_400),
            max_size: None,
            min_free: None,
            local: Keep::Forever,
            classes: Vec::new(),
        }
    }
}

impl RetainRules {
    /// Returns the class of an event: the first that matches.
    pub fn class_of(&self, event: &EventHead<'_>) -> Option<&Class> {
        self.classes.iter().find(|class| class.matches(event))
    }

    /// Returns how long an event is kept.
    pub fn keep_of_event(&self, event: &EventHead<'_>) -> Keep {
        self.class_of(event).map_or(self.keep, |class| class.keep)
    }

    /// Returns how long segments of a class are kept. A class that the policy does not name is
    /// kept for the longest of all terms.
    pub fn keep_of(&self, class: Option<&str>) -> Keep {
        let Some(class) = class else { return self.keep };
        match self.classes.iter().find(|known| known.name == class) {
            Some(known) => known.keep,
            None => self.classes.iter().map(|known| known.keep).fold(self.keep, Keep::max),
        }
    }

    /// Reports whether days may be removed to free space.
    pub fn yields(&self) -> bool {
        self.max_size.is_some() || self.min_free.is_some()
    }

    /// Returns the shortest of all terms.
    fn shortest(&self) -> Keep {
        self.classes.iter().map(|class| class.keep).fold(self.keep, Keep::min)
    }

    /// Returns `max_size = "20GiB"`, if it is set.
    pub fn max_size_in_words(&self) -> String {
        self.max_size.map(quantity::size_in_words).unwrap_or_default()
    }
}

impl fmt::Display for MinFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Bytes(bytes) => f.write_str(&quantity::size_in_words(*bytes)),
        }
    }
}

/// The rules of emitting, and what prevented reading them.
#[derive(Debug, Default)]
pub struct LenientRules {
    /// The policy's rules, as far as its `[events]` can be read.
    pub rules: EventRules,
    /// The problem with the policy, and the rules that apply instead.
    pub warning: Option<String>,
}

impl EventRules {
    /// Reads the rules from a policy in which only `[events]` needs to be valid. Where even that
    /// cannot be read, the built-in rules apply: an event is worth more than a rule.
    pub fn load_lenient(path: &Path) -> LenientRules {
        let refused = |error: &dyn fmt::Display| LenientRules {
            rules: Self::default(),
            warning: Some(format!("{error}; events are kept by the built-in rules")),
        };
        let text = match Policy::read(path) {
            Ok(text) => text,
            Err(error) => return refused(&error),
        };
        let origin = path.display().to_string();
        let whole = match Policy::parse(&text, &origin) {
            Ok(policy) => return LenientRules { rules: policy.events, warning: None },
            Err(error) => error,
        };
        match read::events_alone(&text, &origin) {
            Ok(rules) => LenientRules {
                rules,
                warning: Some(format!("{whole}; events are kept by what [events] says")),
            },
            Err(_) => refused(&whole),
        }
    }

    /// Reports whether the type is built in, one of hlarchive's own, or declared.
    pub fn knows(&self, event_type: &str) -> bool {
        KNOWN_TYPES.contains(&event_type)
            || AUDIT_TYPES.contains(&event_type)
            || self.types.iter().any(|known| known == event_type)
    }

    /// Returns the severity of an event of this type that is emitted without one.
    pub fn severity_of(&self, event_type: &str) -> Severity {
        let mapped = self.severities.get(event_type).copied();
        mapped.unwrap_or_else(|| Severity::usual(event_type))
    }

    /// Returns the known type that a word likely misspells.
    pub fn near_miss(&self, word: &str) -> Option<&str> {
        near_miss(word, KNOWN_TYPES.into_iter().chain(self.types.iter().map(String::as_str)))
    }
}

impl Policy {
    /// Returns the default policy, `policies/default.toml`.
    pub fn built_in() -> Result<Self> {
        let mut policy = Self::parse(DEFAULT, "the built-in policy")?;
        policy.chosen = false;
        Ok(policy)
    }

    /// Parses a policy; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        let rules = read::policy(text, origin)?;
        let read::Rules { rotate, retain, retains, events, audit, answers, remote } = rules;
        Ok(Self {
            rotate,
            retain,
            events,
            audit,
            answers,
            remote,
            origin: origin.to_owned(),
            text: text.to_owned(),
            digest: Hex(&Sha256::digest(text.as_bytes())).to_string(),
            chosen: retains,
        })
    }

    /// Returns the term that this policy promises to segments of a class. The built-in policy
    /// keeps everything, and so does one without `[retain]`; but nobody chose that, so they
    /// promise nothing.
    pub(crate) fn promise(&self, class: Option<&str>) -> Option<Keep> {
        self.chosen.then(|| self.retain.keep_of(class))
    }

    /// Returns remarks on settings that are valid, but may not be what was meant.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let Keep::For(keep) = self.retain.shortest() else { return Vec::new() };
        let (live, grace) = (self.rotate.keep_live, self.retain.grace);
        let stays = Span::from_seconds(live.seconds().saturating_add(grace.seconds()));
        if keep >= stays {
            return Vec::new();
        }
        vec![format!(
            "keep = \"{keep}\" is less than what every day is kept for: keep_live = \"{live}\" as \
             files, and then grace = \"{grace}\" in the archive; make grace shorter if days are to \
             go sooner"
        )]
    }

    /// Reads a policy from a file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = Self::read(path)?;
        Ok(Self::parse(&text, &path.display().to_string())?)
    }

    /// Reads the text of a policy, without the byte order mark that some editors put before it.
    fn read(path: &Path) -> Result<String> {
        let failed = |error| Error::io(path, "read", error);
        let file = std::fs::File::open(path).map_err(failed)?;
        let refuse = |reason: &str| PolicyError {
            origin: path.display().to_string(),
            line: None,
            reason: reason.to_owned(),
        };
        let mut bytes = Vec::new();
        file.take(MAX_POLICY_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_POLICY_BYTES {
            return Err(refuse("it is larger than 1 MiB; a policy is a short text").into());
        }
        let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text"))?;
        Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
    }

    /// Returns the SHA-256 of the policy's text, in hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the file it came from, or the name of a built-in policy.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the text as written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

//! The rules of a policy, one part after the other.

use std::collections::BTreeMap;
use std::fmt;

use super::{Keep, Span};
use crate::event::{AUDIT_TYPES, EventHead, KNOWN_TYPES, Litter, Severity, near_miss};
use crate::text;

/// The rules by which days become segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RotateRules {
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
pub(crate) enum InvalidRule {
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
pub(crate) struct RetainRules {
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
pub(crate) struct Class {
    /// The name, which becomes a part of file names.
    pub name: String,
    /// The time its segments are kept.
    pub keep: Keep,
    pub(super) severities: Vec<Severity>,
    pub(super) types: Vec<String>,
    pub(super) nodes: Vec<String>,
    pub(super) services: Vec<String>,
    pub(super) sources: Vec<String>,
}

impl Class {
    /// Reports whether the event belongs to the class: each field that the policy names must have
    /// one of the listed values.
    pub(crate) fn matches(&self, event: &EventHead<'_>) -> bool {
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
pub(crate) enum UnknownTypes {
    /// They are accepted.
    Allow,
    /// They are accepted with a warning.
    Warn,
    /// They are refused.
    Reject,
}

/// The rules for emitting events. Reading never refuses an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventRules {
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
pub(crate) enum FutureRule {
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
pub(crate) struct AuditRules {
    /// True if each action also leaves an event in the live tree.
    pub emit: bool,
}

/// The rules for judging attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AnswerRules {
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
pub(crate) struct RemoteRules {
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
    pub(crate) fn class_of(&self, event: &EventHead<'_>) -> Option<&Class> {
        self.classes.iter().find(|class| class.matches(event))
    }

    /// Returns how long an event is kept.
    pub(crate) fn keep_of_event(&self, event: &EventHead<'_>) -> Keep {
        self.class_of(event).map_or(self.keep, |class| class.keep)
    }

    /// Returns how long segments of a class are kept. A class that the policy does not name is
    /// kept for the longest of all terms.
    pub(crate) fn keep_of(&self, class: Option<&str>) -> Keep {
        let Some(class) = class else { return self.keep };
        match self.classes.iter().find(|known| known.name == class) {
            Some(known) => known.keep,
            None => self.classes.iter().map(|known| known.keep).fold(self.keep, Keep::max),
        }
    }

    /// Reports whether days may be removed to free space.
    pub(crate) fn yields(&self) -> bool {
        self.max_size.is_some() || self.min_free.is_some()
    }

    /// Returns the shortest of all terms.
    pub(super) fn shortest(&self) -> Keep {
        self.classes.iter().map(|class| class.keep).fold(self.keep, Keep::min)
    }

    /// Returns `max_size = "20GiB"`, if it is set.
    pub(crate) fn max_size_in_words(&self) -> String {
        self.max_size.map(text::exact_bytes).unwrap_or_default()
    }
}

impl fmt::Display for MinFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(share) => write!(f, "{share}%"),
            Self::Bytes(bytes) => f.write_str(&text::exact_bytes(*bytes)),
        }
    }
}

impl EventRules {
    /// Reports whether the type is built in, one of hlarchive's own, or declared.
    pub(crate) fn knows(&self, event_type: &str) -> bool {
        KNOWN_TYPES.contains(&event_type)
            || AUDIT_TYPES.contains(&event_type)
            || self.types.iter().any(|known| known == event_type)
    }

    /// Returns the severity of an event of this type that is emitted without one.
    pub(crate) fn severity_of(&self, event_type: &str) -> Severity {
        let mapped = self.severities.get(event_type).copied();
        mapped.unwrap_or_else(|| Severity::usual(event_type))
    }

    /// Returns the known type that a word likely misspells.
    pub(crate) fn near_miss(&self, word: &str) -> Option<&str> {
        near_miss(word, KNOWN_TYPES.into_iter().chain(self.types.iter().map(String::as_str)))
    }
}

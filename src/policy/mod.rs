//! The rules: how long days stay live, how segments are made, how long they are kept,
//! and which events are accepted.
//!
//! A policy is TOML. It is understood completely or not at all: an unknown key, a value
//! that makes no sense or two that contradict each other are refused with the line, the
//! reason and a suggestion, before anything is touched.

mod quantity;
mod read;
mod table;

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use quantity::Span;

use crate::event::{EventHead, KNOWN_TYPES, Severity, closest_type};
use crate::{Error, Result};

/// The policy that holds when none is given.
const DEFAULT: &str = include_str!("../../policies/default.toml");

/// The largest file that is read as a policy, in bytes.
const MAX_POLICY_BYTES: u64 = 1 << 20;

/// Why a policy is refused: the file, the line, the reason and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct PolicyError {
    /// The file, or the name of a built-in policy.
    pub origin: String,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong, and what to write instead.
    pub reason: String,
}

/// A policy that was checked whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How days become segments.
    pub rotate: RotateRules,
    /// How long segments are kept.
    pub retain: RetainRules,
    /// Which events are accepted.
    pub events: EventRules,
    origin: String,
    text: String,
    digest: String,
}

/// How days become segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateRules {
    /// How long a closed day stays plain files.
    pub keep_live: Span,
    /// The zstd level, 1 to 22.
    pub level: i32,
    /// Bytes of tar in a frame, before compression.
    pub frame_size: u64,
    /// What is done about files that are no events.
    pub invalid: InvalidRule,
}

/// What rotation does about files that are no events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidRule {
    /// They are archived as they are, and counted.
    Archive,
    /// Their day stays live until a person has looked at them.
    Hold,
}

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// For ever.
    Forever,
    /// This long after the day's end.
    For(Span),
}

/// Room that is to stay free on the archive's file system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MinFree {
    /// A share of the whole, in percent.
    Percent(f64),
    /// Bytes.
    Bytes(u64),
}

/// How long segments are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RetainRules {
    /// What belongs to no class.
    pub keep: Keep,
    /// The archive's largest size in bytes; then the oldest days go first.
    pub max_size: Option<u64>,
    /// Room that is to stay free; then the oldest days go first.
    pub min_free: Option<MinFree>,
    /// Classes that are split off at rotation, in the order in which they are tried.
    pub classes: Vec<Class>,
}

/// Events that get segments of their own, to be kept on their own terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// Its name, which becomes a part of file names.
    pub name: String,
    /// How long its segments are kept.
    pub keep: Keep,
    severities: Vec<Severity>,
    types: Vec<String>,
    nodes: Vec<String>,
    services: Vec<String>,
    sources: Vec<String>,
}

impl Class {
    /// Whether the event belongs to the class: each field that the policy names must
    /// have one of its values.
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

/// What is done about event types that nobody declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownTypes {
    /// They are accepted.
    Allow,
    /// They are accepted with a warning.
    Warn,
    /// They are refused.
    Reject,
}

/// Which events are accepted for emitting. What is read is never refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRules {
    /// What is done about types that are neither built in nor among `types`.
    pub unknown_types: UnknownTypes,
    /// Types beside the built-in ones, normalized.
    pub types: Vec<String>,
    /// The largest event, in bytes.
    pub max_bytes: u64,
}

impl EventRules {
    /// Whether the type is built in or declared.
    pub fn knows(&self, event_type: &str) -> bool {
        KNOWN_TYPES.contains(&event_type) || self.types.iter().any(|known| known == event_type)
    }

    /// The known type nearest to a word.
    pub fn closest(&self, word: &str) -> Option<&str> {
        closest_type(word, KNOWN_TYPES.into_iter().chain(self.types.iter().map(String::as_str)))
    }
}

impl Policy {
    /// The policy that holds when none is given: `policies/default.toml`.
    pub fn built_in() -> Result<Self> {
        Ok(Self::parse(DEFAULT, "the built-in policy")?)
    }

    /// Understands a policy; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        let (rotate, retain, events) = read::policy(text, origin)?;
        Ok(Self {
            rotate,
            retain,
            events,
            origin: origin.to_owned(),
            text: text.to_owned(),
            digest: Hex(&Sha256::digest(text.as_bytes())).to_string(),
        })
    }

    /// Reads a policy from a file.
    pub fn load(path: &Path) -> Result<Self> {
        let failed = |error| Error::io(path, "read", error);
        let file = std::fs::File::open(path).map_err(failed)?;
        let origin = path.display().to_string();
        let refuse = |reason: &str| PolicyError {
            origin: origin.clone(),
            line: None,
            reason: reason.to_owned(),
        };
        let mut bytes = Vec::new();
        file.take(MAX_POLICY_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_POLICY_BYTES {
            return Err(refuse("it is larger than 1 MiB; a policy is a short text").into());
        }
        let text = String::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8 text"))?;
        Ok(Self::parse(&text, &origin)?)
    }

    /// SHA-256 of the policy's text, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The file it came from, or a name.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The text as it was written.
    pub fn text(&self) -> &str {
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

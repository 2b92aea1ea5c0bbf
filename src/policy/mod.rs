//! The rules: how long days stay live, how segments are made, how long they are kept,
//! and which events are accepted.
//!
//! A policy is TOML. It is understood completely or not at all: an unknown key, a value
//! that makes no sense or two that contradict each other are refused with the line, the
//! reason and a suggestion, before anything is touched.

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

use crate::event::{AUDIT_TYPES, EventHead, KNOWN_TYPES, Litter, Severity, closest_type};
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
    /// What is told of the archive's own actions.
    pub audit: AuditRules,
    /// Where copies of segments are kept.
    pub remote: Option<RemoteRules>,
    origin: String,
    text: String,
    digest: String,
    /// Whether somebody chose it.
    chosen: bool,
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
    /// How long anything stays once it is in the archive, however old it is: no term is over
    /// before, and for want of room it goes last.
    pub grace: Span,
    /// The archive's largest size in bytes; then the oldest days go first.
    pub max_size: Option<u64>,
    /// Room that is to stay free; then the oldest days go first.
    pub min_free: Option<MinFree>,
    /// How long a segment's own file stays here, once a copy of it is safe elsewhere.
    pub local: Keep,
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
    /// How bad events are that come without a severity, by their types, normalized; of other
    /// types [`Severity::usual`].
    pub severities: BTreeMap<String, Severity>,
    /// What is done about events that claim to come from the future.
    pub future: FutureRule,
    /// The largest event, in bytes.
    pub max_bytes: u64,
    /// What is passed over of other programs, in the tree and wherever events are read from.
    pub ignore: Litter,
}

/// What is done about events whose time is not here yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FutureRule {
    /// They are accepted with a warning.
    Warn,
    /// They are refused.
    Reject,
}

impl Default for EventRules {
    /// Gives the rules that hold where a policy says nothing.
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

/// What is told of the archive's own actions, beside the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuditRules {
    /// Whether each action also leaves an event in the live tree.
    pub emit: bool,
}

/// Where copies of segments are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRules {
    /// `s3://bucket/prefix` or `file:///directory`.
    pub url: String,
    /// The name under which this machine's copies lie; by default the machine's own.
    pub host: Option<String>,
    /// What may be kept here of frames that were fetched, in bytes.
    pub cache: u64,
    /// How long a request and its repetitions may take.
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
    /// The class that an event belongs to: the first that it matches.
    pub fn class_of(&self, event: &EventHead<'_>) -> Option<&Class> {
        self.classes.iter().find(|class| class.matches(event))
    }

    /// How long an event is kept.
    pub fn keep_of_event(&self, event: &EventHead<'_>) -> Keep {
        self.class_of(event).map_or(self.keep, |class| class.keep)
    }

    /// How long segments of a class are kept. A class that the policy does not name is kept
    /// as long as anything that it names, at least as long as what belongs to none.
    pub fn keep_of(&self, class: Option<&str>) -> Keep {
        let Some(class) = class else { return self.keep };
        match self.classes.iter().find(|known| known.name == class) {
            Some(known) => known.keep,
            None => self.classes.iter().map(|known| known.keep).fold(self.keep, Keep::max),
        }
    }

    /// Whether days may go for want of room.
    pub fn yields(&self) -> bool {
        self.max_size.is_some() || self.min_free.is_some()
    }

    /// The shortest term of all.
    fn shortest(&self) -> Keep {
        self.classes.iter().map(|class| class.keep).fold(self.keep, Keep::min)
    }

    /// `max_size = "20GiB"`, if it is set.
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

/// The rules of emitting, and what they could not be taken from.
#[derive(Debug, Default)]
pub struct LenientRules {
    /// The rules: those of the policy as far as its `[events]` can be read.
    pub rules: EventRules,
    /// What is wrong with the policy, and which rules hold instead.
    pub warning: Option<String>,
}

impl EventRules {
    /// Reads the rules from a policy of which nothing but `[events]` needs to be right. Where
    /// even that cannot be read, the built-in rules hold: an event is worth more than a rule.
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

    /// Whether the type is built in, one of hlarchive's own, or declared.
    pub fn knows(&self, event_type: &str) -> bool {
        KNOWN_TYPES.contains(&event_type)
            || AUDIT_TYPES.contains(&event_type)
            || self.types.iter().any(|known| known == event_type)
    }

    /// Gives the severity of an event of this type that comes without one.
    pub fn severity_of(&self, event_type: &str) -> Severity {
        let mapped = self.severities.get(event_type).copied();
        mapped.unwrap_or_else(|| Severity::usual(event_type))
    }

    /// The known type nearest to a word.
    pub fn closest(&self, word: &str) -> Option<&str> {
        closest_type(word, KNOWN_TYPES.into_iter().chain(self.types.iter().map(String::as_str)))
    }
}

impl Policy {
    /// The policy that holds when none is given: `policies/default.toml`.
    pub fn built_in() -> Result<Self> {
        let mut policy = Self::parse(DEFAULT, "the built-in policy")?;
        policy.chosen = false;
        Ok(policy)
    }

    /// Understands a policy; `origin` names it in errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, PolicyError> {
        let rules = read::policy(text, origin)?;
        let read::Rules { rotate, retain, retains, events, audit, remote } = rules;
        Ok(Self {
            rotate,
            retain,
            events,
            audit,
            remote,
            origin: origin.to_owned(),
            text: text.to_owned(),
            digest: Hex(&Sha256::digest(text.as_bytes())).to_string(),
            chosen: retains,
        })
    }

    /// What this policy promises to segments of a class. The built-in one keeps everything,
    /// and so does one that has no `[retain]`; but nobody chose that, so they promise nothing.
    pub fn promise(&self, class: Option<&str>) -> Option<Keep> {
        self.chosen.then(|| self.retain.keep_of(class))
    }

    /// What is as it may be, and still not what somebody may have meant.
    pub fn remarks(&self) -> Vec<String> {
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

    /// Reads the text of a policy, without the mark that some editors put before it.
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

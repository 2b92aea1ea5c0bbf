//! The rules: how long days stay live, how segments are made, how long they are kept, and which
//! events are accepted.
//!
//! A policy is TOML. It is accepted completely or not at all: an unknown key, an invalid value or
//! two that contradict each other are refused with the line, the reason and a suggestion, before
//! anything is touched.

mod error;
mod keep;
mod quantity;
mod read;
mod rules;
mod table;

use std::fmt;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

pub use error::PolicyError;
pub use keep::Keep;
pub(crate) use quantity::{Span, SpanError};
pub use rules::MinFree;
pub(crate) use rules::{
    AnswerRules, AuditRules, Class, EventRules, FutureRule, InvalidRule, RemoteRules, RetainRules,
    RotateRules, UnknownTypes,
};

use crate::{Error, Result};

/// The default policy.
const DEFAULT: &str = include_str!("../../policies/default.toml");

/// The largest file that is read as a policy, in bytes.
const MAX_POLICY_BYTES: u64 = 1 << 20;

/// A policy that was checked completely.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The rules by which days become segments.
    pub(crate) rotate: RotateRules,
    /// The rules for how long segments are kept.
    pub(crate) retain: RetainRules,
    /// The rules for which events are accepted.
    pub(crate) events: EventRules,
    /// The events about the archive's own actions.
    pub(crate) audit: AuditRules,
    /// The rules for judging attempts.
    pub(crate) answers: AnswerRules,
    /// The place where copies of segments are kept.
    pub(crate) remote: Option<RemoteRules>,
    origin: String,
    text: String,
    digest: String,
    /// True if the operator chose it; false for the built-in default.
    chosen: bool,
}

/// The rules of emitting, and what prevented reading them.
#[derive(Debug, Default)]
pub(crate) struct LenientRules {
    /// The policy's rules, as far as its `[events]` can be read.
    pub rules: EventRules,
    /// The problem with the policy, and the rules that apply instead.
    pub warning: Option<String>,
}

impl EventRules {
    /// Reads the rules from a policy in which only `[events]` needs to be valid. Where even that
    /// cannot be read, the built-in rules apply: an event is worth more than a rule.
    pub(crate) fn load_lenient(path: &Path) -> LenientRules {
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

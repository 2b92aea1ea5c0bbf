//! Outcomes of runs, and when a failure is over.
//!
//! A failure stands until a successful run shows as much: the same run again, or one of everything.
//! A further failure that shows less is added to it, and then only a run of everything shows that
//! both are over. Otherwise a check of one day, or of a disk that is not mounted, would revoke what
//! a check of everything found.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::event::Timestamp;

/// The outcome of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    /// The operation, by the name of its command.
    pub operation: &'a str,
    /// The time when it ended.
    pub time: Timestamp,
    /// Its duration.
    pub seconds: f64,
    /// The exit code: 0 is a success, and 128 and more a stop by that signal.
    pub exit_code: u8,
    /// The scope of the run.
    pub(crate) scope: Scope,
    /// True if it compared the history with something kept outside it: a head, a signature.
    pub witness: bool,
}

/// The scope of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything.
    Whole,
    /// Some days, or not every byte; the number is the same for the same part.
    Part(u32),
    /// A random part: another run examines other data.
    Sample(u32),
}

impl Scope {
    /// Returns the scope that these words leave; without words, everything.
    pub(crate) fn of<T: AsRef<str>>(words: &[T]) -> Self {
        if words.is_empty() { Self::Whole } else { Self::Part(number(words)) }
    }

    /// Returns the scope of a random share of what the words leave.
    pub(crate) fn sample<T: AsRef<str>>(words: &[T]) -> Self {
        Self::Sample(number(words) ^ 1)
    }

    /// Returns the number in a file: 0 is everything.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Whole => 0,
            Self::Part(number) | Self::Sample(number) => number.max(1),
        }
    }
}

/// Returns a short number that is forever the same for the same words.
fn number<T: AsRef<str>>(words: &[T]) -> u32 {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.as_ref());
        hash.update([0]);
    }
    let hash = hash.finalize();
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// The outcome of an operation's last run, or the failure that stands, as a file records it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastEnd {
    /// The time when it ended.
    pub time: Timestamp,
    /// The exit code.
    pub exit_code: u8,
    /// The duration in seconds.
    pub seconds: Option<f64>,
    /// Number of findings; unknown if it failed before it could count.
    pub findings: Option<u64>,
    /// True if it compared the history with something kept outside it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
    /// Segments that a verification examined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments: Option<u64>,
    /// Number of them that it read in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segments_read_whole: Option<u64>,
    /// The last time a run succeeded, and no failure stood.
    pub success_time: Option<Timestamp>,
    /// The scope, as a number.
    #[serde(skip)]
    pub(super) scope: u32,
    /// Records of the manifest, for a verification: zero if it saw no archive.
    #[serde(skip)]
    pub(super) records: Option<u64>,
}

/// The first exit code that means a signal asked for a stop.
pub(super) const STOPPED: u8 = 128;

pub(super) fn failed(exit_code: u8, findings: Option<u64>) -> bool {
    (exit_code != 0 && exit_code < STOPPED) || findings.is_some_and(|findings| findings > 0)
}

impl LastEnd {
    /// Reports whether it failed: a stop on request did not, unless something was found before.
    pub fn failed(&self) -> bool {
        failed(self.exit_code, self.findings)
    }

    /// Returns the one of two outcomes from different places that stands: the later one, unless the
    /// other is a failure that it says nothing about.
    pub(in crate::ops) fn that_stands(self, other: Self) -> Self {
        let (before, later) = if self.time <= other.time { (self, other) } else { (other, self) };
        let says_less = later.scope != Scope::Whole.number() || (before.witness && !later.witness);
        if before.failed() && !later.failed() && says_less { before } else { later }
    }

    /// Reports whether a later run shows as much as this failure, or more. It counted `records` of
    /// the manifest; `archived` says whether anything was ever known to be archived.
    pub(super) fn is_covered(
        &self,
        later: &Ended<'_>,
        records: Option<u64>,
        archived: bool,
    ) -> bool {
        // A verification that takes hours may have passed by before something broke.
        let began = later.time.micros() as f64 - later.seconds * 1e6;
        let is_later = began >= self.time.micros() as f64;
        let is_as_wide = match later.scope {
            Scope::Whole => true,
            Scope::Part(_) => later.scope.number() == self.scope,
            Scope::Sample(_) => {
                later.scope.number() == self.scope && self.findings.unwrap_or(0) == 0
            }
        };
        // The disk of the archive is not mounted, or it was moved away.
        let saw_nothing = records == Some(0) && self.records.map_or(archived, |count| count > 0);
        let heard_less = self.witness && !later.witness;
        is_later && is_as_wide && !saw_nothing && !heard_less
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_and_the_same_part_is_the_same() {
        let day = Scope::of(&["2026-05-16"]);
        assert_eq!(Scope::of::<&str>(&[]), Scope::Whole);
        assert_eq!(day, Scope::of(&["2026-05-16"]));
        let others = [
            Scope::of(&["2026-05-17"]),
            Scope::of(&["2026-05-16", "quick"]),
            Scope::sample(&["2026-05-16"]),
            Scope::sample::<&str>(&[]),
            Scope::Whole,
        ];
        for other in others {
            assert_ne!(day.number(), other.number(), "{other:?}");
        }
        // Files of other versions and machines hold it.
        assert_eq!(day.number(), 0x9d54_2020);
    }
}

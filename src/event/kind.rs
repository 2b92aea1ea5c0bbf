//! Event types: what happened, as one normalized word.

use std::fmt;

use super::{Malformed, shown};

/// The eleven normalized types that every node knows.
pub const KNOWN_TYPES: [&str; 11] = [
    "deployment_started",
    "deployment_completed",
    "deployment_failed",
    "service_unhealthy",
    "service_recovered",
    "node_offline",
    "node_online",
    "healthcheck_failed",
    "remediation_started",
    "remediation_completed",
    "remediation_failed",
];

/// The types of the events that hlarchive itself emits about its archive, where the policy
/// asks for them.
pub const AUDIT_TYPES: [&str; 7] = [
    "archive_rotated",
    "archive_pruned",
    "archive_held",
    "archive_released",
    "archive_restored",
    "archive_rebuilt",
    "archive_compacted",
];

/// The longest type that is written, in bytes: with it, an event's file name still
/// fits the 100 bytes that a ustar header has for a name.
pub const MAX_TYPE_LEN: usize = 34;

/// A normalized event type: 1 to 34 of `a-z`, `0-9` and `_`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(String);

impl EventType {
    /// Normalizes a text: lower case, and runs of dashes, dots, spaces and underscores
    /// become one underscore (`Deployment-Started` becomes `deployment_started`).
    pub fn normalize(text: &str) -> Result<Self, Malformed> {
        let mut word = String::with_capacity(text.len());
        for c in text.trim().chars() {
            match c {
                '-' | '.' | ' ' | '_' => {
                    if !word.ends_with('_') {
                        word.push('_');
                    }
                }
                _ => word.push(c.to_ascii_lowercase()),
            }
        }
        let fits = word.starts_with(|c: char| c.is_ascii_lowercase())
            && !word.ends_with('_')
            && word.len() <= MAX_TYPE_LEN
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if fits {
            Ok(Self(word))
        } else {
            Err(Malformed::new(format!(
                "\"{}\" is not an event type: expected a letter, then letters, digits and \
                 underscores, at most {MAX_TYPE_LEN} in all, such as deployment_started",
                shown(text)
            )))
        }
    }

    /// The normalized word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the eleven [`KNOWN_TYPES`].
    pub fn is_known(&self) -> bool {
        KNOWN_TYPES.contains(&self.as_str())
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Slips that a near miss may have.
const MOST_SLIPS: usize = 2;

/// Finds the candidate that `word` is likely a slip for, for a "did you mean": the nearest by
/// edit distance, if no more than two letters differ, and no more than a third of the word.
pub fn near_miss<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // What is much longer or shorter is no slip, and need not be compared.
    let most = MOST_SLIPS.min(word.len() / 3);
    candidates
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= most)
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance over bytes; both words are short and ASCII.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn types_are_normalized() {
        for (given, wanted) in [
            ("Deployment-Started", "deployment_started"),
            (" node.offline ", "node_offline"),
            ("backup  completed", "backup_completed"),
        ] {
            assert_eq!(EventType::normalize(given).unwrap().as_str(), wanted);
        }
        for bad in ["", "../x", "a/b", "9lives", "naïve", "x_", &"t".repeat(35)] {
            assert!(EventType::normalize(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_type_is_known_or_not_and_as_long_as_a_name_has_room_for() {
        let longest = "t".repeat(MAX_TYPE_LEN);
        for (word, known) in
            [("node_offline", true), ("backup2_completed", false), (&longest, false)]
        {
            let kind = EventType::normalize(word).unwrap();
            assert_eq!((kind.as_str(), kind.is_known()), (word, known));
            assert_eq!(kind.to_string(), word);
        }
        for bad in ["_x", "-x", "x-", "x!"] {
            assert!(EventType::normalize(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn distances_are_those_of_levenshtein() {
        for (a, b, distance) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("ab", "ba", 2),
            ("intention", "execution", 5),
        ] {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }

    #[test]
    fn a_near_miss_is_suggested_and_another_word_is_not() {
        let near = |word| near_miss(word, KNOWN_TYPES.into_iter());
        assert_eq!(near("deployment_startd"), Some("deployment_started"));
        assert_eq!(near("node_of_line"), Some("node_offline"));
        assert_eq!(near("remediation_faild"), Some("remediation_failed"));
        for other in ["service_restarted", "backup_failed", "remediation_skipped", "ab", ""] {
            assert_eq!(near(other), None, "{other}");
        }
        assert_eq!(near_miss("kep", ["keep", "key"].into_iter()), Some("keep"));
    }
}

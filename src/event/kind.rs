//! Event types: what happened, as one normalized word.

use std::fmt;

use super::{Malformed, shown};

/// The eleven normalized types that every node knows.
pub(crate) const KNOWN_TYPES: [&str; 11] = [
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

/// The types of the audit events that hlarchive emits about its archive, if the policy asks for
/// them.
pub(crate) const AUDIT_TYPES: [&str; 7] = [
    "archive_rotated",
    "archive_pruned",
    "archive_held",
    "archive_released",
    "archive_restored",
    "archive_rebuilt",
    "archive_compacted",
];

/// The longest type that is written, in bytes: with it, an event's file name still fits into the
/// 100 bytes of a ustar name.
pub(crate) const MAX_TYPE_LEN: usize = 34;

/// A normalized event type: 1 to 34 of `a-z`, `0-9` and `_`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(String);

impl EventType {
    /// Normalizes a text: lower case, with each run of dashes, dots, spaces and underscores as
    /// one underscore (`Deployment-Started` becomes `deployment_started`).
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

    /// Returns the normalized word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reports whether this is one of the eleven [`KNOWN_TYPES`].
    pub fn is_known(&self) -> bool {
        KNOWN_TYPES.contains(&self.as_str())
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
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
    fn what_is_no_slip_is_not_suggested() {
        let near = |word| crate::event::near_miss(word, KNOWN_TYPES.into_iter());
        assert_eq!(near("remediation_faild"), Some("remediation_failed"));
        for other in ["service_restarted", "backup_failed", "remediation_skipped", "ab", ""] {
            assert_eq!(near(other), None, "{other}");
        }
    }
}

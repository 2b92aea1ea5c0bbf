//! The severity of events.

use std::fmt;
use std::str::FromStr;

use super::{Malformed, serde_as_text, shown};

/// The four severities, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// No action is needed.
    Info,
    /// It is worth a look.
    Warning,
    /// Something failed.
    Error,
    /// Something failed that others depend on.
    Critical,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// Returns the severity of an event that is emitted without one, by its type: error for what
    /// failed, is unhealthy or offline; warning for a failed check and a started remedy; info for
    /// anything else.
    pub(crate) fn usual(event_type: &str) -> Self {
        match event_type {
            "healthcheck_failed" | "remediation_started" => Self::Warning,
            "service_unhealthy" | "node_offline" => Self::Error,
            _ if event_type.ends_with("_failed") => Self::Error,
            _ => Self::Info,
        }
    }

    /// Returns the word used in events, flags and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

serde_as_text!(Severity: "a severity");

impl FromStr for Severity {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == text).ok_or_else(|| {
            Malformed::new(format!(
                "\"{}\" is not a severity: expected info, warning, error or critical",
                shown(text)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_the_severity_that_its_name_says() {
        for (kind, wanted) in [
            ("deployment_started", Severity::Info),
            ("deployment_completed", Severity::Info),
            ("deployment_failed", Severity::Error),
            ("service_unhealthy", Severity::Error),
            ("service_recovered", Severity::Info),
            ("node_offline", Severity::Error),
            ("node_online", Severity::Info),
            ("healthcheck_failed", Severity::Warning),
            ("remediation_started", Severity::Warning),
            ("remediation_completed", Severity::Info),
            ("remediation_failed", Severity::Error),
            ("backup_failed", Severity::Error),
            ("failed", Severity::Info),
            ("failed_over", Severity::Info),
        ] {
            assert_eq!(Severity::usual(kind), wanted, "{kind}");
        }
    }
}

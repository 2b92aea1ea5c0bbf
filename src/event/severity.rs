//! How bad an event is.

use std::fmt;
use std::str::FromStr;

use super::{Malformed, shown};

/// The four severities, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing needs doing.
    Info,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
    /// Something that others depend on failed.
    Critical,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// Gives the severity of an event that comes without one, by its type: what failed, is
    /// unhealthy or offline is an error; a check that failed and a remedy that begins are
    /// warnings; anything else is worth knowing.
    pub fn usual(event_type: &str) -> Self {
        match event_type {
            "healthcheck_failed" | "remediation_started" => Self::Warning,
            "service_unhealthy" | "node_offline" => Self::Error,
            _ if event_type.ends_with("_failed") => Self::Error,
            _ => Self::Info,
        }
    }

    /// The word used in events, flags and tables.
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

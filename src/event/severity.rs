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

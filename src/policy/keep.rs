//! Terms of keeping, and which of two is the longer one.

use std::fmt;

use super::Span;

/// A term of keeping. The order is by length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// This long after the end of the day.
    For(Span),
    /// Without end.
    Forever,
}

impl Keep {
    /// Parses `2y`, `400d` or `forever`, as policies and records write it.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "forever" { Some(Self::Forever) } else { text.parse().ok().map(Self::For) }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(span) => span.fmt(f),
            Self::Forever => f.write_str("forever"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn terms_read_back_as_they_are_written_and_the_longer_one_is_the_greater() {
        let terms = ["1d", "30d", "1y", "7y", "forever"].map(|text| Keep::parse(text).unwrap());
        assert!(terms.is_sorted());
        for term in terms {
            assert_eq!(Keep::parse(&term.to_string()), Some(term));
        }
        assert_eq!(Keep::parse("for a while"), None);
    }
}

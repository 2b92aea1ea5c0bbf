//! The error of texts that are not the values they should be.

/// The reason a text is not the value it should be, phrased to follow the value: `"2026-02-30" is
/// not a date: expected YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl From<Malformed> for crate::Error {
    fn from(malformed: Malformed) -> Self {
        Self::Usage(malformed.0)
    }
}

impl Malformed {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

//! Why a policy is refused. It stands alone: the library's error has a variant for it.

/// The reason a policy is refused: the file, the line, the problem and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}{}: {reason}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct PolicyError {
    /// The file, or the name of a built-in policy.
    pub origin: String,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// The problem, and what to write instead.
    pub reason: String,
}

impl PolicyError {
    pub(super) fn at_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

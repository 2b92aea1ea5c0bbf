//! Colours, used sparingly: severity, verdicts, headings.

use crate::event::Severity;

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours on or off.
    pub(super) fn new(on: bool) -> Self {
        Self { on }
    }

    /// Whether colours are on.
    pub(super) fn is_on(self) -> bool {
        self.on
    }

    /// A heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What matters less.
    pub(super) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// A good verdict.
    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// A bad verdict.
    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// A text about an event of this severity.
    pub(super) fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Info => text.to_owned(),
            Severity::Warning => self.wrap("33", text),
            Severity::Error => self.wrap("31", text),
            Severity::Critical => self.wrap("1;31", text),
        }
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

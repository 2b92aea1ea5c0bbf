//! Colours, used sparingly: severity, verdicts, headings.

use crate::event::Severity;

/// A painter of text, which may leave it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// Returns a painter with colours on or off.
    pub(super) fn new(on: bool) -> Self {
        Self { on }
    }

    /// Returns whether colours are on.
    pub(super) fn is_on(self) -> bool {
        self.on
    }

    /// Paints a heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Paints text that matters less.
    pub(super) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    /// Paints a good verdict.
    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Paints a bad verdict.
    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// Paints a text about an event of this severity.
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

//! Results, warnings and remarks of a command, and how they may look.

use std::io::{self, IsTerminal, Write};

use super::Session;
use crate::cli::args::ColorWhen;
use crate::cli::exit::{Failure, stdout_failed};
use crate::cli::log::{self, Level};
use crate::cli::out::Out;
use crate::store::{Notice, Notices};
use crate::system;

/// The number of remarks of one kind shown without `--verbose`.
const FEW_NOTICES: u64 = 10;

impl Session {
    /// Writes one line of results.
    pub(in crate::cli) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.write(|out| out.lines(text))
    }

    /// Writes one line that is the name of a file, for other programs.
    pub(in crate::cli) fn name(&mut self, name: &str) -> Result<(), Failure> {
        self.write(|out| out.exact(name.as_bytes()).and_then(|()| out.write_all(b"\n")))
    }

    /// Writes a report as one JSON object.
    pub(in crate::cli) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        self.write(|out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
            out.write_all(b"\n")
        })
    }

    /// Flushes the results.
    pub(in crate::cli) fn flush(&mut self) -> Result<(), Failure> {
        self.write(Write::flush)
    }

    /// Writes to standard output. A closed pipe ends the command, but not a measured run: its
    /// outcome must be recorded.
    fn write(&mut self, write: impl FnOnce(&mut Out) -> io::Result<()>) -> Result<(), Failure> {
        if self.is_unheard {
            return Ok(());
        }
        match write(&mut self.out).map_err(stdout_failed) {
            Err(Failure::ClosedPipe) if self.measured.is_some() => {
                self.is_unheard = true;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Writes a remark for the person at the terminal.
    pub(in crate::cli) fn remark(&self, text: &str) {
        self.remark_of(None, text);
    }

    /// Does the same about a file.
    pub(in crate::cli) fn remark_of(&self, path: Option<&str>, text: &str) {
        if !self.global.quiet {
            self.log.say(Level::Info, text, path);
        }
    }

    /// Warns of a problem; the command continues.
    pub(in crate::cli) fn warn(&self, text: &str) {
        self.log.say(Level::Warning, text, None);
    }

    /// Does the same about a file.
    pub(in crate::cli) fn warn_of(&self, path: Option<&str>, text: &str) {
        self.log.say(Level::Warning, text, path);
    }

    /// Reports what a query skipped. Damage is always named; the rest unless quiet.
    pub(in crate::cli) fn notices(&mut self, notices: &mut Notices) {
        let (kept, beyond) = notices.take();
        self.hidden_notices += beyond;
        for notice in kept {
            if matches!(notice, Notice::Expired(_)) {
                // A fact that needs no action.
                self.remark(&format!("hlarchive: {notice}"));
                continue;
            }
            let matters = notice.costs_events() || matches!(notice, Notice::Conflict { .. });
            let few = self.global.verbose || self.shown_notices < FEW_NOTICES;
            if matters || (!self.global.quiet && few) {
                self.shown_notices += 1;
                self.warn_of(log::path_of_notice(&notice).as_deref(), &notice.to_string());
            } else {
                self.hidden_notices += 1;
            }
        }
    }

    /// Reports how many notices were not shown.
    pub(in crate::cli) fn end_notices(&mut self) {
        if self.hidden_notices > 0 && !self.global.quiet {
            self.warn(&format!(
                "{} more files were skipped; --verbose names them, and \"hlarchive verify\" \
                 says what is wrong with them",
                self.hidden_notices
            ));
        }
    }

    /// Returns whether progress is drawn.
    pub(in crate::cli) fn draws_progress(&self) -> bool {
        !self.global.quiet && self.log.is_for_people() && io::stderr().is_terminal()
    }

    /// Returns whether pictures may use block characters: the locale is UTF-8, and plain
    /// output was not requested.
    pub(in crate::cli) fn draws_blocks(&self) -> bool {
        let set = system::variable;
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        is_utf8 && set("NO_COLOR").is_none() && self.global.color != ColorWhen::Never
    }

    /// Returns the maximum width of a table: the terminal's width, or no limit in a pipe.
    #[allow(clippy::unused_self, reason = "a property of the session's terminal")]
    pub(in crate::cli) fn width(&self) -> Option<usize> {
        let columns = if io::stdout().is_terminal() {
            usize::from(rustix::termios::tcgetwinsize(io::stdout()).ok()?.ws_col)
        } else {
            system::variable("COLUMNS")?.parse().ok()?
        };
        Some(columns).filter(|columns| *columns >= 20)
    }
}

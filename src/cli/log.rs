//! Messages on standard error. Only this module decides how they are written.
//!
//! As text a message is a line for people. With `--log-format json` it is an object on its
//! own line. If standard error is the journal, as systemd says in `JOURNAL_STREAM`, each line
//! begins with its priority (`sd-daemon(3)`), which the journal strips.

use crate::system;
use std::ffi::OsString;
use std::io::{self, Write};

use crate::Error;
use crate::store::Notice;
use crate::text::{json, visible, without_priority};
use clap::ValueEnum;
use serde::Serialize;

use super::exit::Exit;

/// The format of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// Lines for people.
    Text,
    /// One object per line.
    Json,
}

/// The importance of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// The command could not do its work.
    Error,
    /// A problem that somebody should look at.
    Warning,
    /// A remark.
    Info,
}

impl Level {
    /// Returns the journal's priority.
    fn priority(self) -> &'static str {
        match self {
            Self::Error => "<3>",
            Self::Warning => "<4>",
            Self::Info => "<6>",
        }
    }

    /// Returns the prefix of a message in a line for people. Remarks bring their own.
    fn introduction(self) -> &'static str {
        match self {
            Self::Error => "hlarchive: ",
            Self::Warning => "hlarchive: warning: ",
            Self::Info => "",
        }
    }
}

/// A message as an object; the documented fields, in this order.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    level: Level,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

/// Standard error, and how messages are written there.
#[derive(Debug, Clone)]
pub(super) struct Log {
    format: LogFormat,
    is_journal: bool,
    words: Vec<OsString>,
    definition: fn() -> clap::Command,
}

impl Log {
    /// Returns the format that the words and the environment ask for, before the words are
    /// parsed: a message about them is written like any other.
    pub(super) fn of(words: &[OsString], definition: fn() -> clap::Command) -> Self {
        let typed = words.iter().enumerate().find_map(|(number, word)| {
            let word = word.to_str()?;
            match word.strip_prefix("--log-format") {
                Some("") => words.get(number + 1)?.to_str().map(str::to_owned),
                Some(rest) => rest.strip_prefix('=').map(str::to_owned),
                None => None,
            }
        });
        let wanted = typed.or_else(|| system::variable("HLARCHIVE_LOG_FORMAT"));
        let format = match wanted.as_deref() {
            Some("json") => LogFormat::Json,
            _ => LogFormat::Text,
        };
        Self { format, is_journal: is_journal(), words: words.to_vec(), definition }
    }

    /// Returns the command that the words name. Looked up only for a message: the
    /// definition of the command line is rebuilt for it.
    fn command(&self) -> Option<String> {
        let definition = self.definition();
        self.words.iter().skip(1).find_map(|word| {
            definition.find_subcommand(word).map(|found| found.get_name().to_owned())
        })
    }

    /// Returns the definition of the whole command line. Its module is above all commands, so
    /// it is passed down to those that need it.
    pub(super) fn definition(&self) -> clap::Command {
        (self.definition)()
    }

    /// Sets the format that the parsed command line asks for.
    pub(super) fn with_format(self, format: LogFormat) -> Self {
        Self { format, ..self }
    }

    /// Returns whether lines are for people.
    pub(super) fn is_for_people(&self) -> bool {
        self.format == LogFormat::Text && !self.is_journal
    }

    /// Returns whether lines are objects.
    pub(super) fn is_json(&self) -> bool {
        self.format == LogFormat::Json
    }

    /// Writes a message.
    pub(super) fn say(&self, level: Level, message: &str, path: Option<&str>) {
        match self.format {
            LogFormat::Json => {
                let message = message.strip_prefix("hlarchive: ").unwrap_or(message);
                self.object(level, message, path, None);
            }
            LogFormat::Text => {
                self.lines(level, &format!("{}{}", level.introduction(), visible(message)));
            }
        }
    }

    /// Reports why a command could not do its work. With `as_object`, lines for people are
    /// objects, too, as `-o json` asks for.
    pub(super) fn failure(&self, message: &str, path: Option<&str>, exit: Exit, as_object: bool) {
        if self.is_json() {
            self.object(Level::Error, message, path, Some(exit.code()));
        } else if as_object {
            let object =
                serde_json::json!({ "error": { "code": exit.code(), "message": message } });
            self.lines(Level::Error, &json(&object.to_string()));
        } else {
            self.say(Level::Error, message, path);
        }
    }

    fn object(&self, level: Level, message: &str, path: Option<&str>, exit_code: Option<u8>) {
        let command = self.command();
        let command = command.as_deref();
        let time = system::now().to_string();
        let line = Line { time, level, message, command, path, exit_code };
        // Texts and numbers always become JSON.
        self.lines(level, &json(&serde_json::to_string(&line).unwrap_or_default()));
    }

    /// Writes text of one or more lines, each with its priority if wanted, in one write:
    /// other processes may write to the same place.
    pub(super) fn lines(&self, level: Level, text: &str) {
        let mut out = String::with_capacity(text.len() + 8);
        for line in text.lines() {
            if self.is_journal {
                out.push_str(level.priority());
            }
            out.push_str(&without_priority(&visible(line)));
            out.push('\n');
        }
        // Nothing can be done when even this fails.
        let _ = io::stderr().lock().write_all(out.as_bytes());
    }
}

/// Returns whether standard error is the journal: the variable names its device and inode.
/// It may have been redirected since, or the variable inherited from another service.
fn is_journal() -> bool {
    let Some(stream) = system::variable("JOURNAL_STREAM") else { return false };
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let Ok(state) = rustix::fs::fstat(io::stderr()) else { return false };
    device.parse() == Ok(state.st_dev) && inode.parse() == Ok(state.st_ino)
}

/// Returns the file that an error is about.
pub(super) fn path_of(error: &Error) -> Option<String> {
    match error {
        Error::Io { path, .. } | Error::Corrupt { path, .. } | Error::Busy { path, .. } => {
            Some(path.display().to_string())
        }
        Error::NotFound { what, .. } => Some(what.clone()),
        _ => None,
    }
}

/// Returns the file that a notice is about.
pub(super) fn path_of_notice(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Invalid { path, .. }
        | Notice::Unreadable { path, .. }
        | Notice::Misnamed { path, .. }
        | Notice::Conflict { path } => Some(path.to_string()),
        Notice::UnexpectedEntry { path, .. } | Notice::Damaged { path, .. } => {
            Some(path.display().to_string())
        }
        Notice::Expired(_) | Notice::Away(_) | Notice::Vanished { .. } => None,
    }
}

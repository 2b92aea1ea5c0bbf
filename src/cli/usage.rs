//! The message about a command line that could not be parsed.

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use super::exit::Exit;
use super::log::{Level, Log};

/// Ends a run whose command line could not be parsed, or that asked for help.
pub(super) fn end(log: &Log, mut error: clap::Error, words: &[OsString]) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => Exit::Io.into(),
            _ => Exit::Done.into(),
        };
    }
    let wants_json = words
        .windows(2)
        .any(|pair| (pair[0] == "-o" || pair[0] == "--output") && pair[1] == "json")
        || words.iter().any(|word| word == "-ojson" || word == "--output=json");
    if wants_json || log.is_json() {
        log.failure(&sentence(&error.to_string()), None, Exit::Usage, true);
        return Exit::Usage.into();
    }
    if error.get(ContextKind::Usage).is_some() {
        let usage = usage_line(log.definition(), words);
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
    if log.is_for_people() {
        let _ = error.print();
    } else {
        log.lines(Level::Error, &error.to_string());
    }
    Exit::Usage.into()
}

/// Returns clap's message, up to its hints, as one line.
fn sentence(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    let line = lines.collect::<Vec<_>>().join(" ");
    line.strip_prefix("error: ").unwrap_or(&line).to_owned()
}

/// Returns the usage of the command that the words name. Clap's own line would name every
/// flag that the environment sets, as if it had been typed.
fn usage_line(mut command: clap::Command, words: &[OsString]) -> StyledStr {
    command.build();
    for word in words.iter().skip(1) {
        if let Some(sub) = command.find_subcommand(word).cloned() {
            command = sub;
        }
    }
    command.render_usage()
}

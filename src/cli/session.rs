//! One run of the command: its flags, its streams, its clock.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::event::{SharedLitter, Timestamp};
use crate::history::{machine, remote};
use crate::ops::emit::{OnError, take_in};
use crate::ops::metrics::{Gauge, Scope};
use crate::policy::{AnswerRules, EventRules, LenientRules, Policy};
use crate::progress::Progress;
use crate::remote::Lazy;
use crate::store::{Notice, Notices, Store};
use crate::text::without_secrets;
use crate::{Context, Error, History, system};

use super::args::{ColorWhen, Format, Global};
use super::color::Paint;
use super::exit::{self, Exit, Failure, stdout_failed};
use super::log::{self, Level, Log};
use super::metrics::{METRICS_VARIABLE, Measured, MetricsArgs, Place, State};
use super::out::Out;

/// The variable that names the event tree.
const ROOT_VARIABLE: &str = "HLARCHIVE_ROOT";

/// Flags whose values may carry secrets: the environment of a remote shell, an event's payload.
const SECRETIVE: [&str; 2] = ["--ssh", "--payload"];

/// The number of remarks of one kind shown without `--verbose`.
const FEW_NOTICES: u64 = 10;

/// The named places that must exist.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) root: bool,
    /// True if the archive must exist even if the tree has none yet.
    pub(super) archive: bool,
    /// The way out if there is no archive.
    pub(super) hint: &'static str,
}

/// The state that the commands share.
pub(super) struct Session {
    pub(super) global: Global,
    pub(super) store: Store,
    /// The time of this run, read once.
    pub(super) now: Timestamp,
    /// Colours for standard output.
    pub(super) paint: Paint,
    /// Standard output. Results only.
    pub(super) out: Out,
    /// Standard error.
    pub(super) log: Log,
    /// The measurement of this run, if requested.
    pub(super) measured: Option<Measured>,
    words: Vec<String>,
    /// True if standard output was closed.
    is_unheard: bool,
    shown_notices: u64,
    hidden_notices: u64,
}

impl Session {
    pub(super) fn new(global: Global, log: Log, words: &[OsString]) -> Self {
        let (opens, named) = (global.policy.clone(), global.policy.clone());
        // Most commands need neither of them, and so no policy.
        let opens = move || {
            let policy = machine::policy(opens.as_deref())?;
            remote::open_for(policy.remote.as_ref(), policy.origin())
        };
        let store = Store::new(global.root.clone(), global.archive.clone())
            .with_remote(Arc::new(Lazy::new(opens)))
            .with_litter(SharedLitter::new(move || machine::litter(named.as_deref())));
        let place = Place::of(std::env::var_os(METRICS_VARIABLE), &store);
        let store = with_state(store, place.as_ref());
        let stdout = io::stdout();
        let no_color = system::variable_os("NO_COLOR").is_some();
        let paint = match global.color {
            ColorWhen::Always => Paint::new(true),
            ColorWhen::Never => Paint::new(false),
            ColorWhen::Auto => Paint::new(stdout.is_terminal() && !no_color),
        };
        let log_format = global.log_format;
        let out = Out::new(stdout, global.output);
        Self {
            global,
            store,
            now: system::now(),
            paint,
            out,
            log: log.with_format(log_format),
            words: words.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
            is_unheard: false,
            measured: None,
            shown_notices: 0,
            hidden_notices: 0,
        }
    }

    /// Returns the output format, one of `possible`; the first is the default.
    pub(super) fn format(&self, possible: &[Format]) -> Result<Format, Failure> {
        let Some(wanted) = self.global.output else {
            return Ok(possible.first().copied().unwrap_or(Format::Table));
        };
        if possible.contains(&wanted) {
            return Ok(wanted);
        }
        let words: Vec<&str> = possible.iter().map(|format| format.as_str()).collect();
        let words = match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        };
        Err(Failure::usage(format!("--output {}: this command prints {words}", wanted.as_str())))
    }

    /// Returns the policy in force.
    pub(super) fn policy(&self) -> Result<Policy, Failure> {
        Ok(machine::policy(self.global.policy.as_deref())?)
    }

    /// Returns the policy's rules for judging answers. A wrong policy does not make an
    /// answer fail: it is reported, and the built-in rules apply.
    pub(super) fn answer_rules(&self) -> AnswerRules {
        match machine::policy(self.global.policy.as_deref()) {
            Ok(policy) => policy.answers,
            Err(error) => {
                self.warn(&format!("{error}; attempts are judged by the built-in rules"));
                AnswerRules::default()
            }
        }
    }

    /// Returns the policy's rules for emitting. Errors in the policy are reported and never
    /// keep an event from being written.
    pub(super) fn event_rules(&self) -> EventRules {
        let LenientRules { rules, warning } = machine::event_rules(self.global.policy.as_deref());
        if let Some(warning) = warning {
            self.warn(&warning);
        }
        rules
    }

    /// Returns what becomes of events that cannot be placed.
    pub(super) fn on_error(&self, best_effort: bool) -> OnError {
        let wanted = system::variable("HLARCHIVE_ON_ERROR").unwrap_or_default();
        let wanted = if best_effort { "spool" } else { wanted.as_str() };
        match (wanted, machine::spool()) {
            ("spool", Some(spool)) => OnError::Spool(spool),
            ("spool" | "warn", _) => OnError::Warn,
            ("" | "fail", _) => OnError::Fail,
            _ => {
                self.warn("HLARCHIVE_ON_ERROR is not spool, warn or fail, and counts as fail");
                OnError::Fail
            }
        }
    }

    /// Takes in the events in the spool, if there is one. A failure here does not stop the
    /// command.
    pub(super) fn take_in_spool(&self, most: usize) {
        let Some(spool) = machine::spool() else { return };
        let taken = self.context().map(|context| take_in(&self.store, &context, &spool, most));
        match taken {
            Ok(Ok(report)) => {
                if report.taken > 0 {
                    let events = if report.taken == 1 { "event" } else { "events" };
                    let from = spool.display();
                    self.remark(&format!(
                        "hlarchive: took in {} {events} from {from}",
                        report.taken
                    ));
                }
                for finding in report.findings.iter().take(10) {
                    self.warn(&format!("{}: {finding}", spool.display()));
                }
            }
            Ok(Err(error)) => self.warn(&error.to_string()),
            Err(_) => {}
        }
    }

    /// Opens the history for a command that does not need the policy.
    pub(super) fn history(&self, progress: impl Progress + 'static) -> Result<History, Failure> {
        Ok(self.history_by(Policy::built_in()?, progress)?)
    }

    /// Opens the history by the policy in force, which must be acceptable.
    pub(super) fn by_policy(&self, progress: impl Progress + 'static) -> Result<History, Failure> {
        Ok(self.history_by(self.policy()?, progress)?)
    }

    /// Opens the history for actions that the policy may want reported as events. An
    /// unacceptable policy does not keep anyone from restoring or holding.
    pub(super) fn acting(&self, progress: impl Progress + 'static) -> Result<History, Failure> {
        match self.policy() {
            Ok(policy) => Ok(self.history_by(policy, progress)?),
            Err(Failure::Library(error)) => {
                self.warn(&format!("{error}; so no event reports this action"));
                self.history(progress)
            }
            Err(other) => Err(other),
        }
    }

    /// Opens the history to take events in, by the policy's rules of how long they are kept. An
    /// unacceptable policy does not prevent that.
    pub(super) fn taking_in(&self, progress: impl Progress + 'static) -> Result<History, Failure> {
        match self.policy() {
            Ok(policy) => Ok(self.history_by(policy, progress)?),
            Err(_) => self.history(progress),
        }
    }

    fn history_by(
        &self,
        policy: Policy,
        progress: impl Progress + 'static,
    ) -> crate::Result<History> {
        let context = self.context()?;
        Ok(History::of(self.store.clone(), policy, context, Arc::new(progress)))
    }

    /// Returns who acts, at the time of this run.
    pub(super) fn context(&self) -> crate::Result<Context> {
        Ok(Context::from_system(self.command())?.at(self.now))
    }

    /// Returns whether a flag was given on the command line, not by the environment.
    pub(super) fn is_typed(&self, flag: &str) -> bool {
        let is_it = |word: &String| {
            word.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        self.words.iter().any(is_it)
    }

    /// Returns the archive that was named on the command line.
    pub(super) fn typed_archive(&self) -> Option<String> {
        let archive = self.global.archive.as_ref().filter(|_| self.is_typed("--archive"));
        archive.map(|archive| archive.to_string_lossy().into_owned())
    }

    /// Returns the command line as typed, without possible secrets, cut to a length that
    /// fits a record.
    pub(super) fn command(&self) -> String {
        const MAX: usize = 500;
        let mut words = self.words.iter();
        let program = words
            .next()
            .and_then(|path| Path::new(path).file_name())
            .map_or_else(|| "hlarchive".to_owned(), |name| name.to_string_lossy().into_owned());
        let mut command = program;
        for word in without_values(words) {
            command.push(' ');
            command.push_str(&without_secrets(&word));
        }
        if let Some((at, _)) = command.char_indices().nth(MAX) {
            command.truncate(at);
            command.push('…');
        }
        command
    }

    /// Writes one line of results.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.tell(|out| out.lines(text))
    }

    /// Writes one line that is the name of a file, for other programs.
    pub(super) fn name(&mut self, name: &str) -> Result<(), Failure> {
        self.tell(|out| out.exact(name.as_bytes()).and_then(|()| out.write_all(b"\n")))
    }

    /// Writes a report as one JSON object.
    pub(super) fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Failure> {
        self.tell(|out| {
            serde_json::to_writer_pretty(&mut *out, value)?;
            out.write_all(b"\n")
        })
    }

    /// Flushes the results.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.tell(Write::flush)
    }

    /// Writes to standard output. A closed pipe ends the command, but not a measured run: its
    /// outcome must be recorded.
    fn tell(&mut self, write: impl FnOnce(&mut Out) -> io::Result<()>) -> Result<(), Failure> {
        if self.is_unheard {
            return Ok(());
        }
        match write(&mut self.out).map_err(stdout_failed) {
            Err(Failure::ClosedPipe) if self.measured.is_some() => {
                self.is_unheard = true;
                Ok(())
            }
            told => told,
        }
    }

    /// Writes a remark for the person at the terminal.
    pub(super) fn remark(&self, text: &str) {
        self.remark_of(None, text);
    }

    /// Does the same about a file.
    pub(super) fn remark_of(&self, path: Option<&str>, text: &str) {
        if !self.global.quiet {
            self.log.say(Level::Info, text, path);
        }
    }

    /// Warns of a problem; the command continues.
    pub(super) fn warn(&self, text: &str) {
        self.log.say(Level::Warning, text, None);
    }

    /// Does the same about a file.
    pub(super) fn warn_of(&self, path: Option<&str>, text: &str) {
        self.log.say(Level::Warning, text, path);
    }

    /// Refuses to work with a named place that does not exist: to a reader it would look like
    /// a history without events. An archive at the default path may not have begun yet; one
    /// that the tree remembers is unreachable, and the answer says so.
    pub(super) fn check_named(&self, checked: Checked) -> Result<(), Failure> {
        let store = &self.store;
        let nothing = |what: &Path, reason: String| {
            Failure::Library(Error::NotFound { what: what.display().to_string(), reason })
        };
        let is_missing = store.any_archive()?.is_none();
        let names_root = self.is_typed("--root") || system::variable_os(ROOT_VARIABLE).is_some();
        if checked.root && names_root && store.live()?.is_none() {
            return Err(nothing(
                store.root(),
                if is_missing {
                    nowhere(store)
                } else {
                    format!("there is no event tree here; name it with --root or {ROOT_VARIABLE}")
                },
            ));
        }
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let default = absolute(&Store::default_archive(store.root()));
        let named = self.global.archive.as_deref().filter(|_| is_missing);
        if let Some(archive) = named.filter(|archive| absolute(archive) != default)
            && !store.archive_left()?
            && (checked.archive || store.archive().is_err())
        {
            return Err(Error::no_archive(archive, checked.hint).into());
        }
        Ok(())
    }

    /// Warns if neither half of the history exists: more likely a typo in a path than a
    /// history that has not begun.
    pub(super) fn warn_of_nowhere(&self) -> Result<bool, Failure> {
        let is_nowhere = self.store.live()?.is_none() && self.store.any_archive()?.is_none();
        if is_nowhere && !self.global.quiet {
            self.warn(&format!("{}: {}", self.store.root().display(), nowhere(&self.store)));
        }
        Ok(is_nowhere)
    }

    /// Reports what a query skipped. Damage is always named; the rest unless quiet.
    pub(super) fn notices(&mut self, notices: &mut Notices) {
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
    pub(super) fn end_notices(&mut self) {
        if self.hidden_notices > 0 && !self.global.quiet {
            self.warn(&format!(
                "{} more files were skipped; --verbose names them, and \"hlarchive verify\" \
                 says what is wrong with them",
                self.hidden_notices
            ));
        }
    }

    /// Returns whether progress is drawn.
    pub(super) fn draws_progress(&self) -> bool {
        !self.global.quiet && self.log.is_for_people() && io::stderr().is_terminal()
    }

    /// Returns whether pictures may use block characters: the locale is UTF-8, and plain
    /// output was not requested.
    pub(super) fn draws_blocks(&self) -> bool {
        let set = system::variable;
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        let is_utf8 = locale.contains("utf-8") || locale.contains("utf8");
        is_utf8 && set("NO_COLOR").is_none() && self.global.color != ColorWhen::Never
    }

    /// Returns the maximum width of a table: the terminal's width, or no limit in a pipe.
    #[allow(clippy::unused_self, reason = "a property of the session's terminal")]
    pub(super) fn width(&self) -> Option<usize> {
        let columns = if io::stdout().is_terminal() {
            usize::from(rustix::termios::tcgetwinsize(io::stdout()).ok()?.ws_col)
        } else {
            system::variable("COLUMNS")?.parse().ok()?
        };
        Some(columns).filter(|columns| *columns >= 20)
    }

    /// Measures this run from here on, if requested.
    pub(super) fn measure(&mut self, operation: &'static str, scope: Scope, args: MetricsArgs) {
        let place = args.place(&self.store);
        self.store = with_state(self.store.clone(), place.as_ref());
        self.measured = Some(Measured::begin(operation, scope, place));
    }

    /// Records for the metrics that the history is compared with a head or signature kept outside.
    pub(super) fn hear_witness(&mut self) {
        if let Some(measured) = &mut self.measured {
            measured.hear_witness();
        }
    }

    /// Keeps the operation's report for the metrics.
    pub(super) fn measured(&mut self, report: impl FnOnce() -> Vec<Gauge>) {
        if let Some(measured) = &mut self.measured {
            measured.report(report());
        }
    }

    /// Writes what is left, reports a failure, and returns the exit code.
    pub(super) fn finish(mut self, outcome: Result<Exit, Failure>) -> ExitCode {
        let flushed = self.flush();
        let exit = match outcome.and_then(|exit| flushed.map(|()| exit)) {
            Ok(exit) => exit,
            Err(Failure::ClosedPipe) => Exit::Done,
            Err(Failure::Library(error)) => {
                let exit = exit::code(&error);
                let as_json = self.global.output == Some(Format::Json);
                let path = log::path_of(&error);
                self.log.failure(&error.to_string(), path.as_deref(), exit, as_json);
                exit
            }
        };
        self.end_measured(exit);
        exit.into()
    }

    /// Writes the metrics of a measured run that ended so. A usage error is not a run.
    pub(super) fn end_measured(&mut self, exit: Exit) {
        if let Some(measured) = self.measured.take().filter(|_| exit != Exit::Usage)
            && let Err(sentence) = measured.end(exit.code(), &self.store)
        {
            self.warn(&sentence);
        }
    }
}

/// Returns the words without the values of flags that may carry secrets: records stay forever.
fn without_values<'a>(mut words: impl Iterator<Item = &'a String>) -> Vec<Cow<'a, str>> {
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let flag = SECRETIVE.iter().find(|flag| {
            word.strip_prefix(**flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        match flag {
            Some(flag) if word == flag => {
                kept.push(Cow::Borrowed(word.as_str()));
                kept.extend(words.next().map(|_| Cow::Borrowed("…")));
            }
            Some(flag) => kept.push(Cow::Owned(format!("{flag}=…"))),
            None => kept.push(Cow::Borrowed(word.as_str())),
        }
    }
    kept
}

fn nowhere(store: &Store) -> String {
    format!(
        "there is neither an event tree here nor an archive at {}; name them with --root and \
         --archive",
        store.archive_path().display()
    )
}

/// Returns the same store, with access to the results of the last runs.
fn with_state(store: Store, place: Option<&Place>) -> Store {
    match place {
        Some(place) => {
            let state = State::of(place, &store);
            store.with_state(Arc::new(state))
        }
        None => store,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_that_may_be_secret_are_left_out() {
        for (typed, kept) in [
            ("sync a --ssh X b", "sync a --ssh … b"),
            ("sync --ssh=X a", "sync --ssh=… a"),
            ("emit t --payload X --payload=X", "emit t --payload … --payload=…"),
            ("sync --ssh", "sync --ssh"),
            ("verify --sshx X --ssl", "verify --sshx X --ssl"),
        ] {
            let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
            assert_eq!(super::without_values(words.iter()).join(" "), kept);
        }
    }
}

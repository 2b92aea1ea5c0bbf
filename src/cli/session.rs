//! One run of the command: its flags, its streams, its clock.

mod history;
mod output;
mod places;
mod words;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

pub(super) use places::Checked;

use crate::event::{SharedLitter, Timestamp};
use crate::history::{machine, remote};
use crate::ops::metrics::{Gauge, Scope};
use crate::remote::Lazy;
use crate::store::Store;
use crate::system;

use super::args::{ColorWhen, Format, Global};
use super::color::Paint;
use super::exit::{self, Exit, Failure};
use super::log::{self, Log};
use super::metrics::{METRICS_VARIABLE, Measured, MetricsArgs, Place, State};
use super::out::Out;

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

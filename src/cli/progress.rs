//! Progress bars for work that takes longer than a second, on a terminal only.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::progress::{Progress, Unit};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::session::Session;
use super::signals::Stop;

/// The time that work may take before a bar is drawn.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bar of one command.
pub(super) struct Bar {
    draws: bool,
    stop: Stop,
    state: Mutex<State>,
}

struct State {
    bar: ProgressBar,
    began: Instant,
    shown: bool,
}

impl Bar {
    /// Creates a bar that also listens for signals.
    pub(super) fn new(session: &Session) -> Self {
        Self {
            draws: session.draws_progress(),
            stop: Stop::listen(),
            state: Mutex::new(State {
                bar: ProgressBar::hidden(),
                began: Instant::now(),
                shown: false,
            }),
        }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total: Option<u64>, unit: Unit) {
        if !self.draws {
            return;
        }
        let counter = match unit {
            Unit::Bytes => "{bytes} of {total_bytes}",
            Unit::Events => "{human_pos} of {human_len} events",
            Unit::Files => "{human_pos} of {human_len} files",
            Unit::Days => "{human_pos} of {human_len} days",
        };
        let template = format!("{{msg}} {{wide_bar}} {counter} {{eta}}");
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.set_message(what.to_owned());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bar.finish_and_clear();
        *state = State { bar, began: Instant::now(), shown: false };
    }

    fn advance(&self, amount: u64) {
        if !self.draws {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.shown && state.began.elapsed() > PATIENCE {
            state.shown = true;
            state.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        state.bar.inc(amount);
    }

    fn end(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.bar.finish_and_clear();
    }

    fn stop_requested(&self) -> bool {
        self.stop.asked()
    }
}

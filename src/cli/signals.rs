//! A polite stop: the first SIGINT or SIGTERM asks a long operation to stop at the next
//! safe point; the second ends the process as usual.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

static ASKED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicUsize = AtomicUsize::new(0);

/// Proof that the process listens, so that a stop can be asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop(());

impl Stop {
    /// Begins to listen.
    pub(super) fn listen() -> Self {
        for signal in [SIGINT, SIGTERM] {
            // Without the handlers a signal simply ends the process, which is safe, too.
            let _ = flag::register_conditional_default(signal, &ASKED);
            let _ = flag::register_usize(signal, &SIGNAL, signal as usize);
            let _ = flag::register(signal, &ASKED);
        }
        Self(())
    }

    /// Whether a stop was asked for.
    #[allow(clippy::unused_self, reason = "only who listens may ask")]
    pub(super) fn asked(self) -> bool {
        ASKED.load(Ordering::Relaxed)
    }
}

/// The signal that asked for a stop, if one did.
pub(super) fn caught() -> Option<u8> {
    u8::try_from(SIGNAL.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)
}

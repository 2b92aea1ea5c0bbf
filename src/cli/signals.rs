//! A polite stop: the first SIGINT or SIGTERM asks a long operation to stop at the next
//! safe point; the second ends the process as usual.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

static ASKED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicUsize = AtomicUsize::new(0);
/// The end that becomes readable when a stop is requested, so that a wait ends at once even
/// if the signal comes just before it.
static BELL: OnceLock<Option<UnixStream>> = OnceLock::new();

/// Proof that the process listens for signals, so that a stop can be requested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop(());

impl Stop {
    /// Starts listening for signals.
    pub(super) fn listen() -> Self {
        for signal in [SIGINT, SIGTERM] {
            // Without the handlers a signal simply ends the process, which is also safe.
            let _ = flag::register_conditional_default(signal, &ASKED);
            let _ = flag::register_usize(signal, &SIGNAL, signal as usize);
            let _ = flag::register(signal, &ASKED);
        }
        // Without a bell a stop is noticed when the wait is over.
        let _ = BELL.get_or_init(|| ring().ok());
        Self(())
    }

    /// Returns whether a stop was requested.
    #[allow(clippy::unused_self, reason = "only who listens may ask")]
    pub(super) fn asked(self) -> bool {
        ASKED.load(Ordering::Relaxed)
    }

    /// Waits until there is something to read, a stop is requested, or the time has passed.
    /// Returns whether standard output is still open; if not, there is nothing to wait for.
    #[allow(clippy::unused_self, reason = "only who listens can be woken")]
    pub(super) fn wait(self, wakes: Option<&impl AsFd>, most: Duration) -> crate::Result<bool> {
        let bell = BELL.get().and_then(Option::as_ref);
        let stdout = rustix::stdio::stdout();
        // Standard output is polled only for its end.
        let mut fds = vec![PollFd::from_borrowed_fd(stdout, PollFlags::empty())];
        fds.extend(bell.map(|bell| PollFd::new(bell, PollFlags::IN)));
        fds.extend(wakes.map(|wakes| PollFd::new(wakes, PollFlags::IN)));
        let most = Timespec::try_from(most).ok();
        match poll(&mut fds, most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("the next event", "wait for", errno)),
        }
        let is_closed = fds[0].revents().intersects(PollFlags::ERR | PollFlags::HUP);
        Ok(!is_closed)
    }
}

/// Returns a bell that rings with each signal.
fn ring() -> std::io::Result<UnixStream> {
    let (bell, rope) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        low_level::pipe::register(signal, rope.try_clone()?)?;
    }
    Ok(bell)
}

/// Returns the signal that requested a stop, if any.
pub(super) fn caught() -> Option<u8> {
    u8::try_from(SIGNAL.load(Ordering::Relaxed)).ok().filter(|signal| *signal > 0)
}

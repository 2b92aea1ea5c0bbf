//! Standard input that may keep a command waiting: a signal ends the wait.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;

use crate::Error;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// A reader of standard input that fails if SIGINT or SIGTERM arrives while there is
/// nothing to read. Earlier input is read first.
pub(super) struct InterruptibleStdin {
    /// The end that becomes readable when a signal arrives.
    woken: UnixStream,
}

impl InterruptibleStdin {
    pub(super) fn new() -> Result<Self, Error> {
        let failed = |error| Error::io("standard input", "wait for", error);
        let (woken, waker) = UnixStream::pair().map_err(failed)?;
        for signal in [SIGINT, SIGTERM] {
            pipe::register(signal, waker.try_clone().map_err(failed)?).map_err(failed)?;
        }
        Ok(Self { woken })
    }
}

impl Read for InterruptibleStdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdin = rustix::stdio::stdin();
        loop {
            let mut waiting =
                [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.woken, PollFlags::IN)];
            match poll(&mut waiting, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if !waiting[1].revents().is_empty() {
                return Err(io::Error::other("a signal came"));
            }
            if !waiting[0].revents().is_empty() {
                match rustix::io::read(stdin, &mut *buffer) {
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    read => return Ok(read?),
                }
            }
        }
    }
}

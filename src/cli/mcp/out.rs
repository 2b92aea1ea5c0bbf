//! The writer of the server's messages, which are JSON like everything the command prints.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::text::{Form, Screen};
use tokio::io::AsyncWrite;

/// A writer that passes messages on with `\uXXXX` for invisible characters.
pub(super) struct Out<W> {
    inner: W,
    screen: Screen,
    /// The bytes accepted, and how many of them were passed on.
    taken: Vec<u8>,
    given: usize,
}

impl<W: AsyncWrite + Unpin> Out<W> {
    pub(super) fn new(inner: W) -> Self {
        Self { inner, screen: Screen::new(Form::Json), taken: Vec::new(), given: 0 }
    }

    fn poll_give(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.given < self.taken.len() {
            let rest = &self.taken[self.given..];
            let given = ready!(Pin::new(&mut self.inner).poll_write(context, rest))?;
            if given == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.given += given;
        }
        self.taken.clear();
        self.given = 0;
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Out<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_give(context))?;
        let seen = self.screen.pass(bytes).into_owned();
        self.taken = seen;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_give(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_give(context))?;
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

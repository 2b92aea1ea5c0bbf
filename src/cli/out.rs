//! Standard output: results only, and nothing that a terminal or the journal would take for
//! more than text.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use crate::text::{Form, Screen, without_priority};

use super::args::Format;

/// The bytes checked at a time, so that a large event is not held twice.
const PIECE: usize = 1 << 16;

/// Standard output. Everything written passes the [`Screen`].
#[derive(Debug)]
pub(super) struct Out {
    inner: BufWriter<Stdout>,
    screen: Screen,
    is_terminal: bool,
    /// True if the results are names for other programs, which need them as they are.
    is_names: bool,
}

impl Out {
    /// Creates one for results in this format.
    pub(super) fn new(stdout: Stdout, format: Option<Format>) -> Self {
        let is_json = matches!(format, Some(Format::Json | Format::Ndjson));
        Self {
            is_terminal: stdout.is_terminal(),
            is_names: format == Some(Format::Path),
            inner: BufWriter::with_capacity(PIECE, stdout),
            screen: Screen::new(if is_json { Form::Json } else { Form::Text }),
        }
    }

    /// Writes bytes for other programs: as they are, except on a terminal.
    pub(super) fn exact(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_terminal {
            // Event files are JSON; a file that is not must not drive a terminal either.
            self.screen = Screen::new(Form::Json);
            self.write_all(bytes)
        } else {
            self.inner.write_all(bytes)
        }
    }

    /// Writes lines of text.
    pub(super) fn lines(&mut self, text: &str) -> io::Result<()> {
        self.write_all(without_priority(text).as_bytes())?;
        self.write_all(b"\n")
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE)];
        if self.is_names && !self.is_terminal {
            self.inner.write_all(piece)?;
        } else {
            self.inner.write_all(&self.screen.pass(piece))?;
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let held = self.screen.end();
        self.inner.write_all(&held)?;
        self.inner.flush()
    }
}

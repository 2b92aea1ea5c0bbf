//! A password, read from the terminal without echo, or from a line of standard input.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Write};

use crate::Error;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal and its settings, which are restored in any case.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn begin() -> io::Result<Self> {
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        // Signals would end the process before the terminal is restored; they come as
        // characters, and end the prompt.
        silent.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
        let _ = writeln!(&self.terminal);
    }
}

/// Asks for a password.
pub(super) fn password(of: &str) -> Result<String, Error> {
    let failed = |error| Error::io("the password", "read", error);
    let mut line = String::new();
    if io::stdin().is_terminal() {
        let silent = Silent::begin().map_err(failed)?;
        write!(&silent.terminal, "Password of {of}: ").map_err(failed)?;
        io::BufReader::new(&silent.terminal).read_line(&mut line).map_err(failed)?;
        if line.contains('\u{3}') {
            return Err(Error::Usage("no password was given".to_owned()));
        }
    } else {
        io::stdin().lock().read_line(&mut line).map_err(failed)?;
    }
    if line.is_empty() {
        return Err(Error::Usage(format!(
            "{of} has a password; give it on the terminal, or as a line of standard input"
        )));
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

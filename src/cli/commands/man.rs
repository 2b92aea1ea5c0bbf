//! `hlarchive man`.

use std::io::Write;
use std::path::PathBuf;

use crate::Error;

use crate::cli::exit::{Exit, Failure, stdout_failed};
use crate::cli::manual;
use crate::cli::session::Session;

/// Print the manual page, or write all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive man | man -l -
  hlarchive man --to /usr/local/share/man/man1")]
pub(in crate::cli) struct Args {
    /// Write a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let mut command = session.log.definition();
        command.build();
        let pages = manual::pages(&command);
        let Some(directory) = self.to else {
            if let Some((_, page)) = pages.first() {
                session.out.write_all(page.as_bytes()).map_err(stdout_failed)?;
            }
            return Ok(Exit::Done);
        };
        std::fs::create_dir_all(&directory)
            .map_err(|error| Error::io(&directory, "create", error))?;
        for (name, page) in pages {
            let file = directory.join(format!("{name}.1"));
            std::fs::write(&file, page).map_err(|error| Error::io(&file, "create", error))?;
            let line = file.display().to_string();
            session.line(&line)?;
        }
        Ok(Exit::Done)
    }
}

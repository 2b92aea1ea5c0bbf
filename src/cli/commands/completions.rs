//! `hlarchive completions`.

use std::io::Write;

use clap_complete::{Shell, generate};

use crate::cli::exit::{Exit, Failure, stdout_failed};
use crate::cli::session::Session;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive completions bash > /etc/bash_completion.d/hlarchive
  hlarchive completions zsh > ~/.zfunc/_hlarchive
  hlarchive completions fish | source")]
pub(in crate::cli) struct Args {
    /// The shell that the completions are for
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        generate(self.shell, &mut session.log.definition(), "hlarchive", &mut script);
        session.out.write_all(&script).map_err(stdout_failed)?;
        Ok(Exit::Done)
    }
}

//! `hlarchive completions`.

use std::io::Write;

use clap_complete::Shell;

use crate::cli::complete::script;
use crate::cli::exit::{Exit, Failure, stdout_failed};
use crate::cli::session::Session;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive completions bash > /etc/bash_completion.d/hlarchive
  hlarchive completions zsh > ~/.zfunc/_hlarchive
  hlarchive completions fish | source

The scripts of bash, zsh and fish also complete what the history knows, as the environment and \
the flags before the cursor name it: services, nodes, types, sources, correlation ids, archived \
days and holds. For that they ask the hlarchive of the PATH, which looks at the newest days \
first and takes less than a moment.")]
pub(in crate::cli) struct Args {
    /// The shell that the completions are for
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let script = script(self.shell, &mut session.log.definition());
        session.out.write_all(script.as_bytes()).map_err(stdout_failed)?;
        Ok(Exit::Done)
    }
}

//! The face: flags in, tables and JSON out, one exit code.
//!
//! One file for each command. All knowledge of terminals, environment, clock and
//! randomness is here; the library gets them as arguments.

mod args;
mod color;
mod commands;
mod exit;
mod output;
mod progress;
mod session;
mod signals;
mod stdin;
mod table;
mod when;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use args::Global;
use exit::Exit;
use session::Session;

/// Keeps a homelab's event history: nothing is lost, everything stays readable.
#[derive(Debug, Parser)]
#[command(
    name = "hlarchive",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  hlarchive emit deployment_started --service mosquitto --correlation-id deploy-882
  hlarchive list --since yesterday --min-severity error
  hlarchive trace deploy-882
  hlarchive rotate --dry-run
  hlarchive verify
  hlarchive restore 2026-05-16 --to /tmp/that-day

\"hlarchive demo\" shows all of this on made-up events in a temporary directory.

Exit codes: 0 done; 1 checked and found wrong, or nothing matched; 2 wrong usage; 65 bad data; \
66 no such input; 73 cannot create; 74 I/O error or damage; 75 busy, try again; 77 not \
permitted; 78 bad policy; 128 and more stopped by a signal."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Emit(commands::emit::Args),
    List(commands::list::Args),
    Trace(commands::trace::Args),
    Show(commands::show::Args),
    Rotate(commands::rotate::Args),
    Verify(commands::verify::Args),
    Inspect(commands::inspect::Args),
    Restore(commands::restore::Args),
    Manifest(commands::manifest::Args),
    Policy(commands::policy::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
    Demo(commands::demo::Args),
}

/// Parses, runs, reports.
pub(crate) fn main() -> ExitCode {
    let words: Vec<OsString> = args::verify_archive(std::env::args_os().collect());
    let matches = match command().try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => return exit::usage(&error, &words),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return exit::usage(&error, &words),
    };
    let mut session = Session::new(cli.global, &words);
    let outcome = run(&mut session, cli.command);
    session.finish(outcome)
}

/// The definition of the whole command line, for help, completions and man pages.
fn command() -> clap::Command {
    Cli::command()
}

fn run(session: &mut Session, command: Command) -> Result<Exit, exit::Failure> {
    match command {
        Command::Emit(args) => args.run(session),
        Command::List(args) => args.run(session),
        Command::Trace(args) => args.run(session),
        Command::Show(args) => args.run(session),
        Command::Rotate(args) => args.run(session),
        Command::Verify(args) => args.run(session),
        Command::Inspect(args) => args.run(session),
        Command::Restore(args) => args.run(session),
        Command::Manifest(args) => args.run(session),
        Command::Policy(args) => args.run(session),
        Command::Completions(args) => args.run(session),
        Command::Man(args) => args.run(session),
        Command::Demo(args) => args.run(session),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_free_of_contradictions() {
        super::command().debug_assert();
    }
}

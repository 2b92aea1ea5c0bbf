//! The command line: flags in, tables and JSON out, one exit code.
//!
//! One file for each command. It is in the library's crate, so that the library's public list
//! need not hold names that only the command uses; it is not part of that list.

mod args;
mod calendar;
mod color;
mod commands;
mod complete;
mod exit;
mod log;
mod manual;
#[cfg(feature = "mcp")]
mod mcp;
mod metrics;
mod out;
mod output;
mod progress;
mod roff;
mod secret;
mod session;
mod signals;
mod stdin;
mod table;
mod usage;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use args::Global;
use exit::Exit;
use log::Log;
use session::{Checked, Session};

/// Keeps a homelab's event history: nothing is lost, everything stays readable.
#[derive(Debug, Parser)]
#[command(
    name = "hlarchive",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  hlarchive emit deployment_started --correlation-id deploy-882
  hlarchive list --since yesterday --min-severity error
  hlarchive trace deploy-882
  hlarchive attempts --service mosquitto --unresolved
  hlarchive outages --service grafana --since '30d ago'
  hlarchive count --by service --type service_unhealthy --since 30d
  hlarchive status
  hlarchive rotate --dry-run
  hlarchive verify
  hlarchive restore 2026-05-16 --to /tmp/that-day
  hlarchive evidence deploy-882 --to /tmp/case

Each event is its own file, EVENTS/YYYY-MM-DD/NODE/TIMESTAMP_TYPE_UUID.json. Closed days become \
segments of the archive: ordinary .tar.zst files, each with a checksum file beside it. All \
queries read both. \"hlarchive demo\" shows it on made-up events.

Exit codes:
  0    done
  1    a check found something wrong, or nothing matched
  2    usage error
  65   bad data: not an event, or a damaged file
  66   a named file or day does not exist
  69   this hlarchive was built without that feature
  73   an output file cannot be created
  74   reading or writing failed, or damage may have cost events
  75   busy or unreachable, or the clock looks wrong: try again
  77   not permitted, or too much at once without --yes-really
  78   the policy is not acceptable
  130  stopped at a safe point by SIGINT; 143: by SIGTERM"
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
    Attempts(commands::attempts::Args),
    Outages(commands::outages::Args),
    Count(commands::count::Args),
    Values(commands::count::ValuesArgs),
    Status(commands::status::Args),
    Show(commands::show::Args),
    Rotate(commands::rotate::Args),
    Prune(commands::prune::Args),
    Hold(commands::hold::Args),
    Compact(commands::compact::Args),
    Verify(commands::verify::Args),
    Inspect(commands::inspect::Args),
    Restore(commands::restore::Args),
    Evidence(commands::evidence::Args),
    Export(commands::export::Args),
    Import(commands::import::Args),
    Sync(commands::sync::Args),
    Remote(commands::remote::Args),
    Manifest(commands::manifest::Args),
    Policy(commands::policy::Args),
    Mcp(commands::mcp::Args),
    Completions(commands::completions::Args),
    Man(commands::man::Args),
    Demo(commands::demo::Args),
}

impl Command {
    /// Returns which of the named places must exist for a command that works with existing data.
    fn names_places(&self) -> Option<Checked> {
        let reads = Checked { root: true, archive: true, hint: "--archive" };
        match self {
            // A follower may also wait for the tree.
            Self::List(args) => Some(Checked { root: !args.follows(), ..reads }),
            Self::Trace(_)
            | Self::Attempts(_)
            | Self::Outages(_)
            | Self::Count(_)
            | Self::Values(_)
            | Self::Status(_)
            | Self::Show(_)
            | Self::Verify(_)
            | Self::Evidence(_)
            | Self::Export(_)
            | Self::Mcp(_) => Some(reads),
            // A segment's file needs neither tree nor archive.
            Self::Inspect(args) => (!args.is_of_file()).then_some(reads),
            Self::Manifest(_) => Some(Checked { root: false, ..reads }),
            Self::Hold(_) | Self::Compact(_) => {
                Some(Checked { root: false, archive: false, ..reads })
            }
            Self::Restore(_) => {
                let hint = "--archive or HLARCHIVE_ARCHIVE";
                Some(Checked { root: false, archive: false, hint })
            }
            _ => None,
        }
    }
}

/// Parses, runs, reports.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some(answered) = complete::answer(&words, &|| heeding_set_variables(command())) {
        return answered;
    }
    let words = args::verify_archive(words);
    let log = Log::of(&words, command);
    let matches = match heeding_set_variables(command()).try_get_matches_from(&words) {
        Ok(matches) => matches,
        Err(error) => return usage::end(&log, error, &words),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage::end(&log, error, &words),
    };
    let mut session = Session::new(cli.global, log, &words);
    let outcome = run(&mut session, cli.command);
    session.finish(outcome)
}

/// Returns the definition of the whole command line, for help, completions and man pages.
fn command() -> clap::Command {
    Cli::command()
}

/// Treats an empty variable as unset, as a unit's `Environment=HLARCHIVE_POLICY=` means it.
fn heeding_set_variables(command: clap::Command) -> clap::Command {
    let is_empty =
        |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|set| set.is_empty());
    command
        .mut_args(|arg| match arg.get_env() {
            Some(name) if is_empty(name) => arg.env(None::<&'static str>),
            _ => arg,
        })
        .mut_subcommands(heeding_set_variables)
}

impl Command {
    /// Returns whether the command may change the tree or the archive. Emitting does not
    /// count: an event is kept, however the places lie.
    fn changes_history(&self) -> bool {
        matches!(
            self,
            Self::Rotate(_)
                | Self::Prune(_)
                | Self::Hold(_)
                | Self::Compact(_)
                | Self::Restore(_)
                | Self::Import(_)
                | Self::Sync(_)
                | Self::Remote(_)
                | Self::Manifest(_)
        )
    }
}

fn run(session: &mut Session, command: Command) -> Result<Exit, exit::Failure> {
    if command.changes_history() {
        session.store.check_apart()?;
    }
    if let Some(checked) = command.names_places() {
        session.check_named(checked)?;
    }
    match command {
        Command::Emit(args) => args.run(session),
        Command::List(args) => args.run(session),
        Command::Trace(args) => args.run(session),
        Command::Attempts(args) => args.run(session),
        Command::Outages(args) => args.run(session),
        Command::Count(args) => args.run(session),
        Command::Values(args) => args.run(session),
        Command::Status(args) => args.run(session),
        Command::Show(args) => args.run(session),
        Command::Rotate(args) => args.run(session),
        Command::Prune(args) => args.run(session),
        Command::Hold(args) => args.run(session),
        Command::Compact(args) => args.run(session),
        Command::Verify(args) => args.run(session),
        Command::Inspect(args) => args.run(session),
        Command::Restore(args) => args.run(session),
        Command::Evidence(args) => args.run(session),
        Command::Export(args) => args.run(session),
        Command::Import(args) => args.run(session),
        Command::Sync(args) => args.run(session),
        Command::Remote(args) => args.run(session),
        Command::Manifest(args) => args.run(session),
        Command::Policy(args) => args.run(session),
        Command::Mcp(args) => args.run(session),
        Command::Completions(args) => args.run(session),
        Command::Man(args) => args.run(session),
        Command::Demo(args) => args.run(session),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn the_command_line_is_free_of_contradictions() {
        super::command().debug_assert();
    }

    #[test]
    fn help_fits_a_terminal_of_80_columns_and_its_examples_a_manual_page() {
        fn look(command: &mut clap::Command, name: &str) {
            assert_eq!(command.get_long_about(), None, "{name}: -h and --help say the same");
            let after = command.get_after_help().unwrap_or_default().to_string();
            assert!(after.starts_with("Examples:\n"), "{name}: help teaches by examples");
            for line in after.lines().filter(|line| line.starts_with("  ")) {
                // Manual pages indent examples by 11 columns and refill the exit codes.
                let is_exit_code = line[2..].starts_with(|c: char| c.is_ascii_digit() || c == ' ');
                let most = if is_exit_code { 80 } else { 80 - 11 + 2 };
                assert!(line.len() <= most, "{name}: this line would be broken: {line}");
            }
            for sub in command.get_subcommands_mut() {
                let name = format!("{name} {}", sub.get_name());
                let about = sub.get_about().unwrap().to_string();
                assert!(about.len() <= 65, "{name}: too long for a list of commands: {about}");
                look(sub, &name);
            }
        }
        let mut command = super::command();
        command.build();
        look(&mut command, "hlarchive");
    }
}

//! `hlarchive policy`.

use std::path::PathBuf;

use crate::policy::Policy;
use clap::Subcommand;

use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure};
use crate::cli::session::Session;

/// Show or check the policy
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive policy show
  hlarchive policy check policies/homelab.toml
  hlarchive policy show > policy.toml   # to start from")]
pub(in crate::cli) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the policy in force, as it is written
    #[command(after_help = "\
Examples:
  hlarchive policy show
  hlarchive policy show > policy.toml   # to start from")]
    Show,
    /// Check a policy without using it
    #[command(after_help = "\
Examples:
  hlarchive policy check policies/homelab.toml
  hlarchive policy check                # the one in force

Exit codes:
  78  the policy is not acceptable; the line, the reason and a way out are named")]
    Check {
        /// The policy [default: the one in force]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// Returns what the policy does not promise, for the end of the line that says where it is from.
fn promised(policy: &Policy) -> &'static str {
    if policy.promise(None).is_some() {
        ""
    } else {
        "; it keeps everything and promises nothing, since no retention is set ([retain])"
    }
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let format = session.format(&[Format::Table, Format::Json])?;
        match self.action {
            Action::Show => {
                let policy = session.policy()?;
                if format == Format::Json {
                    session.json(&serde_json::json!({
                        "origin": policy.origin(),
                        "digest": policy.digest(),
                        "promises": policy.promise(None).map(|keep| keep.to_string()),
                        "text": policy.text(),
                    }))?;
                } else {
                    let text = policy.text().trim_end().to_owned();
                    session.line(&text)?;
                    session.flush()?;
                    session.remark(&format!("# from {}{}", policy.origin(), promised(&policy)));
                }
            }
            Action::Check { file } => {
                let policy = match file {
                    Some(file) => Policy::load(&file)?,
                    None => session.policy()?,
                };
                let remarks = policy.remarks();
                if format == Format::Json {
                    session.json(&serde_json::json!({
                        "origin": policy.origin(),
                        "digest": policy.digest(),
                        "ok": true,
                        "remarks": remarks,
                    }))?;
                } else {
                    session.line(&format!("{}: OK", policy.origin()))?;
                    session.flush()?;
                    for remark in remarks {
                        session.remark(&remark);
                    }
                }
            }
        }
        Ok(Exit::Done)
    }
}

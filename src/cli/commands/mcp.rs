//! `hlarchive mcp`.

use std::ffi::OsString;

use crate::cli::exit::{Exit, Failure};
#[cfg(feature = "mcp")]
use crate::cli::metrics::Place;
use crate::cli::session::Session;

/// Serve the history to agents over MCP
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive mcp --root /opt/homelab/events
  hlarchive mcp --allow-emit
  claude mcp add hlarchive -- hlarchive mcp --root /opt/homelab/events

Speaks MCP, the Model Context Protocol, on standard input and output until its client closes \
them; the client starts it, not a person. The tools are status, attempts, outages, list, trace, \
show, inspect and verify, with the fields that these commands print with -o json, in pages of at \
most 500 events and 48 KiB. None of them changes anything. --allow-emit adds emit_event.

Events were written by other programs: the server tells its clients that they are data, not \
instructions. It needs a build with \"cargo build --features mcp\".

Exit codes:
  69  this hlarchive was built without the server
  74  the client cannot be reached")]
pub(in crate::cli) struct Args {
    /// Let the agent write events
    #[arg(long)]
    allow_emit: bool,
    /// The file with the runs' metrics, from which status reads how they ended
    #[arg(
        long,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        env = "HLARCHIVE_METRICS_FILE",
        hide_env_values = true
    )]
    metrics_file: Option<OsString>,
}

impl Args {
    #[cfg(feature = "mcp")]
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        // The protocol is JSON; other formats are refused.
        session.format(&[crate::cli::args::Format::Json])?;
        let metrics = Place::of(self.metrics_file, &session.store).map(|place| place.path);
        crate::cli::mcp::serve(session, metrics, self.allow_emit)
    }

    #[cfg(not(feature = "mcp"))]
    pub(in crate::cli) fn run(self, _session: &mut Session) -> Result<Exit, Failure> {
        let _ = (self.allow_emit, self.metrics_file);
        Err(Failure::Library(crate::Error::NotBuilt {
            what: "mcp".to_owned(),
            part: "the server for agents",
            feature: "mcp",
            otherwise: "",
        }))
    }
}

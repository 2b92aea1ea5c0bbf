//! `hlarchive show`.

use std::io::Write;

use crate::cli::args::Format;
use crate::cli::exit::{Exit, Failure, stdout_failed};
use crate::cli::session::Session;

/// Print one event's bytes, live or archived
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive show 0196d8a2-7c1a-7000-8000-0123456789ab
  hlarchive show 0196d8a2-7c1a
  hlarchive list --limit 1 -o path | xargs -n 1 hlarchive show

The bytes are those of the file as it was written; on a terminal \\uXXXX stands for invisible \
characters. With -o json the event is one line with _path and, when it is archived, _segment.

A prefix of a UUID, at least four digits, is enough if no other event's id begins with it.

Exit codes:
  2   several events' ids begin with it, and are named
  65  with -o json: the file is kept, but it is not an event
  66  no such event, neither live nor archived")]
pub(in crate::cli) struct Args {
    /// The UUID in the event's file name, or its beginning, or the event's path
    #[arg(value_name = "UUID|PATH")]
    name: String,
}

impl Args {
    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let possible = [Format::Table, Format::Json, Format::Ndjson, Format::Path];
        let format = session.format(&possible)?;
        let found = session.store.find(&session.store.named(&self.name)?)?;
        match format {
            Format::Table => session.out.exact(&found.bytes).map_err(stdout_failed)?,
            Format::Path => session.name(&found.path.to_string())?,
            _ => {
                if let Err(error) = found.head() {
                    return Err(crate::Error::bad_event(
                        found.path.to_string(),
                        format!("not an event: {error}; without -o its bytes are printed"),
                    )
                    .into());
                }
                let mut line = Vec::new();
                found.write_json(&mut line);
                line.push(b'\n');
                session.out.write_all(&line).map_err(stdout_failed)?;
            }
        }
        Ok(Exit::Done)
    }
}

//! `hlarchive list`.

use std::path::PathBuf;

use crate::store::follow::{After, FollowOptions};
use crate::store::{FoundEvent, Order, Query};

use super::follow::follow;
use super::nothing::Nothing;
use super::printer::{Printer, render};
use crate::cli::args::{Format, QueryArgs};
use crate::cli::exit::{Exit, Failure, lacking};
use crate::cli::session::Session;
use crate::system::seed;

/// List events in time order, live and archived alike
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive list                        # today
  hlarchive list --date 2026-05-16 --node pi4
  hlarchive list --since '2 days ago' --min-severity error
  hlarchive list --since 90d --grep 'disk full'
  hlarchive list --since 2w --where 'payload.attempt>=3'
  hlarchive list --around 01a20c73-d16d --within 10m
  hlarchive list --since 2026-05-01 -o ndjson | jq .type
  hlarchive list --follow
  hlarchive list --follow --cursor-file seen.cursor -o ndjson
  hlarchive list --cursor-file seen.cursor --after start -o ndjson

Several values of one filter are alternatives; different filters must all hold. With -o ndjson \
each line has the event's own fields, then _path (DATE/NODE/FILE) and, when it is archived, \
_segment.

With --cursor-file or --after each event is given once, over any number of runs, whenever and \
wherever it arrived: in order of arrival, and with -o ndjson or json its _cursor as last field. \
--cursor-file alone continues after the last printed event; a script that keeps the _cursor of \
the last event it handled continues there with --after. The first run creates the file and begins \
where the other flags say.

Exit codes:
  1   filters were given, and nothing matched; not with --after or --cursor-file
  74  something could not be read, so events may be missing")]
pub(in crate::cli) struct Args {
    /// Limit to N events
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<u64>,
    /// Latest first
    #[arg(long)]
    reverse: bool,
    /// Continue with new events as they arrive
    #[arg(short, long, conflicts_with_all = ["reverse", "limit", "archived_only", "until", "around"])]
    follow: bool,
    /// Only events after this one: its _cursor, or "start" for the cursor file's beginning
    #[arg(long, value_name = "CURSOR", value_parser = after,
          conflicts_with_all = ["reverse", "archived_only", "live_only"])]
    after: Option<After>,
    /// Keep the position in FILE: continue where the last run ended
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["reverse", "archived_only", "live_only"])]
    cursor_file: Option<PathBuf>,
    #[command(flatten)]
    which: QueryArgs,
}

/// Events that are rendered together.
const BATCH: usize = 4096;

fn limit(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a number of events".to_owned())
}

fn after(text: &str) -> Result<After, String> {
    text.parse().map_err(|error: crate::event::Malformed| error.to_string())
}

impl Args {
    /// Returns whether it continues with new events.
    pub(in crate::cli) fn follows(&self) -> bool {
        self.follow
    }

    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let formats = [Format::Table, Format::Json, Format::Ndjson, Format::Path];
        let format = session.format(&formats)?;
        if self.follow && format == Format::Json {
            return Err(Failure::usage("--follow never ends, so --output ndjson fits, not json"));
        }
        let mut query = self.which.query(session.now, &session.store)?;
        let only_today = query.dates.is_empty() && !self.which.filter.has_time();
        if only_today {
            query.dates.push(session.now.date());
        }
        query.order = if self.reverse { Order::Reverse } else { Order::Forward };
        query.limit = self.limit;
        let mut printer = Printer::new(format);
        if self.follow || self.after.is_some() || self.cursor_file.is_some() {
            let first_dates = query.dates.clone();
            let options = FollowOptions {
                // Today is where the first run begins, not a condition for later ones.
                query: if only_today { Query { dates: Vec::new(), ..query } } else { query },
                first_dates,
                cursor_file: self.cursor_file,
                after: self.after,
                seed: seed()?,
            };
            return follow(session, options, &mut printer, self.follow);
        }
        let asked = query.clone();
        let mut events = session.store.events(query)?;
        let mut found = 0_u64;
        if format == Format::Table {
            for event in &mut events {
                found += 1;
                printer.print(session, &event?)?;
            }
        } else {
            // Rendering events takes longer than finding them.
            let render = |events: &mut dyn Iterator<Item = FoundEvent>| render(events, format);
            while let parts = events.next_parts(BATCH, &|| false, render)?
                && !parts.is_empty()
            {
                for (events, text) in parts {
                    found += events;
                    printer.print_text(session, events, &text)?;
                }
            }
        }
        printer.end(session)?;
        session.notices(events.notices());
        session.end_notices();
        if events.notices().any_cost() {
            return Ok(lacking(events.notices()));
        }
        // A limit of zero gives no event.
        if found == 0 && self.limit != Some(0) {
            let today = "no such event today; choose other days with --date or --since";
            Nothing::of(&session.store, || asked, !session.global.quiet)?
                .tell(session, only_today.then_some(today))?;
            if self.which.filter.asks_for_more() {
                return Ok(Exit::Wrong);
            }
        }
        Ok(Exit::Done)
    }
}

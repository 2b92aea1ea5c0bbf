//! `hlarchive list`.

use std::io::Write;

use std::path::PathBuf;

use crate::store::follow::{After, FollowOptions, Followed};
use crate::store::{FoundEvent, Order, Query, Scope};

use super::follow::follow;
use super::nothing::Nothing;
use crate::cli::args::{FilterArgs, Format, dates};
use crate::cli::exit::{Exit, Failure, lacking, stdout_failed};
use crate::cli::output::EventTable;
use crate::cli::session::Session;
use crate::system::seed;

/// List events in time order, live and archived alike
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  hlarchive list                        # today
  hlarchive list --date 2026-05-16 --node pi4
  hlarchive list --since '2 days ago' --min-severity error
  hlarchive list --since 2026-05-01 -o ndjson | jq .type
  hlarchive list --follow
  hlarchive list --follow --cursor-file seen.cursor -o ndjson
  hlarchive list --cursor-file seen.cursor --after start -o ndjson

Several values of one filter are alternatives; different filters must all hold. With -o ndjson \
each line has the event's own fields, then _path (DATE/NODE/FILE) and, when it is archived, \
_segment.

With --cursor-file or --after each event is given once, over any number of runs, whenever and \
wherever it came: in the order in which it came, and with -o ndjson or json its _cursor as last \
field. --cursor-file alone goes on after the last event that was printed; a script that keeps the \
_cursor of the last event it dealt with goes on after that with --after. The first run makes the \
file and begins with what the other flags say.

Exit codes:
  1   filters were given, and nothing matched; not with --after or --cursor-file
  74  something could not be read, so events may be missing")]
pub(in crate::cli) struct Args {
    /// At most this many
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<u64>,
    /// Latest first
    #[arg(long)]
    reverse: bool,
    /// Go on with new events as they come
    #[arg(short, long, conflicts_with_all = ["reverse", "limit", "archived_only", "until"])]
    follow: bool,
    /// Only what came after this event: its _cursor, or "start" for the cursor file's beginning
    #[arg(long, value_name = "CURSOR", value_parser = after,
          conflicts_with_all = ["reverse", "archived_only", "live_only"])]
    after: Option<After>,
    /// Keep the place in FILE: go on where the last run ended
    #[arg(long, value_name = "FILE",
          conflicts_with_all = ["reverse", "archived_only", "live_only"])]
    cursor_file: Option<PathBuf>,
    /// Plain files alone
    #[arg(long)]
    live_only: bool,
    /// Segments alone
    #[arg(long, conflicts_with = "live_only")]
    archived_only: bool,
    /// Filed under this day: 2026-05-16, today, yesterday; may be repeated
    #[arg(long, value_name = "DATE", help_heading = "Which events")]
    date: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
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
    /// Whether it goes on with what comes.
    pub(in crate::cli) fn follows(&self) -> bool {
        self.follow
    }

    pub(in crate::cli) fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let formats = [Format::Table, Format::Json, Format::Ndjson, Format::Path];
        let format = session.format(&formats)?;
        if self.follow && format == Format::Json {
            return Err(Failure::usage("--follow never ends, so --output ndjson fits, not json"));
        }
        let filter = self.filter.filter(session.now)?;
        let mut dates = dates(&self.date, session.now)?;
        let only_today = dates.is_empty() && !self.filter.has_time();
        if only_today {
            dates.push(session.now.date());
        }
        let query = Query {
            filter,
            dates,
            order: if self.reverse { Order::Reverse } else { Order::Forward },
            after: None,
            limit: self.limit,
            scope: match (self.live_only, self.archived_only) {
                (true, _) => Scope::Live,
                (_, true) => Scope::Archived,
                _ => Scope::Everything,
            },
            day_by_day: false,
            own_only: false,
            by_manifest: false,
        };
        let mut printer = Printer::new(format);
        if self.follow || self.after.is_some() || self.cursor_file.is_some() {
            let first_dates = query.dates.clone();
            let options = FollowOptions {
                // Today is where the first run begins, and no condition for later ones.
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
            // Making text of events takes longer than finding them.
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
        // Who asks for no event gets none.
        if found == 0 && self.limit != Some(0) {
            let today = "no such event today; choose other days with --date or --since";
            Nothing::of(&session.store, || asked, !session.global.quiet)?
                .tell(session, only_today.then_some(today))?;
            if self.filter.asks_for_more() {
                return Ok(Exit::Wrong);
            }
        }
        Ok(Exit::Done)
    }
}

/// Prints events in the format that was asked for, one by one.
pub(super) struct Printer {
    format: Format,
    table: EventTable,
    line: Vec<u8>,
    printed: u64,
}

impl Printer {
    pub(super) fn new(format: Format) -> Self {
        Self { format, table: EventTable::default(), line: Vec::new(), printed: 0 }
    }

    /// Prints events that were rendered.
    fn print_text(
        &mut self,
        session: &mut Session,
        events: u64,
        text: &[u8],
    ) -> Result<(), Failure> {
        // Each event of an array begins with what parts it from the one before.
        let text = match text.strip_prefix(COMMA) {
            Some(rest) if self.format == Format::Json && self.printed == 0 => {
                session.out.write_all(b"[\n").map_err(stdout_failed)?;
                rest
            }
            _ => text,
        };
        self.printed += events;
        session.out.write_all(text).map_err(stdout_failed)
    }

    /// Prints one event and its place.
    pub(super) fn print_arrival(
        &mut self,
        session: &mut Session,
        arrival: &Followed,
    ) -> Result<(), Failure> {
        let mut text = Vec::new();
        match self.format {
            Format::Table => return self.print(session, &arrival.event),
            Format::Path => text.extend_from_slice(format!("{}\n", arrival.event.path).as_bytes()),
            Format::Json => {
                text.extend_from_slice(COMMA);
                arrival.write_json(&mut text);
            }
            _ => {
                arrival.write_json(&mut text);
                text.push(b'\n');
            }
        }
        self.print_text(session, 1, &text)
    }

    /// Adds one event to the table.
    fn print(&mut self, session: &mut Session, event: &FoundEvent) -> Result<(), Failure> {
        self.line.clear();
        self.table.add(event, session.width(), session.paint, &mut self.line);
        self.printed += 1;
        session.out.write_all(&self.line).map_err(stdout_failed)
    }

    /// Writes what was held back to find the columns' widths.
    pub(super) fn flush(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.line.clear();
        self.table.flush(session.width(), session.paint, &mut self.line);
        session.out.write_all(&self.line).map_err(stdout_failed)?;
        session.flush()
    }

    pub(super) fn end(&mut self, session: &mut Session) -> Result<(), Failure> {
        self.flush(session)?;
        if self.format == Format::Json {
            session.line(if self.printed == 0 { "[]" } else { "\n]" })?;
        }
        Ok(())
    }
}

/// What parts the events of an array.
const COMMA: &[u8] = b",\n";

/// Events in a format that has no columns, and how many they are.
fn render(events: &mut dyn Iterator<Item = FoundEvent>, format: Format) -> (u64, Vec<u8>) {
    let mut text = Vec::new();
    let mut count = 0;
    for event in events {
        count += 1;
        match format {
            Format::Path => {
                // Writing into memory cannot fail.
                let _ = writeln!(text, "{}", event.path);
            }
            Format::Json => {
                text.extend_from_slice(COMMA);
                event.write_json(&mut text);
            }
            _ => {
                event.write_json(&mut text);
                text.push(b'\n');
            }
        }
    }
    (count, text)
}

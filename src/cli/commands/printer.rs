//! Events of `hlarchive list` in the requested format, those that still arrive, too.

use std::io::Write;

use crate::cli::args::Format;
use crate::cli::exit::{Failure, stdout_failed};
use crate::cli::output::EventTable;
use crate::cli::session::Session;
use crate::store::FoundEvent;
use crate::store::follow::Followed;

/// A printer of events in the requested format, one by one.
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
    pub(super) fn print_text(
        &mut self,
        session: &mut Session,
        events: u64,
        text: &[u8],
    ) -> Result<(), Failure> {
        // Each event of an array begins with the separator from the one before.
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
    pub(super) fn print(
        &mut self,
        session: &mut Session,
        event: &FoundEvent,
    ) -> Result<(), Failure> {
        self.line.clear();
        self.table.add(event, session.width(), session.paint, &mut self.line);
        self.printed += 1;
        session.out.write_all(&self.line).map_err(stdout_failed)
    }

    /// Writes the rows held back to find the columns' widths.
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

/// The separator between the events of an array.
const COMMA: &[u8] = b",\n";

/// Renders events in a format without columns; returns how many they are.
pub(super) fn render(
    events: &mut dyn Iterator<Item = FoundEvent>,
    format: Format,
) -> (u64, Vec<u8>) {
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

//! The table of events: streamed, with columns as wide as the first rows need.

use crate::event::{Severity, Timestamp};
use crate::store::FoundEvent;
use crate::views::detail::detail;

use super::color::Paint;
use super::table::{fit, shrink, total, width as text_width};

/// Rows that decide the widths of the columns.
const SAMPLE: usize = 200;

/// The maximum width of each column but the last.
const WIDEST: usize = 36;

/// The width that the last column keeps if its text needs it.
const MIN_DETAIL: usize = 12;

const HEADERS: [&str; 7] =
    ["TIME", "SEVERITY", "NODE", "TYPE", "SERVICE", "CORRELATION ID", "DETAIL"];

/// An event's line.
struct EventRow {
    severity: Severity,
    cells: [String; 7],
}

impl EventRow {
    fn write(&self, widths: &[usize; 7], most: Option<usize>, paint: Paint, out: &mut Vec<u8>) {
        let text = line(&self.cells, widths, most);
        out.extend_from_slice(paint.severity(self.severity, &text).as_bytes());
        out.push(b'\n');
    }
}

/// A table that is written as events arrive.
#[derive(Default)]
pub(super) struct EventTable {
    held: Vec<EventRow>,
    widths: Option<[usize; 7]>,
}

impl EventTable {
    /// Adds an event; rows that are ready go to `out`.
    pub(super) fn add(
        &mut self,
        event: &FoundEvent,
        width: Option<usize>,
        paint: Paint,
        out: &mut Vec<u8>,
    ) {
        let Ok(head) = event.head() else { return };
        let shown = |text: &str| crate::event::shown(text);
        let cells = [
            short_time(head.timestamp),
            head.severity.to_string(),
            shown(&head.node),
            shown(&head.event_type),
            shown(&head.service),
            shown(&head.correlation_id),
            detail(head.payload.get()).unwrap_or_default(),
        ];
        let row = EventRow { severity: head.severity, cells };
        if let Some(widths) = self.widths {
            row.write(&widths, width, paint, out);
        } else {
            self.held.push(row);
            if self.held.len() >= SAMPLE {
                self.flush(width, paint, out);
            }
        }
    }

    /// Writes the rows that were held back to find the widths.
    pub(super) fn flush(&mut self, width: Option<usize>, paint: Paint, out: &mut Vec<u8>) {
        if self.held.is_empty() {
            return;
        }
        let widths = widths(&self.held, width);
        let header = line(&HEADERS.map(str::to_owned), &widths, width);
        out.extend_from_slice(paint.faint(&header).as_bytes());
        out.push(b'\n');
        for row in self.held.drain(..) {
            row.write(&widths, width, paint, out);
        }
        self.widths = Some(widths);
    }
}

/// Formats a time as `2026-05-16 10:11:12`: people compare seconds.
pub(super) fn short_time(time: Timestamp) -> String {
    format!("{} {}", time.date(), time.clock())
}

fn widths(rows: &[EventRow], most: Option<usize>) -> [usize; 7] {
    let mut widths = HEADERS.map(text_width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(&row.cells) {
            *width = (*width).max(text_width(cell).min(WIDEST));
        }
    }
    let detail = widths[6].min(MIN_DETAIL);
    widths[6] = usize::MAX;
    let Some(most) = most else { return widths };
    // On a narrow terminal the ids shrink first, then services and nodes. An id that would
    // still leave no room for what happened is useless cut, so it is dropped.
    let wide = widths;
    let room = most.saturating_sub(detail);
    for columns in [&[(5, 10)][..], &[(4, 7), (2, 6)]] {
        shrink(&mut widths[..6], columns, room);
    }
    if total(&widths[..6]) > room {
        widths = wide;
        widths[5] = 0;
        for columns in [&[(4, 7), (2, 6)][..], &[(3, 14)]] {
            shrink(&mut widths[..6], columns, room);
        }
    }
    widths[6] = most.saturating_sub(total(&widths[..6])).max(6);
    widths
}

fn line(row: &[String; 7], widths: &[usize; 7], most: Option<usize>) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        if *width == 0 {
            continue;
        }
        let cell = fit(cell, *width);
        line.push_str(&cell);
        if column < 6 {
            let padding = width.saturating_sub(text_width(&cell)) + 2;
            line.extend(std::iter::repeat_n(' ', padding));
        }
    }
    line.truncate(line.trim_end().len());
    match most {
        // Narrower than the minimum widths of all columns.
        Some(most) => fit(&line, most),
        None => line,
    }
}

//! Outages as comma-separated values, one line each.

use std::io::Write;

use crate::ops::export::csv::{escaped, record};
use crate::text::visible;
use crate::views::outages::Outage;

use crate::cli::exit::{Failure, stdout_failed};
use crate::cli::session::Session;

const HEADER: [&str; 13] = [
    "node",
    "service",
    "from",
    "to",
    "seconds",
    "open",
    "flaps",
    "type",
    "cause",
    "correlation_id",
    "tries",
    "last_tried",
    "path",
];

/// Prints them below the header; a would-be formula becomes text.
pub(super) fn print(session: &mut Session, outages: &[Outage]) -> Result<(), Failure> {
    let mut lines = Vec::new();
    record(&mut lines, HEADER.map(str::as_bytes));
    for outage in outages {
        let last = outage.attempts.last().and_then(|tried| tried.action.clone());
        let values = [
            outage.node.clone(),
            outage.service.clone().unwrap_or_default(),
            outage.from.to_string(),
            outage.to.map(|to| to.to_string()).unwrap_or_default(),
            outage.seconds.to_string(),
            outage.open.to_string(),
            outage.flaps.to_string(),
            outage.event_type.clone(),
            outage.cause.clone().unwrap_or_default(),
            outage.correlation_id.clone(),
            outage.tries.to_string(),
            last.unwrap_or_default(),
            outage.path.clone(),
        ];
        // As with all output to a terminal, nothing invisible goes out.
        let values = values.map(|value| visible(&value));
        let values = values.each_ref().map(|value| escaped(value.as_bytes()));
        record(&mut lines, values.iter().map(|value| &**value));
    }
    session.out.write_all(&lines).map_err(stdout_failed)
}

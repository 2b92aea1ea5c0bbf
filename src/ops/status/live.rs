//! The live half of a status, and what waits in the spool.

use std::collections::BTreeSet;
use std::path::Path;

use super::report::Status;
use crate::Result;
use crate::event::{Date, EventPath, Timestamp};
use crate::ops::emit::spooled;
use crate::ops::{Finding, is_future};
use crate::store::Store;

pub(super) fn live(
    store: &Store,
    calendar_from: Option<Date>,
    now: Option<Timestamp>,
    status: &mut Status,
) -> Result<()> {
    let Some(live) = store.live()? else { return Ok(()) };
    let mut future: Option<(EventPath, u64)> = None;
    let mut days = BTreeSet::new();
    for date in live.dates()?.0 {
        let listing = live.list(date)?;
        for entry in listing.unexpected().iter().filter(|entry| entry.hides_events) {
            let path = entry.path.display().to_string();
            status.findings.push(Finding::new(path, entry.reason.clone()));
        }
        if listing.is_empty() {
            continue;
        }
        days.insert(date);
        let partition = live.partition(date);
        for number in 0..listing.len() {
            // What is gone by now, or cannot be examined, is reported by its readers.
            let size = partition.size_of(listing.node(number), &listing.name(number));
            status.live.bytes += size.ok().flatten().unwrap_or(0);
        }
        status.live.files += listing.len() as u64;
        if let Some(now) = now.filter(|now| date >= now.date()) {
            for path in (0..listing.len()).map(|number| listing.path(number)) {
                if is_future(path.sort_parts().1, now) {
                    future.get_or_insert((path, 0)).1 += 1;
                }
            }
        }
        if calendar_from.is_some_and(|from| date >= from) {
            status.calendar.entry(date).or_default().events = listing.len() as u64;
        }
    }
    if let Some((path, number)) = future {
        let more = number - 1;
        let others = if more > 0 { format!(", and {more} others") } else { String::new() };
        let reason = format!(
            "it is dated later than now{others}: is a clock wrong? It is ignored until then"
        );
        status.findings.push(Finding::new(path.to_string(), reason));
    }
    status.live.days = days.len() as u64;
    status.live.first_day = days.first().copied();
    status.live.last_day = days.last().copied();
    Ok(())
}

/// Counts what waits in the spool: it is not in the history yet.
pub(super) fn waiting(spool: &Path, status: &mut Status) {
    let path = spool.display().to_string();
    match spooled(spool) {
        Ok(0) => {}
        Ok(events) => {
            status.spooled = events;
            let verb = if events == 1 { "event waits" } else { "events wait" };
            let reason = format!(
                "{events} {verb} here that could not be placed; the next emit, rotate or sync \
                 takes them in"
            );
            status.findings.push(Finding::new(path, reason));
        }
        Err(error) => status.findings.push(Finding::of(path, &error)),
    }
}

//! Days that may hold an answer, and the time spans of what they hold.

use std::collections::BTreeMap;

use crate::Result;
use crate::event::{Date, Timestamp};
use crate::live::{Listing, LiveTree};
use crate::store::Query;
use crate::store::row::{EVER, bounds};

/// Days, and the time spans of what they hold.
pub(in crate::store) type Days = BTreeMap<Date, (i64, i64)>;

pub(super) fn widen(days: &mut Days, date: Date, span: (i64, i64)) {
    let known = days.entry(date).or_insert(span);
    *known = (known.0.min(span.0), known.1.max(span.1));
}

/// Adds the live days that may hold an answer. An event may lie in any day's directory, so the
/// names in each are checked; no file is opened for that.
pub(super) fn add_live_days(
    live: &LiveTree,
    dates: &[Date],
    query: &Query,
    days: &mut Days,
) -> Result<()> {
    let wanted = dates.iter().copied().filter(|date| query.wants_partition(*date));
    // When all days are read one after the other, names decide nothing.
    let by_name = !query.day_by_day || query.filter.since.is_some() || query.filter.until.is_some();
    for date in wanted {
        if query.wants(date) {
            widen(days, date, bounds(date));
        }
        if !by_name {
            continue;
        }
        live.stray_instants(date, &mut |instant| {
            let stray = stray_span(date, instant);
            let is_asked_for = query.wants(date) || stray_answers(query, instant);
            if is_asked_for {
                widen(days, date, if query.day_by_day { bounds(date) } else { stray });
            }
        })?;
    }
    Ok(())
}

/// Returns the possible times of a live file whose name claims an instant of another day, or
/// none: near that instant or near its day, depending on its timestamp.
fn stray_span(date: Date, instant: Option<Timestamp>) -> (i64, i64) {
    let Some(instant) = instant else { return EVER };
    let (earliest, latest) = bounds(date);
    let (from, to) = around(instant);
    (from.min(earliest), to.max(latest))
}

/// Returns the possible timestamps of a file whose name claims this instant.
fn around(instant: Timestamp) -> (i64, i64) {
    let day = Timestamp::MICROS_PER_DAY;
    (instant.micros() - day, instant.micros() + day)
}

/// Reports whether a query can match a live file whose name claims this instant.
fn stray_answers(query: &Query, instant: Option<Timestamp>) -> bool {
    instant.is_none_or(|instant| {
        let (from, to) = around(instant);
        query.filter.meets(from, to)
    })
}

/// Groups the files of a live day that may hold an answer by the instants their names claim: of
/// this day, of another day, or none, each with its time span. So one file that was filed years
/// late does not make its whole day come first.
pub(super) fn groups(listing: &Listing, query: &Query) -> Vec<((i64, i64), Vec<u32>)> {
    let date = listing.date();
    let is_wanted = query.wants(date);
    let (mut own, mut strays, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut span: Option<(i64, i64)> = None;
    for number in 0..listing.len() {
        let instant = listing.instant(number);
        let is_own = instant.is_some_and(|instant| instant.date() == date);
        if !(is_wanted || !is_own && stray_answers(query, instant)) {
            continue;
        }
        let number = number as u32;
        if is_own || query.day_by_day {
            own.push(number);
        } else if instant.is_none() {
            unknown.push(number);
        } else {
            let (from, to) = stray_span(date, instant);
            span = Some(span.map_or((from, to), |span| (span.0.min(from), span.1.max(to))));
            strays.push(number);
        }
    }
    let groups = [(bounds(date), own), (span.unwrap_or(EVER), strays), (EVER, unknown)];
    groups.into_iter().filter(|(_, numbers)| !numbers.is_empty()).collect()
}

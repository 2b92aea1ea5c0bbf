//! Figures of outages: counts, sums and means for each service and node.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Outage, OutageRange, seconds};
use crate::event::Timestamp;

/// The figures of one thing over a range: from `since` to `until`, or to now where that is
/// earlier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The host.
    pub node: String,
    /// The service; none for the entire node.
    pub service: Option<String>,
    /// The beginning of the range: as queried, else the first report on this thing.
    pub since: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// The number of outages open at some instant of the range.
    pub count: u64,
    /// The number of those still open.
    pub open: u64,
    /// The number of recoveries in between that were too short to count.
    pub flaps: u64,
    /// Their seconds within the range.
    pub total_seconds: u64,
    /// The seconds of the longest within the range.
    pub longest_seconds: u64,
    /// Mean seconds to recovery: of those that ended, each from its beginning to its end, even
    /// beyond the range. None if none ended.
    pub mttr_seconds: Option<u64>,
    /// Mean seconds between failures: seconds of the range in which it was well, divided by the
    /// number of outages that began in it. None if none began.
    pub mtbf_seconds: Option<u64>,
    /// The fraction of the range in which it was well, truncated to six digits, so that only what
    /// was never down has 1. None if the range has no length.
    pub availability: Option<f64>,
}

/// Computes figures of outages, given when each thing was first reported on.
pub(super) fn figures(
    outages: &[Outage],
    first: &BTreeMap<[Option<String>; 2], Timestamp>,
    asked: &OutageRange,
) -> Vec<Figures> {
    let mut by_thing: BTreeMap<[Option<String>; 2], Vec<&Outage>> = BTreeMap::new();
    for outage in outages {
        let thing = [Some(outage.node.clone()), outage.service.clone()];
        by_thing.entry(thing).or_default().push(outage);
    }
    let until = asked.until.map_or(asked.now, |until| until.min(asked.now));
    let mut all: Vec<(i64, Figures)> = Vec::new();
    for (thing, outages) in by_thing {
        let first = || first.get(&thing).copied().unwrap_or(until);
        let since = asked.since.unwrap_or_else(first);
        all.push(of_thing(&outages, since, until, asked.now));
    }
    all.sort_by(|(a, one), (b, other)| (other.open, b).cmp(&(one.open, a)));
    all.into_iter().map(|(_, figures)| figures).collect()
}

/// Computes the figures of one thing, and its microseconds in all.
fn of_thing(
    outages: &[&Outage],
    since: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> (i64, Figures) {
    let (mut total, mut longest, mut began) = (0_i64, 0_i64, 0_i64);
    let (mut ended, mut to_recovery) = (0_i64, 0_i64);
    for outage in outages {
        let end = outage.to.unwrap_or(now).min(until);
        let part = end.micros().saturating_sub(outage.from.max(since).micros()).max(0);
        total = total.saturating_add(part);
        longest = longest.max(part);
        began += i64::from(outage.from >= since);
        if !outage.open {
            ended += 1;
            to_recovery = to_recovery.saturating_add(outage.micros(now));
        }
    }
    let length = until.micros().saturating_sub(since.micros()).max(0);
    let well = length.saturating_sub(total).max(0);
    let mean = |sum: i64, number: i64| (number > 0).then(|| seconds(sum / number));
    // In whole millionths, so that the last digit does not depend on rounding.
    let millionths = |length: i64| (i128::from(well) * 1_000_000 / i128::from(length)) as f64;
    let (node, service) = outages
        .first()
        .map_or_else(Default::default, |outage| (outage.node.clone(), outage.service.clone()));
    let figures = Figures {
        node,
        service,
        since,
        until,
        count: outages.len() as u64,
        open: outages.iter().filter(|outage| outage.open).count() as u64,
        flaps: outages.iter().map(|outage| outage.flaps).sum(),
        total_seconds: seconds(total),
        longest_seconds: seconds(longest),
        mttr_seconds: mean(to_recovery, ended),
        mtbf_seconds: mean(well, began),
        availability: (length > 0).then(|| millionths(length) / 1_000_000.0),
    };
    (total, figures)
}

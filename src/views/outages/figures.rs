//! What outages come to: counts, sums and means for each service and node.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Outage, OutageRange, seconds};
use crate::event::Timestamp;

/// What the outages of one thing come to over a range: from `since` to `until`, or to now
/// where that is earlier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The host.
    pub node: String,
    /// The service; none where it is the node as a whole.
    pub service: Option<String>,
    /// Where the range begins: as asked for, else the first word about this thing.
    pub since: Timestamp,
    /// Where it ends.
    pub until: Timestamp,
    /// Outages that were open at some instant of the range.
    pub count: u64,
    /// How many of them are open.
    pub open: u64,
    /// How often they were well in between, too shortly to count.
    pub flaps: u64,
    /// Seconds of them within the range.
    pub total_seconds: u64,
    /// Seconds of the longest of them within the range.
    pub longest_seconds: u64,
    /// Mean seconds to a recovery: of those that ended, each from its beginning to its end,
    /// also beyond the range. None where none ended.
    pub mttr_seconds: Option<u64>,
    /// Mean seconds between failures: seconds of the range that it was well, by the number of
    /// outages that began in the range. None where none began.
    pub mtbf_seconds: Option<u64>,
    /// The part of the range that it was well, cut after six digits, so that only what was
    /// never down has 1. None where the range has no length.
    pub availability: Option<f64>,
}

/// Makes figures of outages, given when each thing was first heard of.
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

/// The figures of one thing, and its microseconds in all.
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
    // In whole millionths, so that the last digit does not depend on how numbers round.
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

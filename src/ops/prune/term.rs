//! The start of a segment's term, and its minimum time in the archive.
//!
//! A time given by an emitter is a claim: the day that an event is filed under, and the timestamp
//! in it. The records are not: they say when a segment came into the archive. So a term counts from
//! the latest of the claims, but from nothing later than the record, and nothing goes before it has
//! been in the archive for the policy's `grace`.

use std::collections::HashMap;

use crate::archive::{Manifest, Op, Record, SegmentName};
use crate::event::Timestamp;
use crate::policy::{Keep, Span};

/// Arrival times of the events of each segment in the archive. A compacted segment arrived with the
/// last of the segments that it was made of.
#[derive(Debug, Default)]
pub(super) struct Arrivals(HashMap<SegmentName, Timestamp>);

impl Arrivals {
    /// Goes through the records once.
    pub(super) fn of(manifest: &Manifest, now: Timestamp) -> Self {
        let mut arrivals: HashMap<SegmentName, Timestamp> = HashMap::new();
        // Recorded by a clock that was ahead of now, and not yet seen from a later time.
        let mut ahead: Vec<SegmentName> = Vec::new();
        for record in manifest.records() {
            if record.time <= now {
                for segment in ahead.drain(..) {
                    arrivals.insert(segment, record.time);
                }
            }
            let adds = matches!(record.op, Op::Rotate | Op::Import | Op::Rebuild | Op::Compact);
            let (Some(segment), true) = (&record.segment, adds) else { continue };
            let parts = record.supersedes.iter().flatten();
            let of_parts = match record.op {
                Op::Compact => parts.filter_map(|part| arrivals.get(part)).max().copied(),
                _ => None,
            };
            let time = of_parts.unwrap_or(record.time);
            if time > now {
                ahead.push(segment.clone());
            }
            arrivals.insert(segment.clone(), time.min(now));
        }
        Self(arrivals)
    }

    /// Returns when a segment arrived, by its record if nothing else is known.
    pub(super) fn time(&self, segment: &SegmentName, record: &Record) -> Timestamp {
        self.0.get(segment).copied().unwrap_or(record.time)
    }
}

/// Returns the start of a segment's term.
pub(in crate::ops) fn since(
    segment: &SegmentName,
    record: &Record,
    arrived: Timestamp,
) -> Timestamp {
    let end = segment.date.end();
    record.last.map_or(end, |last| end.max(last.min(arrived)))
}

/// Reports whether a term that counts from `since` is over.
pub(in crate::ops) fn is_over(keep: Keep, since: Timestamp, now: Timestamp) -> bool {
    match keep {
        Keep::For(span) => is_past(span, since, now),
        Keep::Forever => false,
    }
}

/// Reports whether this much time has passed.
pub(super) fn is_past(span: Span, since: Timestamp, now: Timestamp) -> bool {
    let micros = i64::try_from(span.seconds()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    since.micros().saturating_add(micros) <= now.micros()
}

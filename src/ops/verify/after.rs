//! Records of the manifest after the head that is vouched for.
//!
//! A head or a signature proves the records up to it. Later ones may be honest, but only the
//! archive says so; a reader is shown each of them, and above all those that take something away.

use serde::Serialize;

use crate::archive::{Hold, Manifest, Op, Record};
use crate::event::Timestamp;

/// A record after the last one that a head or a signature vouches for.
#[derive(Debug, Clone, Serialize)]
pub struct AfterHead {
    /// Its number.
    pub record: u64,
    /// Its time, by its own claim.
    pub time: Timestamp,
    /// The operation, in the manifest's word.
    pub op: Op,
    /// The user and the host, by its own claim.
    pub by: Option<String>,
    /// The segment, the day or the hold concerned.
    pub what: Option<String>,
    /// The reason, by its own claim.
    pub reason: Option<String>,
    /// True if something was removed or weakened: a segment, its local file, a hold, a line.
    pub takes_away: bool,
}

/// Returns the records after the first `proven` ones.
pub(super) fn records_after(manifest: &Manifest, proven: u64) -> Vec<AfterHead> {
    let from = usize::try_from(proven).unwrap_or(usize::MAX);
    let records = manifest.records().get(from..).unwrap_or_default();
    records.iter().map(|record| after(manifest, record)).collect()
}

fn after(manifest: &Manifest, record: &Record) -> AfterHead {
    // An op that a newer version writes may take anything away.
    let only_adds = matches!(
        record.op,
        Op::Rotate | Op::Import | Op::Hold | Op::Restore | Op::Upload | Op::Conflict
    );
    AfterHead {
        record: record.seq,
        time: record.time,
        op: record.op.clone(),
        by: record.by.as_ref().map(|by| format!("{}@{}", by.user, by.host)),
        what: what(manifest, record),
        reason: record.reason.clone().or_else(|| record.note.clone()),
        takes_away: !only_adds,
    }
}

fn what(manifest: &Manifest, record: &Record) -> Option<String> {
    match record.op {
        Op::Hold => Some(format!("hold {} on {}", record.seq, Hold::of(record).scope)),
        Op::Release => record.hold.map(|id| {
            let held = manifest.records().iter().find(|held| held.seq == id);
            match held.filter(|held| held.op == Op::Hold) {
                Some(held) => format!("hold {id} on {}", Hold::of(held).scope),
                None => format!("hold {id}"),
            }
        }),
        _ => record
            .segment
            .as_ref()
            .map(ToString::to_string)
            .or_else(|| record.path.clone())
            .or_else(|| record.date.map(|date| date.to_string())),
    }
}

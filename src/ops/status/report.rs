//! The status of a history as it is asked for and reported.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::archive::{Expired, SegmentName};
use crate::event::{Date, Timestamp};
use crate::ops::metrics::LastEnd;
use crate::ops::prune::PrunePlan;
use crate::ops::rotate::PlannedDay;
use crate::ops::{Finding, is_zero};

/// Options of a status report.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StatusOptions {
    /// The start of what counts as new.
    pub since: Timestamp,
    /// The first day of the calendar.
    pub calendar_from: Date,
    /// True if the caller vouches for [`Context::now`](crate::Context::now).
    pub trust_now: bool,
    /// The directory of events that could not be placed, if there is one.
    pub spool: Option<PathBuf>,
    /// The file in which runs leave their metrics, if there is one.
    pub metrics: Option<PathBuf>,
}

impl StatusOptions {
    /// Counts as new what was recorded since then, with a calendar of the days since.
    pub fn since(since: Timestamp) -> Self {
        let calendar_from = since.date();
        Self { since, calendar_from, trust_now: false, spool: None, metrics: None }
    }
}

/// The live half.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LiveStatus {
    /// Number of days with files.
    pub days: u64,
    /// Number of files that may be events.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// The earliest day.
    pub first_day: Option<Date>,
    /// The latest day.
    pub last_day: Option<Date>,
}

/// The archived half.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ArchivedStatus {
    /// Number of days with a segment.
    pub days: u64,
    /// Number of segments.
    pub segments: u64,
    /// Number of the events in them.
    pub events: u64,
    /// Their size.
    pub bytes: u64,
    /// The factor by which the event files of the newest segments were larger.
    pub ratio: Option<f64>,
    /// The earliest day.
    pub first_day: Option<Date>,
    /// The latest day.
    pub last_day: Option<Date>,
    /// Number of holds that were not released.
    pub holds: u64,
    /// Number of days of which they keep a segment.
    pub held_days: u64,
    /// Totals of what expired.
    pub expired: Option<Expired>,
    /// Number of segments whose remote copies are recorded; none if the policy asks for none.
    pub copied: Option<u64>,
    /// Number of segments that are only remote.
    pub elsewhere: u64,
    /// The first segment with an event that is dated later than now, which counts for nothing until
    /// then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub future: Option<Finding>,
}

/// The last time that an operation changed the archive.
#[derive(Debug, Clone, Serialize)]
pub struct LastRun {
    /// The time.
    pub time: Timestamp,
    /// The segment concerned.
    pub segment: Option<SegmentName>,
    /// The user and the host that ran it.
    pub by: Option<String>,
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CalendarDay {
    /// Number of events, archived or live; if the day is both, the larger number.
    pub events: u64,
    /// True if any of it is archived.
    pub archived: bool,
    /// True if a hold keeps any of it.
    pub held: bool,
    /// True if events came after it was archived.
    pub late: bool,
    /// Number of archived files of it that are not events.
    pub invalid: u64,
}

/// The status of a history.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// The live half.
    pub live: LiveStatus,
    /// The archived half.
    pub archived: ArchivedStatus,
    /// The last rotate that archived something.
    pub last_rotate: Option<LastRun>,
    /// The last prune that expired something.
    pub last_prune: Option<LastRun>,
    /// The outcome of the last run of each operation, as far as it is known.
    pub last_runs: BTreeMap<&'static str, LastEnd>,
    /// The days that the next rotate will work on.
    pub next_rotate: Vec<PlannedDay>,
    /// The plan of the next prune.
    pub next_prune: PrunePlan,
    /// Number of files that are not events, archived since the options' time.
    pub new_invalid: u64,
    /// Number of conflicts recorded since the options' time.
    pub new_conflicts: u64,
    /// Number of events that wait in the spool.
    #[serde(skip_serializing_if = "is_zero")]
    pub spooled: u64,
    /// Problems that need attention.
    pub findings: Vec<Finding>,
    /// True if the tree's archive is not here.
    #[serde(skip)]
    pub is_away: bool,
    /// The days of the calendar with anything to show.
    #[serde(skip)]
    pub calendar: BTreeMap<Date, CalendarDay>,
}

//! A question to the history: which events, in which order, how many, of which half.

use super::{Filter, Order, PageCursor};
use crate::event::Date;

/// The part of the history that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Live and archived.
    #[default]
    Everything,
    /// Only plain files.
    Live,
    /// Only segments.
    Archived,
}

impl Scope {
    pub(super) fn live(self) -> bool {
        self != Self::Archived
    }

    pub(super) fn archived(self) -> bool {
        self != Self::Live
    }
}

/// A question to the history.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Conditions on the events.
    pub filter: Filter,
    /// Only events filed under these days; empty for all. `filter.since` and `until` apply to
    /// timestamps, whatever day the events are filed under.
    pub dates: Vec<Date>,
    /// No events filed under these days, which ascend.
    pub except: Vec<Date>,
    /// Earliest or latest first.
    pub order: Order,
    /// Only what comes after this place, in the query's order.
    pub after: Option<PageCursor>,
    /// The maximum number of events.
    pub limit: Option<u64>,
    /// Live, archived or both.
    pub scope: Scope,
    /// Days one after the other: an event is given within a day of the day it is filed under, and
    /// a day's events in the order of their timestamps.
    pub day_by_day: bool,
    /// Only this machine's own archive, without mirrored archives of other hosts.
    pub own_only: bool,
    /// Reads the manifest itself and no derived files: for callers that must miss nothing, even
    /// while one of these is damaged or forged.
    pub by_manifest: bool,
}

impl Query {
    /// Reports whether events filed under this day are wanted.
    pub(super) fn wants_partition(&self, date: Date) -> bool {
        (self.dates.is_empty() || self.dates.contains(&date))
            && self.except.binary_search(&date).is_err()
    }

    /// Reports whether the day, or an adjacent one, is wanted.
    pub(super) fn wants(&self, date: Date) -> bool {
        let since = self.filter.since.map(|since| since.date().plus_days(-1));
        let until = self.filter.until.map(|until| until.date().plus_days(1));
        self.wants_partition(date)
            && since.is_none_or(|since| date >= since)
            && until.is_none_or(|until| date <= until)
    }
}

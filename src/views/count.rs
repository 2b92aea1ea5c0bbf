//! Counts of events by the values of their fields.

use std::collections::HashMap;

use crate::event::{Date, Timestamp};

/// The number of different groups that are kept; events of further groups are counted together.
pub(crate) const MAX_GROUPS: usize = 1_000_000;

/// A stretch of time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Period {
    /// An hour of a day.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday on.
    Week,
    /// A month.
    Month,
}

impl Period {
    /// All periods.
    pub(crate) const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Returns the period's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Returns the first instant of the period that an instant is in.
    pub(crate) fn begin(self, time: Timestamp) -> Timestamp {
        match self {
            Self::Hour => {
                let hour = 3_600_000_000;
                Timestamp::from_micros(time.micros().div_euclid(hour) * hour)
            }
            _ => self.first_day(time.date()).start(),
        }
    }

    /// Returns the first day of the period that a day is in.
    pub(crate) fn first_day(self, date: Date) -> Date {
        match self {
            Self::Hour | Self::Day => date,
            Self::Week => date.plus_days(-i64::from(date.weekday_from_monday())),
            Self::Month => date.plus_days(1 - i64::from(date.day())),
        }
    }

    /// Returns how an answer names the period that begins then.
    pub(crate) fn label(self, begin: Timestamp) -> String {
        let text = begin.to_string();
        let length = match self {
            Self::Hour => return format!("{}:00", &text[..13]),
            Self::Day | Self::Week => 10,
            Self::Month => 7,
        };
        text[..length].to_owned()
    }
}

/// The key of a group: the period, if any, and the value of each field, as far as events have it.
pub(crate) type Group = (Option<Timestamp>, Box<[Option<Box<str>>]>);

/// The totals of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Total {
    /// The number of events.
    pub(crate) events: u64,
    /// The last day with one of them.
    pub(crate) last: Date,
}

/// Counts by group. Memory grows with the number of groups, up to [`MAX_GROUPS`].
#[derive(Debug, Default)]
pub(crate) struct Tally {
    groups: HashMap<Group, Total>,
    /// Events of groups that are not kept.
    beyond: u64,
}

impl Tally {
    /// Adds events of a group, the last of them of this day.
    pub(crate) fn add(&mut self, group: Group, events: u64, last: Date) {
        let is_full = self.groups.len() >= MAX_GROUPS;
        if let Some(total) = self.groups.get_mut(&group) {
            total.events = total.events.saturating_add(events);
            total.last = total.last.max(last);
        } else if is_full {
            self.beyond = self.beyond.saturating_add(events);
        } else {
            self.groups.insert(group, Total { events, last });
        }
    }

    /// Adds what another tally counted.
    pub(crate) fn merge(&mut self, other: Self) {
        self.beyond = self.beyond.saturating_add(other.beyond);
        for (group, total) in other.groups {
            self.add(group, total.events, total.last);
        }
    }

    /// Returns the number of all events, and that of those whose groups are not kept.
    pub(crate) fn events(&self) -> (u64, u64) {
        let kept = self.groups.values().fold(0_u64, |sum, total| sum.saturating_add(total.events));
        (kept.saturating_add(self.beyond), self.beyond)
    }

    /// Returns the groups, those with a period by time, and then the largest first.
    pub(crate) fn sorted(self) -> Vec<(Group, Total)> {
        let mut all: Vec<(Group, Total)> = self.groups.into_iter().collect();
        all.sort_unstable_by(|(a, x), (b, y)| {
            (a.0, std::cmp::Reverse(x.events), &a.1).cmp(&(b.0, std::cmp::Reverse(y.events), &b.1))
        });
        all
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_period_begins_at_its_first_instant() {
        let time: Timestamp = "2026-05-16T10:11:12Z".parse().unwrap();
        for (period, label) in [
            (Period::Hour, "2026-05-16T10:00"),
            (Period::Day, "2026-05-16"),
            (Period::Week, "2026-05-11"),
            (Period::Month, "2026-05"),
        ] {
            assert_eq!(period.label(period.begin(time)), label);
            assert_eq!(period.begin(period.begin(time)), period.begin(time));
        }
        let sunday: Timestamp = "1969-12-28T23:59:59Z".parse().unwrap();
        assert_eq!(Period::Week.label(Period::Week.begin(sunday)), "1969-12-22");
    }

    #[test]
    fn what_is_counted_in_parts_is_what_is_counted_at_once() {
        let day: Date = "2026-05-16".parse().unwrap();
        let group = |name: &str| -> Group { (None, Box::new([Some(name.into())])) };
        let (mut all, mut part) = (Tally::default(), Tally::default());
        all.add(group("web"), 2, day);
        part.add(group("nas"), 5, day);
        part.add(group("web"), 1, day.plus_days(1));
        all.merge(part);
        assert_eq!(all.events(), (8, 0));
        let sorted = all.sorted();
        assert_eq!(sorted[0].0, group("nas"));
        assert_eq!(sorted[1].1, Total { events: 3, last: day.plus_days(1) });
    }
}

//! The calendar day that names a partition.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate};

use super::{Malformed, serde_as_text, shown};

/// A UTC day between 0001-01-01 and 9999-12-31, written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(NaiveDate);

impl Date {
    /// Returns the day with this year, month and day, if it exists.
    pub fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        (1..=9999).contains(&year).then_some(Self(date))
    }

    /// Returns the calendar year, which names the archive's folder.
    pub(crate) fn year(self) -> i32 {
        self.0.year()
    }

    /// Returns the month, 1 to 12.
    pub(crate) fn month(self) -> u32 {
        self.0.month()
    }

    /// Returns the day of the month, 1 to 31.
    pub(crate) fn day(self) -> u32 {
        self.0.day()
    }

    /// Returns the number of days since Monday, 0 to 6.
    pub(crate) fn weekday_from_monday(self) -> u32 {
        self.0.weekday().num_days_from_monday()
    }

    /// Returns the day `days` later (earlier if negative), clamped to the range of dates.
    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        let moved = if days.is_negative() {
            self.0.checked_sub_days(Days::new(days.unsigned_abs()))
        } else {
            self.0.checked_add_days(Days::new(days.unsigned_abs()))
        };
        let limit = if days.is_negative() { (1, 1, 1) } else { (9999, 12, 31) };
        moved
            .filter(|date| (1..=9999).contains(&date.year()))
            .or_else(|| NaiveDate::from_ymd_opt(limit.0, limit.1, limit.2))
            .map_or(self, Self)
    }

    /// Returns the number of days from `other` to `self`.
    pub fn days_since(self, other: Self) -> i64 {
        (self.0 - other.0).num_days()
    }

    /// Returns its ten characters, without allocating.
    pub(crate) fn text(self) -> DateText {
        let (year, month, day) = (self.year().unsigned_abs(), self.month(), self.day());
        let digit = |number: u32, unit: u32| b'0' + (number / unit % 10) as u8;
        DateText([
            digit(year, 1000),
            digit(year, 100),
            digit(year, 10),
            digit(year, 1),
            b'-',
            digit(month, 10),
            digit(month, 1),
            b'-',
            digit(day, 10),
            digit(day, 1),
        ])
    }

    pub(super) fn naive(self) -> NaiveDate {
        self.0
    }

    pub(super) fn from_naive(date: NaiveDate) -> Option<Self> {
        Self::new(date.year(), date.month(), date.day())
    }
}

/// The text of a date.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DateText([u8; 10]);

impl DateText {
    pub(crate) fn as_str(&self) -> &str {
        // Digits and dashes are always text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

serde_as_text!(Date: "a day");

impl FromStr for Date {
    type Err = Malformed;

    /// Accepts exactly `YYYY-MM-DD` of a day that exists.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes = text.as_bytes();
        let digits = |range: std::ops::Range<usize>| {
            let part = &bytes[range];
            part.iter().all(u8::is_ascii_digit).then(|| {
                part.iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'))
            })
        };
        let parsed = if bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-' {
            match (digits(0..4), digits(5..7), digits(8..10)) {
                (Some(year), Some(month), Some(day)) => Self::new(year as i32, month, day),
                _ => None,
            }
        } else {
            None
        };
        parsed.ok_or_else(|| {
            Malformed::new(format!("\"{}\" is not a day: expected YYYY-MM-DD", shown(text)))
        })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_days_that_exist_are_dates() {
        assert_eq!("2026-05-16".parse::<Date>().unwrap().to_string(), "2026-05-16");
        assert!("2024-02-29".parse::<Date>().is_ok());
        for bad in [
            "2026-02-30",
            "2026-2-3",
            "20260516",
            "2026-05-16 ",
            "0000-01-01",
            "",
            "२०२६-०५",
            "2026-05/16",
            "2026/05-16",
            "2o26-05-16",
            "2026-o5-16",
            "2026-05-1o",
            "2026-05-1:",
        ] {
            assert!(bad.parse::<Date>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_has_its_parts_and_its_borders() {
        let day: Date = "2026-05-16".parse().unwrap();
        assert_eq!((day.year(), day.month(), day.day()), (2026, 5, 16));
        assert_eq!(day.weekday_from_monday(), 5);
        assert_eq!(day.start().to_string(), "2026-05-16T00:00:00.000000Z");
        assert_eq!(day.end().to_string(), "2026-05-17T00:00:00.000000Z");
        assert_eq!(Date::new(2026, 5, 16), Some(day));
        assert_eq!((Date::new(0, 1, 1), Date::new(10_000, 1, 1)), (None, None));
        assert_eq!("0999-01-02".parse::<Date>().unwrap().to_string(), "0999-01-02");
    }

    #[test]
    fn days_are_counted_both_ways() {
        let day: Date = "2024-02-28".parse().unwrap();
        for (days, wanted) in [(0, "2024-02-28"), (2, "2024-03-01"), (-59, "2023-12-31")] {
            let moved = day.plus_days(days);
            assert_eq!(moved.to_string(), wanted);
            assert_eq!((moved.days_since(day), day.days_since(moved)), (days, -days));
        }
    }

    #[test]
    fn moving_past_the_calendar_stops_at_its_edge() {
        let last: Date = "9999-12-31".parse().unwrap();
        assert_eq!(last.plus_days(5), last);
        assert_eq!(last.plus_days(i64::MAX), last);
        let first: Date = "0001-01-01".parse().unwrap();
        assert_eq!((first.plus_days(-1), first.plus_days(i64::MIN)), (first, first));
        assert_eq!("2026-03-01".parse::<Date>().unwrap().plus_days(-1).to_string(), "2026-02-28");
    }
}

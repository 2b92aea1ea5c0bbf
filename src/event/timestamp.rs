//! Instants at the resolution of events: microseconds, UTC.

use std::fmt;
use std::ops::{Deref, Range};
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};

use super::{Date, Malformed, serde_as_text, shown};

/// Microseconds since 1970-01-01T00:00:00Z, between the years 1 and 9999.
///
/// Displayed as `2026-05-16T10:11:12.123456Z`. Parsing truncates finer digits, so an event never
/// moves into the next second or day; for the same reason a leap second counts as the last
/// microsecond of its minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Microseconds in a day.
    pub(crate) const MICROS_PER_DAY: i64 = 86_400_000_000;
    /// Microseconds in a second.
    pub(crate) const MICROS_PER_SECOND: i64 = 1_000_000;
    /// The first instant of the year 1.
    pub(crate) const MIN: Self = Self(Self::MIN_MICROS);
    /// The last instant of the year 9999.
    pub(crate) const MAX: Self = Self(Self::MAX_MICROS);
    const MIN_MICROS: i64 = -62_135_596_800_000_000;
    const MAX_MICROS: i64 = 253_402_300_799_999_999;

    /// Returns the instant this many microseconds after the Unix epoch, clamped to the years 1 to
    /// 9999.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(Self::MIN_MICROS, Self::MAX_MICROS))
    }

    /// Returns the microseconds since the Unix epoch; negative before it.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, rounded down.
    pub(crate) fn seconds(self) -> i64 {
        self.0.div_euclid(Self::MICROS_PER_SECOND)
    }

    /// Returns the UTC day that contains the instant.
    pub fn date(self) -> Date {
        Date::from_naive(self.to_chrono().date_naive()).unwrap_or_else(|| {
            // Unreachable: the value is clamped to the years 1 to 9999.
            Date::from_naive(NaiveDate::default()).unwrap_or_else(|| unreachable!())
        })
    }

    /// Returns the form used in file names: `20260516T101112.123456Z`.
    pub(crate) fn to_name(self) -> String {
        let digits = self.digits();
        let mut name = String::with_capacity(23);
        for part in [&digits[..8], "T", &digits[8..14], ".", &digits[14..], "Z"] {
            name.push_str(part);
        }
        name
    }

    /// Returns year, month, day, hour, minute, second and microseconds as 20 digits. Written by
    /// hand, not by a formatter, since a day has many names.
    fn digits(self) -> Digits {
        let t = self.to_chrono();
        let mut digits = Digits([b'0'; 20]);
        digits.put(0..4, t.year().unsigned_abs());
        digits.put(4..6, t.month());
        digits.put(6..8, t.day());
        digits.put(8..10, t.hour());
        digits.put(10..12, t.minute());
        digits.put(12..14, t.second());
        digits.put(14..20, t.timestamp_subsec_micros());
        digits
    }

    /// Returns the time of day as `HH:MM:SS`.
    pub(crate) fn clock(self) -> String {
        let t = self.to_chrono();
        format!("{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second())
    }

    fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(DateTime::UNIX_EPOCH)
    }
}

struct Digits([u8; 20]);

impl Digits {
    fn put(&mut self, place: Range<usize>, mut number: u32) {
        for digit in self.0[place].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    }
}

impl Deref for Digits {
    type Target = str;

    fn deref(&self) -> &str {
        // Digits are always text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<std::time::SystemTime> for Timestamp {
    fn from(time: std::time::SystemTime) -> Self {
        let micros = |d: std::time::Duration| i64::try_from(d.as_micros()).unwrap_or(i64::MAX);
        match time.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => Self::from_micros(micros(after)),
            Err(before) => Self::from_micros(-micros(before.duration())),
        }
    }
}

serde_as_text!(Timestamp: "a timestamp");

/// The instants of a day.
impl Date {
    /// Returns the day's first instant.
    pub fn start(self) -> Timestamp {
        Timestamp::from_micros(self.naive().and_time(NaiveTime::MIN).and_utc().timestamp_micros())
    }

    /// Returns the first instant after the day.
    pub fn end(self) -> Timestamp {
        Timestamp::from_micros(self.start().micros() + Timestamp::MICROS_PER_DAY)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let d = self.digits();
        let (date, clock) = ([&d[..4], &d[4..6], &d[6..8]], [&d[8..10], &d[10..12], &d[12..14]]);
        for part in [
            date[0],
            "-",
            date[1],
            "-",
            date[2],
            "T",
            clock[0],
            ":",
            clock[1],
            ":",
            clock[2],
            ".",
            &d[14..],
            "Z",
        ] {
            f.write_str(part)?;
        }
        Ok(())
    }
}

impl FromStr for Timestamp {
    type Err = Malformed;

    /// Accepts ISO 8601 dates with a time, in basic (`20260516T101112Z`) or extended
    /// (`2026-05-16T10:11:12.5+02:00`) form, to the minute or finer. A space may replace the `T`;
    /// without an offset the time is UTC.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        parse(text).ok_or_else(|| {
            Malformed::new(format!(
                "\"{}\" is not a timestamp: expected ISO 8601, such as 2026-05-16T10:11:12Z",
                shown(text)
            ))
        })
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.len() > 64 {
        return None;
    }
    let mut rest = TextScanner(text.as_bytes());
    let year = rest.digits(4)?;
    let dashes = rest.take(b'-');
    let month = rest.digits(2)?;
    if dashes != rest.take(b'-') {
        return None;
    }
    let day = rest.digits(2)?;
    if !(rest.take(b'T') || rest.take(b't') || rest.take(b' ')) {
        return None;
    }
    let hour = rest.digits(2)?;
    let colons = rest.take(b':');
    let minute = rest.digits(2)?;
    let has_seconds = if colons { rest.take(b':') } else { rest.digit_next() };
    let second = if has_seconds { rest.digits(2)? } else { 0 };
    let micros = if has_seconds && (rest.take(b'.') || rest.take(b',')) {
        rest.fraction_micros()?
    } else {
        0
    };
    let offset_seconds = rest.offset()?;
    if !rest.0.is_empty() {
        return None;
    }
    let (second, micros) = if second == 60 { (59, 999_999) } else { (second, micros) };
    let date = NaiveDate::from_ymd_opt(year as i32, month, day)?;
    let time = NaiveTime::from_hms_micro_opt(hour, minute, second, micros)?;
    let local = NaiveDateTime::new(date, time).and_utc().timestamp_micros();
    let utc = local - i64::from(offset_seconds) * Timestamp::MICROS_PER_SECOND;
    (Timestamp::MIN_MICROS..=Timestamp::MAX_MICROS).contains(&utc).then_some(Timestamp(utc))
}

/// The rest of the text.
struct TextScanner<'a>(&'a [u8]);

impl TextScanner<'_> {
    fn take(&mut self, byte: u8) -> bool {
        let there = self.0.first() == Some(&byte);
        if there {
            self.0 = &self.0[1..];
        }
        there
    }

    fn digit_next(&self) -> bool {
        self.0.first().is_some_and(u8::is_ascii_digit)
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let (head, tail) = self.0.split_at_checked(count)?;
        let mut number = 0;
        for byte in head {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u32::from(byte - b'0');
        }
        self.0 = tail;
        Some(number)
    }

    fn fraction_micros(&mut self) -> Option<u32> {
        let count = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, tail) = self.0.split_at(count);
        self.0 = tail;
        (count > 0).then(|| {
            (0..6).fold(0, |micros, i| {
                micros * 10 + digits.get(i).map_or(0, |digit| u32::from(digit - b'0'))
            })
        })
    }

    /// Reads `Z`, `+HH`, `+HHMM`, `+HH:MM` (or `-`), or nothing; returns seconds east of UTC.
    fn offset(&mut self) -> Option<i32> {
        if self.0.is_empty() || self.take(b'Z') || self.take(b'z') {
            return Some(0);
        }
        let sign = if self.take(b'+') {
            1
        } else if self.take(b'-') {
            -1
        } else {
            return None;
        };
        let hours = self.digits(2)?;
        let colon = self.take(b':');
        let minutes = if colon || self.digit_next() { self.digits(2)? } else { 0 };
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60) as i32)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn basic_and_extended_forms_are_read() {
        for (text, wanted) in [
            ("2026-05-16T10:11:12.123456Z", "2026-05-16T10:11:12.123456Z"),
            ("20260516T101112.123456Z", "2026-05-16T10:11:12.123456Z"),
            ("20260516T101112Z", "2026-05-16T10:11:12.000000Z"),
            ("2026-05-16T10:11Z", "2026-05-16T10:11:00.000000Z"),
            ("2026-05-16 10:11:12,5", "2026-05-16T10:11:12.500000Z"),
            ("2026-05-16T00:30:00+02:00", "2026-05-15T22:30:00.000000Z"),
            ("20260516T003000-0130", "2026-05-16T02:00:00.000000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
            ("2026-05-16T23:59:59.999999999Z", "2026-05-16T23:59:59.999999Z"),
            ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"),
            ("20260516t1011z", "2026-05-16T10:11:00.000000Z"),
            ("2026-05-16T10:11:12.1234567Z", "2026-05-16T10:11:12.123456Z"),
            ("2026-05-16T10:11:12+05", "2026-05-16T05:11:12.000000Z"),
            ("2026-05-16T10:11:12-0545", "2026-05-16T15:56:12.000000Z"),
            ("2026-05-16T10:11:12+23:59", "2026-05-15T10:12:12.000000Z"),
            ("2026-05-16T10:11+01:00", "2026-05-16T09:11:00.000000Z"),
            // The longest.
            (&format!("2026-05-16T10:11:12.{:043}Z", 0), "2026-05-16T10:11:12.000000Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), wanted, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for bad in [
            "",
            "2026-05-16",
            "2026-0516T10:11:12Z",
            "2026-02-30T00:00:00Z",
            "2026-05-16T24:00:00Z",
            "2026-05-16T10:11:12.Z",
            "2026-05-16T10:11:12Zx",
            "0000-01-01T00:00:00Z",
            "now",
            "2026-05-16T10:11:12+25:00",
            "2026-05-16T10:11:12+24:00",
            "2026-05-16T10:11:12+01:60",
            "2026-05-16T10:11:12+1",
            "2026-05-16T10:11:12+01:",
            "2026-05-16T10:11:12+",
            "2026-05-16T10:11:12*01",
            "202605-16T10:11:12Z",
            "2026-05-16_10:11:12Z",
            "2026-05-16T1O:11:12Z",
            "2026-05-16T10:11:",
            "2026-05-16T10:60:12Z",
            "2026-05-16T10:11:61Z",
            "2026-13-16T10:11:12Z",
            "2026-05-16T10:11:12.00000000000000000000000000000000000000000000Z",
            "२०२६-०५-१६T10:11:12Z",
        ] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_instant_has_its_parts() {
        let when: Timestamp = "2026-05-06T07:08:09.000001Z".parse().unwrap();
        assert_eq!(when.micros(), 1_778_051_289_000_001);
        assert_eq!(when.seconds(), 1_778_051_289);
        assert_eq!(when.clock(), "07:08:09");
        assert_eq!(when.to_name(), "20260506T070809.000001Z");
        assert_eq!(Timestamp::from_micros(-1).seconds(), -1);
        assert_eq!(Timestamp::from_micros(-1).date().to_string(), "1969-12-31");
    }

    #[test]
    fn instants_are_kept_between_the_years_1_and_9999() {
        for (micros, text) in
            [(i64::MIN, "0001-01-01T00:00:00.000000Z"), (i64::MAX, "9999-12-31T23:59:59.999999Z")]
        {
            let edge = Timestamp::from_micros(micros);
            assert_eq!((edge.to_string().as_str(), text.parse()), (text, Ok(edge)));
        }
        assert!("9999-12-31T23:59:59-00:01".parse::<Timestamp>().is_err());
        assert!("0001-01-01T00:00:00+00:01".parse::<Timestamp>().is_err());
    }

    #[test]
    fn the_systems_time_is_taken_over_before_and_after_1970() {
        use std::time::{Duration, SystemTime};
        let apart = Duration::from_millis(1500);
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH + apart).micros(), 1_500_000);
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH - apart).micros(), -1_500_000);
    }

    #[test]
    fn the_name_form_sorts_as_the_instant_does() {
        let early: Timestamp = "2026-05-16T10:11:12.000009Z".parse().unwrap();
        let late: Timestamp = "2026-05-16T10:11:12.00001Z".parse().unwrap();
        assert!(early < late && early.to_name() < late.to_name());
        assert_eq!(early.to_name(), "20260516T101112.000009Z");
        assert_eq!(early.date().to_string(), "2026-05-16");
        assert_eq!(early.to_name().parse::<Timestamp>().unwrap(), early);
    }
}

//! Durations, sizes and percentages, as people write them.

use std::fmt;
use std::str::FromStr;

/// A length of time in whole seconds, written `7d`, `12h`, `2y`, `6 months` or `1h30m`.
///
/// A month has 30 days and a year 365, whatever the calendar says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

/// The reason a text is not a span.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// It is not a length of time.
    #[error("that is not a length of time, such as \"7d\", \"12h\", \"6 months\" or \"1h30m\"")]
    Malformed,
    /// `M` is a month to some and a minute to others.
    #[error(
        "M is ambiguous; did you mean {0}m ({minute}) or \"{0} {month}\"?",
        minute = if *.0 == 1 { "minute" } else { "minutes" },
        month = if *.0 == 1 { "month" } else { "months" }
    )]
    CapitalM(u64),
}

/// The names of each unit and its seconds; the longest unit first.
const UNITS: [(&[&str], u64); 7] = [
    (&["y", "yr", "yrs", "year", "years"], 365 * 86_400),
    (&["mo", "month", "months"], 30 * 86_400),
    (&["w", "wk", "wks", "week", "weeks"], 7 * 86_400),
    (&["d", "day", "days"], 86_400),
    (&["h", "hr", "hrs", "hour", "hours"], 3600),
    (&["m", "min", "mins", "minute", "minutes"], 60),
    (&["s", "sec", "secs", "second", "seconds"], 1),
];

/// The units in which a span is shown. The month is missing: older programs read recorded
/// policies, and do not know it.
const SHOWN_UNITS: [(&str, u64); 6] =
    [("y", 365 * 86_400), ("w", 7 * 86_400), ("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];

impl Span {
    /// Returns a span of this many seconds.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the length in microseconds, unless that is longer than time can be told.
    pub(crate) fn micros(self) -> Option<i64> {
        i64::try_from(self.0).ok()?.checked_mul(1_000_000)
    }

    /// Returns the length in seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Span {
    type Err = SpanError;

    /// Parses numbers with their units, each unit smaller than the one before it.
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let mut rest = text.trim();
        let mut before = u64::MAX;
        let mut total: u64 = 0;
        loop {
            let (number, after) = split(rest).ok_or(SpanError::Malformed)?;
            let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (unit, after) = after.split_at(letters);
            if unit == "M" {
                return Err(SpanError::CapitalM(number));
            }
            let unit = unit.to_ascii_lowercase();
            let (_, seconds) = UNITS
                .into_iter()
                .find(|(names, seconds)| names.contains(&unit.as_str()) && *seconds < before)
                .ok_or(SpanError::Malformed)?;
            total = number
                .checked_mul(seconds)
                .and_then(|part| total.checked_add(part))
                .ok_or(SpanError::Malformed)?;
            before = seconds;
            rest = after.trim_start();
            if rest.is_empty() {
                return Ok(Self(total));
            }
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: u64| self.0 >= unit && self.0.is_multiple_of(unit);
        match SHOWN_UNITS.into_iter().find(|(_, unit)| fits(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}s", self.0),
        }
    }
}

/// Parses `256KiB`, `20GiB`, `1MB` or `512B`: units with an `i` are binary, those without
/// decimal.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// Parses `10%` or `2.5%`.
pub(super) fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim_end();
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !number.is_empty();
    plain.then(|| number.parse().ok()).flatten()
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_of_time_is_so_many_seconds_and_shown_as_the_largest_that_fits() {
        for (text, seconds) in [
            ("2y", 63_072_000),
            ("3w", 1_814_400),
            ("6d", 518_400),
            ("5h", 18_000),
            ("7min", 420),
            ("90s", 90),
            ("0s", 0),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.seconds(), span.to_string().as_str()), (seconds, text));
        }
        assert_eq!(Span::from_seconds(7 * 86_400).to_string(), "1w");
    }

    #[test]
    fn durations_are_understood_as_people_write_them() {
        const DAY: u64 = 86_400;
        for (text, seconds) in [
            ("5 d", 5 * DAY),
            ("90 days", 90 * DAY),
            ("6 months", 180 * DAY),
            ("1 Month", 30 * DAY),
            ("6mo", 180 * DAY),
            ("2 years", 730 * DAY),
            ("3 weeks", 21 * DAY),
            ("1m", 60),
            ("1h30m", 5400),
            ("1h 30 min", 5400),
            ("1 year 6 months", 545 * DAY),
            ("2H", 7200),
            ("45 seconds", 45),
        ] {
            assert_eq!(text.parse::<Span>(), Ok(Span::from_seconds(seconds)), "{text}");
        }
        for bad in [
            "",
            "7",
            "d",
            "-1d",
            "1.5d",
            "99999999999999999y",
            "30m1h",
            "1h1h",
            "1h30",
            "h30m",
            "two days",
            "1 fortnight",
            "1y, 2d",
            "99999999999999999999s",
        ] {
            assert_eq!(bad.parse::<Span>(), Err(SpanError::Malformed), "{bad}");
        }
    }

    #[test]
    fn a_capital_m_is_asked_about_and_never_guessed() {
        for text in ["1M", "1 M", "1y1M"] {
            assert_eq!(text.parse::<Span>(), Err(SpanError::CapitalM(1)), "{text}");
        }
        let told = SpanError::CapitalM(6).to_string();
        assert_eq!(told, "M is ambiguous; did you mean 6m (minutes) or \"6 months\"?");
    }

    #[test]
    fn each_unit_of_size_is_so_many_bytes() {
        for (text, bytes) in [
            ("512B", 512),
            ("2kB", 2000),
            ("2KB", 2000),
            ("3MB", 3_000_000),
            ("4GB", 4_000_000_000),
            ("5TB", 5_000_000_000_000),
            ("6KiB", 6144),
            ("7MiB", 7_340_032),
            ("8 GiB", 8_589_934_592),
            ("9TiB", 9_895_604_649_984),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
            assert_eq!(size(&crate::text::exact_bytes(bytes)), Some(bytes), "{text}");
        }
        for bad in ["", "12", "KiB", "-1B", "1.5GiB", "1Gib", "99999999999TiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn percentages_are_plain_numbers_before_the_sign() {
        for (text, wanted) in
            [("10%", Some(10.0)), ("2.5%", Some(2.5)), ("0 %", Some(0.0)), ("100%", Some(100.0))]
        {
            assert_eq!(percent(text), wanted, "{text}");
        }
        for bad in ["", "%", "10", "-1%", "1e1%", "NaN%", "inf%", "1..2%"] {
            assert_eq!(percent(bad), None, "{bad}");
        }
    }
}

//! Durations, sizes and percentages, as people write them.

use std::fmt;

/// A stretch of time, in whole seconds, written `7d`, `12h` or `2y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(u64);

const SECOND_UNITS: [(&str, u64); 6] =
    [("y", 365 * 86_400), ("w", 7 * 86_400), ("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];

impl Span {
    /// So many seconds.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// In seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let (_, seconds) = SECOND_UNITS.into_iter().find(|(name, _)| *name == unit)?;
        number.checked_mul(seconds).map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: u64| self.0 >= unit && self.0.is_multiple_of(unit);
        match SECOND_UNITS.into_iter().find(|(_, unit)| fits(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}s", self.0),
        }
    }
}

/// `256KiB`, `20GiB`, `1MB`, `512B`: binary units with an `i`, decimal without.
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

/// A size in the largest binary unit that fits it exactly, as [`size`] reads it.
pub(super) fn size_in_words(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// `10%` or `2.5%`.
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
            let span = Span::parse(text).unwrap();
            assert_eq!((span.seconds(), span.to_string().as_str()), (seconds, text));
        }
        assert_eq!(Span::from_seconds(7 * 86_400).to_string(), "1w");
        assert_eq!(Span::parse("5 d").unwrap(), Span::from_seconds(432_000));
        for bad in ["", "7", "d", "-1d", "1.5d", "1m", "1month", "99999999999999999y"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
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
            assert_eq!(size(&size_in_words(bytes)), Some(bytes), "{text}");
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

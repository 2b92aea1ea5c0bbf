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

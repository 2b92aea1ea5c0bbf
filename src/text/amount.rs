//! Amounts in words: sizes, stretches of time, numbers of things.

/// Returns a size for people, in binary units with one decimal: `1000 B`, `1.5 KiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded up to 1024 is one of the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Returns a size as a policy says it, exactly and in the largest binary unit that divides
/// it: `20GiB`, `1025B`.
pub(crate) fn exact_bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match UNITS.into_iter().find(|(_, unit)| count >= *unit && count.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", count / unit),
        None => format!("{count}B"),
    }
}

/// Returns a stretch of time, given in microseconds, in its two largest units: `1.250s`,
/// `3m05s`, `2h07m`, `1d02h`.
pub(crate) fn span(micros: i64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0..60 => format!("{}.{:03}s", seconds, micros % 1_000_000 / 1000),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Returns a stretch of time from some beginning, with its sign: `+0.000s`, `-1d02h`.
pub(crate) fn offset(micros: i64) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    format!("{sign}{}", span(micros.saturating_abs()))
}

/// Returns a number with what is counted: `1 event`, `2 events`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", verb(number, "", "s"))
}

/// Returns the verb that goes with a number: `1 of them is`, `2 of them are`.
pub(crate) fn verb(number: u64, one: &'static str, more: &'static str) -> &'static str {
    if number == 1 { one } else { more }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_worded_as_people_read_them() {
        assert_eq!(bytes(1000), "1000 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(exact_bytes(20 << 30), "20GiB");
        assert_eq!(exact_bytes(1025), "1025B");
        assert_eq!(span(1_250_000), "1.250s");
        assert_eq!(span(185_000_000), "3m05s");
        assert_eq!(offset(0), "+0.000s");
        assert_eq!(offset(-93_600_000_000), "-1d02h");
        assert_eq!(count(1, "event"), "1 event");
        assert_eq!(count(2, "event"), "2 events");
        assert_eq!(verb(1, "is", "are"), "is");
        assert_eq!(verb(0, "is", "are"), "are");
        // What is rounded up to 1024 is one of the next unit.
        assert_eq!(bytes((1 << 20) - 1), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!((span(7_620_000_000), span(93_600_000_000)), ("2h07m".into(), "1d02h".into()));
    }
}

//! Times as people type them, relative to a given now. All in UTC, as events are.

use hlarchive::event::{Date, Timestamp, shown};

/// Which end of a stretch of time is meant; it matters for a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// A date means its first instant.
    Since,
    /// A date means the end of that day.
    Until,
}

/// Understands dates, ISO 8601 timestamps, `now`, `today`, `yesterday`, `tomorrow`, and
/// `2h ago` or `3 days ago`.
pub(super) fn parse(text: &str, now: Timestamp, bound: Bound) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(date) = parse_date(text, now) {
        return Ok(match bound {
            Bound::Since => date.start(),
            Bound::Until => date.end(),
        });
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if text.eq_ignore_ascii_case("now") {
        return Ok(now);
    }
    ago(text, now).ok_or_else(|| {
        format!(
            "\"{}\" is not a time: expected a date (2026-05-16), a timestamp \
             (2026-05-16T10:11:12Z), now, today, yesterday, or an age (\"2h ago\")",
            shown(text)
        )
    })
}

/// Understands a date, `today`, `yesterday` and `tomorrow`.
pub(super) fn parse_date(text: &str, now: Timestamp) -> Result<Date, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "today" => Ok(now.date()),
        "yesterday" => Ok(now.date().plus_days(-1)),
        "tomorrow" => Ok(now.date().plus_days(1)),
        other => other.parse().map_err(|_| {
            format!("\"{}\" is not a day: expected YYYY-MM-DD, today or yesterday", shown(text))
        }),
    }
}

/// `2h ago`, `90 minutes ago`, `-2h`; a bare `2h` means the same.
fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix("ago").unwrap_or(&text).trim();
    let text = text.strip_prefix('-').unwrap_or(text);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: i64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "week" | "weeks" => 7 * 86_400,
        "month" | "months" => 30 * 86_400,
        "y" | "year" | "years" => 365 * 86_400,
        _ => return None,
    };
    let micros = number.checked_mul(seconds)?.checked_mul(Timestamp::MICROS_PER_SECOND)?;
    Some(Timestamp::from_micros(now.micros().saturating_sub(micros)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str, bound: Bound) -> String {
        let now = "2026-05-16T10:00:00Z".parse().unwrap();
        parse(text, now, bound).unwrap().to_string()
    }

    #[test]
    fn times_are_understood_as_people_type_them() {
        for (text, wanted) in [
            ("2026-05-10", "2026-05-10T00:00:00.000000Z"),
            ("yesterday", "2026-05-15T00:00:00.000000Z"),
            ("Today", "2026-05-16T00:00:00.000000Z"),
            ("now", "2026-05-16T10:00:00.000000Z"),
            ("2h ago", "2026-05-16T08:00:00.000000Z"),
            ("90 minutes ago", "2026-05-16T08:30:00.000000Z"),
            ("-1d", "2026-05-15T10:00:00.000000Z"),
            ("1w", "2026-05-09T10:00:00.000000Z"),
            ("2026-05-16T12:00:00+02:00", "2026-05-16T10:00:00.000000Z"),
        ] {
            assert_eq!(at(text, Bound::Since), wanted, "{text}");
        }
    }

    #[test]
    fn until_a_date_means_the_end_of_that_day() {
        assert_eq!(at("2026-05-10", Bound::Until), "2026-05-11T00:00:00.000000Z");
        assert_eq!(at("2h ago", Bound::Until), "2026-05-16T08:00:00.000000Z");
    }

    #[test]
    fn other_words_are_refused_in_one_sentence() {
        let now = "2026-05-16T10:00:00Z".parse().unwrap();
        for bad in ["", "soon", "2 fortnights ago", "2026-13-01", "h ago", "99999999999999999y"] {
            let reason = parse(bad, now, Bound::Since).unwrap_err();
            assert!(reason.contains("is not a time"), "{reason}");
        }
    }
}

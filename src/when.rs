//! Times as people type them, relative to a given now. All in UTC, as events are.

use crate::event::{Date, Timestamp, shown};
use crate::policy::{Span, SpanError};

/// The end of a time range that is meant; it matters for a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A date means its first instant.
    Since,
    /// A date means the end of that day.
    Until,
}

/// Parses dates, ISO 8601 timestamps, `now`, `today`, `yesterday`, `tomorrow`, and `2h ago` or `3
/// days ago`.
pub(crate) fn parse(text: &str, now: Timestamp, bound: Bound) -> Result<Timestamp, String> {
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
    ago(text, now).map_err(|hint| {
        format!(
            "\"{}\" is not a time: {}",
            shown(text),
            hint.unwrap_or_else(|| {
                "expected a date (2026-05-16), a timestamp (2026-05-16T10:11:12Z), now, today, \
                 yesterday, or an age (\"2h ago\")"
                    .to_owned()
            })
        )
    })
}

/// Parses a date, `today`, `yesterday` and `tomorrow`.
pub(crate) fn parse_date(text: &str, now: Timestamp) -> Result<Date, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "today" => Ok(now.date()),
        "yesterday" => Ok(now.date().plus_days(-1)),
        "tomorrow" => Ok(now.date().plus_days(1)),
        other => other.parse().map_err(|_| {
            format!("\"{}\" is not a day: expected YYYY-MM-DD, today or yesterday", shown(text))
        }),
    }
}

/// Parses `2h ago`, `90 minutes ago`, `-2h`; a bare `2h` means the same. The error has a hint if
/// one can be given.
fn ago(text: &str, now: Timestamp) -> Result<Timestamp, Option<String>> {
    let cut = text.len().saturating_sub("ago".len());
    let text = match text.get(cut..) {
        Some(end) if end.eq_ignore_ascii_case("ago") => text.get(..cut).unwrap_or_default(),
        _ => text,
    };
    let text = text.trim();
    let text = text.strip_prefix('-').unwrap_or(text);
    let span: Span = text.parse().map_err(|error| match error {
        SpanError::Malformed => None,
        ambiguous @ SpanError::CapitalM(_) => Some(ambiguous.to_string()),
    })?;
    let micros = i64::try_from(span.seconds())
        .ok()
        .and_then(|seconds| seconds.checked_mul(Timestamp::MICROS_PER_SECOND))
        .ok_or(None)?;
    Ok(Timestamp::from_micros(now.micros().saturating_sub(micros)))
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
            ("1h30m ago", "2026-05-16T08:30:00.000000Z"),
            ("1 month ago", "2026-04-16T10:00:00.000000Z"),
            ("2 Weeks Ago", "2026-05-02T10:00:00.000000Z"),
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
        for month_or_minute in ["1M", "1M ago", "-1 M"] {
            let reason = parse(month_or_minute, now, Bound::Since).unwrap_err();
            assert!(reason.contains("did you mean 1m (minute) or \"1 month\"?"), "{reason}");
        }
    }
}

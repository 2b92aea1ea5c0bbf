//! Times as people type them, relative to a given now. All in UTC, as events are.
//!
//! | typed | meant |
//! |---|---|
//! | `2026-05-16`, `today`, `yesterday`, `tomorrow` | the day |
//! | `monday`, `last monday` | the latest Monday, today included; the latest before today |
//! | `2026-05`, `this week`, `last week`, `last month`, `last year` | the month, week (from Monday on) or year |
//! | `last night` | from 18:00 to 06:00, the latest that has begun |
//! | `03:00`, `3:00:30` | the latest such instant that has passed |
//! | `yesterday 02:50`, `monday 2:50`, `2026-05-16 02:50` | the instant of that day |
//! | `2026-05-16T10:11:12Z`, `@1778926272`, `now` | the instant |
//! | `2h ago`, `-2h`, `2h`, `1h30m ago`, `2mo`; `+2h` | so long before now; after now |

use crate::event::{Date, Timestamp, shown};
use crate::policy::{Span, SpanError};

/// The end of a time range that is meant; it matters for a day or a longer period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// A period means its first instant.
    Since,
    /// A period means its end.
    Until,
}

/// Parses a time.
pub(crate) fn parse(text: &str, now: Timestamp, bound: Bound) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some((start, end)) = period(text, now) {
        return Ok(if bound == Bound::Since { start } else { end });
    }
    if let Some(instant) = instant(text, now) {
        return Ok(instant);
    }
    ago(text, now).map_err(|hint| {
        format!(
            "\"{}\" is not a time: {}",
            shown(text),
            hint.unwrap_or_else(|| {
                "expected a date (2026-05-16), a timestamp (2026-05-16T10:11:12Z), now, today, \
                 yesterday 02:50, monday, last night, 03:00, or an age (\"2h ago\")"
                    .to_owned()
            })
        )
    })
}

/// Parses a day: a date, `today`, `yesterday`, `tomorrow`, or a day of the week.
pub(crate) fn parse_date(text: &str, now: Timestamp) -> Result<Date, String> {
    day(text.trim(), now.date()).ok_or_else(|| {
        format!("\"{}\" is not a day: expected YYYY-MM-DD, today, yesterday or monday", shown(text))
    })
}

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

fn day(text: &str, today: Date) -> Option<Date> {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "today" => return Some(today),
        "yesterday" => return Some(today.plus_days(-1)),
        "tomorrow" => return Some(today.plus_days(1)),
        _ => {}
    }
    let (name, since) = match text.strip_prefix("last ") {
        Some(name) => (name.trim_start(), 1),
        None => (text.as_str(), 0),
    };
    match WEEKDAYS.iter().position(|weekday| *weekday == name || weekday[..3] == *name) {
        Some(wanted) => {
            let latest = today.plus_days(-since);
            let back = (7 + i64::from(latest.weekday_from_monday()) - wanted as i64) % 7;
            Some(latest.plus_days(-back))
        }
        None => text.parse().ok(),
    }
}

/// Returns the first instant and the end of a day or a longer period.
fn period(text: &str, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let today = now.date();
    if let Some(day) = day(text, today) {
        return Some((day.start(), day.end()));
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let monday = today.plus_days(-i64::from(today.weekday_from_monday()));
    let (year, month) = (today.year(), today.month());
    let days = |first: Option<Date>, next: Option<Date>| Some((first?.start(), next?.start()));
    match words.as_slice() {
        ["last", "night"] => {
            let hours = |day: Date, hours: i64| {
                Timestamp::from_micros(day.start().micros() + hours * MICROS_PER_HOUR)
            };
            // In the evening, a night has begun.
            let evening = if now >= hours(today, 18) { today } else { today.plus_days(-1) };
            Some((hours(evening, 18), hours(evening.plus_days(1), 6)))
        }
        ["this", "week"] => days(Some(monday), Some(monday.plus_days(7))),
        ["last", "week"] => days(Some(monday.plus_days(-7)), Some(monday)),
        ["this", "month"] => days(first_of(year, month), first_after(year, month)),
        ["last", "month"] => {
            let last = today.plus_days(-i64::from(today.day()));
            days(first_of(last.year(), last.month()), first_of(year, month))
        }
        ["this", "year"] => days(first_of(year, 1), first_of(year + 1, 1)),
        ["last", "year"] => days(first_of(year - 1, 1), first_of(year, 1)),
        [month] => {
            let (year, month) = month.split_once('-')?;
            let (year, month) = (exactly(year, 4)?, exactly(month, 2)?);
            days(first_of(year as i32, month), first_after(year as i32, month))
        }
        _ => None,
    }
}

const MICROS_PER_HOUR: i64 = 3600 * Timestamp::MICROS_PER_SECOND;

fn first_of(year: i32, month: u32) -> Option<Date> {
    Date::new(year, month, 1)
}

fn first_after(year: i32, month: u32) -> Option<Date> {
    if month < 12 { first_of(year, month + 1) } else { first_of(year + 1, 1) }
}

/// Parses a number of exactly so many digits.
fn exactly(text: &str, digits: usize) -> Option<u32> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn instant(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text.eq_ignore_ascii_case("now") {
        return Some(now);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Some(seconds) = text.strip_prefix('@') {
        return of_seconds(seconds);
    }
    if let Some(micros) = clock(text) {
        let at = |day: Date| Timestamp::from_micros(day.start().micros() + micros);
        let today = at(now.date());
        return Some(if today <= now { today } else { at(now.date().plus_days(-1)) });
    }
    let (date, time) = text.rsplit_once([' ', 'T'])?;
    let day = day(date.trim_end(), now.date())?;
    Some(Timestamp::from_micros(day.start().micros() + clock(time)?))
}

/// Parses seconds since 1970, with up to six decimal places.
fn of_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole.strip_prefix('-').unwrap_or(whole))
        || !is_number(fraction)
        || fraction.len() > 6
    {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    let micros = whole.checked_mul(Timestamp::MICROS_PER_SECOND)?;
    let micros = if text.starts_with('-') { micros - fraction } else { micros + fraction };
    let time = Timestamp::from_micros(micros);
    (time.micros() == micros).then_some(time)
}

/// Parses `3:00`, `03:00` or `03:00:30`; returns the microseconds since midnight.
fn clock(text: &str) -> Option<i64> {
    let mut parts = text.split(':');
    let hour = parts.next().filter(|hour| (1..=2).contains(&hour.len()))?;
    let hour = exactly(hour, hour.len()).filter(|hour| *hour < 24)?;
    let minute = exactly(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = match parts.next() {
        Some(second) => exactly(second, 2).filter(|second| *second < 60)?,
        None => 0,
    };
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    parts.next().is_none().then_some(seconds * Timestamp::MICROS_PER_SECOND)
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
    let is_later = text.starts_with('+');
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let span: Span = text.parse().map_err(|error| match error {
        SpanError::Malformed => None,
        ambiguous @ SpanError::CapitalM(_) => Some(ambiguous.to_string()),
    })?;
    let micros = span.micros().ok_or(None)?;
    let micros = if is_later { -micros } else { micros };
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
            ("-30min", "2026-05-16T09:30:00.000000Z"),
            ("2mo", "2026-03-17T10:00:00.000000Z"),
            ("+2h", "2026-05-16T12:00:00.000000Z"),
            ("@1778926272", "2026-05-16T10:11:12.000000Z"),
            ("@1778926272.5", "2026-05-16T10:11:12.500000Z"),
            ("@-1", "1969-12-31T23:59:59.000000Z"),
            // A clock time is the latest that has passed.
            ("03:00", "2026-05-16T03:00:00.000000Z"),
            ("10:00", "2026-05-16T10:00:00.000000Z"),
            ("10:01", "2026-05-15T10:01:00.000000Z"),
            ("3:00:30", "2026-05-16T03:00:30.000000Z"),
            ("yesterday 02:50", "2026-05-15T02:50:00.000000Z"),
            ("2026-05-10 2:50", "2026-05-10T02:50:00.000000Z"),
            ("2026-05-10T02:50", "2026-05-10T02:50:00.000000Z"),
            // The sixteenth is a Saturday.
            ("monday", "2026-05-11T00:00:00.000000Z"),
            ("Sat", "2026-05-16T00:00:00.000000Z"),
            ("last saturday", "2026-05-09T00:00:00.000000Z"),
            ("last sat 23:59", "2026-05-09T23:59:00.000000Z"),
            ("tue 3:00", "2026-05-12T03:00:00.000000Z"),
        ] {
            assert_eq!(at(text, Bound::Since), wanted, "{text}");
        }
    }

    #[test]
    fn a_period_has_a_first_instant_and_an_end() {
        for (text, since, until) in [
            ("last night", "2026-05-15T18:00:00", "2026-05-16T06:00:00"),
            ("this week", "2026-05-11T00:00:00", "2026-05-18T00:00:00"),
            ("last week", "2026-05-04T00:00:00", "2026-05-11T00:00:00"),
            ("Last Month", "2026-04-01T00:00:00", "2026-05-01T00:00:00"),
            ("this month", "2026-05-01T00:00:00", "2026-06-01T00:00:00"),
            ("last year", "2025-01-01T00:00:00", "2026-01-01T00:00:00"),
            ("2025-12", "2025-12-01T00:00:00", "2026-01-01T00:00:00"),
            ("sunday", "2026-05-10T00:00:00", "2026-05-11T00:00:00"),
        ] {
            assert_eq!(at(text, Bound::Since), format!("{since}.000000Z"), "{text}");
            assert_eq!(at(text, Bound::Until), format!("{until}.000000Z"), "{text}");
        }
        let night = |now: &str| {
            let now = now.parse().unwrap();
            parse("last night", now, Bound::Since).unwrap().to_string()
        };
        assert!(night("2026-05-16T03:00:00Z").starts_with("2026-05-15T18:00"));
        assert!(night("2026-05-16T19:00:00Z").starts_with("2026-05-16T18:00"));
    }

    #[test]
    fn until_a_date_means_the_end_of_that_day() {
        assert_eq!(at("2026-05-10", Bound::Until), "2026-05-11T00:00:00.000000Z");
        assert_eq!(at("2h ago", Bound::Until), "2026-05-16T08:00:00.000000Z");
    }

    #[test]
    fn other_words_are_refused_in_one_sentence() {
        let now = "2026-05-16T10:00:00Z".parse().unwrap();
        for bad in [
            "",
            "soon",
            "2 fortnights ago",
            "2026-13-01",
            "h ago",
            "99999999999999999y",
            "24:00",
            "3:60",
            "3:0",
            "2026-13",
            "@",
            "@1e3",
            "@99999999999999999",
            "last",
            "last lunch",
            "yesterday 25:00",
            "next monday",
            "1:2:3:4",
        ] {
            let reason = parse(bad, now, Bound::Since).unwrap_err();
            assert!(reason.contains("is not a time"), "{reason}");
        }
        for month_or_minute in ["1M", "1M ago", "-1 M"] {
            let reason = parse(month_or_minute, now, Bound::Since).unwrap_err();
            assert!(reason.contains("did you mean 1m (minute) or \"1 month\"?"), "{reason}");
        }
    }
}

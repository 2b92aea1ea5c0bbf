//! Answers of bounded size, in pages.
//!
//! A page ends when its number of events or bytes is reached, says so, and gives a `next`
//! that continues exactly there. `next` also holds the time of the first page, so that "2h
//! ago" means the same on all of them.

use crate::Timestamp;
use crate::store::PageCursor;
use serde::Serialize;
use serde_json::value::RawValue;

use super::trouble::Trouble;

/// Bytes of events in one answer: as much as a model can take at once.
pub(super) const BYTES: usize = 48 << 10;

/// The default number of events in one answer.
pub(super) const EVENTS: usize = 100;

/// The maximum that can be asked for.
pub(super) const MAX_EVENTS: usize = 500;

/// Characters of a text that no event holds as such, a finding for example.
const CLIP: usize = 1000;

/// Returns how many events a page may have.
pub(super) fn limit(wanted: Option<u64>) -> Result<usize, Trouble> {
    match wanted {
        None => Ok(EVENTS),
        Some(wanted) if (1..=MAX_EVENTS as u64).contains(&wanted) => Ok(wanted as usize),
        Some(wanted) => Err(Trouble(format!(
            "limit: {wanted} is not possible: a page has 1 to {MAX_EVENTS}; next gives more"
        ))),
    }
}

/// The remaining room in one answer.
pub(super) struct Room {
    most: usize,
    rows: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn of(most: usize) -> Self {
        Self { most, rows: 0, bytes: 0 }
    }

    /// Returns whether a row of this size still fits. The first one always does.
    pub(super) fn holds(&self, bytes: usize) -> bool {
        self.rows == 0 || (self.rows < self.most && self.bytes + bytes <= BYTES)
    }

    pub(super) fn take(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes;
    }
}

/// Wraps a row that was rendered as text, without parsing it again.
pub(super) fn raw(row: String) -> Result<Box<RawValue>, Trouble> {
    RawValue::from_string(row)
        .map_err(|error| Trouble(format!("an event cannot be shown: {error}")))
}

/// The rest of an answer, and how to get it.
#[derive(Serialize)]
pub(super) struct Left {
    /// The value to pass as `next`; none on the last page.
    next: Option<String>,
    /// The same in words.
    left: Option<String>,
}

impl Left {
    pub(super) fn nothing() -> Self {
        Self { next: None, left: None }
    }

    /// Creates the hint that `what` is left, such as `12 more steps`.
    pub(super) fn after(tool: &str, next: String, what: &str) -> Self {
        let left = format!("{what}: call {tool} again with the same arguments and this next");
        Self { next: Some(next), left: Some(left) }
    }
}

impl Left {
    pub(super) fn next(&self) -> Option<&str> {
        self.next.as_deref()
    }

    pub(super) fn words(&self) -> Option<&str> {
        self.left.as_deref()
    }
}

pub(super) fn unknown(next: &str) -> Trouble {
    Trouble(format!(
        "next: \"{}\" was not given by an earlier answer; pass it unchanged, or leave it out to \
         start over",
        crate::event::shown(next)
    ))
}

/// Returns the `next` that continues after an event.
pub(super) fn behind(now: Timestamp, cursor: &PageCursor) -> String {
    format!("{}:{cursor}", now.micros())
}

/// Parses the time of the first page, and the place where this one begins.
pub(super) fn place(
    next: Option<&str>,
    now: Timestamp,
) -> Result<(Timestamp, Option<PageCursor>), Trouble> {
    let Some(next) = next else { return Ok((now, None)) };
    let parse = || {
        let (time, cursor) = next.split_once(':')?;
        Some((Timestamp::from_micros(time.parse().ok()?), Some(cursor.parse().ok()?)))
    };
    parse().ok_or_else(|| unknown(next))
}

/// Parses the numbers in such a `next`; zeros without one.
pub(super) fn numbers<const N: usize>(next: Option<&str>) -> Result<[usize; N], Trouble> {
    let mut numbers = [0; N];
    let Some(next) = next else { return Ok(numbers) };
    let mut parts = next.split('.');
    for number in &mut numbers {
        *number = parts.next().and_then(|part| part.parse().ok()).ok_or_else(|| unknown(next))?;
    }
    if parts.next().is_some() { Err(unknown(next)) } else { Ok(numbers) }
}

/// Cuts a text that may be long, with a mark.
pub(super) fn clipped(text: &str) -> String {
    match text.char_indices().nth(CLIP) {
        Some((at, _)) => format!("{}… (cut)", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_answer_gave_is_taken_for_a_place() {
        let now = "2026-05-16T10:00:00Z".parse().unwrap();
        let path = "2026-05-16/pi4/20260516T101112Z_x_0196d8a2-0000-7000-8000-000000000000.json";
        let time = "2026-05-16T10:11:12Z".parse::<Timestamp>().unwrap().micros();
        let next = format!("7:{time}:{path}");
        let (then, cursor) = place(Some(&next), now).ok().unwrap();
        assert_eq!(then.micros(), 7);
        assert_eq!(behind(then, &cursor.unwrap()), next);
        for bad in ["", "7", "7:8", "x:8:y", &format!("7:0:{path}"), &format!("7:{time}:../x")] {
            assert!(place(Some(bad), now).is_err(), "{bad}");
        }
        assert_eq!(numbers::<2>(Some("3.14")).ok().unwrap(), [3, 14]);
        for bad in ["", "3", "3.", "3.1.4", "-3.1", "3.x"] {
            assert!(numbers::<2>(Some(bad)).is_err(), "{bad}");
        }
    }
}

//! The informative part of a payload, in one line.

use crate::event::each_member;

/// Members that say most, the most informative first.
const TELLING: [&str; 17] = [
    "error",
    "reason",
    "message",
    "msg",
    "detail",
    "cause",
    "result",
    "outcome",
    "status",
    "phase",
    "step",
    "action",
    "check",
    "exit_code",
    "attempt",
    "version",
    "duration_ms",
];

/// The number of these that give reasons.
const REASONS: usize = 6;

/// Reports whether a payload gives a reason: an error, a cause.
pub(crate) fn tells_why(payload: &str) -> bool {
    let mut found = false;
    let told = each_member(payload, |key, value| {
        found |= TELLING[..REASONS].contains(&key)
            && !matches!(value.get(), "null" | "\"\"" | "{}" | "[]");
    });
    told.is_ok() && found
}

/// Maximum number of members shown.
const MAX: usize = 3;

/// Maximum length of a detail, in characters.
const LONGEST: usize = 100;

/// The bytes of a value that are examined: enough for the longest detail, however it is escaped.
const MAX_LOOK: usize = 1 << 10;

/// Returns the most informative members of a payload as `key=value`, with self-explanatory texts
/// (errors, reasons, messages) bare. `None` for an empty payload. Unsafe characters are escaped,
/// long texts cut. No more members are held than shown.
pub(crate) fn detail(payload: &str) -> Option<String> {
    let mut members: Vec<(usize, String, &str)> = Vec::with_capacity(MAX + 1);
    each_member(payload, |key, value| {
        let rank = TELLING.iter().position(|telling| *telling == key).unwrap_or(TELLING.len());
        let is_late = |(other, name, _): &(usize, String, &str)| (*other, &**name) < (rank, key);
        if members.len() == MAX && members.iter().all(is_late) {
            return;
        }
        // Of a repeated name, the last one counts.
        members.retain(|(_, name, _)| name != key);
        if !matches!(value.get(), "null" | "\"\"" | "{}" | "[]") {
            members.push((rank, key.to_owned(), value.get()));
            members.sort();
            members.truncate(MAX);
        }
    })
    .ok()?;
    let parts: Vec<String> = members.iter().map(|(_, key, value)| part(key, value)).collect();
    if parts.is_empty() {
        return None;
    }
    let text = parts.join(" ");
    if text.chars().count() <= LONGEST {
        return Some(text);
    }
    Some(text.chars().take(LONGEST - 1).chain(['…']).collect())
}

fn part(key: &str, raw: &str) -> String {
    let text = text(raw);
    let bare = matches!(key, "error" | "reason" | "message" | "msg" | "detail" | "cause");
    match text {
        Some(text) if bare => escaped(&text),
        Some(text) => format!("{}={}", escaped(key), escaped(&text)),
        None => format!("{}={}", escaped(key), escaped(raw)),
    }
}

/// Returns the text of a JSON string, or its beginning.
fn text(raw: &str) -> Option<String> {
    if raw.len() <= MAX_LOOK {
        return serde_json::from_str(raw).ok();
    }
    let beginning = &raw[..raw.floor_char_boundary(MAX_LOOK)];
    // The cut may be within an escape; the longest has twelve bytes.
    (0..=12).find_map(|less| {
        let end = beginning.floor_char_boundary(beginning.len() - less);
        serde_json::from_str(&format!("{}\"", &beginning[..end])).ok()
    })
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(4 * LONGEST));
    text.chars().take(LONGEST + 1).for_each(|c| crate::text::push(c, &mut out));
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_reasons_come_first_and_bare() {
        assert_eq!(
            detail(r#"{"version":"2.0","phase":"verify","error":"port 1883 not bound"}"#).unwrap(),
            "port 1883 not bound phase=verify version=2.0"
        );
        assert_eq!(detail(r#"{"zeta":1,"alpha":[1,2]}"#).unwrap(), "alpha=[1,2] zeta=1");
        assert_eq!(detail("{}"), None);
        assert_eq!(detail(r#"{"error":null}"#), None);
    }

    #[test]
    fn a_payload_cannot_drive_the_terminal() {
        let shown = detail("{\"error\":\"\\u001b[2Jgone\\nnext \\u202e\"}").unwrap();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert_eq!(
            detail(&format!("{{\"error\":\"{}\"}}", "x".repeat(1000))).unwrap().chars().count(),
            100
        );
    }

    #[test]
    fn of_a_million_members_and_of_a_long_text_the_telling_part_is_shown() {
        let many: Vec<String> = (0..1_000_000).map(|n| format!("\"k{n}\":{n}")).collect();
        let payload = format!("{{{},\"error\":\"it broke\"}}", many.join(","));
        assert_eq!(detail(&payload).unwrap(), "it broke k0=0 k1=1");
        // Wherever the cut falls: before, within and after an escape of two units.
        for before in MAX_LOOK - 20..=MAX_LOOK {
            let text = format!("\"{}\\ud83d\\ude00{}\"", "\\u00e9".repeat(90), "x".repeat(before));
            assert_eq!(
                super::text(&text).unwrap().chars().take(90).filter(|c| *c == 'é').count(),
                90
            );
            let text = format!("\"{}\\ud83d\\ude00{}\"", "x".repeat(before), "y".repeat(40));
            assert!(super::text(&text).unwrap().starts_with(&"x".repeat(100)), "{before}");
        }
    }

    #[test]
    fn of_a_name_that_stands_twice_the_last_one_counts() {
        assert_eq!(detail(r#"{"a":1,"b":2,"c":3,"d":4,"a":9}"#).unwrap(), "a=9 b=2 c=3");
        assert_eq!(detail(r#"{"error":"x","error":null}"#), None);
    }
}

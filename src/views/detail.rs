//! The telling part of a payload, in one line.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// Members that tell most, the most telling first.
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

/// Members that are shown at most.
const MOST: usize = 3;

/// The longest that a detail becomes, in characters.
const LONGEST: usize = 100;

/// The most telling members of a payload as `key=value`, with texts that speak for
/// themselves (errors, reasons, messages) bare. `None` for an empty payload.
/// Control characters are escaped, long texts cut.
pub fn detail(payload: &str) -> Option<String> {
    let object: BTreeMap<String, &RawValue> = serde_json::from_str(payload).ok()?;
    let rank = |key: &str| TELLING.iter().position(|telling| *telling == key);
    let mut members: Vec<(&String, &str)> = object
        .iter()
        .map(|(key, value)| (key, value.get()))
        .filter(|(_, value)| !matches!(*value, "null" | "\"\"" | "{}" | "[]"))
        .collect();
    members.sort_by_key(|(key, _)| (rank(key).unwrap_or(TELLING.len()), *key));
    let parts: Vec<String> =
        members.iter().take(MOST).map(|(key, value)| part(key, value)).collect();
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
    let text = serde_json::from_str::<String>(raw);
    let bare = matches!(key, "error" | "reason" | "message" | "msg" | "detail" | "cause");
    match text {
        Ok(text) if bare => escaped(&text),
        Ok(text) => format!("{}={}", escaped(key), escaped(&text)),
        Err(_) => format!("{}={}", escaped(key), escaped(raw)),
    }
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
}

//! An event as columns.

use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::event::{EventHead, InvalidEvent, compact_into};
use crate::store::FoundEvent;

/// The columns of all formats that have columns. Date and node are in the path.
pub(super) const COLUMNS: [&str; 9] = [
    "path",
    "timestamp",
    "type",
    "severity",
    "source",
    "service",
    "correlation_id",
    "payload",
    "extra",
];

/// The columns of an event.
pub(super) struct Fields<'a> {
    pub(super) path: String,
    pub(super) head: EventHead<'a>,
    /// The payload: JSON on one line.
    pub(super) payload: Vec<u8>,
    /// The data without a column, as a JSON object.
    pub(super) extra: Option<Vec<u8>>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(event: &'a FoundEvent) -> Result<Self, InvalidEvent> {
        let head = event.head()?;
        let mut payload = Vec::with_capacity(head.payload.get().len());
        compact_into(head.payload.get().as_bytes(), &mut payload);
        let extra = extra(event, &head)?;
        Ok(Self { path: event.path.to_string(), head, payload, extra })
    }
}

/// Returns the data of an event without a column: unknown fields, a node that is not the one it was
/// filed under, and a timestamp that is finer than microseconds.
fn extra(event: &FoundEvent, head: &EventHead<'_>) -> Result<Option<Vec<u8>>, InvalidEvent> {
    let mut out = Vec::new();
    let node_differs = head.node != event.path.node.as_str();
    let mut json = serde_json::Deserializer::from_slice(&event.bytes);
    let read = json.deserialize_map(More { node_differs, out: &mut out });
    read.map_err(|error| InvalidEvent(error.to_string()))?;
    if out.is_empty() {
        return Ok(None);
    }
    out.push(b'}');
    Ok(Some(out))
}

/// Reports whether a timestamp has nonzero digits beyond microseconds.
fn is_finer(text: &str) -> bool {
    let Some((_, fraction)) = text.split_once(['.', ',']) else { return false };
    let digits = fraction.bytes().take_while(u8::is_ascii_digit);
    digits.skip(6).any(|digit| digit != b'0')
}

/// Visitor of all fields of an object in order, duplicates included, that keeps those without a
/// column. Of the others nothing is kept: there may be millions.
struct More<'a> {
    node_differs: bool,
    out: &'a mut Vec<u8>,
}

impl<'de> Visitor<'de> for More<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { node_differs, out } = self;
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            let is_more = match name.as_str() {
                "type" | "severity" | "source" | "service" | "correlation_id" | "payload" => false,
                "node" => node_differs,
                "timestamp" => is_finer(value.get()),
                _ => true,
            };
            if is_more {
                out.push(if out.is_empty() { b'{' } else { b',' });
                // Writing a string into memory cannot fail.
                let _ = serde_json::to_writer(&mut *out, &name);
                out.push(b':');
                compact_into(value.get().as_bytes(), out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(more: &str, timestamp: &str, node: &str) -> FoundEvent {
        let text = format!(
            "{{{more}\"timestamp\":\"{timestamp}\",\"node\":\"{node}\",\"type\":\"t\",\
             \"severity\":\"info\",\"source\":\"s\",\"service\":\"v\",\"correlation_id\":\"c\",\
             \"payload\": {{ \"a b\": 1.10 }} }}\n"
        );
        let path = "2026-05-16/pi4/x.json".parse().unwrap();
        FoundEvent::new(path, None, text.into_bytes().into_boxed_slice())
    }

    #[test]
    fn what_the_columns_do_not_hold_is_kept_beside_them() {
        let plain = "2026-05-16T10:11:12.123456Z";
        for (event, wanted) in [
            (found("", plain, "pi4"), None),
            (found("", plain, "pi5"), Some(r#"{"node":"pi5"}"#)),
            (
                found("\"x\": [ 1, 2 ],\"x\":\"a  b\",\"é\\n\":null,", plain, "pi4"),
                Some("{\"x\":[1,2],\"x\":\"a  b\",\"é\\n\":null}"),
            ),
            (
                found("", "2026-05-16T10:11:12.123456789Z", "pi4"),
                Some(r#"{"timestamp":"2026-05-16T10:11:12.123456789Z"}"#),
            ),
            (found("", "2026-05-16T10:11:12.123456000Z", "pi4"), None),
        ] {
            let fields = Fields::of(&event).unwrap();
            let extra = fields.extra.map(|extra| String::from_utf8(extra).unwrap());
            assert_eq!(extra.as_deref(), wanted);
            assert_eq!(fields.payload, br#"{"a b":1.10}"#);
        }
    }
}

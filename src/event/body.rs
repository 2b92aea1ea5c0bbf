//! An event's content: the JSON object with its eight fields.
//!
//! Writing is strict: compact, one fixed order of fields, one newline at the end. Reading is
//! lenient: any JSON object that has each of the eight fields once, and any others beside them.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{EventPath, Severity, Timestamp};

/// The reason bytes are not an event, phrased to follow the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidEvent(pub String);

/// The fields of an event, borrowed from the bytes it was parsed from.
#[derive(Debug, Clone, Deserialize)]
pub struct EventHead<'a> {
    /// The timestamp as written in the event.
    #[serde(rename = "timestamp", borrow)]
    timestamp_text: Cow<'a, str>,
    /// The host where the event originated.
    #[serde(borrow)]
    pub node: Cow<'a, str>,
    /// The event's type.
    #[serde(rename = "type", borrow)]
    pub event_type: Cow<'a, str>,
    #[serde(rename = "severity", borrow)]
    severity_text: Cow<'a, str>,
    /// The component that emitted the event.
    #[serde(borrow)]
    pub source: Cow<'a, str>,
    /// The service concerned, or `all`.
    #[serde(borrow)]
    pub service: Cow<'a, str>,
    /// The id that links related events.
    #[serde(borrow)]
    pub correlation_id: Cow<'a, str>,
    /// The payload, a JSON object, as written in the event.
    #[serde(borrow)]
    pub payload: &'a RawValue,
    /// The instant the event happened.
    #[serde(skip, default = "epoch")]
    pub timestamp: Timestamp,
    /// The severity.
    #[serde(skip, default = "mildest")]
    pub severity: Severity,
}

fn epoch() -> Timestamp {
    Timestamp::from_micros(0)
}

fn mildest() -> Severity {
    Severity::Info
}

impl<'a> EventHead<'a> {
    /// Parses an event's bytes, copying only what escapes force it to.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InvalidEvent> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            InvalidEvent(format!("the text is not UTF-8 at byte {}", error.valid_up_to()))
        })?;
        if text.starts_with('\u{feff}') {
            return Err(InvalidEvent("the file begins with a byte order mark".to_owned()));
        }
        if text.trim_ascii().is_empty() {
            return Err(InvalidEvent("the file is empty".to_owned()));
        }
        // Serde would accept an array as the fields in order; an event is an object.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(InvalidEvent("an event is a JSON object; this is not one".to_owned()));
        }
        let mut head: Self =
            serde_json::from_str(text).map_err(|error| InvalidEvent(json_reason(&error)))?;
        head.timestamp = head
            .timestamp_text
            .parse()
            .map_err(|error: super::Malformed| InvalidEvent(format!("the timestamp {error}")))?;
        head.severity = head
            .severity_text
            .parse()
            .map_err(|error: super::Malformed| InvalidEvent(format!("the severity {error}")))?;
        if !head.payload.get().starts_with('{') {
            let kind = match head.payload.get().as_bytes().first() {
                Some(b'[') => "an array",
                Some(b'"') => "a string",
                Some(b't' | b'f') => "true or false",
                Some(b'n') => "null",
                _ => "a number",
            };
            return Err(InvalidEvent(format!("the payload is {kind}; an object is expected")));
        }
        Ok(head)
    }

    /// Returns an owned copy of the event.
    pub fn to_event(&self) -> Event {
        Event {
            timestamp: self.timestamp,
            node: self.node.clone().into_owned(),
            event_type: self.event_type.clone().into_owned(),
            severity: self.severity,
            source: self.source.clone().into_owned(),
            service: self.service.clone().into_owned(),
            correlation_id: self.correlation_id.clone().into_owned(),
            payload: self.payload.to_owned(),
        }
    }
}

/// Rephrases an error of `serde_json` where its wording would not help the reader.
fn json_reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if error.is_eof() {
        return format!("the JSON ends too early, at line {}", error.line());
    }
    if let Some(field) = text.strip_prefix("missing field ") {
        let field = field.split(" at line").next().unwrap_or(field);
        return format!("the field {} is missing", field.replace('`', "\""));
    }
    if let Some(field) = text.strip_prefix("duplicate field ") {
        let field = field.split(" at line").next().unwrap_or(field);
        return format!("the field {} appears twice", field.replace('`', "\""));
    }
    format!("the JSON is not an event: {text}")
}

/// An event.
///
/// ```
/// use hlarchive::Event;
///
/// # fn main() -> hlarchive::Result<()> {
/// let line = r#"{"timestamp":"2026-05-16T10:11:12.000000Z","node":"pi4","type":"node_online",
///     "severity":"info","source":"boot","service":"all","correlation_id":"boot-7",
///     "payload":{"uptime_s":31}}"#;
/// let event: Event = serde_json::from_str(line)?;
/// assert_eq!(event.payload_as::<serde_json::Value>()?["uptime_s"], 31);
/// assert_eq!(serde_json::from_slice::<Event>(&event.to_bytes())?, event);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// The instant it happened.
    pub timestamp: Timestamp,
    /// The host where it originated.
    pub node: String,
    /// The event's type: one of the known types or another word.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The severity.
    pub severity: Severity,
    /// The component that emitted it, such as `deploy.sh`.
    pub source: String,
    /// The service concerned, or `all`.
    pub service: String,
    /// The id that links related events, such as one deployment run.
    pub correlation_id: String,
    /// Arbitrary data: a JSON object.
    pub payload: Box<RawValue>,
}

impl PartialEq for Event {
    /// Compares all fields; payloads are equal if their JSON is, written without spaces.
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for Event {}

impl Event {
    /// Parses an event's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidEvent> {
        EventHead::parse(bytes).map(|head| head.to_event())
    }

    /// Returns the bytes of the file that `emit` writes: the eight fields in order, compact, with
    /// one newline at the end.
    pub fn to_bytes(&self) -> Vec<u8> {
        let line = IndexLine {
            timestamp: self.timestamp.to_string(),
            node: &self.node,
            event_type: &self.event_type,
            severity: self.severity.as_str(),
            source: &self.source,
            service: &self.service,
            correlation_id: &self.correlation_id,
        };
        // Serializing strings into memory cannot fail. The payload is spliced in, since it may be
        // pretty-printed and must become compact.
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.pop();
        bytes.extend_from_slice(b",\"payload\":");
        compact_into(self.payload.get().as_bytes(), &mut bytes);
        bytes.extend_from_slice(b"}\n");
        bytes
    }

    /// Returns the payload as a type of the caller's own.
    ///
    /// Fails with [`Error::BadEvent`](crate::Error::BadEvent) if it is not of that type.
    pub fn payload_as<'a, T: Deserialize<'a>>(&'a self) -> crate::Result<T> {
        let refused =
            |error: serde_json::Error| crate::Error::bad_event("payload", error.to_string());
        serde_json::from_str(self.payload.get()).map_err(refused)
    }

    /// Returns a member of the payload as text: strings without their quotes, everything else as
    /// JSON.
    #[cfg(test)]
    pub(crate) fn payload_text(&self, key: &str) -> Option<String> {
        let mut found = None;
        // Not collected into a map: a payload may have millions of members.
        each_member(self.payload.get(), |name, value| {
            if name == key {
                found = Some(value);
            }
        })
        .ok()?;
        let raw = found?.get();
        Some(serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned()))
    }
}

/// Calls `take` with each member of a JSON object in turn, including duplicate names. Nothing is
/// kept of the members passed.
pub(crate) fn each_member<'a>(
    object: &'a str,
    take: impl FnMut(&str, &'a RawValue),
) -> Result<(), serde_json::Error> {
    struct Members<F>(F);

    impl<'de, F: FnMut(&str, &'de RawValue)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                (self.0)(&name, value);
            }
            Ok(())
        }
    }

    let mut json = serde_json::Deserializer::from_str(object);
    json.deserialize_map(Members(take))?;
    json.end()
}

#[derive(Serialize)]
struct IndexLine<'a> {
    timestamp: String,
    node: &'a str,
    #[serde(rename = "type")]
    event_type: &'a str,
    severity: &'a str,
    source: &'a str,
    service: &'a str,
    correlation_id: &'a str,
}

/// Appends valid JSON without the white space between its tokens. Numbers and strings stay as
/// written, to the last digit.
pub(crate) fn compact_into(json: &[u8], out: &mut Vec<u8>) {
    // The start of the pending copy; most events have nothing to leave out.
    let mut from = 0;
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at = end_of_string(json, at + 1),
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.extend_from_slice(&json[from..at]);
                at += 1;
                from = at;
            }
            _ => at += 1,
        }
    }
    out.extend_from_slice(&json[from..at.min(json.len())]);
}

/// Returns the index behind the closing quote of the string that continues at `at`.
fn end_of_string(json: &[u8], mut at: usize) -> usize {
    loop {
        match json.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return json.len(),
        }
    }
}

/// Appends a valid event's JSON, compact and without a newline, with two more fields at the end:
/// `_path` (its identity) and, if it is archived, `_segment` (the segment's path in the archive).
pub fn write_with_location(
    event: &[u8],
    path: &EventPath,
    segment: Option<&str>,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    // Reserved at once, so that a huge event is not moved again for the last few bytes.
    out.reserve(event.len() + 1024);
    compact_into(event, out);
    while out.len() > start && out.last() != Some(&b'}') {
        out.pop();
    }
    out.pop();
    let date = path.date.text();
    string_field(out, "_path", &[date.as_str(), "/", path.node.as_str(), "/", path.name.as_str()]);
    if let Some(segment) = segment {
        string_field(out, "_segment", &[segment]);
    }
    out.push(b'}');
}

/// Appends a comma and a field whose value is the concatenation of `parts`.
fn string_field(out: &mut Vec<u8>, name: &str, parts: &[&str]) {
    for text in [",\"", name, "\":\""] {
        out.extend_from_slice(text.as_bytes());
    }
    let is_plain = |byte: u8| !matches!(byte, 0..b' ' | b'"' | b'\\');
    if parts.iter().all(|part| part.bytes().all(is_plain)) {
        for part in parts {
            out.extend_from_slice(part.as_bytes());
        }
        out.push(b'"');
    } else {
        out.pop();
        // Writing a string into memory cannot fail.
        let _ = serde_json::to_writer(out, &parts.concat());
    }
}

#[cfg(test)]
mod tests;

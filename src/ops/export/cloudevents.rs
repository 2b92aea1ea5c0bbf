//! Events as `CloudEvents` 1.0 in their JSON format, one a line.
//!
//! Fields without an attribute of their own become extensions: severity, node, path, correlation
//! id, and unknown fields together as one JSON text. An attribute that would be empty is left out,
//! since it must not be.

use serde::Serialize;
use serde_json::value::RawValue;

use super::fields::Fields;
use crate::store::FoundEvent;

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'a str,
    id: &'a str,
    source: String,
    r#type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    subject: &'a str,
    time: String,
    datacontenttype: &'a str,
    severity: &'a str,
    node: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    correlationid: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    extra: &'a str,
    data: &'a RawValue,
}

/// Appends an event as one line.
pub(super) fn line(event: &FoundEvent, fields: &Fields<'_>, out: &mut Vec<u8>) {
    let head = &fields.head;
    let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
    let id = event.path.name.id().map(|id| id.to_string());
    // It was compact JSON a moment ago.
    let payload: Result<&RawValue, _> = serde_json::from_slice(&fields.payload);
    let cloud_event = CloudEvent {
        specversion: "1.0",
        id: id.as_deref().unwrap_or(&fields.path),
        source: source(event.path.node.as_str(), &head.source),
        r#type: if head.event_type.is_empty() { "unknown" } else { &head.event_type },
        subject: &head.service,
        time: head.timestamp.to_string(),
        datacontenttype: "application/json",
        severity: head.severity.as_str(),
        node: event.path.node.as_str(),
        path: &fields.path,
        correlationid: &head.correlation_id,
        extra: text(fields.extra.as_deref().unwrap_or_default()),
        data: payload.unwrap_or(head.payload),
    };
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, &cloud_event);
    out.push(b'\n');
}

/// Returns `//NODE/SOURCE`, a reference that any URI parser accepts.
fn source(node: &str, source: &str) -> String {
    let mut out = String::from("//");
    escape(node, &mut out);
    out.push('/');
    escape(source, &mut out);
    out
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_reference_whatever_it_is_made_of() {
        assert_eq!(source("pi4", "deploy.sh"), "//pi4/deploy.sh");
        assert_eq!(source("a=b %", "ü/x\n?#"), "//a%3Db%20%25/%C3%BC/x%0A%3F%23");
        assert_eq!(source("pi4", ""), "//pi4/");
    }
}

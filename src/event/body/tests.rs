//! Tests of reading and writing an event.

#![allow(clippy::unwrap_used)]

use super::*;

const LINE: &str = r#"{"timestamp":"2026-05-16T10:11:12.123456Z","node":"pi4","type":"deployment_started","severity":"info","source":"deploy.sh","service":"mosquitto","correlation_id":"deploy-882","payload":{"version":1.10}}"#;

#[test]
fn a_written_event_reads_back_and_stays_the_same() {
    let event = Event::parse(LINE.as_bytes()).unwrap();
    assert_eq!(String::from_utf8(event.to_bytes()).unwrap(), format!("{LINE}\n"));
    assert_eq!(event.payload_text("version").as_deref(), Some("1.10"));
}

#[test]
fn pretty_printing_and_unknown_fields_are_read() {
    let pretty = LINE.replace(',', " ,\n  ").replace("\"node\"", "\"extra\":[1,2],\"node\"");
    assert_eq!(Event::parse(pretty.as_bytes()).unwrap().service, "mosquitto");
}

#[test]
fn what_is_no_event_is_named() {
    let cases: [(String, &str); 12] = [
        (String::new(), "empty"),
        ("[1]".into(), "object"),
        (LINE[..50].into(), "too early"),
        (LINE.replace("{\"version\":1.10}", "[]"), "payload is an array"),
        (LINE.replace("{\"version\":1.10}", "null"), "payload is null"),
        (LINE.replace("\"info\"", "\"fatal\""), "severity"),
        (LINE.replace("2026-05-16T", "2026-02-30T"), "timestamp"),
        (LINE.replace("\"node\":\"pi4\",", ""), "\"node\" is missing"),
        (LINE.replace("\"node\":\"pi4\"", "\"node\":\"a\",\"node\":\"b\""), "twice"),
        (LINE.replace("1.10", "NaN"), "JSON"),
        (format!("\u{feff}{LINE}"), "byte order mark"),
        (format!("{LINE}{LINE}"), "trailing"),
    ];
    for (text, word) in cases {
        let reason = Event::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(reason.contains(word), "{reason}");
    }
    assert!(Event::parse(b"{\"timestamp\":\"\xff\"}").unwrap_err().0.contains("UTF-8"));
}

#[test]
fn a_payload_nested_without_end_is_no_danger() {
    let deep = LINE.replace("1.10", &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    let event = Event::parse(deep.as_bytes()).unwrap();
    assert_eq!(event.payload_text("version").unwrap().len(), 200_000);
}

#[test]
fn the_location_comes_last() {
    let path: EventPath = "2026-05-16/pi4/x.json".parse().unwrap();
    let mut out = Vec::new();
    write_with_location(format!("{LINE} \n").as_bytes(), &path, Some("2026/a"), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with(LINE.strip_suffix('}').unwrap()));
    assert!(text.ends_with(r#","_path":"2026-05-16/pi4/x.json","_segment":"2026/a"}"#));
}

#[test]
fn odd_names_are_escaped_in_the_location() {
    let path: EventPath = r#"2026-05-16/pi 4/a"b\c.json"#.parse().unwrap();
    let mut out = Vec::new();
    write_with_location(b"{\"a\":1}\n", &path, None, &mut out);
    let wanted = r#"{"a":1,"_path":"2026-05-16/pi 4/a\"b\\c.json"}"#;
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
}

#[test]
fn white_space_goes_between_tokens_and_stays_inside_strings() {
    for (text, wanted) in [
        ("{ \"a b\" :\t[1 , 2.50 ]\r\n}\n", "{\"a b\":[1,2.50]}"),
        (r#"{"a":"\" : \\" , "b":"x  y"}"#, r#"{"a":"\" : \\","b":"x  y"}"#),
        ("{}", "{}"),
        ("", ""),
    ] {
        let mut out = Vec::new();
        compact_into(text.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}

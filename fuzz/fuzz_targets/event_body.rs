//! Event bodies: what is accepted is JSON to everyone, and what we write of it reads back.

#![no_main]

use hlarchive::Event;
use hlarchive::internals::event::{EventHead, EventPath, write_with_location};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let head = match EventHead::parse(bytes) {
        Ok(head) => head,
        Err(reason) => {
            assert!(!reason.to_string().contains('\n'), "a reason is one line: {reason}");
            return;
        }
    };
    let event = head.to_event();
    let written = event.to_bytes();
    let again = Event::parse(&written).expect("a written event reads back");
    assert_eq!(again.to_bytes(), written, "writing is stable");
    assert_eq!(again.timestamp, event.timestamp);
    assert_eq!(again.severity, event.severity);
    assert_eq!(
        (&again.node, &again.event_type, &again.source, &again.service, &again.correlation_id),
        (&event.node, &event.event_type, &event.source, &event.service, &event.correlation_id),
    );
    assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");

    let path: EventPath = "2026-05-16/pi4/x.json".parse().expect("a path");
    let mut line = Vec::new();
    write_with_location(bytes, &path, Some("2026/2026-05-16.tar.zst"), &mut line);
    assert!(!line.contains(&b'\n'), "one line");
    // The line is an event itself, with two fields more.
    let again = Event::parse(&line).expect("a line is an event");
    assert_eq!(again.to_bytes(), written);
    assert!(
        line.ends_with(
            br#","_path":"2026-05-16/pi4/x.json","_segment":"2026/2026-05-16.tar.zst"}"#
        )
    );
});

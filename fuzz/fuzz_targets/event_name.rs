//! Names and paths: what is accepted stays inside its directory and reads back.

#![no_main]

use hlarchive::internals::event::{EventName, EventPath, EventType, FileName, NodeName};
use hlarchive::{Date, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(time) = text.parse::<Timestamp>() {
        // To the microsecond in either form, and on the same day.
        assert_eq!(time.to_string().parse::<Timestamp>().as_ref(), Ok(&time));
        assert_eq!(time.to_name().parse::<Timestamp>().as_ref(), Ok(&time));
        assert!(
            time.date().start() <= time && time < time.date().end() || time.date().year() == 9999
        );
        assert_eq!(Timestamp::from_micros(time.micros()), time);
    }
    if let Ok(date) = text.parse::<Date>() {
        assert_eq!(date.to_string(), text);
        assert_eq!(date.start().date(), date);
    }
    if let Ok(node) = text.parse::<NodeName>() {
        inside(node.as_str());
        assert_eq!(node.as_str(), text);
    }
    if let Ok(node) = NodeName::for_writing(text) {
        assert_eq!(text.parse::<NodeName>(), Ok(node), "what is written can be read");
    }
    if let Ok(kind) = EventType::normalize(text) {
        inside(kind.as_str());
        assert_eq!(EventType::normalize(kind.as_str()), Ok(kind.clone()), "normal is normal");
        let id = uuid::Uuid::from_u128(bytes.len() as u128);
        let name = EventName::format(Timestamp::from_micros(0), &kind, id);
        let parts = name.parts().expect("a written name reads back");
        assert_eq!((parts.event_type, parts.id), (kind.as_str(), id));
        assert!(name.as_str().len() <= 100, "it fits a ustar header");
    }
    if let Ok(name) = text.parse::<FileName>() {
        inside(name.as_str());
        if let Some(parts) = name.parts() {
            assert_eq!(name.id(), Some(parts.id));
        }
    }
    if let Ok(path) = text.parse::<EventPath>() {
        assert_eq!(path.to_string(), text);
        inside(path.node.as_str());
        inside(path.name.as_str());
    }
    // Two paths, on two lines: their order is total and agrees with equality.
    if let Some((a, b)) = text.split_once('\n')
        && let (Ok(a), Ok(b)) = (a.parse::<EventPath>(), b.parse::<EventPath>())
    {
        assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        assert_eq!(a.cmp(&b).is_eq(), a == b);
    }
});

/// A single visible component that is one line of a report.
fn inside(component: &str) {
    assert!(!component.is_empty() && component.len() <= 255);
    assert!(!component.contains(['/', '\0', '\n']) && !component.starts_with('.'));
}

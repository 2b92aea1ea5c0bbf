//! Made-up events. Every byte follows from the numbers, so that each can be expected.

use std::collections::BTreeMap;

/// Events by identity. A conflict gives one identity several contents.
pub(crate) type History = BTreeMap<String, Vec<Vec<u8>>>;

/// The nodes of the scenarios.
pub(crate) const NODES: [&str; 2] = ["nas", "pi4"];

/// An event of a day of May 2026: its identity and its bytes.
pub(crate) fn event(day: u32, node: &str, number: u32) -> (String, Vec<u8>) {
    const KINDS: [(&str, &str); 4] = [
        ("deployment_started", "info"),
        ("healthcheck_failed", "warning"),
        ("deployment_failed", "error"),
        ("node_online", "info"),
    ];
    let (kind, severity) = KINDS[number as usize % KINDS.len()];
    let (hour, minute) = (number * 5 % 24, number * 11 % 60);
    let id = format!("0196d8a2-{day:04}-7000-8000-{:012x}", number * 256 + node.len() as u32);
    let bytes = format!(
        "{{\"timestamp\":\"2026-05-{day:02}T{hour:02}:{minute:02}:30.000000Z\",\
         \"node\":\"{node}\",\"type\":\"{kind}\",\"severity\":\"{severity}\",\
         \"source\":\"faults\",\"service\":\"all\",\"correlation_id\":\"run-{day}-{}\",\
         \"payload\":{{\"number\":{number}}}}}\n",
        number / 2
    );
    let name = format!("202605{day:02}T{hour:02}{minute:02}30.000000Z_{kind}_{id}.json");
    (format!("2026-05-{day:02}/{node}/{name}"), bytes.into_bytes())
}

/// The events of some days, `per_node` for each node and day, numbered from `first` on.
pub(crate) fn history(days: std::ops::Range<u32>, first: u32, per_node: u32) -> History {
    let mut history = History::new();
    for day in days {
        for node in NODES {
            for number in first..first + per_node {
                let (identity, bytes) = event(day, node, number);
                history.insert(identity, vec![bytes]);
            }
        }
    }
    history
}

/// Adds other events.
pub(crate) fn merge(into: &mut History, other: History) {
    for (identity, contents) in other {
        let there = into.entry(identity).or_default();
        for content in contents {
            if !there.contains(&content) {
                there.push(content);
            }
        }
    }
}

/// A file that stands where an event should be and is none.
pub(crate) fn invalid(day: u32) -> (String, Vec<u8>) {
    let name =
        format!("202605{day:02}T120000Z_node_online_0196d8a2-ffff-7000-8000-000000000000.json");
    (format!("2026-05-{day:02}/nas/{name}"), b"{\"timestamp\": 5".to_vec())
}

/// Whether a content is one of an event, as opposed to that of [`invalid`].
pub(crate) fn is_event(content: &[u8]) -> bool {
    content.ends_with(b"}\n")
}

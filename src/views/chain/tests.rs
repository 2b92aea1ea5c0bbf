#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::text::is_unseen;

fn chain(fields: &[(&str, &str)], payload: &str) -> Chain {
    let mut builder = ChainBuilder::new("run-1");
    for (number, (node, service)) in fields.iter().enumerate() {
        let line = serde_json::json!({
            "timestamp": format!("2026-05-16T10:{:02}:{:02}Z", number / 60 % 60, number % 60),
            "node": node, "type": "deployment_failed", "severity": "error", "source": "s",
            "service": service, "correlation_id": "run-1", "payload": {"error": payload},
        })
        .to_string();
        builder.take(&EventHead::parse(line.as_bytes()).unwrap(), "2026-05-16/n/f.json".to_owned());
    }
    builder.finish(Vec::new()).unwrap()
}

/// Counts each mark that begins something in a page.
fn marks(page: &str) -> [usize; 4] {
    ['<', '>', '"', '\''].map(|mark| page.matches(mark).count())
}

/// Reports whether a line is one of the diagram's own.
fn is_own(line: &str) -> bool {
    let own = [
        "    title ",
        "    participant n",
        "    Note over n0: ",
        "    Note over n0,n1: ",
        "    Note over n1: ",
    ];
    line == "sequenceDiagram" || own.iter().any(|own| line.starts_with(own))
}

proptest! {
    /// Whatever events say: a browser sees no mark that is not ours, Graphviz no quote, and
    /// Mermaid no line.
    #[test]
    fn nothing_that_an_event_says_gets_out_of_its_place(
        node in ".{1,60}",
        service in ".{1,60}",
        payload in ".{1,200}",
    ) {
        prop_assume!(node != "m");
        let plain = chain(&[("n", "s"), ("m", "s")], "p");
        let hostile = chain(&[(&node, &service), ("m", "s")], &payload);
        prop_assert_eq!(marks(&html(&plain)), marks(&html(&hostile)));
        prop_assert_eq!(marks(&dot(&plain))[2], marks(&dot(&hostile))[2]);
        prop_assert!(!dot(&hostile).replace("\\n", "").contains('\\'));
        let diagram = mermaid(&hostile);
        prop_assert_eq!(diagram.lines().count(), mermaid(&plain).lines().count());
        prop_assert!(diagram.lines().all(is_own));
        for text in [html(&hostile), dot(&hostile), diagram] {
            prop_assert!(!text.chars().any(|c| is_unseen(c) && c != '\n'));
        }
    }
}

#[test]
fn a_long_chain_is_bounded_and_says_what_it_leaves_out() {
    let fields: Vec<(String, String)> =
        (0..20_100).map(|n| (format!("node{}", n % 300), format!("service{}", n % 7))).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, s)| (n.as_str(), s.as_str())).collect();
    let chain = chain(&fields, &"x".repeat(20_000));
    assert_eq!((chain.events.len(), chain.left_out()), (20_000, 100));
    assert!(chain.events.iter().map(|event| event.payload.len()).sum::<usize>() <= 8 << 20);
    let page = html(&chain);
    assert_eq!(page.matches("<li ").count(), 20_000);
    assert!(page.contains("100 more events are not on this page"));
    assert!(page.len() < 40 << 20, "{}", page.len());
    let diagram = mermaid(&chain);
    assert!(diagram.len() < 50_000 && diagram.contains("19880 events are not shown"));
    assert!(dot(&chain).contains("19600 events are not shown"));
}

#[test]
fn json_is_laid_out_and_stays_what_it_is() {
    let laid_out = page::pretty(r#"{"a":[1.10, {}],"b\"{,":"x, y: [z]","c":{"d":null}}"#);
    assert_eq!(
        laid_out,
        "{\n  &quot;a&quot;: [\n    1.10,\n    {}\n  ],\n  &quot;b\\&quot;{,&quot;: &quot;x, y: \
         [z]&quot;,\n  &quot;c&quot;: {\n    &quot;d&quot;: null\n  }\n}"
    );
    assert_eq!(
        page::text("<a href='x'>&\u{202e}\u{1b}"),
        "&lt;a href=&#39;x&#39;&gt;&amp;\\u{202e}\\u{1b}"
    );
}

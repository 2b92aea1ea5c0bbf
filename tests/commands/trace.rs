use serde_json::Value;

use crate::common::Lab;
use crate::support::{EVENT, Event, json};

const CHAIN: Event<'static> = Event {
    time: "2026-05-15T23:59:58.500000Z",
    node: "nas",
    kind: "deployment_started",
    source: "deploy.sh",
    service: "mosquitto",
    correlation: "deploy-882",
    payload: r#"{"version":"2.0.18"}"#,
    ..EVENT
};

/// A chain over midnight and into a third day, and the events of others around it.
fn chain() -> [Event<'static>; 4] {
    [
        CHAIN,
        Event {
            time: "2026-05-16T00:00:01.750000Z",
            kind: "deployment_failed",
            severity: "error",
            payload: r#"{"error":"port 1883 not bound","phase":"verify"}"#,
            number: 1,
            ..CHAIN
        },
        Event {
            time: "2026-05-16T00:03:05.000000Z",
            node: "pi4",
            kind: "remediation_started",
            source: "agent",
            payload: "{}",
            number: 2,
            ..CHAIN
        },
        Event {
            time: "2026-05-18T02:00:00.000000Z",
            kind: "service_recovered",
            source: "monitor.py",
            payload: "{}",
            number: 3,
            ..CHAIN
        },
    ]
}

fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(3, 2);
    for event in chain() {
        event.write(&lab);
        Event { correlation: "deploy-8822", number: event.number + 50, ..event }.write(&lab);
        Event { correlation: "deploy-88", number: event.number + 60, ..event }.write(&lab);
    }
    lab
}

const TIMELINE: &str = "\
2026-05-15 23:59:58     +0.000s  nas   deployment_started   mosquitto  deploy.sh   version=2.0.18
2026-05-16 00:00:01     +3.250s  nas   deployment_failed    mosquitto  deploy.sh   port 1883 not bound phase=verify
2026-05-16 00:03:05      +3m06s  pi4   remediation_started  mosquitto  agent
2026-05-18 02:00:00      +2d02h  nas   service_recovered    mosquitto  monitor.py
failed, then recovered (port 1883 not bound phase=verify); 4 events in 2d02h
";

#[test]
fn a_chain_over_midnight_is_one_timeline_live_archived_and_both() {
    let lab = lab();
    assert_eq!(lab.ok(["trace", "deploy-882"]), TIMELINE);
    lab.ok(["rotate", "--date", "2026-05-16", "--now", "2026-05-19T00:00:00Z"]);
    assert_eq!(lab.ok(["trace", "deploy-882"]), TIMELINE);
    lab.rotate();
    assert_eq!(lab.ok(["trace", "deploy-882"]), TIMELINE);
    lab.ok(["restore", "2026-05-15", "--live"]);
    let run = lab.run(["trace", "deploy-882"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, TIMELINE, ""));
}

#[test]
fn json_has_the_fields_that_the_help_documents() {
    let lab = lab();
    lab.ok(["rotate", "--date", "2026-05-16", "--now", "2026-05-19T00:00:00Z"]);
    let object = json(&lab.ok(["trace", "deploy-882", "-o", "json"]));
    let chain = chain();
    let segment = "2026/2026-05-16.tar.zst";
    let step = |event: &Event<'_>, offset: i64, detail: Option<&str>, segment: Option<&str>| {
        serde_json::json!({
            "offset_us": offset, "timestamp": event.time, "node": event.node, "type": event.kind,
            "severity": event.severity, "service": event.service, "source": event.source,
            "detail": detail, "path": event.path(), "segment": segment,
        })
    };
    assert_eq!(
        object,
        serde_json::json!({
            "correlation_id": "deploy-882",
            "steps": [
                step(&chain[0], 0, Some("version=2.0.18"), None),
                step(&chain[1], 3_250_000, Some("port 1883 not bound phase=verify"), Some(segment)),
                step(&chain[2], 186_500_000, None, Some(segment)),
                step(&chain[3], 180_001_500_000, None, None),
            ],
            "events": 4,
            "first": "2026-05-15T23:59:58.500000Z",
            "last": "2026-05-18T02:00:00.000000Z",
            "duration_us": 180_001_500_000_i64,
            "outcome": "recovered",
            "failure": "port 1883 not bound phase=verify",
            "expired": null, "unreached": null,
        })
    );
    let help = lab.ok(["trace", "--help"]);
    let words: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let documented = words.split_once("With -o json: ").unwrap().1;
    for object in [&object, &object["steps"][0]] {
        for field in object.as_object().unwrap().keys() {
            assert!(documented.contains(field.as_str()), "{field} is not in the help");
        }
    }
}

#[test]
fn ndjson_and_path_are_as_in_list() {
    let lab = lab();
    lab.ok(["rotate", "--date", "2026-05-15", "--now", "2026-05-19T00:00:00Z"]);
    for format in ["ndjson", "path"] {
        let flags = ["--since=2000-01-01", "--correlation-id=deploy-882", "-o", format];
        let wanted = lab.ok(["list"].iter().chain(&flags));
        assert_eq!(wanted.lines().count(), 4);
        assert_eq!(lab.ok(["trace", "deploy-882", "-o", format]), wanted);
    }
}

#[test]
fn a_chain_without_events_is_exit_code_1_in_every_format_and_names_what_is_near() {
    let lab = lab();
    for _ in 0..2 {
        // Ids of which others are parts are not meant.
        for (id, meant) in [
            ("DEPLOY-882", "; did you mean \"deploy-882\"?"),
            ("deploy-8823", "; did you mean \"deploy-882\"?"),
            ("882", ""),
            ("nope", ""),
        ] {
            for format in ["table", "ndjson", "path"] {
                let run = lab.fails(1, ["trace", id, "-o", format]);
                assert_eq!(run.stdout, "");
                let told =
                    format!("no event has the correlation id \"{id}\"{meant}\nsearched the whole ");
                assert!(run.stderr.starts_with(&told), "{run:?}");
            }
        }
        let run = lab.fails(1, ["trace", ""]);
        assert_eq!(run.stderr, "no event has the correlation id \"\"\n");
        let run = lab.fails(1, ["trace", "nope", "-o", "json"]);
        assert_eq!(run.stderr, "");
        let mut told = json(&run.stdout);
        let searched = told.as_object_mut().unwrap().remove("searched").unwrap();
        assert_eq!(
            searched["unknown"],
            serde_json::json!([
                { "field": "correlation_id", "value": "nope", "did_you_mean": null }
            ])
        );
        assert_eq!((&searched["since"], &searched["complete"]), (&Value::Null, &true.into()));
        assert_eq!(
            told,
            serde_json::json!({
                "correlation_id": "nope", "steps": [], "events": 0, "first": null, "last": null,
                "duration_us": null, "outcome": "unknown", "failure": null,
                "cause": null, "also": [], "tried": [], "open": [], "expired": null, "unreached": null,
            })
        );
        lab.rotate();
    }
}

#[test]
fn the_beginning_of_an_id_does_for_all_of_it_and_several_are_named() {
    let lab = lab();
    Event { correlation: "backup-1", number: 99, ..CHAIN }.write(&lab);
    for _ in 0..2 {
        for format in ["table", "json", "mermaid"] {
            let short = lab.run(["trace", "backup", "-o", format]);
            assert_eq!(short.stdout, lab.ok(["trace", "backup-1", "-o", format]));
            assert_eq!(short.stderr, "\"backup\" is taken for \"backup-1\"\n");
            let run = lab.fails(2, ["trace", "deploy", "-o", format]);
            let told = "deploy: 3 correlation ids begin like this, name one of them: deploy-88, \
                        deploy-882, deploy-8822";
            assert!(run.stderr.contains(told) && run.stdout.is_empty(), "{run:?}");
        }
        // All of an id is that id, whatever else begins like it.
        assert_eq!(lab.ok(["trace", "deploy-882"]), TIMELINE);
        lab.rotate();
    }
}

#[test]
fn the_outcome_is_told_in_words() {
    let lab = Lab::new();
    let end = |number: u32, kind: &'static str, payload: &'static str| Event {
        time: "2026-05-16T00:00:09.000000Z",
        kind,
        payload,
        correlation: ["a", "b", "c", "d", "e", "f"][number as usize],
        number,
        ..CHAIN
    };
    let cases = [
        ("deployment_completed", "{}", "completed; 2 events in 10.500s"),
        ("deployment_failed", r#"{"reason":"no space"}"#, "failed (no space); 2 events in 10.500s"),
        (
            "remediation_completed",
            r#"{"success":false}"#,
            "failed (success=false); 2 events in 10.500s",
        ),
        ("healthcheck_failed", "{}", "failed; 2 events in 10.500s"),
        ("config_reloaded", "{}", "started; its end is not reported; 2 events in 10.500s"),
        ("node_online", "{}", "completed; 2 events in 10.500s"),
    ];
    for (number, (kind, payload, verdict)) in cases.into_iter().enumerate() {
        let end = end(number as u32, kind, payload);
        end.write(&lab);
        Event { correlation: end.correlation, number: number as u32 + 10, ..CHAIN }.write(&lab);
        let told = lab.ok(["trace", end.correlation]);
        assert_eq!(told.lines().last().unwrap(), verdict);
    }
}

#[test]
fn a_chain_whose_parts_cannot_all_be_read_says_so() {
    let lab = lab();
    lab.rotate();
    let segment = lab.archive().join("2026/2026-05-16.tar.zst");
    std::fs::remove_file(&segment).unwrap();
    let run = lab.fails(74, ["trace", "deploy-882"]);
    assert_eq!(run.stdout.lines().count(), 3, "{run:?}");
    assert_eq!(
        run.stdout.lines().last().unwrap(),
        "as far as it could be read: completed; 2 events in 2d02h"
    );
    assert_eq!(
        run.stderr,
        format!(
            "hlarchive: warning: {}: cannot open: no such file or directory\n",
            segment.display()
        )
    );
}

#[test]
fn ids_with_quotes_escapes_and_wide_characters_are_found() {
    let lab = Lab::new();
    for (number, (id, written)) in [
        ("a\"b", r#"a\"b"#),
        ("a\\b", r"a\\b"),
        ("größe", r"gr\u00f6\u00dfe"),
        ("日本", "日本"),
        ("with space", "with space"),
        ("-leading", "-leading"),
    ]
    .into_iter()
    .enumerate()
    {
        Event { correlation: written, number: number as u32, ..EVENT }.write(&lab);
        for _ in 0..2 {
            assert_eq!(lab.ok(["trace", id, "-opath"]).lines().count(), 1, "{id}");
        }
    }
    lab.rotate();
    for id in ["a\"b", "a\\b", "größe", "日本", "with space", "-leading"] {
        assert_eq!(lab.ok(["trace", id, "-opath"]).lines().count(), 1, "{id}");
    }
}

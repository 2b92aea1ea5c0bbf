use serde_json::Value;

use crate::common::{Lab, NOW};
use crate::support::{EVENT, Event, json};

const START: Event<'static> = Event {
    time: "2026-05-15T23:59:30.000000Z",
    kind: "remediation_started",
    source: "agent",
    service: "mosquitto",
    correlation: "fix-1",
    payload: r#"{"action":"restart","attempt":1}"#,
    ..EVENT
};

/// Three tries of one thing over midnight and into a third day, interleaved with those of
/// another service; the first end of the former is lost.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(3, 2);
    let mut number = 100;
    let mut write = |time: &'static str, kind: &'static str, base: Event<'static>| {
        number += 1;
        Event { time, kind, number, ..base }.write(&lab)
    };
    let (start, end) = ("remediation_started", "remediation_completed");
    let second = Event { payload: r#"{"action":"restart","attempt":2}"#, ..START };
    let later = Event { correlation: "fix-2", payload: r#"{"action":"restart"}"#, ..START };
    let failed = Event { payload: r#"{"action":"restart","success":false}"#, ..later };
    let other = Event { service: "grafana", payload: "{}", node: "nas", ..START };
    let monitor = Event { source: "monitor.py", payload: "{}", correlation: "watch", ..START };
    write("2026-05-15T23:59:30.000000Z", start, START);
    write("2026-05-15T23:59:40.000000Z", start, other);
    write("2026-05-15T23:59:50.000000Z", "service_unhealthy", monitor);
    write("2026-05-15T23:59:58.000000Z", start, second);
    write("2026-05-16T00:00:10.000000Z", end, other);
    write("2026-05-16T00:01:03.500000Z", end, second);
    write("2026-05-16T00:02:00.000000Z", "service_recovered", monitor);
    write("2026-05-18T02:00:00.000000Z", start, later);
    write("2026-05-18T02:00:05.000000Z", end, failed);
    write("2026-05-18T02:01:00.000000Z", "service_unhealthy", monitor);
    lab
}

const ALL: &str = "\
STARTED              NODE  SERVICE    ACTION   TRY  ENDED          AFTERWARDS  CORRELATION ID
2026-05-15 23:59:30  pi4   mosquitto  restart  1/3  no             unhealthy   fix-1
2026-05-15 23:59:40  nas   grafana    -        1/1  30.000s        unknown     fix-1
2026-05-15 23:59:58  pi4   mosquitto  restart  2/3  1m05s          recovered   fix-1
2026-05-18 02:00:00  pi4   mosquitto  restart  3/3  failed 5.000s  unhealthy   fix-2
4 attempts, 3 completed (1 of them failed), 3 unresolved
";

#[test]
fn attempts_over_midnight_are_the_same_live_archived_and_both() {
    let lab = lab();
    assert_eq!(lab.ok(["attempts"]), ALL);
    lab.rotate_day("2026-05-16");
    assert_eq!(lab.ok(["attempts"]), ALL);
    lab.rotate();
    assert_eq!(lab.ok(["attempts"]), ALL);
    lab.ok(["restore", "2026-05-15", "--live"]);
    let run = lab.run(["attempts"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, ALL, ""));
}

fn attempts(lab: &Lab, flags: &[&str]) -> Vec<Value> {
    let arguments = ["attempts", "-ojson"];
    let object = json(&lab.ok(arguments.iter().chain(flags)));
    object["attempts"].as_array().unwrap().clone()
}

fn starts(lab: &Lab, flags: &[&str]) -> Vec<String> {
    let times = attempts(lab, flags);
    times.iter().map(|attempt| attempt["timestamp"].as_str().unwrap()[8..19].to_owned()).collect()
}

#[test]
fn filters_choose_attempts_and_unresolved_ones_are_those_to_look_after() {
    let lab = lab();
    let (first, grafana) = ("15T23:59:30", "15T23:59:40");
    let (second, third) = ("15T23:59:58", "18T02:00:00");
    for _ in 0..2 {
        for (flags, wanted) in [
            (&["--service=mosquitto"][..], &[first, second, third][..]),
            (&["--service=grafana", "--service=none"], &[grafana]),
            (&["--node=nas"], &[grafana]),
            (&["--action=restart", "--node=pi4"], &[first, second, third]),
            (&["--correlation-id=fix-2"], &[third]),
            (&["--source=agent", "--since=2026-05-16"], &[third]),
            (&["--until=2026-05-15"], &[first, grafana, second]),
            (&["--since=2026-05-15T23:59:40Z", "--until=2026-05-15T23:59:58Z"], &[grafana]),
            (&["--unresolved"], &[first, grafana, third]),
            (&["--unresolved", "--service=mosquitto", "--until=2026-05-15"], &[first]),
        ] {
            assert_eq!(starts(&lab, flags), wanted, "{flags:?}");
        }
        // What is only filtered out is still a try.
        assert_eq!(attempts(&lab, &["--correlation-id=fix-2"])[0]["tries"], 3);
        assert_eq!(attempts(&lab, &["--since=2026-05-16"])[0]["tries"], 1);
        lab.rotate();
    }
}

#[test]
fn what_comes_after_the_range_still_decides_and_what_began_before_it_keeps_its_end() {
    let lab = Lab::new();
    let plain = Event { payload: "{}", ..START };
    for (number, (time, kind)) in [
        ("2026-05-15T23:59:00.000000Z", "remediation_started"),
        ("2026-05-16T00:00:05.000000Z", "remediation_started"),
        ("2026-05-16T00:00:10.000000Z", "remediation_completed"),
        ("2026-05-19T00:00:00.000000Z", "remediation_completed"),
        ("2026-05-20T00:00:00.000000Z", "service_recovered"),
    ]
    .into_iter()
    .enumerate()
    {
        Event { time, kind, number: number as u32, ..plain }.write(&lab);
    }
    for _ in 0..2 {
        let found = attempts(&lab, &["--since=2026-05-16", "--until=2026-05-16"]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["duration_us"], 3 * 86_400_000_000_i64 - 5_000_000);
        assert_eq!(found[0]["afterwards"], "recovered");
        lab.rotate();
    }
}

#[test]
fn json_has_the_fields_that_the_help_documents() {
    let lab = lab();
    lab.rotate_day("2026-05-15");
    let flags = ["attempts", "--service=mosquitto", "--since=2026-05-15", "--until=2026-05-15"];
    let object = json(&lab.ok(flags.iter().chain(&["-ojson"])));
    let segment = "2026/2026-05-15.tar.zst";
    let first = Event { number: 101, ..START };
    assert_eq!(object["attempts"][0]["path"], first.path());
    assert_eq!(
        object["attempts"][1],
        serde_json::json!({
            "timestamp": "2026-05-15T23:59:58.000000Z", "correlation_id": "fix-1", "node": "pi4",
            "service": "mosquitto", "source": "agent", "action": "restart", "attempt": "2",
            "number": 2, "tries": 2, "completed": true, "failed": false, "duration_us": 65_500_000,
            "afterwards": "recovered", "afterwards_us": 122_000_000,
            "path": object["attempts"][1]["path"], "segment": segment,
        })
    );
    let mut rest = object.clone();
    rest["attempts"] = Value::Null;
    assert_eq!(
        rest,
        serde_json::json!({
            "since": "2026-05-15T00:00:00.000000Z", "until": "2026-05-16T00:00:00.000000Z",
            "attempts": null, "started": 2, "completed": 1, "failed": 0, "unresolved": 1,
            "stray_ends": 0, "expired": null, "unreached": null,
        })
    );
    let help = lab.ok(["attempts", "--help"]);
    let words: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let documented = words.split_once("With -o json: ").unwrap().1;
    for object in [&object, &object["attempts"][0]] {
        for field in object.as_object().unwrap().keys() {
            assert!(documented.contains(field.as_str()), "{field} is not in the help");
        }
    }
}

#[test]
fn no_attempt_or_none_unresolved_is_exit_code_1() {
    let lab = lab();
    for _ in 0..2 {
        let run = lab.fails(1, ["attempts", "--service=nope"]);
        assert_eq!(run.stdout, "");
        let told =
            "there is no such attempt\nno event has service \"nope\"\nsearched the whole history";
        assert!(run.stderr.starts_with(told), "{run:?}");
        let flags = ["--unresolved", "--since=2026-05-15T23:59:58Z", "--until=2026-05-16"];
        let run = lab.fails(1, ["attempts"].iter().chain(&flags));
        let told = "there is no such unresolved attempt\nsearched 2026-05-15T23:59:58.000000Z to ";
        assert!(run.stderr.starts_with(told), "{run:?}");
        let run = lab.fails(1, ["attempts", "--service=nope", "-ojson"]);
        assert_eq!(run.stderr, "");
        let report = json(&run.stdout);
        assert_eq!(report["attempts"], serde_json::json!([]));
        assert_eq!(
            report["searched"]["unknown"],
            serde_json::json!([{ "field": "service", "value": "nope", "did_you_mean": null }])
        );
        lab.rotate();
    }
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_told() {
    let lab = lab();
    lab.ok(["rotate", "--now", NOW]);
    let segment = lab.archive().join("2026/2026-05-16.tar.zst");
    std::fs::remove_file(&segment).unwrap();
    let run = lab.fails(74, ["attempts", "--service=mosquitto"]);
    assert!(run.stdout.contains("2/3  no"), "{run:?}");
    assert!(run.stderr.contains(&segment.display().to_string()), "{run:?}");
}

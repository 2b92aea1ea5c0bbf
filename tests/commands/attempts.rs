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
STARTED              NODE  SERVICE    ACTION   TRY  ENDED          OUTCOME    CORRELATION ID
2026-05-18 02:00:00  pi4   mosquitto  restart  3/3  failed 5.000s  failed     fix-2
2026-05-15 23:59:58  pi4   mosquitto  restart  2/3  1m05s          helped     fix-1
2026-05-15 23:59:40  nas   grafana    -        1/1  30.000s        unknown    fix-1
2026-05-15 23:59:30  pi4   mosquitto  restart  1/3  no             no effect  fix-1
4 attempts, 3 completed (1 of them failed), 3 unresolved
restart helped 1 of 3 (1 no effect, 1 failed); last helped 2026-05-15 23:59:58
no action named helped 0 of 1 (1 unknown)
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

#[test]
fn the_table_of_attempts_in_the_readme_is_what_is_printed() {
    let table = lab().ok(["attempts", "--service", "mosquitto"]);
    assert!(include_str!("../../README.md").contains(&table), "{table}");
}

fn attempts(lab: &Lab, flags: &[&str]) -> Vec<Value> {
    let arguments = ["attempts", "-ojson", "--reverse"];
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
        // That it was a day later is beyond the horizon.
        assert_eq!(
            (&found[0]["afterwards"], &found[0]["outcome"]),
            (&"recovered".into(), &"no_effect".into())
        );
        lab.rotate();
    }
}

#[test]
fn json_has_the_fields_that_the_help_documents() {
    let lab = lab();
    lab.rotate_day("2026-05-15");
    let flags = [
        "attempts",
        "--reverse",
        "--service=mosquitto",
        "--since=2026-05-15",
        "--until=2026-05-15",
    ];
    let object = json(&lab.ok(flags.iter().chain(&["-ojson"])));
    let segment = "2026/2026-05-15.tar.zst";
    let first = Event { number: 101, ..START };
    assert_eq!(object["attempts"][0]["path"], first.path());
    assert_eq!(
        object["attempts"][1],
        serde_json::json!({
            "timestamp": "2026-05-15T23:59:58.000000Z", "correlation_id": "fix-1", "node": "pi4",
            "service": "mosquitto", "source": "agent", "action": "restart", "attempt": "2",
            "outcome": "helped", "number": 2, "tries": 2, "completed": true, "failed": false, "duration_us": 65_500_000,
            "afterwards": "recovered", "afterwards_us": 122_000_000,
            "path": object["attempts"][1]["path"], "segment": segment,
        })
    );
    let mut rest = object.clone();
    rest["attempts"] = Value::Null;
    rest["by_action"] = Value::Null;
    assert_eq!(
        object["by_action"],
        serde_json::json!([{
            "action": "restart", "tries": 2, "helped": 1, "no_effect": 1, "failed": 0,
            "superseded": 0, "unknown": 0, "last_helped": "2026-05-15T23:59:58.000000Z",
        }])
    );
    assert_eq!(
        rest,
        serde_json::json!({
            "since": "2026-05-15T00:00:00.000000Z", "until": "2026-05-16T00:00:00.000000Z",
            "within_seconds": 1800, "attempts": null, "by_action": null, "started": 2, "completed": 1, "failed": 0, "unresolved": 1,
            "stray_ends": 0, "expired": null, "unreached": null,
        })
    );
    let help = lab.ok(["attempts", "--help"]);
    let words: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let documented = words.split_once("With -o json: ").unwrap().1;
    for object in [&object, &object["attempts"][0], &object["by_action"][0]] {
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
            "no matching attempts\nno event has service \"nope\"\nsearched the whole history";
        assert!(run.stderr.starts_with(told), "{run:?}");
        let flags = ["--unresolved", "--since=2026-05-15T23:59:58Z", "--until=2026-05-16"];
        let run = lab.fails(1, ["attempts"].iter().chain(&flags));
        let told = "no matching unresolved attempts\nsearched 2026-05-15T23:59:58.000000Z to ";
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

#[test]
fn a_bad_horizon_is_refused_and_a_broken_policy_is_only_a_warning() {
    let lab = lab();
    for (flag, wanted) in [
        ("--within=0s", "expected a duration from 1s to 30d"),
        ("--within=31d", "expected a duration from 1s to 30d"),
        ("--within=1M", "M is ambiguous"),
        ("--within=soon", "not a length of time"),
    ] {
        let run = lab.fails(2, ["attempts", flag]);
        assert!(run.stderr.contains(wanted), "{run:?}");
    }
    crate::support::policy(&lab, "version = 1\n[answers]\nwithin = \"0s\"\n");
    let run = lab.run(["attempts"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ALL), "{run:?}");
    assert!(run.stderr.contains("judged by the built-in rules"), "{run:?}");
    assert_eq!(lab.run(["policy", "check"]).code, 78);
}

/// Two hundred tries of five actions, of which one helps.
fn many(lab: &Lab) {
    let actions = ["restart", "restart_container", "reboot", "rollback", "renew_cert"];
    let payloads = actions.map(|action| format!(r#"{{"action":"{action}","attempt":3}}"#));
    for number in 0..200_u32 {
        let payload = &payloads[number as usize % 5];
        let time = |minute: u32| {
            let minute = number * 6 + minute;
            let (day, hour) = (10 + minute / 1440, minute / 60 % 24);
            format!("2026-05-{day}T{hour:02}:{:02}:00.000000Z", minute % 60)
        };
        let correlation = format!("0196d8a2-5b00-7000-8000-{number:012}");
        let base = Event { correlation: &correlation, payload, ..START };
        Event { time: &time(0), number: number * 3, ..base }.write(lab);
        let end = Event { kind: "remediation_completed", number: number * 3 + 1, ..base };
        Event { time: &time(1), ..end }.write(lab);
        let kind = if number % 5 == 3 { "service_recovered" } else { "service_unhealthy" };
        Event { time: &time(2), kind, number: number * 3 + 2, payload: "{}", ..base }.write(lab);
    }
}

#[test]
fn the_numbers_of_a_service_fit_on_one_screen() {
    let lab = Lab::new();
    many(&lab);
    let output = lab.command(["attempts", "--service=mosquitto"]).env("COLUMNS", "80").output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(text.lines().count() < 24, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.contains("\n188 attempts before these; -n shows more\n"), "{text}");
    assert!(text.contains("\n200 attempts, 200 completed, 160 unresolved\n"), "{text}");
    assert!(text.contains("\nrollback helped 40 of 40; last helped 2026-05-1"), "{text}");
    assert!(text.contains("\nrestart_container helped 0 of 40 (40 no effect)\n"), "{text}");
    // A token has about three bytes of JSON.
    let sums = lab.ok(["attempts", "--service=mosquitto", "-ojson", "-n0"]);
    let words = serde_json::to_string(&json(&sums)).unwrap();
    assert!(words.len() < 1500, "{}: {words}", words.len());
    assert_eq!(json(&sums)["by_action"].as_array().unwrap().len(), 5);
}

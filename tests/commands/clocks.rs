//! Clocks that are wrong: behind, ahead, or set back in between.

use std::process::Command;

use crate::common::{HLARCHIVE, Lab, Run, tool};
use crate::support::{EVENT, Event, json, policy};

const NOW: &str = "2026-05-20T12:00:00Z";

fn write(lab: &Lab, number: u32, time: &str, kind: &str, service: &str, correlation: &str) {
    Event { time, kind, service, correlation, number, ..EVENT }.write(lab);
}

#[test]
fn an_event_from_the_future_is_kept_with_a_warning_or_refused_as_the_policy_says() {
    let lab = Lab::new();
    let future = ["emit", "service_recovered", "--timestamp=2999-01-01T00:00:00Z"];
    let run = lab.run(future);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1), "{run:?}");
    let told = "timestamp: 2999-01-01T00:00:00.000000Z is later than now, ";
    assert!(run.stderr.starts_with(&format!("hlarchive: warning: {told}")), "{run:?}");
    let line = b"{\"type\":\"node_online\",\"timestamp\":\"2999-01-01T00:00:00Z\"}\n";
    let run = lab.pipe(line, ["emit", "--batch"]);
    assert!(run.code == 0 && run.stderr.contains(told), "{run:?}");
    // Clocks differ a little.
    assert_eq!(lab.run(["emit", "node_online", "--timestamp=now"]).stderr, "");
    policy(&lab, "version = 1\n[events]\nfuture = \"reject\"\n");
    let run = lab.fails(65, future);
    assert!(run.stderr.contains(told), "{run:?}");
    assert_eq!(lab.pipe(line, ["emit", "--batch"]).code, 65);
    policy(&lab, "version = 1\n[events]\nfuture = \"no\"\n");
    let run = lab.fails(78, ["policy", "check"]);
    assert!(run.stderr.contains("future = \"no\": expected \"warn\" or \"reject\""), "{run:?}");
}

#[test]
fn what_is_dated_later_than_now_decides_nothing_and_is_named() {
    let lab = Lab::new();
    write(&lab, 1, "2026-05-20T09:00:00.000000Z", "service_unhealthy", "mqtt", "a");
    write(&lab, 2, "2026-05-20T09:00:01.000000Z", "remediation_started", "mqtt", "a");
    write(&lab, 3, "2999-01-01T00:00:00.000000Z", "remediation_completed", "mqtt", "a");
    write(&lab, 4, "2999-01-01T00:00:00.000000Z", "service_recovered", "mqtt", "a");
    write(&lab, 5, "2999-01-01T00:00:01.000000Z", "remediation_started", "mqtt", "b");
    let run = lab.fails(1, ["status", "--now", NOW]);
    assert!(run.stdout.contains("pi4 mqtt unhealthy"), "{run:?}");
    assert!(run.stdout.contains("reported no end (hlarchive trace a)"), "{run:?}");
    let told = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("it is dated later than now, and 2 others"), "{run:?}");
    let attempts = json(&lab.ok(["attempts", "-o", "json"]));
    assert_eq!((&attempts["started"], &attempts["completed"]), (&1.into(), &0.into()));
    assert_eq!(attempts["attempts"][0]["afterwards"], "unknown");
    let chain = json(&lab.ok(["trace", "a", "-o", "json"]));
    assert_eq!((&chain["outcome"], &chain["future"]), (&"remediating".into(), &2.into()));
    assert_eq!(chain["steps"][3]["future"], true);
    assert!(lab.ok(["trace", "a"]).contains("; 2 events of the future ignored"));
    // Nothing is damaged, so it is a remark.
    let run = lab.run(["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stdout.matches("is later than now: is a clock wrong").count(), 3, "{run:?}");
    // Archived, it decides as little, and is named still.
    for number in [1, 2] {
        write(&lab, 10 + number, "2026-05-10T09:00:00.000000Z", "node_online", "mqtt", "a");
    }
    let [past, future] =
        [("2026-05-10T09:00:01Z", 21), ("2999-01-01T00:00:00Z", 22)].map(|(time, number)| Event {
            time,
            kind: "service_recovered",
            service: "db",
            number,
            ..EVENT
        });
    lab.write(&past.path(), future.line());
    assert_eq!(lab.run(["rotate", "--date", "2026-05-10", "--now", NOW]).code, 1);
    let named = "2026/2026-05-10.tar.zst: it has an event of 2999-01-01T00:00:00.000000Z, later";
    let status = lab.fails(1, ["status", "--now", NOW]).stdout;
    let told = status.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&format!("clock {named}")), "{status}");
    assert!(lab.run(["verify"]).stdout.contains(named));
    // When its time is here, it counts.
    let run = lab.run(["status", "--now", "2999-01-02T00:00:00Z", "--since", "2026-05-01"]);
    assert!(!run.stdout.contains("mqtt unhealthy"), "{run:?}");
}

#[test]
fn an_end_from_before_its_start_is_its_end_after_all_and_told_as_such() {
    let lab = Lab::new();
    for (number, (time, kind, service, id)) in [
        ("10:00:00", "remediation_completed", "mqtt", "a"),
        ("10:00:02", "remediation_started", "mqtt", "a"),
        ("10:00:05", "service_recovered", "mqtt", "a"),
        ("10:10:00", "deployment_completed", "web", "d"),
        ("10:10:02", "deployment_started", "web", "d"),
        // Too long before.
        ("10:20:00", "deployment_completed", "web", "e"),
        ("10:30:00", "deployment_started", "web", "e"),
        // A start that has an end of its own needs no other.
        ("11:00:00", "remediation_completed", "mqtt", "c"),
        ("11:00:02", "remediation_started", "mqtt", "c"),
        ("11:00:30", "remediation_completed", "mqtt", "c"),
    ]
    .into_iter()
    .enumerate()
    {
        write(&lab, number as u32, &format!("2026-05-20T{time}.000000Z"), kind, service, id);
    }
    let told = json(&lab.ok(["attempts", "--reverse", "-o", "json"]));
    let attempts = told["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &told["stray_ends"]), (2, &1.into()), "{told}");
    assert_eq!(
        (&attempts[0]["completed"], &attempts[0]["clock_stepped"]),
        (&true.into(), &true.into())
    );
    assert_eq!(attempts[0]["duration_us"], serde_json::Value::Null);
    assert_eq!(attempts[1]["duration_us"], 28_000_000);
    assert_eq!(attempts[1].get("clock_stepped"), None);
    assert!(lab.ok(["attempts"]).contains("  yes, clock stepped  helped"));
    assert_eq!(lab.ok(["attempts", "--unresolved", "--correlation-id=c"]).lines().count(), 4);
    let chain = json(&lab.ok(["trace", "d", "-o", "json"]));
    assert_eq!((&chain["outcome"], &chain["clock_stepped"]), (&"completed".into(), &true.into()));
    let text = lab.ok(["trace", "d"]);
    assert!(text.contains("completed (its end is dated before its start: a clock was set back)"));
    assert_eq!(json(&lab.ok(["trace", "e", "-o", "json"]))["outcome"], "running");
    let run = lab.fails(0, ["status", "--now", NOW]);
    assert!(run.stdout.contains("clock      2 runs ended before they began"), "{run:?}");
    assert!(run.stdout.contains("unended    1 run since"), "{run:?}");
    assert!(run.stdout.contains("reported no end (hlarchive trace e)"), "{run:?}");
    let object = json(&lab.run(["status", "--now", NOW, "-o", "json"]).stdout);
    assert_eq!(object["clock_stepped"], 2);
}

#[test]
fn an_emitter_whose_clock_was_never_set_is_told_so_and_keeps_its_event() {
    let lab = Lab::new();
    let Some(faketime) = tool("faketime") else { return };
    let emit = |more: &[&str]| {
        let mut command = Command::new(&faketime);
        command.args(["-f", "@1970-01-02 00:00:00", HLARCHIVE, "emit", "node_online"]).args(more);
        Run::of(&command.env("TZ", "UTC").env("HLARCHIVE_ROOT", lab.root()).output().unwrap())
    };
    let run = emit(&[]);
    assert_eq!((run.code, run.stderr.lines().count()), (0, 1), "{run:?}");
    assert!(run.stderr.contains("the clock says 1970-01-02T00:00:0"), "{run:?}");
    assert!(run.stderr.contains("before this hlarchive was made"), "{run:?}");
    // A time that was given is no matter of the clock.
    let run = emit(&["--timestamp=1970-01-01T00:00:00Z"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}

#[test]
fn an_emitter_whose_clock_is_behind_the_archive_is_told_so() {
    let lab = Lab::new();
    assert_eq!(lab.run(["emit", "node_online"]).stderr, "");
    write(&lab, 1, "2998-12-31T10:00:00.000000Z", "node_online", "all", "a");
    lab.ok(["rotate", "--now", "2999-06-01T00:00:00Z", "--date", "2998-12-31"]);
    let run = lab.run(["emit", "node_online"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1), "{run:?}");
    assert!(run.stderr.contains("before the newest archived day, 2998-12-31"), "{run:?}");
    let run = lab.pipe(b"{}\n{}\n", ["emit", "--batch", "node_online"]);
    assert_eq!((run.code, run.stderr.lines().count()), (0, 1), "{run:?}");
    assert_eq!(lab.run(["emit", "node_online", "--timestamp=2026-05-16"]).stderr, "");
}

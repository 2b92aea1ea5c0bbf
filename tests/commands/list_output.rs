use crate::common::Lab;
use crate::support::{EVENT, Event, json};

const EVER: [&str; 2] = ["list", "--since=2000-01-01"];

fn lab() -> (Lab, [Event<'static>; 3]) {
    let lab = Lab::new();
    let events = [
        Event {
            time: "2026-05-15T23:59:58.500000Z",
            node: "nas",
            kind: "deployment_started",
            service: "mosquitto",
            correlation: "deploy-882",
            payload: r#"{"version":"2.0.18","phase":"pull"}"#,
            ..EVENT
        },
        Event {
            time: "2026-05-16T00:00:40.000000Z",
            node: "nas",
            kind: "deployment_failed",
            severity: "error",
            service: "mosquitto",
            correlation: "deploy-882",
            payload: r#"{"error":"port 1883 is not bound after 30 seconds; the container exited with code 137"}"#,
            number: 1,
            ..EVENT
        },
        Event { time: "2026-05-16T00:02:00.000000Z", number: 2, ..EVENT },
    ];
    events[0].write(&lab);
    lab.rotate();
    events[1].write(&lab);
    events[2].write(&lab);
    (lab, events)
}

#[test]
fn ndjson_has_an_events_own_fields_then_path_and_segment() {
    let (lab, events) = lab();
    let printed = lab.ok(EVER.iter().chain(&["-ondjson"]));
    let wanted = [
        events[0].archived_line("2026/2026-05-15.tar.zst"),
        events[1].live_line(),
        events[2].live_line(),
    ];
    assert_eq!(printed, wanted.map(|line| line + "\n").concat());
}

#[test]
fn json_is_one_array_of_the_same_objects() {
    let (lab, _) = lab();
    let lines = lab.ok(EVER.iter().chain(&["--output", "ndjson"]));
    let wanted: Vec<&str> = lines.lines().collect();
    let printed = lab.ok(EVER.iter().chain(&["--output", "json"]));
    assert_eq!(printed, format!("[\n{}\n]\n", wanted.join(",\n")));
    assert_eq!(json(&printed).as_array().unwrap().len(), 3);
}

#[test]
fn path_is_the_identity_alone() {
    let (lab, events) = lab();
    let wanted: String = events.iter().map(|event| event.path() + "\n").collect();
    assert_eq!(lab.ok(EVER.iter().chain(&["-o", "path"])), wanted);
}

#[test]
fn the_table_is_for_people() {
    let (lab, _) = lab();
    let wanted = "\
TIME                 SEVERITY  NODE  TYPE                SERVICE    CORRELATION ID  DETAIL
2026-05-15 23:59:58  info      nas   deployment_started  mosquitto  deploy-882      phase=pull version=2.0.18
2026-05-16 00:00:40  error     nas   deployment_failed   mosquitto  deploy-882      port 1883 is not bound after 30 seconds; the container exited with code 137
2026-05-16 00:02:00  info      pi4   node_online         all        run-1
";
    assert_eq!(lab.ok(EVER), wanted);
    assert_eq!(lab.ok(EVER.iter().chain(&["-o", "table"])), wanted);
}

#[test]
fn eighty_columns_are_enough() {
    let (lab, _) = lab();
    let run = lab.command(EVER).env("COLUMNS", "80").output().unwrap();
    assert_eq!(
        String::from_utf8(run.stdout).unwrap(),
        "\
TIME                 SEVERITY  NODE  TYPE                SERVICE    DETAIL
2026-05-15 23:59:58  info      nas   deployment_started  mosquitto  phase=pull …
2026-05-16 00:00:40  error     nas   deployment_failed   mosquitto  port 1883 i…
2026-05-16 00:02:00  info      pi4   node_online         all
"
    );
}

#[test]
fn a_cell_cannot_drive_the_terminal_or_break_the_line() {
    let lab = Lab::new();
    let nasty = r"a\u001b[2Jb\nc\u202ed";
    let payload = format!("{{\"error\":\"{nasty}\"}}");
    Event { service: nasty, correlation: nasty, payload: &payload, ..EVENT }.write(&lab);
    let table = lab.ok(EVER);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(!table.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{table:?}");
    // The machine's formats carry it as it is.
    assert!(lab.ok(EVER.iter().chain(&["-ondjson"])).contains(nasty));
}

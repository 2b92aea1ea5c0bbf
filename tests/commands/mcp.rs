//! The server for agents, asked by the protocol's reference client in Python
//! (`tests/agents/client.py`) and, where a client would never do so, by hand.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::common::{HLARCHIVE, Lab, Run, python};
use crate::support::{EVENT, Event, assert_untouched, json as parse};

const TRY: Event<'static> = Event {
    time: "2026-05-20T10:00:00.000000Z",
    kind: "remediation_started",
    source: "mender",
    service: "mosquitto",
    correlation: "fix-1",
    payload: r#"{"action":"restart"}"#,
    number: 1000,
    ..EVENT
};

/// Archived days, live days, and a few attempts; some of them are tried anew with each number.
fn lab(days: u32, per_node: u32) -> Lab {
    let lab = Lab::new();
    lab.seed(days, per_node);
    lab.rotate_day("2026-05-10");
    lab.rotate_day("2026-05-11");
    let end = Event {
        time: "2026-05-20T10:00:05.000000Z",
        kind: "remediation_completed",
        number: 1001,
        ..TRY
    };
    let again = Event { time: "2026-05-20T11:00:00.000000Z", number: 1002, ..TRY };
    let well = Event {
        time: "2026-05-20T11:30:00.000000Z",
        kind: "service_recovered",
        number: 1003,
        ..TRY
    };
    for event in [TRY, end, again, well] {
        event.write(&lab);
    }
    lab
}

/// A step of the client, which asserts what it finds; false where it cannot be taken.
#[track_caller]
fn step(lab: &Lab, name: &str, environment: &[(&str, &str)]) -> bool {
    let Some(python) = python("mcp") else { return false };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/client.py");
    let places = lab.command(["mcp"]);
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args([HLARCHIVE, name]).env_clear();
    for (key, value) in places.get_envs() {
        command.env(key, value.unwrap());
    }
    let run = Run::of(&command.envs(environment.iter().copied()).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    true
}

#[test]
fn a_client_is_told_which_tool_is_for_what() {
    step(&lab(2, 2), "tools", &[]);
}

#[test]
fn every_tool_says_what_its_command_prints() {
    let lab = lab(4, 20);
    let runs = lab.path("runs.prom").display().to_string();
    step(&lab, "answers", &[("HLARCHIVE_METRICS_FILE", &runs)]);
}

#[test]
fn all_pages_together_are_what_list_prints() {
    step(&lab(5, 140), "paging", &[]);
}

#[test]
fn a_rotation_between_two_pages_moves_no_boundary() {
    step(&lab(4, 60), "moving", &[]);
}

#[test]
fn bad_arguments_and_hostile_ids_are_refused_in_one_sentence() {
    let lab = lab(3, 4);
    assert_untouched(&lab, || step(&lab, "bad", &[]));
}

#[test]
fn events_are_written_only_where_it_is_allowed() {
    step(&lab(2, 2), "emitting", &[]);
}

#[test]
fn an_empty_answer_says_what_was_looked_at_and_what_was_likely_meant() {
    step(&lab(4, 20), "empty", &[]);
}

#[test]
fn a_call_that_is_given_up_leaves_the_server_at_work() {
    step(&lab(3, 100), "cancelling", &[]);
}

#[test]
fn damage_costs_itself_and_is_named() {
    let lab = lab(3, 20);
    let segment = lab.archive().join("2026/2026-05-10.tar.zst");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100..140].fill(0xff);
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, bytes).unwrap();
    step(&lab, "damaged", &[]);
}

#[test]
fn an_event_of_any_size_comes_whole() {
    let lab = lab(2, 2);
    let text = "é".repeat(100_000);
    let payload = format!(r#"{{"text":"{text}"}}"#);
    let large = Event { payload: &payload, number: 2000, ..TRY };
    let digits = r#"{"n":12345678901234567890123}"#;
    let number =
        Event { payload: digits, number: 2001, time: "2026-05-21T10:00:00.000000Z", ..TRY };
    let (path, size) = (large.write(&lab), (large.line().len() + 1).to_string());
    let number = number.write(&lab);
    step(&lab, "large", &[("LARGE", &path), ("LARGE_BYTES", &size), ("NUMBER", &number)]);
}

/// What the server answers to these lines, whose input then ends.
#[track_caller]
fn say(lab: &Lab, lines: &[Value]) -> Vec<Value> {
    let text = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n") + "\n";
    let run = lab.pipe(text.as_bytes(), ["mcp"]);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    run.stdout.lines().map(parse).collect()
}

fn hello() -> [Value; 2] {
    let client = json!({ "name": "by hand", "version": "0" });
    let parameters =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": parameters }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    ]
}

fn call(id: u64, tool: &str, arguments: &Value) -> Value {
    let parameters = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": parameters })
}

#[test]
fn what_was_asked_before_the_input_ended_is_answered() {
    let lab = lab(3, 4);
    assert_eq!(say(&lab, &[]), [Value::Null; 0]);
    let [first, second] = hello();
    let answers = say(
        &lab,
        &[
            first,
            second,
            call(1, "list", &json!({ "date": ["2026-05-10"] })),
            call(2, "x", &json!({})),
        ],
    );
    assert_eq!(answers.len(), 3, "{answers:?}");
    let of = |id: u64| answers.iter().find(|answer| answer["id"] == id).unwrap();
    assert_eq!(of(0)["result"]["serverInfo"]["name"], "hlarchive");
    let events = of(1)["result"]["structuredContent"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 12);
    // A tool that is not there is a mistake of the protocol, as the protocol says.
    assert_eq!(of(2)["error"]["code"], -32602);
}

#[test]
fn a_cancelled_call_ends_and_those_after_it_are_answered() {
    let lab = lab(4, 100);
    let [first, second] = hello();
    let cancel = json!({
        "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 }
    });
    let answers = say(
        &lab,
        &[
            first,
            second,
            call(7, "verify", &json!({ "depth": "full" })),
            cancel,
            call(8, "list", &json!({ "date": ["2026-05-10"], "limit": 1 })),
        ],
    );
    assert!(answers.iter().any(|answer| answer["id"] == 8), "{answers:?}");
}

#[test]
fn nobody_at_the_other_end_is_told_in_one_sentence() {
    let lab = lab(2, 2);
    let run = lab.pipe(b"GET / HTTP/1.1\r\n\r\n", ["mcp"]);
    assert!(run.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{run:?}");
    assert!(!run.stderr.contains("panicked"), "{run:?}");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    fs::write(lab.path("asked"), hello().map(|line| format!("{line}\n")).concat()).unwrap();
    let asked = fs::File::open(lab.path("asked")).unwrap();
    let run = Run::of(&lab.command(["mcp"]).stdin(asked).stdout(full).output().unwrap());
    assert_eq!(run.code, 74, "{run:?}");
    let sentence = "hlarchive: standard output: cannot write: no space left on device\n";
    assert_eq!(run.stderr, sentence);
    // Standard output that nobody reads ends it, too.
    let mut child = lab
        .command(["mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    drop(child.stdin.take());
    let run = Run::of(&child.wait_with_output().unwrap());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
}

#[test]
fn a_history_that_is_nowhere_is_no_empty_answer() {
    let lab = Lab::new();
    fs::remove_dir(lab.root()).unwrap();
    let run = lab.fails(66, ["mcp"]);
    assert!(run.stderr.contains("neither an event tree here nor an archive"), "{run:?}");
    fs::create_dir(lab.root()).unwrap();
    lab.fails(2, ["mcp", "-o", "table"]);
}

#[test]
fn what_is_broken_is_one_small_answer_however_much_is() {
    let lab = Lab::new();
    let names: Vec<String> = (0..60).map(|number| format!("service-{number:02}")).collect();
    for (service, number) in names.iter().zip(0..) {
        let payload = r#"{"error":"connection refused on port 1883 after 30 seconds"}"#;
        let kind = "service_unhealthy";
        Event { kind, severity: "error", service, payload, number, ..EVENT }.write(&lab);
    }
    let mut seen = Vec::new();
    let mut next = Value::Null;
    for page in 0..60 {
        let [first, second] = hello();
        let asked = json!({ "next": next });
        let answers = say(&lab, &[first, second, call(1, "status", &asked)]);
        let answer = answers.iter().find(|answer| answer["id"] == 1).unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.len() <= 5000, "{} bytes: {text}", text.len());
        let told = parse(text);
        assert_eq!(told["attention"], true);
        let problems = told["problems"].as_array().unwrap();
        seen.extend(problems.iter().map(|problem| problem["service"].as_str().unwrap().to_owned()));
        next = told["next"].clone();
        if next.is_null() {
            break;
        }
        assert!(page > 0 || !problems.is_empty());
    }
    seen.sort();
    assert_eq!(seen, names);
}

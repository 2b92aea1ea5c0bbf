//! `outages`, as far as it is no matter of the history: what it prints, and how it ends.

use serde_json::json;

use crate::common::{Lab, NOW};
use crate::support::{EVENT, Event, json as parse};

const DOWN: Event<'static> =
    Event { kind: "service_unhealthy", severity: "error", service: "grafana", ..EVENT };

/// So many outages of ten minutes, one an hour, with an attempt each.
fn lab(outages: u32, services: &[&str]) -> Lab {
    let lab = Lab::new();
    let mut number = 0;
    for service in services {
        for outage in 0..outages {
            let (day, hour) = (1 + outage / 24, outage % 24);
            for (minute, kind, payload) in [
                (0, "service_unhealthy", r#"{"error":"502 of the proxy, as so often before"}"#),
                (5, "remediation_started", r#"{"action":"restart"}"#),
                (10, "service_recovered", "{}"),
            ] {
                let time = format!("2026-05-{day:02}T{hour:02}:{minute:02}:00.000000Z");
                let chain = format!("watch-{outage}-of-{service}");
                number += 1;
                Event { time: &time, kind, service, correlation: &chain, payload, number, ..DOWN }
                    .write(&lab);
            }
        }
    }
    lab
}

#[test]
fn nothing_found_ends_with_1_and_says_so() {
    let lab = Lab::new();
    DOWN.write(&lab);
    lab.ok(["outages", "--now", NOW]);
    let run = lab.fails(1, ["outages", "--service", "nobody", "--now", NOW]);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("no outage\nno event has service \"nobody\"\n"), "{run:?}");
    let run = lab.fails(1, ["outages", "--node", "nobody", "--open", "--now", NOW, "-ojson"]);
    assert_eq!(parse(&run.stdout)["outages"], json!([]));
    let run = lab.fails(1, ["outages", "--service", "nobody", "--now", NOW, "-ocsv"]);
    assert_eq!(run.stdout.lines().count(), 1, "{run:?}");
}

#[test]
fn what_makes_no_sense_is_refused_in_one_sentence() {
    let lab = Lab::new();
    for (words, told) in [
        (["--min-gap", "soon"], "--min-gap: that is not a length of time"),
        (["--min-gap", "1M"], "--min-gap: M is ambiguous"),
        (["--min-gap", "900000y"], "--min-gap: 900000y is longer than"),
        (["--now", "soon"], "--now: "),
        (["-o", "path"], "this command prints table, json or csv"),
    ] {
        let run = lab.fails(2, ["outages"].iter().chain(&words));
        assert!(run.stderr.contains(told), "{words:?}: {run:?}");
    }
    let run = lab.fails(2, ["list", "-o", "csv"]);
    assert!(run.stderr.contains("this command prints"), "{run:?}");
}

#[test]
fn csv_has_a_line_for_each_outage_and_formulas_are_text() {
    let lab = Lab::new();
    let payload = r#"{"error":"=HYPERLINK(\"x\"), a \"b\"\nand more"}"#;
    Event { payload, ..DOWN }.write(&lab);
    Event { time: "2026-05-16T11:00:00.000000Z", kind: "remediation_started", number: 1, ..DOWN }
        .write(&lab);
    Event { time: "2026-05-16T12:11:12.500000Z", kind: "service_recovered", number: 2, ..DOWN }
        .write(&lab);
    let text = lab.ok(["outages", "-ocsv", "--now", NOW]);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(
        lines[0],
        "node,service,from,to,seconds,open,flaps,type,cause,correlation_id,tries,last_tried,path"
    );
    let begin = "pi4,grafana,2026-05-16T10:11:12.000000Z,2026-05-16T12:11:12.500000Z,7201,false,0,\
                 service_unhealthy,\"'=HYPERLINK(\"\"x\"\"), a \"\"b\"\"\\nand more\",run-1,1,,2026-05-16/";
    assert!(lines[1].starts_with(begin), "{}", lines[1]);
    assert_eq!(lines[2..], [""]);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let lab = lab(3, &["a-service-with-a-name-that-is-long", "grafana"]);
    for columns in [40, 60, 80, 100, 200] {
        let mut command = lab.command(["outages", "--now", NOW]);
        let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().count() == 12 && text.contains("6 outages, 0 open"), "{text}");
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns, "{columns}: {text}");
    }
}

#[test]
fn damage_costs_itself_and_ends_with_74() {
    let lab = Lab::new();
    let broken = Event { time: "2026-05-10T10:00:00.000000Z", number: 1, ..DOWN };
    broken.write(&lab);
    lab.rotate_day("2026-05-10");
    DOWN.write(&lab);
    let segment = lab.archive().join("2026/2026-05-10.tar.zst");
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[40..80].fill(0xff);
    std::fs::remove_file(&segment).unwrap();
    std::fs::write(&segment, bytes).unwrap();
    let run = lab.fails(74, ["outages", "--now", NOW, "-ojson"]);
    assert_eq!(parse(&run.stdout)["outages"].as_array().map(Vec::len), Some(1), "{run:?}");
    // Asked three ways for it, it is named once.
    assert_eq!(run.stderr.matches("2026-05-10.tar.zst").count(), 1, "{run:?}");
}

/// What the tool of agents answers, as text.
#[cfg(feature = "mcp")]
fn ask(lab: &Lab, arguments: &serde_json::Value) -> String {
    let client = json!({ "name": "by hand", "version": "0" });
    let hello =
        json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client });
    let lines = [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "outages", "arguments": arguments }
        }),
    ];
    let run = lab.pipe(lines.map(|line| format!("{line}\n")).concat().as_bytes(), ["mcp"]);
    let answer = run.stdout.lines().map(parse).find(|answer| answer["id"] == 1).unwrap();
    assert!(!answer["result"]["isError"].as_bool().unwrap_or(false), "{answer}");
    answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
}

#[cfg(feature = "mcp")]
#[test]
fn agents_are_told_in_one_small_answer() {
    let lab = lab(100, &["grafana", "mqtt"]);
    for arguments in [
        json!({ "service": ["grafana"], "since": "2026-05-01" }),
        json!({ "service": ["grafana"], "since": "2026-05-01", "min_gap": "2h" }),
        json!({}),
    ] {
        let text = ask(&lab, &arguments);
        // Four characters make about a token; of times and digits there are fewer.
        assert!(text.len() <= 5000, "{}", text.len());
        let answer = parse(&text);
        let grafana = &answer["services"][0];
        assert_eq!((&grafana["service"], &answer["complete"]), (&json!("grafana"), &json!(true)));
        let is_merged = arguments["min_gap"] == "2h";
        assert_eq!(grafana["count"], if is_merged { 1 } else { 100 });
        assert_eq!(grafana["flaps"], if is_merged { 99 } else { 0 });
        if !is_merged {
            assert_eq!(grafana["mttr_seconds"], 600);
            assert!(answer["left"].as_str().unwrap().contains(" more outages: "), "{answer}");
        }
    }
}

#[cfg(feature = "mcp")]
#[test]
fn all_pages_together_are_what_the_command_prints() {
    let lab = lab(9, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    let printed = parse(&lab.ok(["outages", "-ojson"]));
    let (mut outages, mut services, mut next) = (Vec::new(), Vec::new(), serde_json::Value::Null);
    loop {
        let answer = parse(&ask(&lab, &json!({ "next": next })));
        outages.extend(answer["outages"].as_array().unwrap().clone());
        services.extend(answer["services"].as_array().unwrap().clone());
        next = answer["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!(json!(outages), printed["outages"]);
    let names =
        |list: &[serde_json::Value]| list.iter().map(|f| f["service"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&services), names(printed["services"].as_array().unwrap()));
}

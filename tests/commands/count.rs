//! `count` and `values`.

use serde_json::{Value, json};

use crate::common::Lab;

/// Two archived days and a live one, of thirty events each.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(3, 10);
    lab.rotate_day("2026-05-10");
    lab.rotate_day("2026-05-11");
    lab
}

fn counted(lab: &Lab, words: &[&str]) -> Value {
    serde_json::from_str(&lab.ok([&["count", "-o", "json"], words].concat())).unwrap()
}

/// The groups of an answer: period and values, and the number.
fn groups(answer: &Value) -> Vec<(Vec<String>, u64)> {
    let group = |group: &Value| {
        let period = group["period"].as_str().map(str::to_owned);
        let values = group["values"].as_array().unwrap();
        let values = values.iter().map(|value| value.as_str().unwrap_or("-").to_owned());
        (period.into_iter().chain(values).collect(), group["events"].as_u64().unwrap())
    };
    answer["groups"].as_array().unwrap().iter().map(group).collect()
}

/// The same groups, from what `list` prints.
fn slowly(lab: &Lab, key: &dyn Fn(&Value) -> Vec<String>) -> Vec<(Vec<String>, u64)> {
    let mut all = std::collections::BTreeMap::new();
    for line in lab.list_all() {
        *all.entry(key(&serde_json::from_str(&line).unwrap())).or_default() += 1;
    }
    let mut all: Vec<(Vec<String>, u64)> = all.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

fn text(event: &Value, field: &str) -> String {
    event[field].as_str().unwrap().to_owned()
}

#[test]
fn each_field_is_counted_as_a_list_would_be_live_and_archived() {
    let lab = lab();
    for field in ["type", "service", "node", "severity", "source", "correlation_id"] {
        let answer = counted(&lab, &["--by", field]);
        assert_eq!(groups(&answer), slowly(&lab, &|event| vec![text(event, field)]), "{field}");
        assert_eq!(answer["events"], 90);
    }
    let of_two = counted(&lab, &["--by", "node,severity"]);
    let expected = slowly(&lab, &|event| vec![text(event, "node"), text(event, "severity")]);
    assert_eq!(groups(&of_two), expected);
    let of_path = counted(&lab, &["--by", "payload.number"]);
    let expected = slowly(&lab, &|event| vec![event["payload"]["number"].to_string()]);
    assert_eq!(groups(&of_path), expected);
    let missing = counted(&lab, &["--by", "payload.none"]);
    assert_eq!(groups(&missing), [(vec!["-".to_owned()], 90)]);
}

#[test]
fn periods_come_in_their_order_and_hours_are_those_of_utc() {
    let lab = lab();
    let days = groups(&counted(&lab, &["--per", "day"]));
    let day = |day: &str| (vec![day.to_owned()], 30);
    assert_eq!(days, [day("2026-05-10"), day("2026-05-11"), day("2026-05-12")]);
    let weeks = groups(&counted(&lab, &["--per", "week", "--by", "node"]));
    assert_eq!(weeks.len(), 6);
    assert_eq!(weeks[0], (vec!["2026-05-04".to_owned(), "nas".to_owned()], 10));
    assert_eq!(weeks[3], (vec!["2026-05-11".to_owned(), "nas".to_owned()], 20));
    let months = groups(&counted(&lab, &["--by", "month"]));
    assert_eq!(months, [(vec!["2026-05".to_owned()], 90)]);
    let hours = groups(&counted(&lab, &["--by", "hour", "--date", "2026-05-10"]));
    let expected: Vec<_> =
        slowly(&lab, &|event| vec![format!("{}:00", &text(event, "timestamp")[..13])])
            .into_iter()
            .filter(|(hour, _)| hour[0].starts_with("2026-05-10"))
            .collect();
    assert_eq!(hours, expected);
}

#[test]
fn filters_and_ranges_narrow_what_is_counted() {
    let lab = lab();
    let of_type = slowly(&lab, &|event| vec![text(event, "service"), text(event, "type")]);
    let of_type: u64 =
        of_type.iter().filter(|(key, _)| key[1] == "node_offline").map(|(_, n)| n).sum();
    assert_eq!(counted(&lab, &["--type", "node_offline"])["events"], of_type);
    let by = counted(&lab, &["--type", "node_offline", "--by", "service"]);
    assert_eq!(by["events"], of_type);
    let severe = counted(&lab, &["--min-severity", "error", "--by", "severity"]);
    assert_eq!(groups(&severe).len(), 2);
    assert_eq!(counted(&lab, &["--since", "2026-05-11", "--until", "2026-05-11"])["events"], 30);
    let half = ["--since", "2026-05-11T12:00:00Z", "--by", "node"];
    let expected =
        lab.ok(["list", "--since", "2026-05-11T12:00:00Z", "-o", "path"]).lines().count();
    assert_eq!(counted(&lab, &half)["events"], expected);
    assert_eq!(counted(&lab, &["--where", "payload.number<2", "--by", "node"])["events"], 18);
    assert_eq!(counted(&lab, &["--grep", "payload.number=3$"])["events"], 9);
    let none = ["count", "--severity", "info", "--min-severity", "error"];
    let run = lab.fails(1, none);
    assert!(run.stderr.contains("no matching events"), "{run:?}");
}

#[test]
fn an_event_that_is_live_and_archived_counts_once() {
    let lab = lab();
    let before = counted(&lab, &["--by", "node"]);
    lab.ok(["restore", "2026-05-10", "--live"]);
    let both = counted(&lab, &["--by", "node"]);
    assert_eq!(before, both);
    assert_eq!(counted(&lab, &["--by", "node", "--archived-only"])["events"], 60);
    assert_eq!(counted(&lab, &["--by", "node", "--live-only"])["events"], 60);
}

#[test]
fn archived_days_are_counted_without_unpacking_a_frame() {
    let lab = lab();
    let path = lab.archive().join("2026/2026-05-10.tar.zst");
    let bytes = std::fs::read(&path).unwrap();
    // The beginning is the first frame's; the index is at the end.
    let mut torn = bytes.clone();
    torn[..200].fill(0xff);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &torn).unwrap();
    assert_eq!(counted(&lab, &["--by", "service"])["events"], 90);
    lab.fails(74, ["count", "--by", "service,node"]);
}

#[test]
fn a_table_has_bars_and_says_what_it_leaves_out() {
    let lab = lab();
    let mut command = lab.command(["count", "--by", "type", "--top", "2"]);
    let output = command.env("COLUMNS", "80").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("TYPE") && lines[0].ends_with("EVENTS"), "{told}");
    assert!(lines[1].ends_with("##############################"), "{told}");
    assert_eq!(lines.len(), 4, "{told}");
    assert_eq!(lines[3], "90 events, 54 of them in other groups; --top shows more");
    assert!(told.lines().all(|line| line.len() <= 80), "{told}");
    let plain = lab.ok(["count", "--by", "type"]);
    assert!(!plain.contains('#'), "a pipe gets no bars: {plain}");
    assert_eq!(lab.ok(["count"]), "90 events\n");
}

#[test]
fn comma_separated_values_have_a_line_for_each_group() {
    let lab = lab();
    let told = lab.ok(["count", "--by", "node", "--per", "day", "-o", "csv", "--top", "1"]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "period,node,events,last_day");
    assert_eq!(lines[1], "2026-05-10,nas,10,2026-05-10");
    assert_eq!(lines.len(), 4, "{told}");
}

#[test]
fn a_field_that_is_not_known_is_refused_with_those_that_are() {
    let lab = lab();
    let run = lab.fails(2, ["count", "--by", "services"]);
    assert!(run.stderr.contains("\"services\" is not a field") && run.stderr.contains("node"));
    lab.fails(2, ["values", "payload."]);
}

#[test]
fn values_say_how_often_and_when_last() {
    let lab = lab();
    let told = lab.ok(["values", "node"]);
    assert!(told.starts_with("NODE"), "{told}");
    assert!(told.contains("nas") && told.contains("2026-05-12"), "{told}");
    assert_eq!(lab.ok(["values", "node", "-o", "path"]), "nas\npi4\npi5\n");
    let answer: Value = serde_json::from_str(&lab.ok([
        "values",
        "service",
        "-o",
        "json",
        "--archived-only",
        "--top",
        "1",
    ]))
    .unwrap();
    assert_eq!(answer["groups"][0]["last_day"], "2026-05-11");
    assert_eq!(answer["by"], json!(["service"]));
}

use std::fs;

use serde_json::Value;

use crate::common::{Lab, NOW, me};
use crate::support::{EVENT, Event, assert_untouched, json, policy};

/// A history that nobody has to see to: two archived days, the newest long enough ago that
/// the range holds nothing, and a live event of today.
pub(super) fn calm() -> Lab {
    calm_in(Lab::new())
}

fn calm_in(lab: Lab) -> Lab {
    for (number, day) in ["10", "11"].iter().enumerate() {
        let time = format!("2026-05-{day}T09:00:00.000000Z");
        Event { time: &time, number: number as u32, ..EVENT }.write(&lab);
    }
    lab.rotate();
    // How that ended is of today.
    fs::remove_file(lab.archive().join("runs")).unwrap();
    let (time, kind) = ("2026-06-01T01:00:00.000000Z", "backup_completed");
    Event { time, kind, number: 9, ..EVENT }.write(&lab);
    lab
}

pub(super) const STATUS: [&str; 3] = ["status", "--now", NOW];

pub(super) fn object(lab: &Lab, code: i32) -> Value {
    json(&lab.fails(code, STATUS.iter().chain(&["-ojson"])).stdout)
}

#[test]
fn a_calm_history_is_told_on_one_screen_and_nothing_is_touched() {
    let lab = calm();
    let text = assert_untouched(&lab, || lab.ok(STATUS));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "all is well; by all events since 2026-05-10");
    assert!(lines[1].starts_with("live       1 day, 1 file, 1"), "{text}");
    assert!(lines[1].ends_with(" B, 2026-06-01"), "{text}");
    assert!(lines[2].starts_with("archived   2 days, 2 events, "), "{text}");
    assert!(
        text.contains("2026-05-10 to\n") || text.contains("2026-05-10 to 2026-05-11"),
        "{text}"
    );
    assert!(
        text.contains("rotate     last: 20") && text.contains(&format!(" by {}@", me())),
        "{text}"
    );
    assert!(text.ends_with("next: nothing\n"), "{text}");
    assert!(text.contains("prune      last: nothing yet\n"), "{text}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    assert!(lines.len() <= 24, "{text}");
}

/// The problems of the lab's JSON, as `KIND NODE SERVICE`.
fn problems(lab: &Lab, code: i32) -> Vec<String> {
    let object = object(lab, code);
    assert_eq!(object["attention"], code == 1, "{object}");
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let problems = object["problems"].as_array().unwrap().iter();
    let line =
        |p: &Value| format!("{} {} {}", word(&p["kind"]), word(&p["node"]), word(&p["service"]));
    problems.map(line).collect()
}

#[test]
fn what_is_open_is_exit_code_1_live_and_archived_until_it_is_taken_back() {
    let lab = calm();
    let at = |time, kind, number| Event { time, kind, number, service: "mqtt", ..EVENT };
    for (number, (time, kind)) in [
        ("2026-05-30T10:00:00.000000Z", "service_unhealthy"),
        ("2026-05-30T11:00:00.000000Z", "deployment_started"),
        ("2026-05-31T12:00:00.000000Z", "remediation_started"),
        ("2026-05-31T13:00:00.000000Z", "node_offline"),
        // Under an hour ago: at work still.
        ("2026-06-01T02:30:00.000000Z", "deployment_started"),
        // However long ago.
        ("2026-05-20T02:30:00.000000Z", "node_offline"),
    ]
    .into_iter()
    .enumerate()
    {
        let node = if time < "2026-05-25" { "old" } else { "pi4" };
        Event { node, ..at(time, kind, 100 + number as u32) }.write(&lab);
    }
    lab.rotate();
    // The newest first; the runs that did not end need nobody by themselves.
    let all = ["node_offline pi4 -", "service_unhealthy pi4 mqtt", "node_offline old -"];
    assert_eq!(problems(&lab, 1), all);
    let text = lab.fails(1, STATUS).stdout;
    assert!(text.starts_with("needs attention; "), "{text}");
    assert!(text.contains("problem    2026-05-30 10:00 pi4 mqtt unhealthy\n"), "{text}");
    assert!(text.contains("unended    2 runs since 2026-05-25 reported no end"), "{text}");
    lab.rotate_day("2026-05-30");
    assert_eq!(problems(&lab, 1), all);
    let ends = ["node_online", "service_recovered", "remediation_completed", "deployment_failed"];
    for (number, kind) in ends.into_iter().enumerate() {
        let time = &format!("2026-06-01T02:0{number}:00.000000Z");
        Event { time, kind, number: 200 + number as u32, service: "mqtt", ..EVENT }.write(&lab);
        let left = problems(&lab, 1);
        match number {
            0 => assert_eq!(left, all[1..]),
            1 | 2 => assert_eq!(left, all[2..]),
            _ => assert_eq!(left, ["failed pi4 mqtt", "node_offline old -"]),
        }
    }
    assert_eq!(object(&lab, 1)["unended"], Value::Null);
    Event { node: "old", ..at("2026-05-20T02:40:00.000000Z", "node_online", 300) }.write(&lab);
    at("2026-06-01T02:30:00.000000Z", "backup_completed", 301).write(&lab);
    // It came late; so there is one finding more, and no problem.
    assert_eq!(object(&lab, 1)["problems"], serde_json::json!([]));
}

#[test]
fn many_problems_stay_on_the_screen_and_verbose_names_them_all() {
    let lab = calm();
    for number in 0..8 {
        let service = format!("service-{number}-{}", "x".repeat(60));
        let (time, kind) = ("2026-05-31T10:00:00.000000Z", "service_unhealthy");
        Event { time, kind, service: &service, number, ..EVENT }.write(&lab);
    }
    let text = lab.fails(1, STATUS.iter().chain(&["--calendar"])).stdout;
    assert!(text.contains("problem    and 3 more (--verbose)\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("problem ")).count(), 6);
    assert!(text.lines().count() <= 24, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let text = lab.fails(1, STATUS.iter().chain(&["--verbose"])).stdout;
    let joined: String = text.split_whitespace().collect();
    for number in 0..8 {
        let whole = format!("service-{number}-{}unhealthy", "x".repeat(60));
        assert!(joined.contains(&whole), "{text}");
    }
}

#[test]
fn files_that_are_no_events_days_that_are_overdue_and_conflicts_are_named() {
    let lab = calm();
    lab.write("2026-05-31/pi4/broken.json", "{");
    let run = lab.fails(1, STATUS);
    assert!(run.stdout.contains("see to     live: 1 file is not a valid event"), "{run:?}");
    fs::remove_dir_all(lab.root().join("2026-05-31")).unwrap();
    // Kept live for 7 days, and then for more than the two that a timer may be off.
    Event { time: "2026-05-20T10:00:00.000000Z", ..EVENT }.write(&lab);
    let run = lab.fails(1, STATUS);
    let wanted = "see to     2026-05-20: the day should have been archived days ago";
    assert!(run.stdout.contains(wanted), "{run:?}");
    let object = object(&lab, 1);
    assert_eq!(object["next_rotate"][0]["date"], "2026-05-20");
    lab.rotate();
    lab.ok(STATUS);
    Event { time: "2026-05-20T10:00:00.000000Z", payload: r#"{"other":1}"#, ..EVENT }.write(&lab);
    lab.fails(1, ["rotate", "--now", NOW]);
    let run = lab.fails(1, STATUS);
    assert!(run.stdout.contains("see to     archived: 1 conflict recorded"), "{run:?}");
}

#[test]
fn holds_and_what_prune_will_do_are_told() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\nkeep = \"1y\"\n");
    let lab = calm_in(lab);
    lab.ok(["hold", "add", "2026-05-10", "--reason", "audit"]);
    let flags = ["status", "--now", "2027-06-20T00:00:00Z"];
    let run = lab.run(flags);
    assert!(run.stdout.contains("held       1 day of the archive, by 1 hold\n"), "{run:?}");
    assert!(run.stdout.contains("next: 1 segment from 2026-05-11 on, "), "{run:?}");
    lab.ok(["prune", "--now", "2027-06-20T00:00:00Z"]);
    let run = lab.run(flags);
    assert!(run.stdout.contains("expired    1 day, 1 event, 2026-05-11\n"), "{run:?}");
    assert!(
        run.stdout.contains(&format!("prune      last: 2027-06-20 00:00:00 by {}@", me())),
        "{run:?}"
    );
    policy(&lab, "version = 2\n");
    lab.fails(78, STATUS);
}

#[test]
fn the_calendar_is_drawn_in_blocks_or_in_plain_ascii() {
    let lab = calm();
    lab.ok(["hold", "add", "2026-05-10", "--reason", "audit"]);
    let draw = |variables: &[(&str, &str)]| {
        let mut command = lab.command(STATUS.iter().chain(&["--calendar"]));
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        text
    };
    let utf8 = ("LANG", "de_DE.UTF-8");
    let blocks = draw(&[utf8]);
    assert!(blocks.contains('█') && blocks.contains('·'), "{blocks}");
    let sunday = blocks.lines().find(|line| line.starts_with("Sun ")).unwrap();
    assert_eq!(sunday.chars().nth(4 + 48), Some('h'), "{blocks}");
    for variables in
        [&[][..], &[("LANG", "C")], &[utf8, ("NO_COLOR", "1")], &[utf8, ("LC_ALL", "POSIX")]]
    {
        let plain = draw(variables);
        assert!(plain.is_ascii() && plain.contains('#'), "{plain}");
    }
    assert!(!lab.ok(STATUS).contains("Sun "));
    let object = json(&lab.ok(STATUS.iter().chain(&["--calendar", "-ojson"])));
    let day = &object["calendar"]["2026-05-10"];
    let wanted = serde_json::json!({
        "events": 1, "archived": true, "held": true, "late": false, "invalid": 0,
    });
    assert_eq!(*day, wanted);
}

#[test]
fn json_has_the_fields_that_the_help_documents() {
    let lab = calm();
    let object = object(&lab, 0);
    let help = lab.ok(["status", "--help"]);
    let words: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let documented = words.split_once("With -o json: ").unwrap().1;
    for object in [&object, &object["live"], &object["archived"], &object["last_rotate"]] {
        for field in object.as_object().unwrap().keys() {
            assert!(documented.contains(field.as_str()), "{field} is not in the help");
        }
    }
    assert_eq!(object["since"], "2026-05-25T03:00:00.000000Z");
    assert_eq!(object["live"]["files"], 1);
    assert_eq!(object["archived"]["events"], 2);
    assert!(object["archived"]["ratio"].as_f64().unwrap() > 0.0);
    assert!(object["calendar"].is_null());
}

#[test]
fn an_old_segment_that_is_gone_costs_nothing_and_one_in_the_range_is_exit_code_74() {
    let lab = calm();
    fs::remove_file(lab.archive().join("2026/2026-05-10.tar.zst")).unwrap();
    lab.ok(STATUS);
    Event { time: "2026-05-28T10:00:00.000000Z", ..EVENT }.write(&lab);
    lab.rotate_day("2026-05-28");
    let segment = lab.archive().join("2026/2026-05-28.tar.zst");
    fs::remove_file(&segment).unwrap();
    let run = lab.fails(74, STATUS);
    let joined: String = run.stdout.split_whitespace().collect();
    assert!(joined.contains(&segment.display().to_string()), "{run:?}");
}

#[test]
fn a_terminal_gets_the_calendar_unasked() {
    let Some(script) = crate::common::tool("script") else { return };
    let lab = calm();
    let draw = |variables: &[(&str, &str)]| {
        let inner = format!("'{}' status --now {NOW}", crate::common::HLARCHIVE);
        let mut command = std::process::Command::new(&script);
        command.args(["-qec", &inner, "/dev/null"]).stdin(std::process::Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HLARCHIVE_ROOT", lab.root()).env("HLARCHIVE_POLICY", lab.path("policy.toml"));
        command.env("LANG", "C.UTF-8").envs(variables.iter().copied());
        String::from_utf8(crate::common::system(&mut command)).unwrap()
    };
    let coloured = draw(&[]);
    assert!(coloured.contains("\u{1b}[32m█"), "{coloured}");
    let plain = draw(&[("NO_COLOR", "1")]);
    assert!(plain.contains("Sun ....") && plain.is_ascii(), "{plain}");
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn no_history_at_all_needs_somebody() {
    let lab = Lab::new();
    lab.ok(STATUS);
    fs::remove_dir(lab.root()).unwrap();
    let run = lab.fails(66, STATUS);
    assert!(run.stderr.contains("there is neither an event tree here nor an archive"), "{run:?}");
}

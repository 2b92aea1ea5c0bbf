//! Status tells what broke years ago at the cost of a day: by a file that is derived, and never
//! believed over the events.

use std::fs;

use serde_json::{Value, json};

use crate::common::{Lab, NOW};
use crate::support::{EVENT, Event, json};

const STATUS: [&str; 5] = ["status", "--now", "2026-06-01T12:00:00Z", "-q", "-ojson"];

/// Writes events `TIME TYPE SERVICE ID`, and archives what is due.
fn archived(lab: &Lab, events: &[(&str, &str, &str, &str)]) {
    for (number, (time, kind, service, correlation)) in events.iter().enumerate() {
        let (number, severity) = (number as u32, "error");
        Event { time, kind, severity, service, correlation, number, ..EVENT }.write(lab);
    }
    lab.rotate();
}

fn problems(lab: &Lab) -> Value {
    json(&lab.run(STATUS).stdout)["problems"].clone()
}

fn services(lab: &Lab) -> Vec<String> {
    let problems = problems(lab);
    let names = problems.as_array().unwrap().iter();
    names.map(|problem| problem["service"].as_str().unwrap().to_owned()).collect()
}

/// A history with two problems, one of them old.
fn broken() -> Lab {
    broken_in(Lab::new())
}

fn broken_in(lab: Lab) -> Lab {
    archived(
        &lab,
        &[
            ("2019-02-03T10:00:00.000000Z", "service_unhealthy", "nas", "a"),
            ("2019-02-04T10:00:00.000000Z", "deployment_failed", "web", "b"),
            ("2026-05-10T10:00:00.000000Z", "backup_completed", "dns", "c"),
        ],
    );
    assert_eq!(services(&lab), ["web", "nas"]);
    lab
}

/// The state with its sum changed, sound again.
fn forge(lab: &Lab, change: impl FnOnce(&mut Value)) {
    let path = lab.archive().join("state");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut sum: Value = serde_json::from_str(lines[1]).unwrap();
    change(&mut sum);
    let signed = format!("{}\n{sum}\n", lines[0]);
    let own = hlarchive::internals::segment::Sha256Hash::of(signed.as_bytes());
    fs::write(&path, format!("{signed}{own}\n")).unwrap();
}

#[test]
fn what_broke_years_ago_is_told_though_its_other_days_are_not_read() {
    let lab = broken();
    // Of a day that says nothing of what is open, nothing is wanted.
    fs::remove_file(lab.archive().join("2026/2026-05-10.tar.zst")).unwrap();
    let run = lab.fails(1, STATUS);
    let object = json(&run.stdout);
    assert_eq!(object["problems"].as_array().unwrap().len(), 2, "{run:?}");
    // Without the file all is read, and what is missing is missed.
    fs::remove_file(lab.archive().join("state")).unwrap();
    let run = lab.fails(74, STATUS);
    assert_eq!(json(&run.stdout)["problems"], object["problems"], "{run:?}");
}

#[test]
fn without_a_sound_state_the_answer_is_the_same_and_the_next_rotate_makes_it_again() {
    let lab = broken();
    let path = lab.archive().join("state");
    let sound = fs::read(&path).unwrap();
    let before = problems(&lab);
    for text in [&b""[..], b"{}\n", &sound[..sound.len() - 70], &[0; 100]] {
        fs::write(&path, text).unwrap();
        assert_eq!(problems(&lab), before);
        lab.ok(["verify"]);
        lab.rotate();
        assert!(fs::read(&path).unwrap() == sound);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(problems(&lab), before);
    lab.rotate();
    assert!(fs::read(&path).unwrap() == sound);
}

#[test]
fn a_forged_state_invents_no_problem() {
    let lab = broken();
    let before = problems(&lab);
    forge(&lab, |sum| {
        let mut open = sum["standing"]["open"][0].clone();
        open[0]["service"] = json!("invented");
        sum["standing"]["open"].as_array_mut().unwrap().push(open);
    });
    assert_eq!(problems(&lab), before);
    forge(&lab, |sum| sum["standing"]["open"][0][1]["last"]["error"] = json!("made up"));
    assert_eq!(problems(&lab), before);
}

#[test]
fn a_forged_state_that_hides_a_problem_is_named_by_verify_and_mended_by_the_next_write() {
    let lab = broken();
    let path = lab.archive().join("state");
    let sound = fs::read(&path).unwrap();
    forge(&lab, |sum| drop(sum["standing"]["open"].as_array_mut().unwrap().remove(0)));
    assert_eq!(problems(&lab).as_array().unwrap().len(), 1, "it hides one");
    let run = lab.fails(1, ["verify"]);
    assert!(run.stdout.contains("state: it differs from the segments"), "{run:?}");
    lab.rotate();
    assert!(fs::read(&path).unwrap() == sound);
    lab.ok(["verify"]);
    forge(&lab, |sum| sum["standing"]["well"] = json!([]));
    lab.fails(1, ["verify"]);
    lab.ok(["hold", "add", "2026-05-10", "--reason", "audit"]);
    lab.ok(["verify"]);
    assert_eq!(services(&lab), ["web", "nas"]);
}

#[test]
fn late_events_compact_and_rebuild_leave_a_state_that_verify_finds_true() {
    let lab = broken();
    // A late failure that went well by its chain, on another service, before the state was.
    archived(&lab, &[("2019-02-01T10:00:00.000000Z", "deployment_failed", "mail", "c")]);
    assert_eq!(services(&lab), ["web", "nas"]);
    lab.ok(["verify"]);
    // A late recovery between two bad words.
    archived(
        &lab,
        &[
            ("2019-02-03T12:00:00.000000Z", "service_unhealthy", "nas", "d"),
            ("2019-02-03T11:00:00.000000Z", "node_online", "nas", "d"),
        ],
    );
    archived(&lab, &[("2019-02-03T11:30:00.000000Z", "service_recovered", "nas", "e")]);
    lab.ok(["verify"]);
    assert_eq!(problems(&lab)[1]["since"], "2019-02-03T12:00:00.000000Z");
    lab.ok(["compact"]);
    lab.ok(["verify"]);
    let before = problems(&lab);
    lab.ok(["manifest", "rebuild"]);
    lab.ok(["verify"]);
    assert_eq!(problems(&lab), before);
}

#[test]
fn what_expired_is_told_no_more_and_the_state_is_true_all_the_same() {
    let lab = Lab::new();
    let policy = "version = 1\n[retain]\nkeep = \"30d\"\ngrace = \"0d\"\n";
    fs::write(lab.path("policy.toml"), policy).unwrap();
    let lab = broken_in(lab);
    lab.ok(["prune", "--now", "2026-07-15T04:00:00Z", "--yes-really"]);
    assert_eq!(problems(&lab), json!([]), "what expired is not told");
    lab.ok(["verify"]);
}

#[test]
fn an_archived_event_of_the_future_counts_when_its_time_is_there() {
    let lab = broken();
    for (kind, service, number) in
        [("service_recovered", "nas", 7), ("service_unhealthy", "later", 8)]
    {
        let time = "2026-06-03T10:00:00.000000Z";
        let event = Event { time, kind, service, number, ..EVENT };
        // Filed under a day that is over.
        lab.write(&format!("2026-05-12/pi4/misfiled-{number}.json"), event.line());
    }
    let run = lab.run(["rotate", "--now", NOW]);
    assert!(matches!(run.code, 0 | 1), "{run:?}");
    assert_eq!(services(&lab), ["web", "nas"]);
    let at = |now: &str| {
        let object = json(&lab.run(["status", "--now", now, "-q", "-ojson"]).stdout);
        let problems = object["problems"].as_array().unwrap().clone();
        problems.iter().map(|p| p["service"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(at("2026-06-04T00:00:00Z"), ["web", "later"]);
    // The next write takes them in.
    lab.ok(["hold", "add", "2026-05-10", "--reason", "audit"]);
    assert_eq!(at("2026-06-04T00:00:00Z"), ["web", "later"]);
    let _ = lab.run(["rotate", "--now", "2026-06-05T00:00:00Z"]);
    assert_eq!(at("2026-06-06T00:00:00Z"), ["web", "later"]);
}

#[test]
fn last_runs_are_known_without_a_file_of_metrics() {
    let lab = broken();
    lab.ok(["verify"]);
    let runs = json(&lab.run(STATUS).stdout)["last_runs"].clone();
    assert_eq!(runs["verify"]["exit_code"], 0, "{runs}");
    assert_eq!(runs["verify"]["segments_read_whole"], 3, "{runs}");
    assert_eq!(runs["rotate"]["exit_code"], 0, "{runs}");
    // What somebody else put there is nothing, and the next run replaces it.
    fs::write(lab.archive().join("runs"), "nonsense").unwrap();
    assert_eq!(json(&lab.run(STATUS).stdout)["last_runs"], json!({}));
    lab.ok(["verify", "--quick"]);
    let runs = json(&lab.run(STATUS).stdout)["last_runs"].clone();
    assert_eq!(runs["verify"]["segments_read_whole"], 0, "{runs}");
    // A look leaves nothing, and neither does a verify where there is no archive.
    let other = Lab::new();
    other.ok(["verify"]);
    assert!(!other.archive().exists());
}

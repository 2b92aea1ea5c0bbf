use std::collections::BTreeSet;
use std::fs;

use crate::common::{Lab, NOW, me, tree};
use crate::support::{EVENT, Event, assert_untouched, json, policy, sentence};

/// A day with three segments, and one of a class with two; another day with one.
fn archived() -> Lab {
    let lab = Lab::new();
    policy(
        &lab,
        "version = 1\n[[retain.class]]\nname = \"incidents\"\nkeep = \"7y\"\n\
         match = { severity = \"error\" }\n",
    );
    for number in 0..6 {
        let error = number % 2 == 1;
        let severity = if error { "error" } else { "info" };
        Event { number, severity, correlation: &format!("run-{number}"), ..EVENT }.write(&lab);
        if number == 0 || number == 3 || number == 4 {
            Event { time: "2026-05-17T01:00:00.000000Z", number: 9, ..EVENT }.write(&lab);
            lab.rotate();
        }
    }
    lab.rotate();
    lab
}

fn segments(lab: &Lab) -> Vec<String> {
    tree(&lab.archive()).into_keys().filter(|path| path.ends_with(".tar.zst")).collect()
}

#[test]
fn the_segments_of_a_day_and_class_become_one_and_nothing_else_changes() {
    let lab = archived();
    let before = lab.list_all();
    assert_eq!(
        segments(&lab),
        [
            "2026/2026-05-16.1.incidents.tar.zst",
            "2026/2026-05-16.1.tar.zst",
            "2026/2026-05-16.2.tar.zst",
            "2026/2026-05-16.incidents.tar.zst",
            "2026/2026-05-16.tar.zst",
            "2026/2026-05-17.tar.zst",
        ]
    );
    let dry = assert_untouched(&lab, || lab.ok(["compact", "--dry-run"]));
    let start = "2026-05-16  3 events in 2026/2026-05-16.tar.zst, 2026/2026-05-16.1.tar.zst, \
                 2026/2026-05-16.2.tar.zst, ";
    assert!(dry.lines().next().unwrap().starts_with(start), "{dry}");
    let told = lab.ok(["compact"]);
    assert!(
        told.lines().next().unwrap().starts_with("2026-05-16  3 events into 2026/2026-05-16.3")
    );
    assert_eq!(told.lines().count(), 2, "{told}");
    assert_eq!(
        segments(&lab),
        [
            "2026/2026-05-16.2.incidents.tar.zst",
            "2026/2026-05-16.3.tar.zst",
            "2026/2026-05-17.tar.zst",
        ]
    );
    assert_eq!(lab.list_all(), before);
    for number in 0..6 {
        lab.ok(["trace", &format!("run-{number}")]);
    }
    lab.ok(["verify"]);
    let again = lab.run(["compact"]);
    assert_eq!((again.code, again.stderr.as_str()), (0, "nothing to compact\n"));
}

#[test]
fn a_record_says_what_was_superseded_and_keeps_the_longest_promise() {
    let lab = Lab::new();
    for (number, keep) in [(0, "2y"), (1, "5y"), (2, "3y")] {
        policy(&lab, &format!("version = 1\n[retain]\nkeep = \"{keep}\"\nmax_size = \"1GiB\"\n"));
        Event { number, ..EVENT }.write(&lab);
        lab.rotate();
    }
    lab.ok(["compact"]);
    let records = json(&lab.ok(["manifest", "show", "-o", "json"]));
    let last = records.as_array().unwrap().last().unwrap();
    assert_eq!(last["op"], "compact");
    assert_eq!((&last["keep"], &last["yields"]), (&"5y".into(), &true.into()));
    let names =
        ["2026/2026-05-16.tar.zst", "2026/2026-05-16.1.tar.zst", "2026/2026-05-16.2.tar.zst"];
    assert_eq!(last["supersedes"], serde_json::json!(names));
    assert_eq!((&last["events"], &last["by"]["user"]), (&3.into(), &me().into()));
    // Numbers of superseded segments are not used again.
    Event { number: 7, ..EVENT }.write(&lab);
    lab.rotate();
    assert_eq!(segments(&lab), ["2026/2026-05-16.3.tar.zst", "2026/2026-05-16.4.tar.zst"]);
    lab.ok(["verify"]);
}

#[test]
fn what_is_held_or_damaged_stays_as_it_is() {
    let lab = archived();
    lab.ok(["hold", "add", "--correlation-id", "run-3", "--reason", "audit"]);
    let damaged = lab.archive().join("2026/2026-05-16.1.tar.zst");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[40] ^= 1;
    fs::remove_file(&damaged).unwrap();
    fs::write(&damaged, bytes).unwrap();
    let before = segments(&lab);
    let run = lab.fails(1, ["compact"]);
    assert!(run.stderr.contains("2026-05-16.1.tar.zst: "), "{run:?}");
    assert!(run.stderr.contains("the segments of its day stay apart"), "{run:?}");
    assert!(run.stderr.contains("keeps it as it is, so the segments of its day"), "{run:?}");
    assert_eq!(segments(&lab), before);
}

#[test]
fn two_events_of_one_name_stay_apart() {
    let lab = Lab::new();
    for payload in ["{\"a\":1}", "{\"a\":2}"] {
        Event { payload, ..EVENT }.write(&lab);
        lab.run(["rotate", "--now", NOW]);
    }
    let before = (segments(&lab), lab.list_all());
    assert_eq!(before.1.len(), 2);
    let run = lab.run(["compact"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("two events have this name; their segments stay apart"));
    assert_eq!((segments(&lab), lab.list_all()), before);
}

#[test]
fn what_a_stopped_run_left_is_finished_by_the_next() {
    // Recorded, but the old ones are still there; or put in place, but not recorded.
    for recorded in [true, false] {
        let lab = archived();
        let old: Vec<(String, Vec<u8>)> = tree(&lab.archive()).into_iter().collect();
        let before = lab.list_all();
        lab.ok(["compact"]);
        for (path, bytes) in old {
            let is_kept = !path.ends_with(".jsonl") || !recorded;
            if path.starts_with("2026/2026-05-16") || (path.ends_with(".jsonl") && is_kept) {
                let _ = fs::remove_file(lab.archive().join(&path));
                fs::write(lab.archive().join(&path), bytes).unwrap();
            }
        }
        lab.fails(1, ["verify"]);
        assert_eq!(lab.list_all(), before);
        lab.ok(["compact"]);
        assert_eq!(segments(&lab).len(), 3, "{:?}", segments(&lab));
        assert_eq!(lab.list_all(), before);
        lab.ok(["verify"]);
    }
}

#[test]
fn what_was_superseded_stays_as_long_as_its_heir_is_not_whole() {
    let lab = archived();
    let name = "2026/2026-05-16.1.tar.zst";
    let old = fs::read(lab.archive().join(name)).unwrap();
    lab.ok(["compact"]);
    fs::write(lab.archive().join(name), &old).unwrap();
    let heir = lab.archive().join("2026/2026-05-16.3.tar.zst");
    let whole = fs::read(&heir).unwrap();
    let mut damaged = whole.clone();
    damaged[40] ^= 1;
    fs::remove_file(&heir).unwrap();
    fs::write(&heir, damaged).unwrap();
    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert!(run.stderr.contains("took its place, but is damaged; so both stay"), "{run:?}");
    assert_eq!(fs::read(lab.archive().join(name)).unwrap(), old);
    fs::write(&heir, whole).unwrap();
    lab.ok(["rotate", "--now", NOW]);
    assert!(!lab.archive().join(name).exists());
    lab.ok(["verify"]);
}

#[test]
fn a_rebuilt_archive_with_an_event_twice_has_it_once_after_compacting() {
    let lab = archived();
    let old = tree(&lab.archive());
    lab.ok(["compact"]);
    for (path, bytes) in old.iter().filter(|(path, _)| path.starts_with("2026/2026-05-16")) {
        fs::write(lab.archive().join(path), bytes).unwrap();
    }
    lab.ok(["manifest", "rebuild"]);
    let before = lab.list_all();
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), before.len());
    lab.ok(["compact", "2026-05-16"]);
    assert_eq!(lab.list_all(), before);
    assert_eq!(segments(&lab).len(), 3);
    let archived = json(&lab.ok(["verify", "-o", "json"]))["archived_events"].clone();
    assert_eq!(archived, before.len());
}

#[test]
fn where_there_is_no_archive_nothing_is_made() {
    let lab = Lab::new();
    for words in [&["compact"][..], &["compact", "--dry-run"]] {
        let run = assert_untouched(&lab, || lab.fails(66, words));
        assert!(sentence(&run).contains("there is no archive here"), "{run:?}");
    }
}

//! Days with things in them that are no events, and days whose events part ways.

use std::fs;
use std::os::unix::fs::symlink;

use crate::common::{Lab, NOW, tree};
use crate::support::{EVENT, Event, json, policy};

#[test]
fn invalid_files_are_archived_as_they_are_and_marked() {
    let lab = Lab::new();
    EVENT.write(&lab);
    lab.write("2026-05-16/pi4/broken.json", "{\"timestamp\":");
    lab.write("2026-05-16/pi4/empty.json", "");
    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert!(run.stdout.starts_with("2026-05-16  3 events into 2026/2026-05-16.tar.zst ("));
    assert!(run.stdout.ends_with("; 2 of them are not valid events\n"), "{run:?}");
    assert_eq!(
        run.stderr,
        "hlarchive: warning: 2026-05-16/pi4/broken.json: not an event: the JSON ends too early, \
         at line 1; archived as is\n\
         hlarchive: warning: 2026-05-16/pi4/empty.json: not an event: the file is empty; archived \
         as is\n"
    );
    assert!(tree(&lab.root()).is_empty());
    let record = json(lab.ok(["manifest", "show", "-ondjson"]).trim_end());
    assert_eq!((&record["events"], &record["invalid"]), (&3.into(), &2.into()));
    let picture = json(&lab.ok(["inspect", "2026-05-16", "-ojson"]));
    assert_eq!(picture["segments"][0]["invalid"], 2);
    // Known and kept: nothing is wrong with the archive.
    let report = json(&lab.ok(["verify", "-ojson"]));
    assert_eq!(report["archived_invalid_files"], 2);
}

#[test]
fn a_policy_may_hold_back_days_with_invalid_files() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[rotate]\ninvalid = \"hold\"\n");
    EVENT.write(&lab);
    lab.write("2026-05-16/pi4/broken.json", "x");
    Event { time: "2026-05-17T00:00:00.000000Z", ..EVENT }.write(&lab);
    let before = lab.list_all();
    let held = tree(&lab.root().join("2026-05-16"));
    for first in [true, false] {
        let run = lab.fails(1, ["rotate", "--now", NOW]);
        let lines: Vec<&str> = run.stdout.lines().collect();
        assert_eq!(lines[0], "2026-05-16  nothing new to archive; 2 left live");
        assert_eq!(lines.len(), if first { 2 } else { 1 }, "{run:?}");
        assert_eq!(
            run.stderr,
            "hlarchive: warning: 2026-05-16/pi4/broken.json: not an event, and the policy says to \
             hold its day back (rotate.invalid = \"hold\")\n"
        );
        assert!(tree(&lab.root().join("2026-05-16")) == held);
    }
    assert_eq!(
        tree(&lab.archive()).into_keys().collect::<Vec<_>>(),
        [
            "2026/2026-05-17.tar.zst",
            "2026/2026-05-17.tar.zst.sha256",
            "catalogue",
            "lock",
            "manifest.jsonl",
            "state",
            "words",
        ]
    );
    assert_eq!(lab.list_all(), before);
    // A person has looked at it.
    fs::remove_file(lab.root().join("2026-05-16/pi4/broken.json")).unwrap();
    lab.rotate();
    assert_eq!(lab.list_all(), before);
    assert!(tree(&lab.root()).is_empty());
}

#[test]
fn retention_classes_get_segments_of_their_own() {
    let lab = Lab::new();
    policy(
        &lab,
        "version = 1\n\
         [[retain.class]]\nname = \"incidents\"\nkeep = \"7y\"\n\
         match = { severity = [\"error\", \"critical\"] }\n\
         [[retain.class]]\nname = \"deploys\"\nkeep = \"3y\"\n\
         match = { type = [\"deployment_started\", \"deployment_failed\"], node = \"nas\" }\n",
    );
    let event = |number, node, kind, severity| Event { node, kind, severity, number, ..EVENT };
    let events = [
        (event(0, "pi4", "node_online", "info"), "2026/2026-05-16.tar.zst"),
        (event(1, "pi4", "node_offline", "critical"), "2026/2026-05-16.incidents.tar.zst"),
        (event(2, "nas", "deployment_started", "info"), "2026/2026-05-16.deploys.tar.zst"),
        // The first class that matches takes it.
        (event(3, "nas", "deployment_failed", "error"), "2026/2026-05-16.incidents.tar.zst"),
        (event(4, "pi4", "deployment_started", "info"), "2026/2026-05-16.tar.zst"),
    ];
    for (event, _) in &events {
        event.write(&lab);
    }
    lab.write("2026-05-16/pi4/broken.json", "x");
    let before = lab.list_all();
    let report = json(&lab.fails(1, ["rotate", "-ojson", "--now", NOW]).stdout);
    assert_eq!(report["days"][0]["events"], 6);
    assert_eq!(report["days"][0]["segments"].as_array().unwrap().len(), 3);
    for (event, segment) in &events {
        let line = lab.ok(["show", &event.id(), "-ondjson"]);
        assert_eq!(line, event.archived_line(segment) + "\n");
    }
    assert_eq!(lab.list_all(), before);
    assert!(tree(&lab.root()).is_empty());
    lab.ok(["verify"]);
    // A late one of a class goes on with the numbers of its own class.
    let late = event(9, "pi4", "healthcheck_failed", "error");
    late.write(&lab);
    lab.rotate();
    let line = lab.ok(["show", &late.id(), "-ondjson"]);
    assert_eq!(line, late.archived_line("2026/2026-05-16.1.incidents.tar.zst") + "\n");
}

#[test]
fn what_is_no_event_file_is_left_and_named() {
    let lab = Lab::new();
    EVENT.write(&lab);
    let day = lab.root().join("2026-05-16");
    lab.write("2026-05-16/pi4/notes.txt", "x");
    lab.write("2026-05-16/pi4/.hidden.json", "x");
    lab.write("2026-05-16/stray.json", "x");
    fs::create_dir(day.join("pi4/folder.json")).unwrap();
    fs::create_dir(day.join("pi4/sub")).unwrap();
    lab.write("2026-05-16/pi4/sub/deep.json", EVENT.line());
    fs::write(lab.path("outside.json"), EVENT.line()).unwrap();
    symlink(lab.path("outside.json"), day.join("pi4/link.json")).unwrap();
    fs::create_dir(lab.path("elsewhere")).unwrap();
    fs::write(lab.path("elsewhere/x.json"), EVENT.line()).unwrap();
    symlink(lab.path("elsewhere"), day.join("linked-node")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(day.join("pi4/fifo.json")).status();
    assert!(made.unwrap().success());
    let mut odd = tree(&lab.root());
    odd.remove(&EVENT.path()).unwrap();
    // What begins with a dot is passed over, and stays.
    for first in [true, false] {
        let run = lab.fails(1, ["rotate", "--now", NOW]);
        let taken = "2026-05-16  1 event into 2026/2026-05-16.tar.zst (";
        let start = if first { taken } else { "2026-05-16  nothing new to archive" };
        assert!(run.stdout.starts_with(start), "{run:?}");
        assert!(run.stdout.ends_with("; 7 left live\n"), "{run:?}");
        let mut told: Vec<&str> = run.stderr.lines().collect();
        told.sort_unstable();
        let files = "events are files that end in .json; left as it is";
        let nodes = "nodes have directories; left as it is";
        let wanted = [
            ("linked-node", "a symbolic link", nodes),
            ("pi4/fifo.json", "a FIFO", files),
            ("pi4/folder.json", "a directory", files),
            ("pi4/link.json", "a symbolic link", files),
            ("pi4/notes.txt", "a file", files),
            ("pi4/sub", "a directory", files),
            ("stray.json", "a file", nodes),
        ]
        .map(|(path, kind, rule)| {
            format!("hlarchive: warning: 2026-05-16/{path}: not an event: {kind}; {rule}")
        });
        assert_eq!(told, wanted);
        assert!(tree(&lab.root()) == odd);
    }
    assert!(lab.path("outside.json").is_file() && lab.path("elsewhere/x.json").is_file());
    assert_eq!(lab.list_all().len(), 1);
}

#[test]
fn a_linked_day_or_root_folder_is_never_followed() {
    let lab = Lab::new();
    EVENT.write(&lab);
    fs::rename(lab.root().join("2026-05-16"), lab.path("outside")).unwrap();
    symlink(lab.path("outside"), lab.root().join("2026-05-16")).unwrap();
    let outside = tree(&lab.path("outside"));
    lab.write("stray.json", EVENT.line());
    lab.write(".stfolder/marker", "x");
    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert_eq!(run.stdout, "");
    assert_eq!(
        run.stderr,
        "hlarchive: warning: 2026-05-16: not an event: a symbolic link; days have directories \
         YYYY-MM-DD; left as it is\n\
         hlarchive: warning: stray.json: not an event: a file; days have directories YYYY-MM-DD; \
         left as it is\n"
    );
    assert!(tree(&lab.path("outside")) == outside && outside.len() == 1);
    fs::remove_file(lab.root().join("stray.json")).unwrap();
    fs::remove_dir_all(lab.root().join(".stfolder")).unwrap();
    let run = lab.run(["list", "--since=2000-01-01"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert_eq!(
        run.stderr,
        "hlarchive: warning: 2026-05-16: not an event: a symbolic link; days have directories \
         YYYY-MM-DD\nsearched from 2000-01-01T00:00:00.000000Z on: 0 days live, 0 days archived\n"
    );
    let run = lab.fails(74, ["emit", "node_online", "--node=pi4", "--timestamp=2026-05-16"]);
    let link = lab.root().join("2026-05-16/pi4").display().to_string();
    assert_eq!(
        run.stderr,
        format!("hlarchive: {link}: cannot open: a symbolic link is in the way\n")
    );
    assert!(tree(&lab.path("outside")) == outside);
}

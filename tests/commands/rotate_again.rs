//! Days that are rotated more than once: late arrivals, restored files, conflicts.

use std::fs;

use crate::common::{Lab, NOW, tree};
use crate::support::{EVENT, Event, json};

fn records(lab: &Lab) -> Vec<serde_json::Value> {
    lab.ok(["manifest", "show", "-ondjson"]).lines().map(json).collect()
}

fn segments(lab: &Lab) -> Vec<String> {
    let names = tree(&lab.archive()).into_keys();
    names.filter(|name| name.ends_with(".tar.zst")).collect()
}

#[test]
fn late_arrivals_go_into_further_segments_of_their_day() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let first = fs::read(lab.archive().join("2026/2026-05-10.tar.zst")).unwrap();
    for number in 1..=2 {
        let late = Event { time: "2026-05-10T09:00:00.000000Z", number, ..EVENT };
        late.write(&lab);
        let before = lab.list_all();
        let told = lab.rotate();
        let start = format!("2026-05-10  1 event into 2026/2026-05-10.{number}.tar.zst (");
        assert!(told.starts_with(&start), "{told}");
        assert_eq!(lab.list_all(), before);
        let line = lab.ok(["show", &late.id(), "-ondjson"]);
        let segment = format!("2026/2026-05-10.{number}.tar.zst");
        assert_eq!(line, late.archived_line(&segment) + "\n");
    }
    assert_eq!(
        segments(&lab),
        ["2026/2026-05-10.1.tar.zst", "2026/2026-05-10.2.tar.zst", "2026/2026-05-10.tar.zst"]
    );
    assert!(fs::read(lab.archive().join("2026/2026-05-10.tar.zst")).unwrap() == first);
    let ops: Vec<String> = records(&lab).iter().map(|record| record["op"].to_string()).collect();
    assert_eq!(ops, ["\"rotate\""; 3]);
    lab.ok(["verify"]);
}

#[test]
fn restored_files_are_recognised_and_removed_again() {
    let lab = Lab::new();
    lab.seed(2, 3);
    lab.rotate();
    let (archive, before) = (segments(&lab), lab.list_all());
    lab.ok(["restore", "2026-05-10", "2026-05-11", "--live"]);
    assert_eq!(tree(&lab.root()).len(), 18);
    assert_eq!(lab.list_all(), before);
    let late = Event { time: "2026-05-11T09:00:00.000000Z", ..EVENT };
    late.write(&lab);
    let told = lab.rotate();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "2026-05-10  nothing new to archive; 9 were archived already");
    assert!(lines[1].starts_with("2026-05-11  1 event into 2026/2026-05-11.1.tar.zst ("), "{told}");
    assert!(lines[1].ends_with("; 9 were archived already"), "{told}");
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(segments(&lab).len(), archive.len() + 1);
    assert_eq!(lab.list_all().len(), 19);
    lab.ok(["restore", "2026-05-10", "--live"]);
    let report = json(&lab.ok(["rotate", "-ojson", "--now", NOW]));
    assert_eq!(
        report["days"],
        serde_json::json!([{
            "date": "2026-05-10", "segments": [], "events": 0, "invalid": 0, "event_bytes": 0,
            "late": 0, "conflicts": 0, "segment_bytes": 0, "already_archived": 9, "removed": 9,
            "left": 0,
        }])
    );
}

#[test]
fn two_events_of_one_name_are_both_kept_and_reported() {
    let lab = Lab::new();
    let path = EVENT.write(&lab);
    lab.rotate();
    let other = Event { service: "other", ..EVENT };
    other.write(&lab);
    let told = "two different events have this name; both are shown";
    let both = || {
        let run = lab.run(["list", "--since=2000-01-01", "-ondjson"]);
        assert_eq!((run.code, run.stderr), (0, format!("hlarchive: warning: {path}: {told}\n")));
        run.stdout
    };
    let archived = EVENT.archived_line("2026/2026-05-16.tar.zst");
    assert_eq!(both(), format!("{archived}\n{}\n", other.live_line()));

    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert!(run.stdout.starts_with("2026-05-16  1 event into 2026/2026-05-16.1.tar.zst ("));
    let finding = "another event of this name is archived already; both are kept";
    assert_eq!(run.stderr, format!("hlarchive: warning: {path}: {finding}\n"));
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(
        both(),
        format!("{archived}\n{}\n", other.archived_line("2026/2026-05-16.1.tar.zst"))
    );

    let records = records(&lab);
    let last = records.last().unwrap();
    assert_eq!(records.len(), 3);
    assert_eq!(
        (&last["op"], &last["date"], &last["path"]),
        (&"conflict".into(), &"2026-05-16".into(), &path.clone().into())
    );
    // It was reported when it was found; the archive is as it should be.
    lab.ok(["verify"]);
    // Neither of them comes a third time: both are recognised.
    EVENT.write(&lab);
    assert!(lab.rotate().ends_with("nothing new to archive; 1 was archived already\n"));
    other.write(&lab);
    assert!(lab.rotate().ends_with("nothing new to archive; 1 was archived already\n"));
}

/// What a stopped run left may go when all of it is in the new segment. This is not that:
/// the manifest was lost, and the segment has the only copy of its event.
#[test]
fn a_segment_without_a_record_that_holds_another_event_of_the_name_is_left() {
    let lab = Lab::new();
    let path = EVENT.write(&lab);
    lab.rotate();
    fs::remove_file(lab.archive().join("manifest.jsonl")).unwrap();
    let segment = lab.archive().join("2026/2026-05-16.tar.zst");
    let before = fs::read(&segment).unwrap();
    let other = Event { service: "other", ..EVENT };
    assert_eq!(other.write(&lab), path);
    lab.fails(75, ["rotate", "--now", NOW]);
    let run = lab.fails(1, ["rotate", "--now", NOW, "--new-archive"]);
    assert!(run.stdout.contains("1 event into 2026/2026-05-16.1.tar.zst"), "{run:?}");
    assert!(run.stderr.contains("no record names this segment"), "{run:?}");
    assert!(fs::read(&segment).unwrap() == before);
    // The way out that the message names has both.
    lab.ok(["manifest", "rebuild"]);
    let listed = lab.run(["list", "--since=2000-01-01", "-ondjson"]).stdout;
    assert!(listed.contains(&EVENT.archived_line("2026/2026-05-16.tar.zst")), "{listed}");
    assert!(listed.contains(&other.archived_line("2026/2026-05-16.1.tar.zst")), "{listed}");
}

#[test]
fn a_damaged_segment_does_not_hold_late_arrivals_back() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let segment = lab.archive().join("2026/2026-05-10.tar.zst");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[40] ^= 1;
    fs::write(&segment, &bytes).unwrap();
    Event { time: "2026-05-10T09:00:00.000000Z", ..EVENT }.write(&lab);
    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert!(run.stdout.contains("1 event into 2026/2026-05-10.1.tar.zst"), "{run:?}");
    assert!(run.stderr.starts_with("hlarchive: warning: 2026/2026-05-10.tar.zst: "), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1);
    assert!(tree(&lab.root()).is_empty());
    assert!(fs::read(&segment).unwrap() == bytes, "the damaged segment stays as it is");
}

#[test]
fn an_event_that_changes_after_it_was_archived_is_another_event() {
    let lab = Lab::new();
    let path = EVENT.write(&lab);
    lab.rotate();
    lab.ok(["restore", "2026-05-16", "--live"]);
    fs::remove_file(lab.root().join(&path)).unwrap();
    lab.write(&path, "{}");
    let run = lab.fails(1, ["rotate", "--now", NOW]);
    let told: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(
        told,
        [
            format!(
                "hlarchive: warning: {path}: another event of this name is archived already; both are kept"
            ),
            format!(
                "hlarchive: warning: {path}: not an event: the field \"timestamp\" is missing; archived as is"
            ),
        ]
    );
    let out = lab.path("out");
    lab.fails(1, ["restore", "2026-05-16", "--to", out.to_str().unwrap()]);
}

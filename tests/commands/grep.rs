//! Search in the text of events, by each command that chooses events.

use std::fs;

use crate::common::{Lab, event, tree};

/// One event with this payload, as some program wrote it, on a day of May 2026.
fn put(lab: &Lab, day: u32, number: u32, payload: &str) {
    let (path, bytes) = event(day, 0, "nas", number);
    let text = String::from_utf8(bytes).unwrap();
    let (head, _) = text.split_once("\"payload\":").unwrap();
    lab.write(&path, format!("{head}\"payload\":{payload}}}\n"));
}

/// Six events: three archived, three live.
fn lab() -> Lab {
    let lab = Lab::new();
    put(&lab, 10, 0, r#"{"error":"Disk full on /dev/sda1","attempt":1}"#);
    put(&lab, 10, 1, r#"{"error":"\u0064isk full","attempt":2,"code":"503"}"#);
    put(&lab, 10, 2, "{\n  \"error\": \"out of memory: OOM\",\n  \"tags\": [\"a\", \"b\"]\n}");
    lab.rotate_day("2026-05-10");
    put(&lab, 11, 3, r#"{"url":"http:\/\/nas\/disk","attempt":3.0}"#);
    put(&lab, 11, 4, r#"{"nested":{"stage":"pull"},"note":"all well"}"#);
    put(&lab, 11, 5, "{}");
    lab
}

/// The numbers of the events that a command line lists, which are sorted by time.
fn found(lab: &Lab, words: &[&str]) -> Vec<u32> {
    let run = lab.run([&["list", "--since", "2000-01-01", "-o", "ndjson", "-q"], words].concat());
    assert!(run.stderr.is_empty() && [0, 1].contains(&run.code), "{run:?}");
    let number = |line: &str| {
        let (_, rest) = line.split_once("-0000").unwrap();
        rest[4..8].parse::<u32>().unwrap_or_else(|_| panic!("{line}"))
    };
    let mut numbers: Vec<u32> = run.stdout.lines().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(run.code, i32::from(numbers.is_empty()), "{run:?}");
    numbers
}

#[test]
fn list_finds_text_live_and_archived_however_it_was_escaped() {
    let lab = lab();
    assert_eq!(found(&lab, &["--grep", "disk full"]), [0, 1]);
    assert_eq!(found(&lab, &["--grep", "Disk full"]), [0]);
    assert_eq!(found(&lab, &["--grep", "error=.*OOM"]), [2]);
    assert_eq!(found(&lab, &["--grep", "http://nas/"]), [3]);
    assert_eq!(found(&lab, &["--grep", "nested.stage=pull"]), [4]);
    assert_eq!(found(&lab, &["--grep", "^payload.tags=b$"]), [2]);
    assert_eq!(found(&lab, &["--grep", "full", "--grep", "pull"]), [0, 1, 4]);
    assert_eq!(found(&lab, &["--grep", "disk", "--and-grep", "sda\\d"]), [0]);
    assert_eq!(found(&lab, &["-F", "--grep", "/dev/sda1"]), [0]);
    assert_eq!(found(&lab, &["-F", "--grep", "sda\\d"]), [0; 0]);
    assert_eq!(found(&lab, &["--grep", "disk", "--invert"]), [2, 4, 5]);
    assert_eq!(found(&lab, &["--grep", "disk", "--date", "2026-05-11"]), [3]);
    // A name of a field is text, too, and so is a file's timestamp; a brace is not.
    assert_eq!(found(&lab, &["--grep", "node=nas"]), [0, 1, 2, 3, 4, 5]);
    assert_eq!(found(&lab, &["--grep", "\\{"]), [0; 0]);
}

#[test]
fn conditions_ask_for_single_values() {
    let lab = lab();
    assert_eq!(found(&lab, &["--where", "payload.attempt>=2"]), [1, 3]);
    assert_eq!(found(&lab, &["--where", "payload.attempt=3"]), [3]);
    assert_eq!(found(&lab, &["--where", "payload.code>500"]), [1]);
    assert_eq!(found(&lab, &["--where", "payload.nested.stage=pull"]), [4]);
    assert_eq!(found(&lab, &["--where", "payload.error~disk"]), [0, 1]);
    assert_eq!(found(&lab, &["--where", "payload.error", "--where", "!payload.attempt"]), [2]);
    assert_eq!(found(&lab, &["--where", "!payload.error"]), [3, 4, 5]);
    assert_eq!(found(&lab, &["--where", "payload.error!=disk full"]), [0, 2]);
    assert_eq!(found(&lab, &["--where", "payload.error", "--grep", "full", "--invert"]), [2]);
}

#[test]
fn the_newest_match_comes_first_and_a_limit_counts_matches() {
    let lab = lab();
    let words = ["list", "--since", "2000-01-01", "--grep", "disk", "--reverse", "--limit", "2"];
    let told = lab.ok([&words[..], &["-o", "path"]].concat());
    assert_eq!(told.lines().filter(|path| path.starts_with("2026-05-1")).count(), 2, "{told}");
    assert!(told.starts_with("2026-05-11/"), "{told}");
}

#[test]
fn export_restore_and_followers_search_alike() {
    let lab = lab();
    let export = ["export", "--format", "ndjson", "--to", "out", "--grep", "disk full"];
    lab.ok(export);
    let exported = tree(&lab.path("out"));
    let lines = exported.values().map(|bytes| String::from_utf8_lossy(bytes).lines().count());
    let lines: usize = lines.sum();
    assert_eq!(lines, 2);
    lab.ok(["restore", "--to", "back", "--where", "payload.attempt=2"]);
    let back: Vec<String> =
        tree(&lab.path("back")).into_keys().filter(|path| path.ends_with(".json")).collect();
    assert_eq!(back.len(), 1, "{back:?}");
    let follow = ["list", "--since", "2000-01-01", "--cursor-file", "seen", "-o", "ndjson"];
    let told = lab.ok([&follow[..], &["--grep", "full"]].concat());
    assert_eq!(told.lines().count(), 2, "{told}");
    let (path, bytes) = event(30, 0, "nas", 9);
    lab.write(&path, String::from_utf8(bytes).unwrap().replace("\"number\":9", "\"x\":\"Full\""));
    let told = lab.ok([&follow[..], &["--grep", "full"]].concat());
    assert!(told.lines().count() == 1 && told.contains("Full"), "{told}");
}

#[test]
fn a_pattern_or_condition_that_makes_no_sense_is_refused_in_one_sentence() {
    let lab = lab();
    for (words, reason) in [
        (&["--grep", "(disk"][..], "not a regular expression: unclosed group"),
        (&["--where", "payload.attempt=>2"], "payload.attempt>=3"),
        (&["--where", "=2"], "names no field"),
        (&["--invert"], "--invert needs a pattern"),
        (&["-F"], "-F needs a pattern"),
    ] {
        let run = lab.run([&["list"], words].concat());
        assert_eq!(run.code, 2, "{words:?}: {run:?}");
        assert!(run.stderr.contains(reason), "{words:?}: {run:?}");
        assert!(run.stderr.lines().count() <= 3, "{words:?}: {run:?}");
    }
}

#[test]
fn a_search_that_finds_nothing_says_where_it_looked() {
    let lab = lab();
    let run = lab.fails(1, ["list", "--since", "2000-01-01", "--grep", "nowhere to be found"]);
    assert!(run.stderr.contains("searched from 2000-01-01"), "{run:?}");
}

#[test]
fn a_file_that_is_no_event_is_named_by_a_search_as_by_a_list() {
    let lab = lab();
    let (path, _) = event(11, 0, "nas", 8);
    lab.write(&path, "[\"disk full\"]");
    let run = lab.run(["list", "--date", "2026-05-11", "--grep", "disk"]);
    assert_eq!(run.code, lab.run(["list", "--date", "2026-05-11"]).code);
    assert!(run.stderr.contains(&path), "{run:?}");
    fs::remove_file(lab.root().join(&path)).unwrap();
    lab.ok(["list", "--date", "2026-05-11", "--grep", "disk"]);
}

#[test]
fn what_happened_around_a_time_or_an_event_is_listed() {
    let lab = lab();
    // The events are at 00:00:30, 07:01:30, 14:02:30 and so on.
    let around = |words: &[&str]| found_at(&lab, words);
    assert_eq!(around(&["--around", "2026-05-10 07:00", "--within", "2m"]), [1]);
    assert_eq!(around(&["--around", "2026-05-10T14:02:30Z", "--within", "1s"]), [2]);
    let id = "0196d8a2-0010-7000-8000-000000000002";
    assert_eq!(around(&["--around", id]), [2]);
    assert_eq!(around(&["--around", id, "--within", "8h"]), [1, 2]);
    for (words, reason) in [
        (&["--around", "lunch"][..], "not a time"),
        (&["--around", "now", "--within", "soon"], "--within soon"),
        (&["--around", "now", "--since", "today"], "cannot be used with"),
        (&["--within", "5m"], "--around"),
        (&["--around", "now", "--follow"], "cannot be used with"),
    ] {
        let run = lab.fails(2, [&["list"], words].concat());
        assert!(run.stderr.contains(reason), "{words:?}: {run:?}");
    }
    lab.fails(66, ["list", "--around", "0196d8a2-0010-7000-8000-00000000ffff"]);
}

fn found_at(lab: &Lab, words: &[&str]) -> Vec<u32> {
    let told = lab.ok([&["list", "-o", "path", "-q"], words].concat());
    let mut numbers: Vec<u32> = told
        .lines()
        .map(|path| path.trim_end_matches(".json").rsplit_once("-0000").unwrap().1.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    numbers
}

//! `hlarchive export`: where files go, what becomes of those that are there, and how it ends.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::common::process::{finish, halt_when, has_temporary, send, start};
use crate::common::{Lab, event, tree};
use crate::support::{EVENT, Event, assert_untouched, json, picture, sentence};

/// The lines of all files below a directory, sorted.
fn lines(directory: &Path) -> Vec<String> {
    let mut lines: Vec<String> = tree(directory)
        .into_values()
        .flat_map(|bytes| {
            String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    lines.sort();
    lines
}

/// What `list` prints of everything, sorted.
fn listed(lab: &Lab) -> Vec<String> {
    let text = lab.ok(["list", "--since", "2000-01-01", "-q", "-o", "ndjson"]);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

const FORMATS: &[(&str, &str)] = &[
    #[cfg(feature = "parquet")]
    ("parquet", "parquet"),
    ("ndjson", "ndjson"),
    ("csv", "csv"),
    ("cloudevents", "cloudevents.jsonl"),
];

#[test]
fn each_day_and_node_becomes_one_file_with_the_lines_of_list() {
    let lab = Lab::new();
    lab.seed(3, 20);
    lab.rotate_day("2026-05-10");
    let (late, bytes) = event(10, 1, "pi4", 500);
    lab.write(&late, bytes);
    lab.rotate_day("2026-05-10");
    let (live, bytes) = event(10, 1, "pi4", 501);
    lab.write(&live, bytes);
    let text = lab.ok(["export", "--format", "ndjson", "--to", "out"]);
    assert_eq!(lines(&lab.path("out")), listed(&lab));
    let files = tree(&lab.path("out"));
    let names: Vec<&String> = files.keys().collect();
    let mut wanted = Vec::new();
    for day in 10..13 {
        for node in ["nas", "pi4", "pi5"] {
            wanted.push(format!("date=2026-05-{day}/node={node}/part-0.ndjson"));
        }
    }
    assert_eq!(names, wanted.iter().collect::<Vec<_>>());
    let events: Vec<&str> =
        text.lines().map(|line| line.split(" in 3 files").next().unwrap()).collect();
    assert_eq!(events[..2], ["2026-05-10  62 events", "2026-05-11  60 events"], "{text}");
    assert!(text.lines().last().unwrap().starts_with("182 events in 9 files, "), "{text}");
    let file = &files["date=2026-05-10/node=pi4/part-0.ndjson"];
    let times: Vec<String> = String::from_utf8_lossy(file)
        .lines()
        .map(|line| json(line)["timestamp"].as_str().unwrap().to_owned())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_file_that_is_there_is_never_overwritten_and_resume_passes_over_it() {
    for &(format, extension) in FORMATS {
        let lab = Lab::new();
        lab.seed(2, 5);
        lab.ok(["export", "--format", format, "--to", "out", "--date", "2026-05-11"]);
        let before = picture(&lab.path("out"));
        let run = lab.fails(73, ["export", "--format", format, "--to", "out"]);
        let file = format!("out/date=2026-05-11/node=nas/part-0.{extension}");
        assert_eq!(
            sentence(&run),
            format!(
                "{file}: cannot create: it already exists, and nothing is overwritten; \
                 --resume skips what is there"
            )
        );
        let whole: Vec<String> = tree(&lab.path("out")).into_keys().collect();
        assert!(whole.iter().all(|name| name.ends_with(extension)), "{whole:?}");
        let run = lab.run(["export", "--format", format, "--to", "out", "--resume", "-o", "json"]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        let report = json(&run.stdout);
        assert!(report["already_there"].as_u64().unwrap() >= 3, "{report}");
        assert_eq!(tree(&lab.path("out")).len(), 6);
        let after = picture(&lab.path("out"));
        for (path, was) in before.iter().filter(|(path, _)| path.ends_with(extension)) {
            assert!(after[path] == *was, "{path}");
        }
    }
}

#[test]
fn filters_choose_as_those_of_list_do() {
    let lab = Lab::new();
    lab.seed(3, 20);
    lab.rotate_day("2026-05-10");
    for words in [
        vec!["--date", "2026-05-11"],
        vec!["--since", "2026-05-11", "--until", "2026-05-12T06:00:00Z"],
        vec!["--node", "nas", "--node", "pi5", "--since", "2000-01-01"],
        vec!["--type", "deployment_failed", "--since", "2000-01-01"],
        vec!["--min-severity", "error", "--service", "all", "--since", "2000-01-01"],
        vec!["--correlation-id", "run-10-1", "--source", "monitor.py", "--since", "2000-01-01"],
        vec!["--severity", "critical", "--archived-only", "--since", "2000-01-01"],
        vec!["--live-only", "--since", "2000-01-01"],
    ] {
        let list = lab.ok(["list", "-o", "ndjson"].iter().chain(&words));
        let mut wanted: Vec<&str> = list.lines().collect();
        wanted.sort_unstable();
        assert!(!wanted.is_empty());
        lab.ok(["export", "--format", "ndjson", "--to", "out"].iter().chain(&words));
        assert_eq!(lines(&lab.path("out")), wanted, "{words:?}");
        fs::remove_dir_all(lab.path("out")).unwrap();
    }
}

#[test]
fn what_matches_nothing_writes_nothing() {
    let lab = Lab::new();
    lab.seed(1, 2);
    let words = ["export", "--format", "csv", "--to", "out", "--node", "nowhere"];
    let run = lab.fails(1, words);
    assert_eq!(
        run.stderr,
        "no event matches; nothing was written\nno event has node \"nowhere\"\nsearched the whole \
         history: 1 day live, 0 days archived\n"
    );
    let report = json(&lab.fails(1, words.iter().chain(&["-ojson"])).stdout);
    assert_eq!(report["searched"]["unknown"][0]["value"], "nowhere");
    assert!(tree(&lab.path("out")).is_empty());
    lab.ok(["export", "--format", "csv", "--to", "out", "--since", "2027-01-01"]);
}

#[test]
fn what_is_read_is_no_place_to_write_to() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let inside = lab.archive().join("new/er");
    for (target, what) in [(lab.root(), "the event tree"), (inside, "the archive")] {
        let target = target.to_str().unwrap().to_owned();
        for to in [target.clone(), format!("file://{target}")] {
            let words = ["export", "--format", "ndjson", "--to", &to];
            let run = assert_untouched(&lab, || lab.fails(2, words));
            let reason = "which export only reads; choose another directory";
            assert_eq!(sentence(&run), format!("{target}: this is {what}, {reason}"));
        }
    }
}

#[test]
fn what_is_no_event_is_named_and_two_of_one_name_are_both_exported() {
    let lab = Lab::new();
    let path = Event { payload: "{\"first\":1}", ..EVENT }.write(&lab);
    lab.rotate();
    lab.write(&path, Event { payload: "{\"second\":2}", ..EVENT }.line());
    lab.write("2026-05-16/pi4/broken.json", "{");
    for &(format, _) in FORMATS {
        let run = lab.run(["export", "--format", format, "--to", "out", "-o", "json"]);
        assert_eq!(run.code, 0, "{run:?}");
        let report = json(&run.stdout);
        for (field, wanted) in [("events", 2), ("files", 1), ("invalid", 1), ("conflicts", 1)] {
            assert_eq!(report[field], wanted, "{format}: {report}");
        }
        assert!(run.stderr.contains("pi4/broken.json: not an event"), "{run:?}");
        assert!(run.stderr.contains("two different events have this name"), "{run:?}");
    }
    let ndjson = fs::read_to_string(lab.path("out/date=2026-05-16/node=pi4/part-0.ndjson"));
    let text = ndjson.unwrap();
    assert!(text.contains("\"first\":1") && text.contains("\"second\":2"), "{text}");
}

/// A file must not look whole when it is not; other days are not concerned.
#[test]
fn a_day_with_damage_is_exported_only_when_that_is_asked_for() {
    let lab = Lab::new();
    lab.seed(2, 20);
    lab.rotate();
    let segment = lab.archive().join("2026/2026-05-10.tar.zst");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[100] ^= 1;
    fs::remove_file(&segment).unwrap();
    fs::write(&segment, bytes).unwrap();
    let (live, bytes) = event(10, 0, "nas", 100);
    lab.write(&live, bytes);
    let words = ["export", "--format", "ndjson", "--to", "out"];
    let run = lab.fails(74, words);
    assert!(run.stderr.contains("2026-05-10.tar.zst: "), "{run:?}");
    assert!(run.stderr.contains("not exported: 2026-05-10\n"), "{run:?}");
    let files = tree(&lab.path("out"));
    assert_eq!(files.len(), 3);
    assert!(files.keys().all(|path| path.starts_with("date=2026-05-11/")), "{files:?}");
    let run = lab.fails(74, words.iter().chain(&["--resume", "--partial"]));
    assert!(!run.stderr.contains("not exported"), "{run:?}");
    assert!(tree(&lab.path("out")).contains_key("date=2026-05-10/node=nas/part-0.ndjson"));
}

/// An event may be filed under another day than its own time says.
#[test]
fn events_filed_far_from_their_time_are_in_the_file_of_their_day() {
    let lab = Lab::new();
    for (number, time) in
        ["2020-01-01", "2026-05-15", "2026-05-17", "2030-01-01"].iter().enumerate()
    {
        let time = format!("{time}T00:00:00.000000Z");
        let odd = Event { time: &time, number: number as u32, ..EVENT };
        for day in ["2026-05-15", "2026-05-16"] {
            let name = odd.path().split('/').next_back().unwrap().to_owned();
            lab.write(&format!("{day}/pi4/{name}"), odd.line());
        }
    }
    let text = lab.ok(["export", "--format", "csv", "--to", "out"]);
    assert!(text.starts_with("2026-05-15  4 events in 1 file, "), "{text}");
    let file = fs::read_to_string(lab.path("out/date=2026-05-16/node=pi4/part-0.csv")).unwrap();
    assert_eq!(file.lines().count(), 5);
    assert!(file.starts_with("path,timestamp,type,severity,source,service,correlation_id,"));
}

/// It costs the events of that node, and they are named.
#[test]
fn a_node_whose_name_is_too_long_for_a_directory_stops_no_other() {
    let lab = Lab::new();
    let long = "n".repeat(252);
    lab.write(&format!("2026-05-16/{long}/x.json"), EVENT.line());
    let run = lab.fails(1, ["export", "--format", "csv", "--to", "out"]);
    assert!(run.stdout.is_empty() && run.stderr.contains("too long"), "{run:?}");
    EVENT.write(&lab);
    let run = lab.fails(1, ["export", "--format", "csv", "--to", "out"]);
    assert_eq!(run.stdout.split(',').next(), Some("2026-05-16  1 event in 1 file"));
    assert!(run.stderr.contains(&long) && run.stderr.contains("too long"), "{run:?}");
    assert_eq!(tree(&lab.path("out")).len(), 1);
}

#[test]
fn a_link_below_the_target_is_not_followed() {
    let lab = Lab::new();
    EVENT.write(&lab);
    fs::create_dir_all(lab.path("out")).unwrap();
    fs::create_dir_all(lab.path("else/node=pi4")).unwrap();
    std::os::unix::fs::symlink(lab.path("else"), lab.path("out/date=2026-05-16")).unwrap();
    let run = lab.run(["export", "--format", "ndjson", "--to", "out"]);
    assert!(run.code != 0, "{run:?}");
    assert!(tree(&lab.path("else")).is_empty());
}

/// Stopped at any time, what is there is whole, and a second run completes it.
#[test]
fn an_export_that_is_stopped_leaves_whole_files_and_resume_completes_it() {
    let first = Lab::new();
    first.seed(2, 1500);
    first.rotate_day("2026-05-10");
    let whole = lines_of(&first, "whole");
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut met = false;
        for number in 0..20 {
            let out = format!("out-{code}-{number}");
            let words = ["export", "--format", "ndjson", "--to", &out];
            let mut child = start(&mut first.command(words));
            met = halt_when(&mut child, &mut || has_temporary(&first.path(&out)));
            if met {
                send(&child, signal);
                send(&child, Signal::CONT);
            }
            let run = finish(child);
            if !met {
                continue;
            }
            // It may have been in the middle of its last file.
            assert!(run.code == code || run.code == 0, "{run:?}");
            assert!(!has_temporary(&first.path(&out)));
            if run.code == 0 {
                continue;
            }
            assert!(
                run.stderr.contains("stopped on request; finished files are complete"),
                "{run:?}"
            );
            let files = tree(&first.path(&out));
            for (name, bytes) in &files {
                assert!(whole[name] == *bytes, "{name}");
            }
            first.ok(["export", "--format", "ndjson", "--to", &out, "--resume"]);
            assert!(tree(&first.path(&out)) == whole);
            break;
        }
        assert!(met, "it was never met in the middle");
    }
}

fn lines_of(lab: &Lab, out: &str) -> crate::common::Tree {
    lab.ok(["export", "--format", "ndjson", "--to", out]);
    tree(&lab.path(out))
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let lab = Lab::new();
    lab.seed(2, 50);
    for &(format, _) in FORMATS {
        for out in ["one", "two"] {
            lab.ok(["export", "--format", format, "--to", out]);
        }
        assert!(tree(&lab.path("one")) == tree(&lab.path("two")), "{format}");
    }
}

#[cfg(not(feature = "remote"))]
#[test]
fn a_bucket_without_its_feature_says_how_to_get_it() {
    let lab = Lab::new();
    EVENT.write(&lab);
    let run = lab.fails(69, ["export", "--format", "csv", "--to", "s3://lake/events"]);
    assert!(sentence(&run).contains("--features remote"), "{run:?}");
}

/// As they are, unless that is asked for: then a spreadsheet takes them for text.
#[test]
fn formulas_stay_in_csv_and_get_an_apostrophe_where_that_is_asked_for() {
    let lab = Lab::new();
    Event { service: "=HYPERLINK(1)", ..EVENT }.write(&lab);
    let file = |to: &str, flags: &[&str]| {
        let words = ["export", "--format", "csv", "--to", to];
        lab.ok(words.iter().chain(flags));
        let path = format!("{to}/date=2026-05-16/node=pi4/part-0.csv");
        fs::read_to_string(lab.path(&path)).unwrap()
    };
    let (plain, escaped) = (file("plain", &[]), file("escaped", &["--escape-formulas"]));
    assert!(plain.contains(",=HYPERLINK(1),"), "{plain}");
    assert_eq!(plain.replace(",=HYPERLINK", ",'=HYPERLINK"), escaped);
    lab.fails(2, ["export", "--format", "ndjson", "--to", "x", "--escape-formulas"]);
}

use std::fs;

use crate::common::{Lab, NOW, me, tree};
use crate::support::{assert_untouched, json, sentence};

fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(2, 2);
    lab.rotate();
    lab
}

fn text(lab: &Lab) -> String {
    fs::read_to_string(lab.archive().join("manifest.jsonl")).unwrap()
}

#[test]
fn a_record_says_all_that_the_format_promises_in_its_order() {
    let lab = lab();
    let line = text(&lab).lines().nth(1).unwrap().to_owned();
    let first = text(&lab).lines().next().unwrap().to_owned();
    let record = json(&line);
    let order = [
        "v", "seq", "time", "op", "by", "date", "segment", "sha256", "bytes", "events", "invalid",
        "nodes", "first", "last", "content", "policy", "keep", "prev", "self",
    ];
    let mut at = 0;
    for field in order {
        let found = line[at..].find(&format!("\"{field}\":"));
        at += found.unwrap_or_else(|| panic!("{field} is missing or out of order: {line}"));
    }
    assert_eq!(record.as_object().unwrap().len(), order.len(), "{line}");
    let segment = lab.archive().join("2026/2026-05-11.tar.zst");
    let sum = crate::common::system(std::process::Command::new("sha256sum").arg(&segment));
    let events: Vec<_> =
        lab.ok(["list", "--date=2026-05-11", "-ondjson"]).lines().map(json).collect();
    for (field, wanted) in [
        ("v", serde_json::json!(1)),
        ("seq", serde_json::json!(2)),
        ("time", serde_json::json!("2026-06-01T03:00:00.000000Z")),
        ("op", serde_json::json!("rotate")),
        ("date", serde_json::json!("2026-05-11")),
        ("segment", serde_json::json!("2026/2026-05-11.tar.zst")),
        ("sha256", serde_json::json!(String::from_utf8_lossy(&sum[..64]))),
        ("bytes", serde_json::json!(fs::metadata(&segment).unwrap().len())),
        ("events", serde_json::json!(6)),
        ("invalid", serde_json::json!(0)),
        ("nodes", serde_json::json!({ "nas": 2, "pi4": 2, "pi5": 2 })),
        ("first", events[0]["timestamp"].clone()),
        ("last", events[5]["timestamp"].clone()),
        ("policy", json(&lab.ok(["policy", "show", "-ojson"]))["digest"].clone()),
        ("prev", serde_json::json!(sha256(first.as_bytes()))),
    ] {
        assert_eq!(record[field], wanted, "{field}");
    }
    assert_eq!(record["by"]["user"], me());
    assert_eq!(record["by"]["command"], format!("hlarchive rotate --now {NOW}"));
    assert_eq!(lab.ok(["manifest", "head"]), format!("{}\n", sha256(line.as_bytes())));
}

fn sha256(bytes: &[u8]) -> String {
    hlarchive::internals::segment::Sha256Hash::of(bytes).to_string()
}

#[test]
fn show_prints_every_record_in_each_format() {
    let lab = lab();
    lab.ok(["restore", "2026-05-10", "--live"]);
    let shown = assert_untouched(&lab, || lab.ok(["manifest", "show"]));
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 3);
    let start =
        "    1  2026-06-01T03:00:00.000000Z  rotate    2026/2026-05-10.tar.zst  6 events in ";
    assert!(lines[0].starts_with(start), "{shown}");
    assert!(lines[0].contains(&format!("  ({}@", me())), "{shown}");
    assert!(
        lines[2].contains("  restore   2026-05-10  6 events  restored into the live tree  ("),
        "{shown}"
    );
    let objects: Vec<_> = lab.ok(["manifest", "show", "-o", "ndjson"]).lines().map(json).collect();
    assert_eq!(json(&lab.ok(["manifest", "show", "-o", "json"])), serde_json::json!(objects));
    assert_eq!(objects.len(), 3);
}

#[test]
fn head_is_the_hash_of_the_last_line() {
    let lab = lab();
    let head = lab.ok(["manifest", "head"]);
    assert_eq!(head.trim_end(), sha256(text(&lab).lines().last().unwrap().as_bytes()));
    assert_eq!(
        json(&lab.ok(["manifest", "head", "-ojson"])),
        serde_json::json!({ "head": head.trim_end() })
    );
    let none = lab.run(["manifest", "head", "--archive=nowhere"]);
    assert_eq!((none.code, none.stdout.as_str()), (66, ""));
    assert_eq!(
        none.stderr,
        "hlarchive: nowhere: there is no archive here; name it with --archive\n"
    );
}

#[test]
fn a_lost_manifest_is_rebuilt_from_the_segments() {
    let lab = lab();
    let before = lab.list_all();
    fs::remove_file(lab.archive().join("manifest.jsonl")).unwrap();
    let run = lab.fails(75, ["list", "--since", "2000-01-01"]);
    assert!(run.stderr.contains("hlarchive manifest rebuild"), "{run:?}");
    let told = lab.ok(["manifest", "rebuild"]);
    assert!(told.starts_with("rebuilt from 2 segments"), "{told}");
    assert_eq!(lab.list_all(), before);
    lab.ok(["verify"]);
    let records: Vec<_> = text(&lab).lines().map(json).collect();
    let ops: Vec<_> = records.iter().map(|record| record["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["rebuild", "import", "import"]);
    assert_eq!(
        records[0]["note"],
        "rebuilt from 2 segments; what happened before is in the manifest that was replaced"
    );
    assert_eq!(records[1]["note"], "rebuilt from the segment");
    // And the archive goes on from there.
    lab.seed(3, 2);
    lab.rotate();
    lab.ok(["verify"]);
    assert_eq!(lab.list_all().len(), 18);
}

#[test]
fn a_rebuilt_manifest_says_of_each_segment_what_the_first_one_said() {
    let lab = lab();
    let fields = [
        "date", "segment", "sha256", "bytes", "events", "invalid", "nodes", "first", "last",
        "content",
    ];
    let told = |lab: &Lab| -> Vec<Vec<serde_json::Value>> {
        text(lab)
            .lines()
            .map(json)
            .filter(|record| record["segment"].is_string())
            .map(|record| fields.iter().map(|field| record[field].clone()).collect())
            .collect()
    };
    let before = told(&lab);
    let old = text(&lab);
    let report = json(&lab.ok(["manifest", "rebuild", "-ojson"]));
    assert_eq!(report, serde_json::json!({ "segments": 2, "findings": [] }));
    assert_eq!(told(&lab), before);
    assert_eq!(before.len(), 2);
    let kept: Vec<String> = tree(&lab.archive())
        .into_iter()
        .filter(|(name, bytes)| {
            name.starts_with("manifest.jsonl.replaced-") && bytes == old.as_bytes()
        })
        .map(|(name, _)| name)
        .collect();
    assert_eq!(kept.len(), 1);
    lab.ok(["verify"]);
    lab.ok(["manifest", "rebuild"]);
    lab.ok(["verify"]);
}

#[test]
fn a_damaged_segment_is_left_out_of_a_rebuild_and_named() {
    let lab = lab();
    let path = lab.archive().join("2026/2026-05-11.tar.zst");
    let mut bytes = fs::read(&path).unwrap();
    bytes[50] ^= 1;
    fs::write(&path, bytes).unwrap();
    let run = lab.fails(1, ["manifest", "rebuild"]);
    assert!(run.stdout.starts_with("rebuilt from 1 segment;"), "{run:?}");
    assert!(run.stderr.lines().count() >= 1);
    for line in run.stderr.lines() {
        assert!(line.starts_with("hlarchive: warning: 2026/2026-05-11.tar.zst: "), "{run:?}");
    }
    assert_eq!(lab.list_all().len(), 6);
    assert!(path.is_file());
    let run = lab.fails(66, ["manifest", "rebuild", "--archive=nowhere"]);
    assert_eq!(sentence(&run), "nowhere: there is no archive here; name it with --archive");
}

#[test]
fn a_torn_line_is_passed_over_with_a_word() {
    let lab = lab();
    let head = lab.ok(["manifest", "head"]);
    let torn = text(&lab) + "{\"v\":1";
    fs::write(lab.archive().join("manifest.jsonl"), &torn).unwrap();
    let run = assert_untouched(&lab, || lab.run(["manifest", "show"]));
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2));
    assert_eq!(
        run.stderr,
        "hlarchive: warning: the last line is torn (6 bytes) and was skipped; the next rotate \
         repairs it\n"
    );
    assert_eq!(lab.ok(["manifest", "head"]), head);
}

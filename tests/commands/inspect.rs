use std::collections::BTreeMap;
use std::fs;

use crate::common::{Lab, NOW};
use crate::support::{assert_untouched, json, policy, sentence};

type Counts = BTreeMap<String, u64>;

/// Counts a field over the events that list gives.
fn counts(lines: &[serde_json::Value], field: &str) -> Counts {
    let mut counts = Counts::new();
    for line in lines {
        *counts.entry(line[field].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// The size of the skippable frame that holds the index, by its magic number.
fn index_bytes(segment: &std::path::Path) -> u64 {
    let bytes = fs::read(segment).unwrap();
    let magic = 0x184D_2A57_u32.to_le_bytes();
    let at = bytes.windows(4).rposition(|four| four == magic).unwrap();
    8 + u64::from(u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()))
}

#[test]
fn the_numbers_are_those_of_the_events_inside() {
    let lab = Lab::new();
    let seeded = lab.seed(1, 40);
    let bytes: usize = seeded.values().map(Vec::len).sum();
    lab.rotate();
    let lines: Vec<_> = lab.list_all().iter().map(|line| json(line)).collect();
    assert_eq!(lines.len(), 120);
    let path = lab.archive().join("2026/2026-05-10.tar.zst");
    let by_day = json(&assert_untouched(&lab, || lab.ok(["inspect", "2026-05-10", "-ojson"])));
    let record = json(&lab.ok(["manifest", "show", "-ondjson"]));
    let mut wanted = serde_json::json!({
        "segment": "2026/2026-05-10.tar.zst",
        "bytes": fs::metadata(&path).unwrap().len(),
        "event_bytes": bytes,
        "index_bytes": index_bytes(&path),
        "date": "2026-05-10",
        "events": 120,
        "invalid": 0,
        "first": lines[0]["timestamp"],
        "last": lines[119]["timestamp"],
        "frames": 4,
        "content": record["content"],
        "correlation_ids": counts(&lines, "correlation_id").len(),
        "types": counts(&lines, "type"),
        "nodes": counts(&lines, "node"),
        "services": counts(&lines, "service"),
        "severities": counts(&lines, "severity"),
        "sources": counts(&lines, "source"),
    });
    assert_eq!(by_day, serde_json::json!({ "segments": [wanted], "expired": [] }));
    // The same file anywhere else.
    fs::copy(&path, lab.path("elsewhere.bin")).unwrap();
    wanted["segment"] = "elsewhere.bin".into();
    let by_file = json(&lab.ok(["inspect", "elsewhere.bin", "-ojson"]));
    assert_eq!(by_file, serde_json::json!({ "segments": [wanted], "expired": [] }));
}

#[test]
fn the_picture_for_people_shows_the_most_frequent_values() {
    let lab = Lab::new();
    lab.seed(1, 5);
    for number in 0..12 {
        let event = crate::support::Event {
            time: "2026-05-10T12:00:00.000000Z",
            service: [
                "s00", "s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11",
            ][number],
            number: number as u32,
            ..crate::support::EVENT
        };
        event.write(&lab);
    }
    lab.write("2026-05-10/pi4/broken.json", "x");
    lab.fails(1, ["rotate", "--now", NOW]);
    let shown = lab.ok(["inspect", "2026-05-10"]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], "2026/2026-05-10.tar.zst");
    assert_eq!(lines[1], "  day              2026-05-10");
    assert_eq!(lines[2], "  events           28, 1 of them not a valid event");
    let row = |text: &str, name: &str| {
        let row = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
        row[19..].to_owned()
    };
    assert_eq!(row(&shown, "nodes"), "pi4 17, nas 5, pi5 5");
    assert_eq!(
        row(&shown, "services"),
        "grafana 6, mosquitto 6, all 3, s00 1, s01 1, s02 1, s03 1, s04 1, and 7 others"
    );
    assert!(row(&lab.ok(["inspect", "2026-05-10", "-v"]), "services").ends_with("s10 1, s11 1"));
}

#[test]
fn every_segment_of_a_day_is_shown() {
    let lab = Lab::new();
    let classes = "version = 1\n[[retain.class]]\nname = \"incidents\"\nkeep = \"7y\"\n\
                   match = { severity = [\"error\", \"critical\"] }\n";
    policy(&lab, classes);
    lab.seed(2, 5);
    lab.rotate();
    lab.write(&crate::common::event(10, 9, "late", 0).0, crate::common::event(10, 9, "late", 0).1);
    lab.rotate();
    let segments = json(&lab.ok(["inspect", "2026-05-10", "-ojson"]))["segments"].clone();
    let of =
        |number: usize| (segments[number]["segment"].clone(), segments[number]["events"].clone());
    assert_eq!(segments.as_array().unwrap().len(), 3);
    assert_eq!(of(0), ("2026/2026-05-10.tar.zst".into(), 9.into()));
    assert_eq!(of(1), ("2026/2026-05-10.incidents.tar.zst".into(), 6.into()));
    assert_eq!(of(2), ("2026/2026-05-10.1.tar.zst".into(), 1.into()));
}

#[test]
fn damage_and_other_files_are_told_in_a_sentence() {
    let lab = Lab::new();
    lab.seed(1, 5);
    lab.rotate();
    let path = lab.archive().join("2026/2026-05-10.tar.zst");
    let shown = path.display().to_string();
    let sound = fs::read(&path).unwrap();
    let mut seen = 0;
    for at in (0..sound.len()).step_by(29) {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let run = assert_untouched(&lab, || lab.run(["inspect", "2026-05-10"]));
        if run.code != 0 {
            assert_eq!(run.code, 65, "byte {at}: {run:?}");
            assert!(sentence(&run).starts_with(&format!("{shown}: ")), "{run:?}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "only {seen} flipped bytes of index and seek table were noticed");
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"not a segment at all"),
        ("half", &sound[..sound.len() / 2]),
    ] {
        fs::write(lab.path(name), bytes).unwrap();
        let run = lab.fails(65, ["inspect", name]);
        assert!(sentence(&run).starts_with(&format!("{name}: ")), "{run:?}");
    }
    let run = lab.fails(65, ["inspect", "events"]);
    assert_eq!(sentence(&run), "events: this is not a regular file, so it is not a segment");
    let run = lab.fails(66, ["inspect", "nowhere"]);
    assert_eq!(sentence(&run), "nowhere: cannot open: no such file or directory");
    let run = lab.fails(66, ["inspect", "2026-05-11"]);
    let wanted = format!("2026-05-11: no segment of this day in {}", lab.archive().display());
    assert_eq!(sentence(&run), wanted);
    fs::remove_file(&path).unwrap();
    let run = lab.fails(66, ["inspect", "2026-05-10"]);
    assert_eq!(sentence(&run), format!("{shown}: cannot open: no such file or directory"));
}

//! A question about a time has one answer, by whatever way it is asked.
//!
//! Events are filed under their own days and under any others. A model that only knows their
//! timestamps says what each range must give, and in which order; narrow and wide ranges, live
//! and archived, list, trace, export and restore must say the same.

use std::fs;

use crate::common::{Lab, tree};

/// `splitmix64` (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}

/// Days that events are filed under, and days that they are of.
const FILED: [&str; 4] = ["2026-11-10", "2026-11-11", "2026-11-14", "2026-11-20"];
const OF: [&str; 10] = [
    "0001-01-01",
    "1601-01-01",
    "1969-12-31",
    "2026-11-09",
    "2026-11-10",
    "2026-11-11",
    "2026-11-12",
    "2026-11-14",
    "2026-11-20",
    "9999-12-31",
];
const NODES: [&str; 2] = ["nas", "pi4"];

struct Placed {
    time: String,
    path: String,
}

/// Writes one event; its name claims its instant, or nothing at all.
fn write(lab: &Lab, filed: &str, node: &str, time: &str, number: u64, is_named: bool) -> Placed {
    let name = if is_named {
        let stamp: String = time.chars().filter(|c| !matches!(c, '-' | ':')).collect();
        format!("{stamp}_check_done_0196d8a2-0000-7000-8000-{number:012}.json")
    } else {
        format!("event-{number:04}.json")
    };
    let path = format!("{filed}/{node}/{name}");
    lab.write(
        &path,
        format!(
            "{{\"timestamp\":\"{time}\",\"node\":\"{node}\",\"type\":\"check_done\",\"severity\":\
             \"info\",\"source\":\"test\",\"service\":\"all\",\"correlation_id\":\"c\",\
             \"payload\":{{}}}}\n"
        ),
    );
    Placed { time: time.to_owned(), path }
}

fn history(lab: &Lab, seed: u64) -> Vec<Placed> {
    let mut chance = Chance(seed);
    let mut events: Vec<Placed> = (0..80)
        .map(|number| {
            let filed = FILED[chance.below(4) as usize];
            let of = if chance.below(2) == 0 { filed } else { OF[chance.below(10) as usize] };
            let clock = ["00:00:00.000000", "12:00:00.000001", "23:59:59.999999"];
            let time = format!("{of}T{}Z", clock[chance.below(3) as usize]);
            let node = NODES[chance.below(2) as usize];
            write(lab, filed, node, &time, number, chance.below(4) > 0)
        })
        .collect();
    events.sort_by(|a, b| (&a.time, &a.path).cmp(&(&b.time, &b.path)));
    events
}

/// What the model says of a range of days, both included.
fn wanted(events: &[Placed], since: &str, until: &str) -> Vec<String> {
    let is_in = |event: &&Placed| (since..=until).contains(&&event.time[..10]);
    events.iter().filter(is_in).map(|event| event.path.clone()).collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn check(lab: &Lab, events: &[Placed], state: &str) {
    let ranges = OF.iter().flat_map(|since| OF.iter().map(move |until| (*since, *until)));
    for (since, until) in ranges.filter(|(since, until)| since <= until) {
        let wanted = wanted(events, since, until);
        let range = ["--since", since, "--until", until];
        let list =
            |more: &[&str]| lines(&lab.ok(["list", "-o", "path"].iter().chain(&range).chain(more)));
        assert_eq!(list(&[]), wanted, "{state}: {since} to {until}");
        let mut reversed = list(&["--reverse"]);
        reversed.reverse();
        assert_eq!(reversed, wanted, "{state}, reversed: {since} to {until}");
        let few: Vec<String> = wanted.iter().take(3).cloned().collect();
        assert_eq!(list(&["--limit", "3"]), few, "{state}, three: {since} to {until}");
    }
}

fn exported(lab: &Lab, since: &str, until: &str) -> Vec<String> {
    let to = lab.path("out");
    let _ = fs::remove_dir_all(&to);
    let words = ["export", "--format", "ndjson", "--since", since, "--until", until, "--to"];
    lab.ok(words.iter().copied().chain([to.to_str().unwrap()]));
    let mut paths = Vec::new();
    let files = if to.exists() { tree(&to) } else { crate::common::Tree::default() };
    for bytes in files.values() {
        let text = std::str::from_utf8(bytes).unwrap();
        let rows: Vec<(String, String)> = text
            .lines()
            .map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let text = |member: &str| row[member].as_str().unwrap().to_owned();
                (text("timestamp"), text("_path"))
            })
            .collect();
        assert!(rows.is_sorted(), "the events of a file are not in the order of time");
        paths.extend(rows.into_iter().map(|(_, path)| path));
    }
    paths.sort();
    paths
}

#[test]
fn narrow_and_wide_ranges_live_and_archived_give_the_same_events_in_the_same_order() {
    for seed in 0..3 {
        let lab = Lab::new();
        let events = history(&lab, seed);
        check(&lab, &events, "live");
        let rotate = ["rotate", "--now", "2026-11-21T02:30:00Z"];
        // One day stays live.
        lab.run(rotate.iter().chain(&["--date", "2026-11-11"]));
        lab.run(rotate);
        check(&lab, &events, "in part archived");
        lab.run(["rotate", "--now", "2026-12-21T02:30:00Z"]);
        assert!(tree(&lab.root()).is_empty());
        check(&lab, &events, "archived");
    }
}

#[test]
fn trace_export_and_restore_go_by_timestamps_as_list_does() {
    let lab = Lab::new();
    let events = history(&lab, 7);
    for state in ["live", "archived"] {
        let all = wanted(&events, "0001-01-01", "9999-12-31");
        let traced: serde_json::Value =
            serde_json::from_str(&lab.ok(["trace", "c", "-o", "json"])).unwrap();
        let text = |event: &serde_json::Value| event["timestamp"].as_str().unwrap().to_owned();
        let times: Vec<String> = traced["steps"].as_array().unwrap().iter().map(text).collect();
        let of_model: Vec<String> = events.iter().map(|event| event.time.clone()).collect();
        assert_eq!((times.len(), times), (all.len(), of_model), "{state}");
        for (since, until) in [
            ("0001-01-01", "9999-12-31"),
            ("2026-11-10", "2026-11-10"),
            ("1601-01-01", "1969-12-31"),
            ("9999-12-31", "9999-12-31"),
        ] {
            let mut wanted = wanted(&events, since, until);
            wanted.sort();
            assert_eq!(exported(&lab, since, until), wanted, "{state}: {since} to {until}");
            if state == "archived" {
                let to = lab.path("restored");
                let _ = fs::remove_dir_all(&to);
                lab.run([
                    "restore",
                    "--since",
                    since,
                    "--until",
                    until,
                    "--to",
                    to.to_str().unwrap(),
                ]);
                let restored: Vec<String> = tree(&to).keys().cloned().collect();
                assert_eq!(restored, wanted, "restored: {since} to {until}");
            }
        }
        lab.run(["rotate", "--now", "2026-12-21T02:30:00Z"]);
    }
}

#[test]
fn a_live_event_whose_name_and_day_say_another_time_than_its_timestamp_is_named() {
    let lab = Lab::new();
    let placed = write(&lab, "2026-11-20", "pi4", "2026-11-20T10:00:00.000000Z", 1, true);
    let path = lab.root().join(&placed.path);
    let text = fs::read_to_string(&path).unwrap().replace("2026-11-20", "2026-11-10");
    fs::write(&path, text).unwrap();
    let run = lab.run(["list", "--since", "2026-11-01", "-o", "path"]);
    assert_eq!(run.stdout, format!("{}\n", placed.path));
    assert!(run.stderr.contains("its timestamp is 2026-11-10T10:00:00.000000Z"), "{run:?}");
    // Once it is archived its timestamp is known, and decides.
    lab.run(["rotate", "--now", "2026-12-21T02:30:00Z"]);
    let narrow = ["list", "--since", "2026-11-10", "--until", "2026-11-10", "-o", "path"];
    assert_eq!(lines(&lab.ok(narrow)), [placed.path]);
}

#[test]
fn verify_names_misfiled_events_live_and_archived() {
    let lab = Lab::new();
    let placed = write(&lab, "2026-11-20", "pi4", "2026-11-10T10:00:00.000000Z", 1, true);
    let reason = "its timestamp 2026-11-10T10:00:00.000000Z is not of this day";
    let says = |code: i32| {
        let run = lab.run(["verify"]);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(
            run.code == code && text.contains(&placed.path) && text.contains(reason),
            "{run:?}"
        );
    };
    says(1);
    lab.run(["rotate", "--now", "2026-12-21T02:30:00Z"]);
    // What is archived never changes, so this is a remark.
    says(0);
}

//! The promise that readers live by: list and trace give the same events at every moment.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::common::{Lab, NOW, without_segment};
use crate::support::{EVENT, Event};

/// A tree with everything that makes reading hard: late arrivals, restored days, events
/// under a neighbour's day, foreign names, invalid files, a name that is taken twice.
fn lab(per_node: u32) -> Lab {
    let lab = Lab::new();
    lab.seed(4, per_node);
    lab.ok(["rotate", "--date=2026-05-10", "--date=2026-05-11", "--now", NOW]);
    for number in 0..30 {
        Event { time: "2026-05-10T09:00:00.000000Z", correlation: "run-10-0", number, ..EVENT }
            .write(&lab);
        Event { time: "2026-05-12T09:00:00.000000Z", correlation: "run-10-0", number, ..EVENT }
            .write(&lab);
    }
    lab.ok(["restore", "2026-05-11", "--live"]);
    let stray = Event { time: "2026-05-12T23:59:59.000000Z", number: 99, ..EVENT };
    lab.write(&stray.path().replace("2026-05-12/", "2026-05-13/"), stray.line());
    lab.write("2026-05-12/pi4/foreign name.json", EVENT.line().replace("05-16", "05-12"));
    lab.write("2026-05-12/pi4/broken.json", "{");
    lab.write("2026-05-13/pi4/empty.json", "");
    lab
}

/// Every event's own fields and identity, in order; where it lies may change.
fn listed(lab: &Lab, flags: &[&str]) -> Vec<String> {
    let arguments = ["list", "--since=2000-01-01", "-ondjson", "-q"];
    let run = lab.run(arguments.iter().chain(flags));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{flags:?}");
    run.stdout.lines().map(without_segment).collect()
}

/// A trace without the segments.
fn traced(lab: &Lab, id: &str) -> Vec<String> {
    lab.ok(["trace", id, "-ondjson", "-q"]).lines().map(without_segment).collect()
}

/// What was tried, and how many problems are open; neither depends on where the events lie.
fn told(lab: &Lab) -> (String, serde_json::Value) {
    let tried = lab.run(["attempts", "--since=2000-01-01", "-ojson", "-q"]);
    let status = lab.run(["status", "--since=2000-01-01", "--now", NOW, "-ojson", "-q"]);
    let status: serde_json::Value = serde_json::from_str(&status.stdout).unwrap();
    let mut tried: serde_json::Value = serde_json::from_str(&tried.stdout).unwrap();
    if let Some(searched) = tried.get_mut("searched").and_then(|value| value.as_object_mut()) {
        // Where the days lie is what changes.
        searched.retain(|key, _| !key.starts_with("days_"));
    }
    (tried.to_string(), status["problems"].clone())
}

fn assert_each_once(events: &[String]) {
    let mut seen = BTreeMap::new();
    for line in events {
        let path = line.rsplit_once("\"_path\":").unwrap().1;
        *seen.entry(path).or_insert(0) += 1;
    }
    assert!(seen.values().all(|count| *count == 1));
}

#[test]
fn list_and_trace_give_the_same_before_during_and_after_rotate() {
    let lab = lab(30);
    let all = listed(&lab, &[]);
    let chain = traced(&lab, "run-10-0");
    let reversed = listed(&lab, &["--reverse", "--min-severity=error"]);
    let before = told(&lab);
    assert!(before.1.as_array().is_some_and(|problems| !problems.is_empty()), "{before:?}");
    // 4 days of 3 nodes with 30 events each, 60 late ones, the stray one, the foreign one.
    assert_eq!((all.len(), chain.len()), (360 + 62, 12 + 60));
    assert_each_once(&all);

    let done = AtomicBool::new(false);
    let rounds = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until(&done, || {
                assert!(listed(&lab, &[]) == all, "list changed");
                rounds.fetch_add(1, Ordering::SeqCst);
            });
        });
        scope.spawn(|| {
            until(&done, || {
                assert!(traced(&lab, "run-10-0") == chain, "trace changed");
                let now = listed(&lab, &["--reverse", "--min-severity=error"]);
                assert!(now == reversed, "list --reverse changed");
                assert!(told(&lab) == before, "attempts or status changed");
            });
        });
        // What the readers find wrong must not leave the others waiting.
        let guard = Guard(&done);
        for round in 0..4 {
            // Away, back, and away again, while the readers read.
            let mut rotate = lab.command(["rotate", "-q", "--now", NOW]);
            let output = rotate.stdout(Stdio::null()).output().unwrap();
            // The first one archives the invalid files and names them.
            let wanted = i32::from(round == 0);
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(wanted), "{told}");
            lab.ok([
                "restore",
                "2026-05-10",
                "2026-05-12",
                "2026-05-13",
                "--live",
                "-q",
                "--min-severity=info",
            ]);
        }
        lab.rotate();
        drop(guard);
    });
    assert!(rounds.load(Ordering::SeqCst) >= 2);
    assert!(crate::common::tree(&lab.root()).is_empty());
    assert!(listed(&lab, &[]) == all && traced(&lab, "run-10-0") == chain);
    lab.ok(["verify"]);
}

fn until(done: &AtomicBool, work: impl Fn()) {
    while !done.load(Ordering::SeqCst) {
        work();
    }
}

/// Ends the readers, also when the writer panics.
struct Guard<'a>(&'a AtomicBool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// While emitters are at work an answer may grow, but nothing that was in it goes.
#[test]
fn nothing_is_missed_while_events_arrive_and_days_are_rotated() {
    let lab = lab(5);
    let first = listed(&lab, &[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut before = first.clone();
            while !done.load(Ordering::SeqCst) {
                let now = listed(&lab, &[]);
                assert_each_once(&now);
                let mut rest = now.iter();
                for line in &before {
                    assert!(rest.any(|other| other == line), "{line} is gone, or moved");
                }
                before = now;
            }
        });
        let guard = Guard(&done);
        for round in 0..8 {
            let mut lines = String::new();
            for number in 0..40 {
                let (node, day) = (number % 3, number % 4);
                lines.push_str(&format!(
                    "{{\"type\":\"node_online\",\"node\":\"n{node}\",\
                     \"timestamp\":\"2026-05-1{day}T05:00:00Z\"}}\n"
                ));
            }
            let run = lab.pipe(lines.as_bytes(), ["emit", "--batch"]);
            assert_eq!(run.stdout.lines().count(), 40, "{run:?}");
            let run = lab.run(["rotate", "-q", "--now", NOW]);
            assert_eq!(run.code, i32::from(round == 0), "{run:?}");
        }
        drop(guard);
    });
    assert_eq!(listed(&lab, &[]).len(), first.len() + 320);
    lab.ok(["verify"]);
}

#[test]
fn the_same_events_are_given_whole_by_parts_and_in_reverse() {
    let lab = lab(10);
    for _ in 0..2 {
        let all = listed(&lab, &[]);
        let mut backwards = listed(&lab, &["--reverse"]);
        backwards.reverse();
        assert!(backwards == all);
        let mut parts = Vec::new();
        for day in 10..=13 {
            let date = format!("2026-05-{day}");
            parts.extend(
                lab.ok(["list", "-q", "-ondjson", "--since", &date, "--until", &date])
                    .lines()
                    .map(without_segment),
            );
        }
        assert!(parts == all);
        for limit in [1, 7, 50, 1000] {
            let few = listed(&lab, &["--limit", &limit.to_string()]);
            assert!(few == all[..limit.min(all.len())]);
        }
        lab.run(["rotate", "--now", NOW]);
    }
}

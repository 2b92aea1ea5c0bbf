//! Everything at once: emitters, files that come late, rotations, restores and compactions,
//! and followers that are killed at any moment and go on after the last cursor they gave.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::common::{Lab, NOW, event, process};
use crate::support::{Follower, cursor_of, everything, lines, path_of, place};

/// Lines that a follower printed whole before it was killed: after so many, or when it is
/// over and no more may come.
fn until_killed(
    follower: Follower,
    most: usize,
    is_over: &(dyn Fn() -> bool + Sync),
    given: &mut Vec<String>,
) {
    let Follower { mut child, mut lines } = follower;
    let printed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            process::until("lines of a follower", &mut || {
                printed.load(Ordering::Relaxed) >= most || is_over()
            });
            // SIGKILL, in the midst of whatever it does.
            child.kill().unwrap();
        });
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n') {
                given.push(line.trim_end().to_owned());
                printed.fetch_add(1, Ordering::Relaxed);
            }
            line.clear();
        }
    });
    child.wait().unwrap();
}

#[test]
fn the_union_of_all_outputs_is_the_tree_each_event_once() {
    let lab = Lab::new();
    lab.seed(2, 20);
    lab.rotate_day("2026-05-10");
    let done = AtomicBool::new(false);
    let mut given: Vec<String> = Vec::new();
    std::thread::scope(|scope| {
        let (lab, done) = (&lab, &done);
        let emitters: Vec<_> = (0..2)
            .map(|number| {
                scope.spawn(move || {
                    for _ in 0..60 {
                        let node = format!("--node=emitter{number}");
                        lab.ok(["emit", "node_online", &node]);
                    }
                })
            })
            .collect();
        let late = scope.spawn(move || {
            for number in 100..220 {
                let (path, bytes) = event(10 + number % 5, 1, "pi4", number);
                place(lab, &path, &bytes);
            }
        });
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                lab.ok(["rotate", "--now", NOW]);
                lab.run(["restore", "2026-05-10", "2026-05-12", "--live"]);
                lab.run(["compact"]);
            }
        });
        let mut at_work = vec![late];
        at_work.extend(emitters);
        let is_over = || at_work.iter().all(std::thread::ScopedJoinHandle::is_finished);
        for round in 0.. {
            let cursor = given.last().map_or("start".to_owned(), |line| cursor_of(line));
            let flags = ["--after", &cursor, "--cursor-file=seen.cursor", "--since=2000-01-01"];
            // Killed before its first line, and after a few or many.
            let most = [0, 1, 7, 2, 40, 0, 13][round % 7];
            until_killed(Follower::start(lab, &flags), most, &is_over, &mut given);
            if is_over() && round >= 14 {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    let cursor = given.last().map_or("start".to_owned(), |line| cursor_of(line));
    given.extend(lines(&lab, &["--after", &cursor]));
    let mut times: BTreeMap<String, u32> = BTreeMap::new();
    for line in &given {
        *times.entry(path_of(line)).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "given twice: {twice:?}");
    let all = everything(&lab);
    let missed: Vec<_> = all.iter().filter(|path| !times.contains_key(*path)).collect();
    assert!(missed.is_empty(), "missed: {missed:?}");
    assert_eq!(times.len(), all.len());
    assert_eq!(all.len(), 2 * 60 + 120 + 120);
}

#[test]
fn a_cursor_file_alone_goes_on_after_what_was_printed() {
    let lab = Lab::new();
    lab.seed(1, 5);
    let flags = ["--cursor-file=seen.cursor", "--since=2000-01-01"];
    let mut seen = Vec::new();
    for round in 0..5 {
        let mut follower = Follower::start(&lab, &flags);
        let news = if round == 0 { 15 } else { 1 };
        for _ in 0..news {
            seen.push(path_of(&follower.next()));
        }
        // A polite stop comes between two looks, never between an event and its place.
        let (rest, errors, code) = follower.stop();
        assert_eq!((rest.as_str(), errors.as_str(), code), ("", "", Some(143)));
        let (path, bytes) = event(10 + round, 1, "pi4", 70 + round);
        place(&lab, &path, &bytes);
    }
    seen.extend(lines(&lab, &flags).iter().map(|line| path_of(line)));
    seen.sort();
    assert_eq!(seen, everything(&lab).into_iter().collect::<Vec<_>>());
}

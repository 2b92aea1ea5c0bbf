//! A signal in the middle: the command ends at the next safe point with 128 and the
//! signal's number, says in one line what it left, and the next run completes it. Nothing
//! that a dead process held keeps anybody waiting.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::common::process::{finish, halt_when, has_open, has_temporary, send, start};
use crate::common::{Lab, NOW, Run, event, system, tree};

const SIGNALS: [(Signal, i32); 2] = [(Signal::INT, 130), (Signal::TERM, 143)];

/// Events of each of three nodes on the first day: enough for many stops on the way. The
/// second day has a few.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(1, 2000);
    let (path, bytes) = event(11, 0, "nas", 0);
    lab.write(&path, bytes);
    lab
}

/// Labs whose days are archived, from one archive that is made once.
fn rotated() -> impl Fn() -> Lab {
    let first = lab();
    first.rotate();
    move || {
        let lab = Lab::new();
        system(Command::new("cp").arg("-a").arg(first.archive()).arg(lab.archive()));
        lab
    }
}

/// Sends a signal to a command that is in the middle of its work, in as many labs as it
/// takes to meet it there.
#[track_caller]
fn interrupted(
    prepare: &dyn Fn() -> Lab,
    words: &[&str],
    in_the_middle: &dyn Fn(&Lab, u32) -> bool,
    signal: Signal,
) -> (Lab, Run) {
    for _ in 0..20 {
        let lab = prepare();
        let mut child = start(&mut lab.command(words));
        let process = child.id();
        if halt_when(&mut child, &mut || in_the_middle(&lab, process)) {
            send(&child, signal);
            send(&child, Signal::CONT);
            let run = finish(child);
            return (lab, run);
        }
        finish(child);
    }
    panic!("{words:?} was never met in the middle");
}

#[track_caller]
fn says_in_one_line(run: &Run, code: i32, what: &str) {
    assert_eq!(run.code, code, "{run:?}");
    assert!(run.stderr.contains("stopped on request"), "{run:?}");
    assert!(run.stderr.contains(what), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
}

/// Two segments of one day become one wholly, or stay two.
#[test]
fn a_compaction_that_is_stopped_leaves_the_day_as_it_was_and_the_next_one_completes() {
    let first = lab();
    first.rotate();
    for number in 2000..4000 {
        let (path, bytes) = event(10, 0, "nas", number);
        first.write(&path, bytes);
    }
    first.rotate();
    let prepare = || {
        let lab = Lab::new();
        system(Command::new("cp").arg("-a").arg(first.archive()).arg(lab.archive()));
        lab
    };
    let listed = first.list_all();
    for (signal, code) in SIGNALS {
        let in_the_middle = |lab: &Lab, _| has_temporary(&lab.archive());
        let (lab, run) = interrupted(&prepare, &["compact"], &in_the_middle, signal);
        says_in_one_line(&run, code, "left for the next run: 2026-05-10");
        let segments = |lab: &Lab| {
            let files = tree(&lab.archive()).into_keys();
            files.filter(|path| path.ends_with(".zst") && path.contains("05-10")).count()
        };
        assert_eq!(segments(&lab), 2);
        assert_eq!(lab.list_all(), listed);
        lab.ok(["compact"]);
        assert_eq!(segments(&lab), 1);
        assert_eq!(lab.list_all(), listed);
        lab.ok(["verify"]);
    }
}

#[test]
fn a_rotation_that_is_stopped_leaves_whole_days_and_the_next_one_completes() {
    type Middle = fn(&Lab, u32) -> bool;
    let has_segment = |lab: &Lab| lab.archive().join("2026/2026-05-10.tar.zst").exists();
    let reading: Middle = |lab, _| has_temporary(&lab.archive());
    let removing: Middle = |lab, _| {
        lab.archive().join("2026/2026-05-10.tar.zst").exists()
            && lab.root().join("2026-05-10").exists()
    };
    for ((signal, code), middle) in SIGNALS.into_iter().zip([reading, removing]) {
        let (lab, run) = interrupted(&lab, &["rotate", "--now", NOW], &middle, signal);
        let first_is_done = has_segment(&lab);
        let left = if first_is_done {
            "left for the next run: 2026-05-11\n"
        } else {
            "left for the next run: 2026-05-10 and 1 later day\n"
        };
        says_in_one_line(&run, code, left);
        // A day is archived and its files are gone, or it is as it was.
        let live = if first_is_done { 1 } else { 6001 };
        assert_eq!(tree(&lab.root()).len(), live);
        assert!(!has_temporary(&lab.archive()));
        assert_eq!(lab.list_all().len(), 6001);
        lab.ok(["verify"]);
        let again = lab.run(["rotate", "--now", NOW]);
        assert_eq!((again.code, again.stderr.as_str()), (0, ""), "{again:?}");
        assert!(tree(&lab.root()).is_empty());
        assert_eq!(lab.list_all().len(), 6001);
    }
}

#[test]
fn a_restore_that_is_stopped_leaves_whole_files_or_none_and_the_next_one_completes() {
    let rotated = rotated();
    for ((signal, code), live) in SIGNALS.into_iter().zip([false, true]) {
        let mut words = vec!["restore", "2026-05-10", "2026-05-11"];
        words.extend(if live { &["--live"][..] } else { &["--to", "out"] });
        let target = |lab: &Lab| if live { lab.root() } else { lab.path("out") };
        let middle = |lab: &Lab, _| has_temporary(&target(lab));
        let (lab, run) = interrupted(&rotated, &words, &middle, signal);
        let there = tree(&target(&lab));
        let left = if there.is_empty() {
            "not restored: 2026-05-10 and 1 later day;"
        } else {
            "not restored: 2026-05-11;"
        };
        says_in_one_line(&run, code, left);
        assert!(there.is_empty() || there.len() == 6000, "{}", there.len());
        assert!(!has_temporary(&target(&lab)));
        lab.ok(&words);
        assert_eq!(tree(&target(&lab)).len(), 6001);
        assert_eq!(lab.list_all().len(), 6001);
    }
}

#[test]
fn a_verify_that_is_stopped_says_so_and_writes_nothing() {
    let rotated = rotated();
    for (signal, code) in SIGNALS {
        let middle = |lab: &Lab, process| {
            let segment = lab.archive().join("2026/2026-05-10.tar.zst");
            has_open(process, &segment.canonicalize().unwrap())
        };
        let (lab, run) = interrupted(&rotated, &["verify"], &middle, signal);
        says_in_one_line(&run, code, "before everything was checked");
        assert!(!has_temporary(&lab.archive()));
        lab.ok(["verify"]);
    }
}

#[test]
fn a_rebuild_that_is_stopped_leaves_the_manifest_as_it_was() {
    let rotated = rotated();
    for (signal, code) in SIGNALS {
        let middle = |lab: &Lab, process| {
            let segment = lab.archive().join("2026/2026-05-10.tar.zst");
            has_open(process, &segment.canonicalize().unwrap())
        };
        let prepare = || {
            let lab = rotated();
            fs::copy(lab.archive().join("manifest.jsonl"), lab.path("manifest")).unwrap();
            lab
        };
        let (lab, run) = interrupted(&prepare, &["manifest", "rebuild"], &middle, signal);
        says_in_one_line(&run, code, "the manifest stays as it was");
        let before = fs::read(lab.path("manifest")).unwrap();
        assert_eq!(fs::read(lab.archive().join("manifest.jsonl")).unwrap(), before);
        assert!(!has_temporary(&lab.archive()));
        lab.ok(["manifest", "rebuild"]);
        lab.ok(["verify"]);
        assert_eq!(lab.list_all().len(), 6001);
    }
}

#[test]
fn a_batch_that_is_stopped_while_it_waits_has_kept_every_whole_line_and_no_other() {
    for (signal, code) in SIGNALS {
        let lab = Lab::new();
        let mut child = start(lab.command(["emit", "--batch"]).stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let line = "{\"type\":\"node_online\"}\n";
        stdin.write_all(line.repeat(3).as_bytes()).unwrap();
        let mut acknowledged = String::new();
        for _ in 0..3 {
            stdout.read_line(&mut acknowledged).unwrap();
        }
        // The beginning of a line that would be whole as it stands.
        stdin.write_all(line.trim_end().as_bytes()).unwrap();
        send(&child, signal);
        let run = finish(child);
        says_in_one_line(&run, code, "3 events on disk");
        assert_eq!(tree(&lab.root()).len(), 3);
        for path in acknowledged.lines() {
            assert!(fs::exists(path).unwrap(), "{path}");
        }
        drop(stdin);
    }
}

#[test]
fn a_batch_that_is_stopped_while_lines_pour_in_acknowledges_all_that_it_kept() {
    for (signal, code) in SIGNALS {
        let lab = Lab::new();
        let mut child = start(lab.command(["emit", "--batch"]).stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        let pour =
            std::thread::spawn(
                move || {
                    while stdin.write_all(b"{\"type\":\"node_online\"}\n").is_ok() {}
                },
            );
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut acknowledged = 0_usize;
        let mut line = String::new();
        while stdout.read_line(&mut line).unwrap() > 0 {
            acknowledged += 1;
            if acknowledged == 300 {
                send(&child, signal);
            }
        }
        let run = finish(child);
        pour.join().unwrap();
        says_in_one_line(&run, code, &format!("{acknowledged} events on disk"));
        assert_eq!(tree(&lab.root()).len(), acknowledged);
    }
}

#[test]
fn a_rotation_that_was_killed_blocks_nobody() {
    for _ in 0..20 {
        let lab = lab();
        let mut child = start(&mut lab.command(["rotate", "--now", NOW]));
        if !halt_when(&mut child, &mut || has_temporary(&lab.archive())) {
            finish(child);
            continue;
        }
        // As long as it lives it has the lock, halted or not.
        lab.fails(75, ["rotate", "--now", NOW]);
        send(&child, Signal::KILL);
        assert_eq!(finish(child).code, 137);
        assert!(has_temporary(&lab.archive()));
        assert_eq!(lab.list_all().len(), 6001);
        let run = lab.run(["rotate", "--now", NOW]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stderr.contains("a temporary file of an interrupted run; removed"), "{run:?}");
        assert!(tree(&lab.root()).is_empty() && !has_temporary(&lab.archive()));
        assert_eq!(lab.list_all().len(), 6001);
        return;
    }
    panic!("rotate was never met in the middle");
}

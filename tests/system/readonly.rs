//! Read-only places and places on another file system.

use std::fs;

use crate::common::verbs::{LOCKING, OTHERS, assert_every_verb, ready};
use crate::common::{Lab, NOW, tree};
use crate::disk::{Disk, all_answers, can_mount, is_answered};

const READS: &str = "readers_need_nothing_but_to_read has it";

#[test]
fn readers_need_nothing_but_to_read() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    lab.seed(2, 10);
    lab.rotate_day("2026-05-10");
    // Not even the lock file may be needed.
    fs::remove_file(lab.archive().join("lock")).unwrap();
    ready(&lab);
    let before = all_answers(&lab);
    let trees = (tree(&lab.root()), tree(&lab.archive()));
    assert!(before.iter().all(is_answered), "{before:?}");
    assert!(!lab.archive().join("lock").exists());
    let disks = [Disk::read_only(&lab.root()), Disk::read_only(&lab.archive())];
    for (now, before) in all_answers(&lab).into_iter().zip(before) {
        assert_eq!(now, before);
    }
    lab.ok(["rotate", "--dry-run", "--now", NOW]);
    assert_eq!((tree(&lab.root()), tree(&lab.archive())), trees);
    drop(disks);
}

#[test]
fn rotating_into_a_read_only_archive_is_refused_and_changes_nothing() {
    if !can_mount() {
        return;
    }
    assert_every_verb(
        &LOCKING,
        &[
            &OTHERS[..],
            &[
                (&["list", "trace", "attempts", "outages", "status", "show"], READS),
                (
                    &["count", "values", "inspect", "verify", "manifest show", "manifest head"],
                    READS,
                ),
                (&["hold list", "policy show", "policy check", "evidence", "export"], READS),
                (&["emit", "sync"], "they write into the live tree"),
            ],
        ]
        .concat(),
    );
    for with_lock in [true, false] {
        let lab = Lab::new();
        lab.seed(2, 5);
        lab.rotate_day("2026-05-10");
        ready(&lab);
        if !with_lock {
            fs::remove_file(lab.archive().join("lock")).unwrap();
        }
        let trees = (tree(&lab.root()), tree(&lab.archive()));
        let disk = Disk::read_only(&lab.archive());
        for words in LOCKING {
            let run = lab.fails(74, words);
            assert!(run.stderr.contains("events-archive/lock: cannot open"), "{run:?}");
            assert!(run.stderr.contains("read-only file system"), "{run:?}");
            assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        }
        assert_eq!((tree(&lab.root()), tree(&lab.archive())), trees);
        drop(disk);
        lab.ok(["rotate", "--now", NOW]);
    }
}

#[test]
fn what_cannot_be_removed_is_archived_named_and_recognised_the_next_time() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    lab.seed(1, 5);
    let (before, listed) = (tree(&lab.root()), lab.list_all());
    let disk = Disk::read_only(&lab.root());
    for round in 0..2 {
        let run = lab.fails(1, ["rotate", "--now", NOW]);
        for path in before.keys() {
            let named = run.stderr.lines().filter(|line| line.contains(path.as_str())).count();
            assert_eq!(named, 1, "{path}: {run:?}");
        }
        assert!(run.stderr.contains("read-only file system"), "{run:?}");
        assert!(run.stdout.contains("15 left live"), "{run:?}");
        assert_eq!(run.stdout.contains("15 were archived already"), round == 1, "{run:?}");
        assert_eq!(tree(&lab.root()), before);
        assert_eq!(lab.list_all(), listed);
        let segments = tree(&lab.archive()).keys().filter(|name| name.ends_with(".zst")).count();
        assert_eq!(segments, 1);
        lab.ok(["verify"]);
    }
    drop(disk);
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), listed);
}

#[test]
fn emitting_into_a_read_only_tree_fails_in_one_sentence() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    lab.ok(["emit", "node_online", "--node", "pi4", "--timestamp", "2026-05-10T10:00:00Z"]);
    let before = tree(&lab.root());
    let disk = Disk::read_only(&lab.root());
    for day in ["2026-05-10", "2026-05-11"] {
        let run = lab.fails(73, ["emit", "node_online", "--node", "pi4", "--timestamp", day]);
        assert!(run.stderr.contains("read-only file system"), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    }
    assert_eq!(tree(&lab.root()), before);
    drop(disk);
}

#[test]
fn an_archive_on_another_file_system_does_all_that_one_beside_the_events_does() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    let seeded = lab.seed(2, 10);
    let disk = Disk::small(&lab.archive(), 4 << 20);
    let listed = lab.list_all();
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), listed);
    lab.ok(["verify"]);
    lab.ok(["restore", "2026-05-10", "2026-05-11", "--live"]);
    assert_eq!(tree(&lab.root()), seeded);
    assert_eq!(lab.list_all(), listed);
    lab.ok(["manifest", "rebuild"]);
    assert_eq!(lab.list_all(), listed);
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    lab.ok(["restore", "2026-05-10", "2026-05-11", "--to", lab.path("out").to_str().unwrap()]);
    assert_eq!(tree(&lab.path("out")), seeded);
    lab.ok(["verify"]);
    drop(disk);
}

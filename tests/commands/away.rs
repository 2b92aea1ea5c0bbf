//! The archive is not where it was: an empty mount point, another disk, a slip in a path.

use std::fs;
use std::path::Path;

use crate::common::{Lab, NOTE, NOW, Run, event, tree};

/// A lab with a day archived in which an attempt is open, and a day that is due by now.
fn with_an_open_attempt() -> Lab {
    let lab = Lab::new();
    lab.ok([
        "emit",
        "remediation_started",
        "--service=mq",
        "--correlation-id=fix-1",
        "--timestamp=2026-05-01T10:00:00Z",
    ]);
    lab.ok(["rotate", "--now", "2026-05-20T02:30:00Z"]);
    lab.seed(1, 2);
    lab
}

/// Moves the archive away, as when its disk is not mounted: an empty directory stays.
fn unmount(lab: &Lab) {
    fs::rename(lab.archive(), lab.path("disk")).unwrap();
    fs::create_dir(lab.archive()).unwrap();
}

fn mount(lab: &Lab) {
    fs::remove_dir(lab.archive()).unwrap();
    fs::rename(lab.path("disk"), lab.archive()).unwrap();
}

#[track_caller]
fn says_once(run: &Run) {
    let told = run.stderr.lines().filter(|line| line.contains("is its disk mounted?")).count();
    assert_eq!(told, 1, "{run:?}");
}

#[test]
fn every_reader_tells_what_is_live_and_ends_with_75() {
    let lab = with_an_open_attempt();
    let (live, _) = event(10, 0, "nas", 0);
    for directory_stays in [true, false] {
        unmount(&lab);
        if !directory_stays {
            fs::remove_dir(lab.archive()).unwrap();
        }
        let run = lab.fails(75, ["list", "--since", "2000-01-01", "-o", "ndjson"]);
        assert_eq!(run.stdout.lines().count(), 6);
        says_once(&run);
        let cursors = lab.path("cursors");
        let run = lab.fails(75, ["list", "--cursor-file", cursors.to_str().unwrap()]);
        says_once(&run);
        says_once(&lab.fails(75, ["trace", "fix-1"]));
        let run = lab.fails(75, ["trace", "fix-1", "-o", "json"]);
        let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert!(told["unreached"]["reason"].as_str().unwrap().contains("mounted"), "{told}");
        let run = lab.fails(75, ["attempts", "--service", "mq", "--since", "2000-01-01"]);
        says_once(&run);
        says_once(&lab.fails(75, ["show", "2026-05-01/nas/none.json"]));
        says_once(&lab.fails(75, ["inspect", "2026-05-01"]));
        says_once(&lab.fails(75, ["export", "--format", "csv", "--to", "out"]));
        says_once(&lab.fails(75, ["manifest", "head"]));
        says_once(&lab.fails(75, ["manifest", "show"]));
        lab.ok(["show", &live]);
        if !directory_stays {
            fs::create_dir(lab.archive()).unwrap();
        }
        mount(&lab);
    }
    lab.ok(["attempts", "--service", "mq", "--since", "2000-01-01"]);
    lab.ok(["list", "--since", "2000-01-01"]);
}

#[test]
fn verify_and_status_count_it_as_a_finding() {
    let lab = with_an_open_attempt();
    unmount(&lab);
    for words in [&["verify"][..], &["verify", "--archived"], &["verify", "--quick"]] {
        let run = lab.fails(1, words);
        assert!(run.stdout.contains("is its disk mounted?"), "{run:?}");
        assert!(run.stdout.contains("1 finding"), "{run:?}");
    }
    let run = lab.fails(75, ["status", "--now", NOW, "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(told["attention"], true);
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{told}");
    assert_eq!(findings[0]["path"], lab.archive().display().to_string());
}

#[test]
fn who_would_change_something_refuses_with_75_and_changes_nothing() {
    let lab = with_an_open_attempt();
    let source = lab.path("old");
    fs::create_dir_all(source.join("2026-05-02/nas")).unwrap();
    let other = Lab::new();
    other.seed(1, 1);
    let (old, other_root) = (source.to_str().unwrap(), other.root());
    unmount(&lab);
    let before = (tree(&lab.root()), tree(&lab.archive()));
    for words in [
        &["rotate", "--now", NOW][..],
        &["rotate", "--now", NOW, "--dry-run"],
        &["prune", "--now", NOW],
        &["compact"],
        &["hold", "add", "2026-05-01", "--reason", "x"],
        &["hold", "list"],
        &["import", old],
        &["sync", other_root.to_str().unwrap()],
        &["restore", "2026-05-01", "--live"],
        &["manifest", "rebuild"],
    ] {
        let run = lab.run(words);
        assert_eq!(run.code, 75, "{words:?}: {run:?}");
        says_once(&run);
        assert_eq!((tree(&lab.root()), tree(&lab.archive())), before, "{words:?}");
    }
    // Emitters need no archive.
    lab.ok(["emit", "node_online"]);
    mount(&lab);
    lab.ok(["rotate", "--now", NOW]);
    lab.ok(["verify"]);
}

#[test]
fn another_disk_in_its_place_is_not_the_archive() {
    let lab = with_an_open_attempt();
    let other = Lab::new();
    other.seed(1, 1);
    other.rotate();
    fs::rename(lab.archive(), lab.path("disk")).unwrap();
    fs::rename(other.archive(), lab.archive()).unwrap();
    let run = lab.fails(75, ["list", "--since", "2000-01-01", "-o", "ndjson"]);
    assert!(run.stderr.contains("is the right disk mounted?"), "{run:?}");
    assert_eq!(run.stdout.lines().count(), 6);
    lab.fails(75, ["rotate", "--now", NOW]);
    lab.fails(1, ["verify"]);
}

#[test]
fn a_new_archive_is_begun_when_somebody_says_so() {
    let lab = with_an_open_attempt();
    unmount(&lab);
    lab.ok(["rotate", "--now", NOW, "--new-archive"]);
    assert_eq!(lab.list_all().len(), 6);
    lab.ok(["verify"]);
    // From here on the old one is the other one.
    fs::rename(lab.archive(), lab.path("second")).unwrap();
    fs::rename(lab.path("disk"), lab.archive()).unwrap();
    lab.fails(75, ["list", "--since", "2000-01-01"]);
    lab.ok(["rotate", "--now", NOW, "--new-archive"]);
    assert_eq!(lab.list_all().len(), 1);
    let manifest = fs::read_to_string(lab.archive().join("manifest.jsonl")).unwrap();
    assert!(manifest.contains("\"op\":\"adopt\""), "{manifest}");
    // Nothing to rotate, and nothing there: it begins with the next day that is due.
    fs::rename(lab.archive(), lab.path("disk")).unwrap();
    lab.ok(["rotate", "--now", NOW, "--new-archive"]);
    lab.ok(["list", "--since", "2000-01-01"]);
    lab.seed(1, 1);
    lab.rotate();
    assert_eq!(lab.list_all().len(), 3);
}

#[test]
fn a_tree_without_a_note_gets_it_at_its_next_rotate() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    // As an older version left it.
    let note = lab.root().join(NOTE);
    let text = fs::read_to_string(&note).unwrap();
    fs::remove_file(&note).unwrap();
    lab.ok(["verify"]);
    lab.rotate();
    assert_eq!(fs::read_to_string(&note).unwrap(), text);
    unmount(&lab);
    lab.fails(75, ["list"]);
}

#[test]
fn an_archive_of_a_version_that_knew_no_trees_is_taken() {
    let lab = Lab::new();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/v2/archive");
    for (path, bytes) in tree(&fixture) {
        let path = lab.archive().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    // One of its days lies elsewhere, where nobody answers.
    let days = |lab: &Lab| lab.run(["list", "--since", "2000-01-01", "-o", "path"]).stdout;
    let archived = days(&lab);
    assert!(!archived.is_empty());
    lab.ok(["rotate", "--now", "2027-01-01T03:00:00Z"]);
    assert!(lab.root().join(NOTE).exists());
    assert_eq!(days(&lab), archived);
    unmount(&lab);
    says_once(&lab.fails(75, ["list"]));
}

#[test]
fn two_trees_on_one_archive_are_refused() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let other = Lab::new();
    other.seed(1, 1);
    let archive = lab.archive();
    let shared = |words: &[&str]| {
        let mut words = words.to_vec();
        words.extend(["--archive", archive.to_str().unwrap()]);
        other.run(words)
    };
    let before = (tree(&archive), tree(&other.root()));
    for words in [&["rotate", "--now", NOW][..], &["rotate", "--now", NOW, "--dry-run"]] {
        let run = shared(words);
        assert_eq!(run.code, 75, "{run:?}");
        assert!(run.stderr.contains(&lab.root().display().to_string()), "{run:?}");
        assert!(run.stderr.contains("two trees must not share one"), "{run:?}");
    }
    assert_eq!((tree(&archive), tree(&other.root())), before);
    assert!(!other.root().join(NOTE).exists());
    let run = shared(&["rotate", "--now", NOW, "--new-archive"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn a_tree_that_was_moved_with_its_archive_is_the_same_tree() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    fs::create_dir(lab.path("moved")).unwrap();
    fs::rename(lab.root(), lab.path("moved/events")).unwrap();
    fs::rename(lab.archive(), lab.path("moved/events-archive")).unwrap();
    let root = lab.path("moved/events");
    let root = root.to_str().unwrap();
    let archive = format!("{root}-archive");
    let run = |words: &[&str]| {
        let mut words = words.to_vec();
        words.extend(["--root", root, "--archive", &archive]);
        lab.ok(words)
    };
    assert_eq!(run(&["list", "--since", "2000-01-01", "-o", "ndjson"]).lines().count(), 6);
    run(&["rotate", "--now", NOW]);
    run(&["verify"]);
}

#[test]
fn a_backup_and_a_rebuilt_manifest_are_the_same_archive() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let backup = fs::read(lab.archive().join("manifest.jsonl")).unwrap();
    let (late, bytes) = event(10, 0, "nas", 7);
    lab.write(&late, bytes);
    lab.rotate();
    let manifest = lab.archive().join("manifest.jsonl");
    fs::write(&manifest, backup).unwrap();
    assert_eq!(lab.list_all().len(), 6);
    // Damaged, and then lost.
    for _ in 0..2 {
        lab.ok(["manifest", "rebuild"]);
        assert_eq!(lab.list_all().len(), 7);
        lab.ok(["verify"]);
        lab.ok(["rotate", "--now", NOW]);
        fs::remove_file(&manifest).unwrap();
        lab.fails(75, ["list", "--since", "2000-01-01"]);
    }
}

#[test]
fn what_is_named_and_does_not_exist_is_66_in_every_reader() {
    let lab = Lab::new();
    lab.seed(1, 2);
    let nowhere = lab.path("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let (live, _) = event(10, 0, "nas", 0);
    let readers: [&[&str]; 10] = [
        &["list"],
        &["list", "--cursor-file", "cursors"],
        &["trace", "x"],
        &["attempts"],
        &["outages"],
        &["status"],
        &["show", &live],
        &["verify"],
        &["export", "--format", "csv", "--to", "out"],
        &["inspect", "2026-05-10"],
    ];
    for is_rotated in [false, true] {
        if is_rotated {
            lab.rotate();
        }
        for words in readers {
            for (flag, variable) in
                [("--root", "HLARCHIVE_ROOT"), ("--archive", "HLARCHIVE_ARCHIVE")]
            {
                let mut typed = words.to_vec();
                typed.extend([flag, nowhere]);
                let by_flag = lab.run(&typed);
                let output = lab.command(words).env(variable, nowhere).output().unwrap();
                for run in [by_flag, Run::of(&output)] {
                    assert_eq!(run.code, 66, "{words:?} {flag}: {run:?}");
                    assert!(run.stderr.contains(nowhere), "{run:?}");
                }
            }
        }
    }
    // Where it would be without a name, it may not have begun yet.
    let fresh = Lab::new();
    fresh.ok(["list"]);
    fresh.ok(["verify"]);
}

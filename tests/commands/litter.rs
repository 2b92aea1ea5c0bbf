//! What other programs leave among events: passed over alike at every level and in every
//! command, and never in place of an event.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use walkdir::WalkDir;

use crate::common::{Lab, NOW, Run, system, tree};
use crate::support::{EVENT, Event, json, policy};

/// Files that systems and editors leave in a directory.
const FILES: [&str; 11] = [
    ".DS_Store",
    "._x.json",
    ".nfs00000000012345",
    ".x.json.swp",
    "Thumbs.db",
    "desktop.ini",
    "notes~",
    "x.json~",
    "#x.json#",
    ".hlarchive-noise",
    ".~lock.x.json#",
];

/// Directories that they leave there.
const DIRECTORIES: [&str; 9] = [
    "lost+found",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    ".stversions",
    ".stfolder",
    ".Trash-1000",
    ".git",
];

/// Leaves litter of every kind in one directory, with whole events within it.
fn litter_in(directory: &Path) {
    let event = Event { number: 77, ..EVENT };
    let bytes = event.line() + "\n";
    for name in FILES {
        fs::write(directory.join(name), &bytes).unwrap();
    }
    symlink("tester@pi4.1234:1", directory.join(".#x.json")).unwrap();
    for name in DIRECTORIES {
        let inside = directory.join(name);
        for below in ["2026-05-10/nas", "nas", ""] {
            fs::create_dir_all(inside.join(below)).unwrap();
            let name = Path::new(&event.path()).file_name().unwrap().to_owned();
            fs::write(inside.join(below).join(name), &bytes).unwrap();
        }
    }
}

/// Leaves it in a directory and in every one below it, as they were before.
fn sprinkle(directory: &Path) {
    let entries: Vec<_> = WalkDir::new(directory).into_iter().map(Result::unwrap).collect();
    for entry in entries.iter().filter(|entry| entry.file_type().is_dir()) {
        litter_in(entry.path());
    }
}

/// A lab of three days, and another that differs in litter at every level alone.
fn pair() -> (Lab, Lab) {
    let (clean, littered) = (Lab::new(), Lab::new());
    for lab in [&clean, &littered] {
        lab.seed(3, 4);
        Event { kind: "remediation_started", service: "mq", number: 1, ..EVENT }.write(lab);
        Event {
            kind: "remediation_completed",
            service: "mq",
            time: "2026-05-16T10:12:00.000000Z",
            number: 2,
            ..EVENT
        }
        .write(lab);
    }
    sprinkle(&littered.root());
    (clean, littered)
}

/// The questions that litter must not change the answer to.
const QUESTIONS: [&[&str]; 10] = [
    &["list", "--since", "2026-05-01", "-o", "ndjson"],
    &["list", "--since", "2026-05-01", "--node", "nas"],
    &["attempts", "--since", "2026-05-01"],
    &["outages", "--now", NOW, "-o", "json"],
    &["trace", "run-1"],
    &["trace", "run-10-0"],
    &["show", "0196d8a2-0000-7000-8000-000000000001"],
    &["verify"],
    &["rotate", "--dry-run", "--now", NOW, "-o", "json"],
    &["prune", "--dry-run", "--now", NOW],
];

/// What must be the same, of a run.
fn answer(lab: &Lab, question: &[&str]) -> (i32, String, String) {
    let run: Run = lab.run(question);
    let here = lab.path("").display().to_string();
    // How much is free differs from moment to moment.
    let stdout: Vec<&str> =
        run.stdout.lines().filter(|line| !line.contains("free_bytes")).collect();
    let anywhere = |text: &str| text.replace(&here, "LAB/");
    (run.code, anywhere(&stdout.join("\n")), anywhere(&run.stderr))
}

#[track_caller]
fn assert_same_answers(clean: &Lab, littered: &Lab) {
    for question in QUESTIONS {
        let (a, b) = (answer(clean, question), answer(littered, question));
        assert!(a.2.is_empty() || question[0] == "prune", "{question:?}: {a:?}");
        assert_eq!(a, b, "{question:?}");
    }
    for (name, lab) in [("out", clean), ("out", littered)] {
        lab.ok(["export", "--format", "ndjson", "--to", name]);
    }
    assert!(tree(&clean.path("out")) == tree(&littered.path("out")));
    for lab in [clean, littered] {
        fs::remove_dir_all(lab.path("out")).unwrap();
    }
    let status = |lab: &Lab| {
        let told = json(&lab.run(["status", "--now", NOW, "-o", "json"]).stdout);
        (
            told["live"].clone(),
            told["findings"].clone(),
            told["next_rotate"].as_array().map(Vec::len),
        )
    };
    assert_eq!(status(clean), status(littered));
}

#[test]
fn litter_at_every_level_changes_no_answer_before_or_after_rotation() {
    let (clean, littered) = pair();
    assert_same_answers(&clean, &littered);
    let told = clean.rotate();
    let run = littered.run(["rotate", "--now", NOW]);
    assert_eq!((run.code, run.stdout), (0, told), "{}", run.stderr);
    // It stays in peace, and one sentence says why the directories do.
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("another program left it"), "{}", run.stderr);
    assert!(run.stderr.contains("4 days"), "{}", run.stderr);
    assert!(littered.root().join("2026-05-10/nas/.DS_Store").exists());
    // In the archive, too, which may lie on a disk of its own.
    sprinkle(&littered.archive());
    assert_same_answers(&clean, &littered);
    let run = littered.run(["rotate", "--now", NOW]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    assert_eq!(run.stderr.matches("another program left it").count(), 1, "{}", run.stderr);
    // Late events of such a day are archived as they always are.
    Event { time: "2026-05-10T01:00:00.000000Z", number: 9, ..EVENT }.write(&littered);
    assert!(littered.rotate().contains("1 event into"));
    littered.ok(["verify"]);
}

#[test]
fn a_directory_and_a_tar_of_it_bring_the_same_events() {
    let (clean, littered) = pair();
    let tar = littered.path("all.tar");
    system(Command::new("tar").arg("-C").arg(littered.root()).arg("-cf").arg(&tar).arg("."));
    let mut answers = Vec::new();
    for source in [littered.root(), tar, clean.root()] {
        let lab = Lab::new();
        let run = lab.run(["import", source.to_str().unwrap()]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{source:?}");
        assert!(tree(&lab.root()) == tree(&clean.root()), "{source:?}");
        answers.push(run.stdout);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let verbose = Lab::new().run(["import", "-v", littered.root().to_str().unwrap()]);
    assert!(verbose.stderr.contains("of other programs skipped"), "{}", verbose.stderr);
}

#[test]
fn an_archive_imports_alike_as_a_directory_and_as_a_tar() {
    let (clean, littered) = pair();
    for lab in [&clean, &littered] {
        lab.rotate();
    }
    sprinkle(&littered.archive());
    let lab = Lab::new();
    lab.ok(["import", littered.archive().to_str().unwrap()]);
    assert_eq!(lab.list_all(), clean.list_all());
}

#[test]
fn a_sync_brings_the_same_from_a_littered_tree() {
    let (clean, littered) = pair();
    let (a, b) = (Lab::new(), Lab::new());
    let from = |lab: &Lab| lab.root().display().to_string();
    a.ok(["sync", &from(&clean)]);
    b.ok(["sync", &from(&littered)]);
    assert!(tree(&a.root()) == tree(&b.root()));
    littered.rotate();
    sprinkle(&littered.archive());
    let again = b.ok(["sync", &from(&littered)]);
    assert!(again.starts_with("0 events copied (0 B)"), "{again}");
    assert!(tree(&a.root()) == tree(&b.root()));
}

#[test]
fn the_policy_adds_names_and_cannot_hide_what_emit_writes() {
    let lab = Lab::new();
    let text = |ignore: &str| format!("version = 1\n[events]\nignore = {ignore}\n");
    let node = Event { node: "pi4.bak", ..EVENT };
    node.write(&lab);
    let path = EVENT.write(&lab);
    lab.write(&format!("{path}.bak"), "{}");
    lab.write("2026-05-16/old.d/x.json", EVENT.line());
    lab.write("copy.bak/2026-05-16/pi4/x.json", EVENT.line());
    policy(&lab, "version = 1\n");
    lab.fails(1, ["verify", "--live"]);
    // A node is a node, though its name fits.
    policy(&lab, &text("[\"*.bak\", \"old?d\"]"));
    let told = lab.fails(1, ["verify", "--live"]);
    assert!(!told.stdout.contains(".json.bak") && !told.stdout.contains("copy.bak"), "{told:?}");
    assert!(told.stdout.contains("old.d"), "a node's name is not hidden: {told:?}");
    fs::remove_dir_all(lab.root().join("2026-05-16/old.d")).unwrap();
    let told = lab.ok(["verify", "--live", "-v"]);
    assert!(told.contains("2 live files (2 of other programs skipped)"), "{told}");
    assert_eq!(lab.list_all(), vec![EVENT.live_line(), node.live_line()]);
    assert_eq!(lab.run(["rotate", "--now", NOW]).code, 0);
    for (ignore, why) in [
        ("[\"*.json\"]", "no event is passed over"),
        ("[\"*\"]", "no event is passed over"),
        ("[\"*conflict*\"]", "no event is passed over"),
        ("[\"2026-*\"]", "passed over"),
        ("[\"????-??-??\"]", "no day is passed over"),
        ("[\"\"]", "not a pattern"),
        ("[\"a/b\"]", "not a pattern"),
        ("[]", "an empty list"),
        ("[3]", "a list of patterns"),
    ] {
        policy(&lab, &text(ignore));
        let run = lab.fails(78, ["policy", "check", "policy.toml"]);
        assert!(run.stderr.contains("policy.toml:3: ") && run.stderr.contains(why), "{run:?}");
    }
    policy(&lab, &text("[\"*.bak\", \"*.sync-conflict-*\"]"));
    lab.ok(["policy", "check", "policy.toml"]);
}

#[test]
fn no_event_is_put_where_readers_pass_over_it() {
    let (lab, there) = (Lab::new(), Lab::new());
    let hidden = Event { node: "lost+found", ..EVENT };
    let path = hidden.write(&there);
    // An archive of earlier days may have such a node; its events are read as all others.
    let segment = {
        let from = there.path("made");
        fs::create_dir_all(from.join("2026-05-16/pi4")).unwrap();
        there.root().join(&path)
    };
    assert!(segment.exists());
    // Named by itself it is no litter to walk past, but no place is left for it here.
    let run = lab.fails(1, ["import", there.root().join(&path).to_str().unwrap()]);
    assert!(run.stderr.contains("readers would skip it here"), "{run:?}");
    assert!(tree(&lab.root()).is_empty());
}

/// What synchronizers and file managers make of a file's name when they copy it.
const COPIED: [&str; 4] =
    [" (1)", ".sync-conflict-20261101-101112-ABCDEFG", " - Copy", " (conflicted copy 2026-11-01)"];

/// An attempt that failed, and every kind of copy of it.
fn copied(lab: &Lab) -> (String, Vec<String>) {
    let event = Event { kind: "remediation_started", ..EVENT };
    let path = event.write(lab);
    let stem = path.strip_suffix(".json").unwrap();
    let copies: Vec<String> = COPIED.iter().map(|added| format!("{stem}{added}.json")).collect();
    for copy in &copies {
        lab.write(copy, event.line() + "\n");
    }
    (path, copies)
}

#[test]
fn a_stray_copy_is_no_further_event_in_any_answer() {
    let lab = Lab::new();
    let (path, copies) = copied(&lab);
    let day = ["--date", "2026-05-16"];
    let answers = |lab: &Lab| {
        for words in [&["list", "-opath"][..], &["list", "-opath", "--reverse"]] {
            let listed = lab.ok(words.iter().chain(&day));
            assert_eq!(listed, format!("{path}\n"), "{words:?}");
        }
        let first = ["list", "-opath", "--limit=1", "--reverse", "--date=2026-05-16"];
        assert_eq!(lab.ok(first), format!("{path}\n"));
        let attempts = json(&lab.run(["attempts", "--service", "all", "-ojson"]).stdout);
        assert_eq!(attempts["attempts"].as_array().map(Vec::len), Some(1), "{attempts}");
        let trace = lab.ok(["trace", "run-1", "-ondjson"]);
        assert_eq!(trace.lines().count(), 1, "{trace}");
        let follow = ["list", "-opath", "--since=2026-05-01", "--cursor-file=c", "--after=start"];
        assert_eq!(lab.ok(follow), format!("{path}\n"));
        fs::remove_file(lab.path("c")).unwrap();
        lab.ok(["export", "--format", "ndjson", "--to", "out"]);
        let file = lab.path("out/date=2026-05-16/node=pi4/part-0.ndjson");
        assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 1);
        fs::remove_dir_all(lab.path("out")).unwrap();
    };
    answers(&lab);
    let verified = lab.ok(["verify"]);
    for copy in &copies {
        assert!(verified.contains(&format!("{copy}: a stray copy of ")), "{verified}");
    }
    // Archived once; and copies that come when the event is archived go, too.
    let told = lab.ok(["rotate", "--now", NOW]);
    assert!(told.contains("1 event into 2026/2026-05-16.tar.zst"), "{told}");
    assert!(tree(&lab.root()).is_empty());
    answers(&lab);
    copied(&lab);
    fs::remove_file(lab.root().join(&path)).unwrap();
    answers(&lab);
    assert!(lab.ok(["verify"]).contains("a stray copy of "));
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    answers(&lab);
    assert_eq!(json(&lab.ok(["verify", "-ojson"]))["segments"], 1);
}

#[test]
fn what_only_looks_like_a_copy_is_an_event_of_its_own() {
    let lab = Lab::new();
    let (path, copies) = copied(&lab);
    let other = Event { kind: "remediation_started", payload: "{\"n\":2}", ..EVENT };
    lab.write(&copies[0], other.line() + "\n");
    let all = |lab: &Lab| {
        let page = json(&lab.run(["list", "--date=2026-05-16", "-ojson"]).stdout);
        let paths = page.as_array().unwrap().iter().map(|event| event["_path"].to_string());
        paths.collect::<Vec<_>>()
    };
    let both = [format!("{path:?}"), format!("{:?}", copies[0])];
    assert_eq!(all(&lab), both);
    lab.ok(["rotate", "--now", NOW]);
    assert_eq!(all(&lab), both);
    // Without the event that they were copied from, one of the copies is the event.
    let lab = Lab::new();
    let (path, _) = copied(&lab);
    fs::remove_file(lab.root().join(path)).unwrap();
    assert_eq!(all(&lab).len(), 1);
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(all(&lab).len(), 1);
}

#[test]
fn a_copy_that_is_imported_or_synced_beside_its_event_is_known() {
    let there = Lab::new();
    let (path, _) = copied(&there);
    let root = there.root().display().to_string();
    let tar = there.path("copies.tar");
    system(Command::new("tar").arg("-C").arg(there.root()).arg("-cf").arg(&tar).arg("."));
    for words in [["import", &root], ["sync", &root], ["import", tar.to_str().unwrap()]] {
        let lab = Lab::new();
        for _ in 0..2 {
            lab.ok(words);
            assert_eq!(
                tree(&lab.root()).into_keys().collect::<Vec<_>>(),
                std::slice::from_ref(&path),
                "{words:?}"
            );
        }
        lab.rotate();
        lab.ok(words);
        assert!(tree(&lab.root()).is_empty(), "{words:?}");
    }
}

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{Lab, NOW, me, system, tool, tree};
use crate::support::{EVENT, Event, assert_untouched, json, policy};

/// A tree of events that lies beside the lab's own, with its archive if it is rotated.
fn elsewhere(days: u32, per_node: u32) -> Lab {
    let lab = Lab::new();
    lab.seed(days, per_node);
    lab
}

fn tar(directory: &Path, words: &[&str], to: &Path) {
    system(Command::new("tar").arg("-C").arg(directory).args(words).arg("-f").arg(to).arg("."));
}

#[test]
fn a_directory_comes_in_byte_for_byte_and_only_once() {
    let (lab, there) = (Lab::new(), elsewhere(3, 4));
    let from = there.root().display().to_string();
    assert_eq!(lab.ok(["import", &from]), "36 events: 36 are new (6.9 KiB)\n");
    assert!(tree(&lab.root()) == tree(&there.root()));
    assert!(!lab.archive().exists(), "an import makes no archive");
    let again = assert_untouched(&lab, || lab.ok(["import", &from]));
    assert_eq!(again, "36 events: 0 are new (0 B), 36 live already\n");
    lab.rotate();
    assert!(tree(&lab.root()).is_empty());
    let again = assert_untouched(&lab, || lab.ok(["import", &from]));
    assert_eq!(again, "36 events: 0 are new (0 B), 36 archived already\n");
}

#[test]
fn every_wrapping_of_a_tar_is_told_by_its_bytes_and_not_by_its_name() {
    let there = elsewhere(1, 20);
    for (words, tools) in [
        (&["-c"][..], "tar"),
        (&["--format=v7", "--exclude=*", "-c"], "tar"),
        (&["--format=gnu", "-c"], "tar"),
        (&["--format=ustar", "-c"], "tar"),
        (&["--format=posix", "-c"], "tar"),
        (&["--zstd", "-c"], "zstd"),
        (&["-z", "-c"], "gzip"),
    ] {
        if tool(tools).is_none() {
            continue;
        }
        let lab = Lab::new();
        let to = lab.path("some.file");
        tar(&there.root(), words, &to);
        lab.ok(["import", "some.file"]);
        let wanted = if words[0].ends_with("v7") { 0 } else { 60 };
        let got = tree(&lab.root());
        assert!(
            got.len() == wanted
                && got.iter().all(|(path, bytes)| tree(&there.root())[path] == *bytes),
            "{words:?}"
        );
    }
}

#[test]
fn long_names_come_in_whole_whatever_extension_carries_them() {
    let there = Lab::new();
    let long = Event { node: &"n".repeat(200), ..EVENT }.write(&there);
    for format in ["gnu", "posix"] {
        let lab = Lab::new();
        tar(&there.root(), &[&format!("--format={format}"), "-c"], &lab.path("a.tar"));
        lab.ok(["import", "a.tar"]);
        assert_eq!(tree(&lab.root()).keys().collect::<Vec<_>>(), [&long], "{format}");
    }
}

#[test]
fn an_archive_of_another_root_is_a_directory_like_any_other() {
    let (lab, there) = (Lab::new(), elsewhere(3, 4));
    let before = tree(&there.root());
    there.rotate();
    let from = there.archive().display().to_string();
    assert_eq!(lab.ok(["import", &from]), "36 events: 36 are new (6.9 KiB)\n");
    assert!(tree(&lab.root()) == before);
    // And a segment of it is a tar like any other.
    let lab = Lab::new();
    let segment = there.archive().join("2026/2026-05-11.tar.zst").display().to_string();
    assert_eq!(lab.ok(["import", &segment]), "12 events: 12 are new (2.3 KiB)\n");
}

#[test]
fn late_arrivals_of_an_archived_day_are_archived_by_the_next_rotate() {
    let lab = Lab::new();
    let mut all = lab.seed(2, 4);
    lab.rotate();
    let there = Lab::new();
    let late = Event { time: "2026-05-10T09:00:00.000000Z", ..EVENT };
    all.insert(late.write(&there), (late.line() + "\n").into_bytes());
    there.write("2026-05-10/nas/20260510T000030.000000Z_deployment_started_x.json", "{}");
    let listed = lab.list_all().len();
    let run = lab.fails(65, ["import", there.root().to_str().unwrap()]);
    assert_eq!(run.stdout, "1 event: 1 is new (166 B); 1 file is not a valid event\n");
    assert!(
        run.stderr.contains(
            "2026-05-10/nas/20260510T000030.000000Z_deployment_started_x.json: not an event: "
        ),
        "{run:?}"
    );
    assert_eq!(tree(&lab.root()).len(), 1);
    assert_eq!(lab.list_all().len(), listed + 1);
    lab.rotate();
    lab.ok(["verify"]);
    lab.ok(["restore", "2026-05-10", "2026-05-11", "--to", "out"]);
    assert!(tree(&lab.path("out")) == all);
}

#[test]
fn the_manifest_tells_who_imported_what_and_from_where() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let there = elsewhere(2, 1);
    Event { time: "2026-05-16T10:11:12.000000Z", node: "nas", number: 9, ..EVENT }.write(&there);
    let from = there.root().display().to_string();
    lab.ok(["import", &from]);
    let records = json(&lab.ok(["manifest", "show", "-o", "json"]));
    let record = &records.as_array().unwrap()[1];
    assert_eq!((record["op"].as_str(), record["events"].as_u64()), (Some("import"), Some(4)));
    assert_eq!(record["nodes"], serde_json::json!({ "nas": 2, "pi4": 1, "pi5": 1 }));
    assert_eq!(record["by"]["user"], me());
    assert_eq!(record["note"], format!("imported into the live tree from {from}"));
    assert!(record["first"].is_string() && record["last"] == "2026-05-16T10:11:12.000000Z");
    // What brought nothing is not worth a record.
    lab.ok(["import", &from]);
    assert_eq!(lab.ok(["manifest", "show"]).lines().count(), 2);
    lab.ok(["verify"]);
}

#[test]
fn an_event_that_is_live_with_other_bytes_stays_and_the_other_is_not_taken() {
    let (lab, there) = (Lab::new(), Lab::new());
    let mine = EVENT.write(&lab);
    Event { service: "grafana", ..EVENT }.write(&there);
    Event { number: 1, ..EVENT }.write(&there);
    let before = (fs::read(lab.root().join(&mine)).unwrap(), tree(&there.root()));
    let run = lab.fails(1, ["import", there.root().to_str().unwrap()]);
    assert_eq!(
        run.stdout,
        "2 events: 1 is new (166 B), 1 in conflict with another of the same name\n"
    );
    assert!(run.stderr.contains(&format!("{mine}: another event of this name is live here")));
    assert_eq!((fs::read(lab.root().join(&mine)).unwrap(), tree(&there.root())), before);
    assert_eq!(tree(&lab.root()).len(), 2);
}

#[test]
fn of_a_conflict_with_an_archived_event_both_are_kept() {
    let (lab, there) = (Lab::new(), Lab::new());
    EVENT.write(&lab);
    lab.ok(["rotate", "--now", NOW]);
    let other = Event { service: "grafana", ..EVENT };
    let path = other.write(&there);
    let from = there.root().display().to_string();
    let run = lab.fails(1, ["import", &from]);
    assert!(
        run.stderr.contains(&format!(
            "{path}: another event of this name is archived here; this one was taken, too"
        )),
        "{run:?}"
    );
    assert_eq!(lab.list_all().len(), 2);
    // Known from now on: live at first, and then archived.
    lab.ok(["import", &from]);
    lab.fails(1, ["rotate", "--now", NOW]);
    assert_eq!(lab.ok(["import", &from]), "1 event: 0 are new (0 B), 1 archived already\n");
    assert_eq!(lab.list_all().len(), 2);
    lab.ok(["verify"]);
}

#[test]
fn files_with_other_paths_are_filed_by_what_they_say_of_themselves() {
    let (lab, there) = (Lab::new(), Lab::new());
    let bytes = EVENT.line() + "\n";
    fs::create_dir_all(there.path("dump/a/b")).unwrap();
    fs::write(there.path(&format!("dump/a/b/{}.json", EVENT.id())), &bytes).unwrap();
    fs::write(there.path("dump/nameless.json"), &bytes).unwrap();
    fs::write(there.path("dump/notes.txt"), "hello").unwrap();
    let run = lab.fails(65, ["import", there.path("dump").to_str().unwrap()]);
    assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), [EVENT.path()]);
    assert!(run.stderr.contains("nameless.json: its path is not YYYY-MM-DD/NODE/FILE.json, and its name does not end with a UUID"), "{run:?}");
    assert!(
        run.stderr.contains("notes.txt: it is neither an event (FILE.json) nor a tar"),
        "{run:?}"
    );
    // A day, a node or a file of a tree may be named by itself, too.
    for part in ["2026-05-16", "2026-05-16/pi4", &EVENT.path()] {
        let (lab, there) = (Lab::new(), Lab::new());
        let path = EVENT.write(&there);
        lab.ok(["import", there.root().join(part).to_str().unwrap()]);
        assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), [path], "{part}");
    }
}

#[test]
fn a_dry_run_counts_the_same_and_writes_nothing() {
    let (lab, there) = (Lab::new(), elsewhere(2, 3));
    lab.seed(1, 2);
    lab.rotate();
    let from = there.root().display().to_string();
    let planned =
        assert_untouched(&lab, || json(&lab.ok(["import", &from, &from, "-n", "-o", "json"])));
    let done = json(&lab.ok(["import", &from, &from, "-o", "json"]));
    assert_eq!((&planned["dry_run"], &done["dry_run"]), (&true.into(), &false.into()));
    for field in [
        "events",
        "imported",
        "imported_bytes",
        "already_live",
        "already_archived",
        "conflicts",
        "bad",
    ] {
        assert_eq!(planned[field], done[field], "{field}");
    }
    assert_eq!(
        (&done["imported"], &done["already_live"], &done["already_archived"]),
        (&12.into(), &12.into(), &12.into())
    );
    assert_eq!(done["findings"], serde_json::json!([]));
}

#[test]
fn what_is_not_there_or_locked_changes_nothing() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let there = elsewhere(1, 3);
    let from = there.root().display().to_string();
    assert_untouched(&lab, || {
        let run = lab.fails(66, ["import", &from, "/no/such/place"]);
        assert!(
            run.stderr.contains("/no/such/place: cannot open: no such file or directory"),
            "{run:?}"
        );
        lab.fails(2, ["import"]);
        let lock = fs::File::open(lab.archive().join("lock")).unwrap();
        lock.lock().unwrap();
        lab.fails(75, ["import", &from]);
    });
    policy(&lab, "not even read");
    lab.ok(["import", &from]);
}

#[test]
fn how_many_events_are_older_than_the_policy_keeps_them_is_said() {
    let from = Lab::new();
    from.seed(1, 2);
    Event { time: "2019-05-16T10:11:12.000000Z", ..EVENT }.write(&from);
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\nkeep = \"6y\"\n");
    let root = from.root().display().to_string();
    let told = "; 1 of the new ones is older than the policy keeps them\n";
    for words in [&["import", &root, "--dry-run"][..], &["import", &root]] {
        let run = lab.run(words);
        assert!(run.code == 0 && run.stdout.ends_with(told), "{run:?}");
    }
    assert!(!lab.ok(["import", &root]).contains("older"), "they are no new ones");
    let other = Lab::new();
    policy(&other, "version = 1\n[retain]\nkeep = \"6y\"\n");
    let run = other.run(["sync", &root, "-ojson"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["outlived"], 1, "{run:?}");
}

#[test]
fn what_expired_here_is_passed_over_and_counted() {
    let (lab, there) = (Lab::new(), elsewhere(2, 4));
    policy(&lab, "version = 1\n[retain]\nkeep = \"30d\"\ngrace = \"0d\"\n");
    let from = there.root().display().to_string();
    lab.ok(["import", &from]);
    lab.rotate();
    lab.ok(["prune", "--yes-really", "--now", "2026-07-01T04:00:00Z"]);
    let late = Event { time: "2026-05-10T20:00:00.000000Z", node: "new", ..EVENT }.write(&there);
    let plan = assert_untouched(&lab, || lab.ok(["import", &from, "--dry-run"]));
    assert!(plan.starts_with("25 events: 1 is new"), "{plan}");
    let run = lab.run(["import", &from]);
    assert!(run.stdout.contains(", 24 skipped as expired"), "{run:?}");
    assert!(run.stderr.contains("--expired also takes what expired here"), "{run:?}");
    assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), [late]);
    let back = lab.ok(["import", &from, "--expired"]);
    assert!(back.starts_with("25 events: 24 are new"), "{back}");
}

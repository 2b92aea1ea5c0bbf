//! Evidence for somebody who does not trust us: what is in the directory, and whether the
//! commands of its README.txt do what it says.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::common::{Lab, NOW, Run, Tree, tool, tree};
use crate::support::{EVENT, Event, assert_untouched, json, picture, policy, sentence};

/// Two archived days, and one that is still live; and the tree as it was.
fn lab() -> (Lab, Tree) {
    let lab = Lab::new();
    let before = lab.seed(3, 4);
    for day in ["2026-05-10", "2026-05-11"] {
        lab.rotate_day(day);
    }
    (lab, before)
}

fn of_days(tree: &Tree, days: &[&str]) -> Tree {
    let keep = tree.iter().filter(|(path, _)| days.iter().any(|day| path.starts_with(day)));
    keep.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}

fn events(lab: &Lab, to: &str) -> Tree {
    tree(&lab.path(to).join("events"))
}

/// Runs every command of the README.txt, each of which must end with 0; `None` where a tool is
/// missing.
fn check(directory: &Path) -> Option<Run> {
    for program in ["sha256sum", "tar", "zstd", "minisign"] {
        tool(program)?;
    }
    // Continued items of lists are moved in as commands are: the commands follow their heading.
    let text = fs::read_to_string(directory.join("README.txt")).unwrap();
    let (_, how) = text.split_once("How to check it\n").unwrap();
    let lines: Vec<&str> = how.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let script = lines.join("\n") + "\n";
    assert!(script.contains("sha256sum --quiet -c SHA256SUMS"), "{text}");
    let output = Command::new("sh")
        .args(["-euc", &script])
        .current_dir(directory)
        .env("HOME", directory)
        .output()
        .unwrap();
    Some(Run::of(&output))
}

fn sign(lab: &Lab, to: &str) {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    fs::write(lab.path("key.sec"), pair.sk.to_box(None).unwrap().into_string()).unwrap();
    lab.ok(["manifest", "sign", "--key", "key.sec"]);
    // Where the README.txt says that the reader puts it.
    let public = pair.pk.to_box().unwrap().into_string();
    fs::write(lab.path(to).parent().unwrap().join("minisign.pub"), public).unwrap();
}

#[test]
fn archived_and_live_days_come_byte_for_byte_with_all_that_vouches_for_them() {
    let (lab, before) = lab();
    sign(&lab, "out");
    let places = || (picture(&lab.root()), picture(&lab.archive()));
    let history = places();
    let run = lab.run(["evidence", "2026-05-11..2026-05-12", "--to", "out", "-o", "json"]);
    assert!(places() == history, "it only reads");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    let report = json(&run.stdout);
    assert_eq!((&report["events"], &report["live"]), (&24.into(), &12.into()));
    assert!(events(&lab, "out") == of_days(&before, &["2026-05-11", "2026-05-12"]));
    let out = tree(&lab.path("out"));
    let archive = tree(&lab.archive());
    for (file, in_archive) in [
        ("segments/2026-05-11.tar.zst", "2026/2026-05-11.tar.zst"),
        ("segments/2026-05-11.tar.zst.sha256", "2026/2026-05-11.tar.zst.sha256"),
        ("manifest/manifest.jsonl", "manifest.jsonl"),
        ("manifest/2.head", "heads/2.head"),
        ("manifest/2.head.minisig", "heads/2.head.minisig"),
    ] {
        assert!(out[file] == archive[in_archive], "{file}");
    }
    assert!(!out.contains_key("segments/2026-05-10.tar.zst"), "nobody asked for that day");
    assert_eq!(String::from_utf8_lossy(&out["head"]), lab.ok(["manifest", "head"]));
    let sums = String::from_utf8(out["SHA256SUMS"].clone()).unwrap();
    let names: Vec<&str> = sums.lines().map(|line| &line[66..]).collect();
    let all: Vec<&String> = out.keys().filter(|name| *name != "SHA256SUMS").collect();
    assert_eq!(names, all, "every other file, sorted");
    assert_eq!(report["files"], out.len());
    let Some(run) = check(&lab.path("out")) else { return };
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    for wanted in [
        "2026-05-11.tar.zst: OK\n",
        "the chain is whole\n",
        "\"op\":\"rotate\"",
        "Signature and comment signature verified\n",
    ] {
        assert!(run.stdout.contains(wanted), "{wanted}: {run:?}");
    }
    assert!(!run.stdout.contains("broken"), "{run:?}");
}

#[test]
fn a_chain_over_days_comes_from_segments_and_from_what_is_live() {
    let (lab, _) = lab();
    let mut wanted = Tree::new();
    for (day, number) in [(10, 1), (11, 2)] {
        let time = format!("2026-05-{day}T22:00:00.000000Z");
        let event = Event { time: &time, correlation: "night", number, ..EVENT };
        wanted.insert(event.write(&lab), (event.line() + "\n").into_bytes());
        lab.rotate_day(&time[..10]);
    }
    let event = Event { time: "2026-05-12T01:00:00.000000Z", correlation: "night", ..EVENT };
    wanted.insert(event.write(&lab), (event.line() + "\n").into_bytes());
    let told = lab.ok(["evidence", "night", "--to", "new/out"]);
    assert!(events(&lab, "new/out") == wanted);
    for line in ["2026-05-10  1 event (", "2026-05-12  1 event (", "2026/2026-05-10.1.tar.zst  "] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let files = tree(&lab.path("new/out"));
    let segments: Vec<&str> = files
        .keys()
        .filter_map(|name| name.strip_prefix("segments/").filter(|it| it.ends_with(".zst")))
        .collect();
    assert_eq!(segments, ["2026-05-10.1.tar.zst", "2026-05-11.1.tar.zst"], "those it lies in");
    if let Some(run) = check(&lab.path("new/out")) {
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    }
}

#[test]
fn what_is_live_alone_needs_no_archive_and_says_that_nothing_vouches_for_it() {
    let lab = Lab::new();
    let before = lab.seed(1, 2);
    let run = lab.run(["evidence", "2026-05-10", "--to", "out"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("nothing vouches for live events but this copy"), "{run:?}");
    assert!(events(&lab, "out") == before);
    let files = tree(&lab.path("out"));
    assert!(!files.keys().any(|name| name.starts_with("segments") || name.starts_with("manifest")));
    let text = String::from_utf8_lossy(&files["README.txt"]).into_owned();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Nothing but this copy vouches for them"), "{text}");
    assert!(!text.contains("minisign -V"), "{text}");
    if let Some(run) = check(&lab.path("out")) {
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    }
}

#[test]
fn every_check_fails_once_the_thing_that_it_is_about_was_changed() {
    let (lab, _) = lab();
    sign(&lab, "out");
    lab.ok(["evidence", "2026-05-11", "2026-05-12", "--to", "out"]);
    let out = lab.path("out");
    let Some(run) = check(&out) else { return };
    assert_eq!(run.code, 0, "{run:?}");
    let files = tree(&out);
    let live = files.keys().find(|name| name.starts_with("events/2026-05-12")).unwrap();
    let archived = files.keys().find(|name| name.starts_with("events/2026-05-11")).unwrap();
    for name in [
        live,
        archived,
        "segments/2026-05-11.tar.zst",
        "segments/2026-05-11.tar.zst.events",
        "manifest/manifest.jsonl",
        "manifest/2.head",
        "head",
    ] {
        // By somebody who makes the list of hashes anew.
        let path = out.join(name);
        let mut bytes = files[name].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let sums = "find . -type f ! -name SHA256SUMS | sed 's,^./,,' | LC_ALL=C sort | \
                    xargs -d '\\n' sha256sum >../sums; cp -f ../sums SHA256SUMS";
        let script = format!("chmod u+w SHA256SUMS; {sums}");
        assert!(
            Command::new("sh").args(["-c", &script]).current_dir(&out).status().unwrap().success()
        );
        let run = check(&out).unwrap();
        assert_ne!(run.code, 0, "{name}: {run:?}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, &files[name]).unwrap();
    }
}

#[test]
fn what_is_not_there_is_exit_code_66_and_nothing_is_made() {
    let (lab, _) = lab();
    for (words, wanted) in [
        (&["nobody"][..], "no event has the correlation id nobody, neither live nor archived"),
        (&["2026-01-01"], "there is no event of 2026-01-01, neither live nor archived"),
        (&["2026-01-01..2026-01-03"], "there is no event of 2026-01-01..2026-01-03"),
        (&["--correlation-id=2026-05-11"], "no event has the correlation id 2026-05-11"),
    ] {
        let run = assert_untouched(&lab, || {
            lab.fails(66, ["evidence", "--to", "out"].iter().chain(words))
        });
        assert!(sentence(&run).contains(wanted), "{run:?}");
        assert!(!lab.path("out").exists(), "{words:?}");
    }
    // Of several, what is there is given, and the rest is named.
    let run = lab.fails(1, ["evidence", "2026-05-11", "nobody", "--to", "out"]);
    assert!(run.stderr.contains("no event has the correlation id nobody"), "{run:?}");
    assert_eq!(events(&lab, "out").len(), 12);
}

#[test]
fn a_directory_with_something_in_it_or_of_the_history_itself_is_refused() {
    let (lab, _) = lab();
    fs::create_dir(lab.path("full")).unwrap();
    fs::write(lab.path("full/mine"), "x").unwrap();
    fs::write(lab.path("file"), "x").unwrap();
    symlink(lab.root(), lab.path("link")).unwrap();
    for (to, code) in [
        ("full", 73),
        ("file", 73),
        ("events/new", 2),
        ("link/new", 2),
        ("events-archive", 2),
        ("events-archive/heads/x", 2),
    ] {
        let run = assert_untouched(&lab, || lab.run(["evidence", "2026-05-11", "--to", to]));
        assert_eq!(run.code, code, "{to}: {run:?}");
    }
    assert_eq!(tree(&lab.path("full")).len(), 1);
    fs::create_dir(lab.path("empty")).unwrap();
    lab.ok(["evidence", "2026-05-11", "--to", "empty"]);
    lab.fails(73, ["evidence", "2026-05-11", "--to", "empty"]);
}

#[test]
fn a_damaged_segment_is_named_and_copied_as_it_is_and_the_rest_is_there() {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[rotate]\nframe_size = \"4KiB\"\n");
    let before = lab.seed(2, 60);
    lab.rotate();
    let path = lab.archive().join("2026/2026-05-10.tar.zst");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let run = lab.fails(1, ["evidence", "2026-05-10..2026-05-11", "--to", "out"]);
    assert!(run.stderr.contains("2026-05-10.tar.zst"), "{run:?}");
    assert!(run.stderr.contains("its bytes differ from the manifest's record"), "{run:?}");
    let given = events(&lab, "out");
    assert!(given.len() < before.len() && given.len() > before.len() * 8 / 10, "{}", given.len());
    assert!(given.iter().all(|(path, bytes)| before[path] == *bytes));
    assert!(tree(&lab.path("out"))["segments/2026-05-10.tar.zst"] == bytes);
    let text = fs::read_to_string(lab.path("out/README.txt")).unwrap();
    assert!(text.contains("What was found when this was made"), "{text}");
    let sums = Command::new("sha256sum")
        .args(["--quiet", "-c", "SHA256SUMS"])
        .current_dir(lab.path("out"))
        .status();
    assert!(sums.unwrap().success());
    assert_ne!(check(&lab.path("out")).map_or(1, |run| run.code), 0);
}

#[test]
fn an_archive_that_is_away_is_named_and_what_is_live_is_there() {
    let (lab, before) = lab();
    fs::rename(lab.archive(), lab.path("disk")).unwrap();
    let run = lab.fails(75, ["evidence", "2026-05-11..2026-05-12", "--to", "out"]);
    assert!(run.stderr.contains("is its disk mounted?"), "{run:?}");
    assert!(events(&lab, "out") == of_days(&before, &["2026-05-12"]));
    let text = fs::read_to_string(lab.path("out/README.txt")).unwrap();
    assert!(text.contains("is its disk mounted?"), "{text}");
}

#[test]
fn no_link_in_a_live_day_is_followed_and_each_is_named() {
    let (lab, before) = lab();
    fs::write(lab.path("secret.json"), EVENT.line()).unwrap();
    fs::create_dir(lab.path("elsewhere")).unwrap();
    fs::write(lab.path("elsewhere/x.json"), EVENT.line()).unwrap();
    let day = lab.root().join("2026-05-12");
    symlink(lab.path("secret.json"), day.join("pi4/20260512T000000Z_link.json")).unwrap();
    symlink(lab.path("elsewhere"), day.join("stranger")).unwrap();
    symlink(lab.path("elsewhere"), lab.root().join("2026-05-13")).unwrap();
    for command in ["evidence", "restore"] {
        let run = lab.fails(1, [command, "2026-05-12", "--to", command]);
        assert!(run.stderr.contains("20260512T000000Z_link.json: "), "{run:?}");
        assert!(run.stderr.contains("2026-05-12/stranger: "), "{run:?}");
        assert_ne!(lab.run([command, "2026-05-13", "--to", "linked"]).code, 0);
        assert!(!lab.path("linked/events").exists() && tree(&lab.path("linked")).is_empty());
    }
    assert!(events(&lab, "evidence") == of_days(&before, &["2026-05-12"]));
    assert!(tree(&lab.path("restore")) == of_days(&before, &["2026-05-12"]));
}

#[test]
fn two_events_of_one_name_are_both_there_and_can_both_be_checked() {
    let (lab, before) = lab();
    let path = before.keys().find(|path| path.starts_with("2026-05-11")).unwrap();
    lab.write(path, EVENT.line());
    lab.run(["rotate", "--now", NOW, "--date", "2026-05-11"]);
    let run = lab.fails(1, ["evidence", "2026-05-11", "--to", "out"]);
    assert!(run.stderr.contains(&format!("another event of this name is in conflicts/2/{path}")));
    let out = tree(&lab.path("out"));
    assert!(out[&format!("events/{path}")] == before[path]);
    assert_eq!(out[&format!("conflicts/2/{path}")], EVENT.line().into_bytes());
    if let Some(run) = check(&lab.path("out")) {
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    }
}

#[test]
fn a_live_file_that_is_no_event_is_copied_with_its_day() {
    let (lab, _) = lab();
    lab.write("2026-05-12/pi4/broken.json", b"\0\xff");
    let run = lab.run(["evidence", "2026-05-12", "--to", "out"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("broken.json: it is not an event, and was copied as is"),
        "{run:?}"
    );
    assert!(events(&lab, "out") == of_days(&tree(&lab.root()), &["2026-05-12"]));
}

#[test]
fn a_later_rotation_gives_the_same_events_and_then_the_archive_vouches_for_them() {
    let (lab, _) = lab();
    lab.ok(["evidence", "2026-05-12", "--to", "live"]);
    lab.rotate();
    lab.ok(["evidence", "2026-05-12", "--to", "archived"]);
    assert!(events(&lab, "live") == events(&lab, "archived"));
    assert!(lab.path("archived/segments/2026-05-12.tar.zst").exists());
    assert!(!lab.path("archived/live-events").exists());
}

#[test]
fn a_signature_of_an_older_head_says_how_far_it_goes() {
    let (lab, _) = lab();
    sign(&lab, "out");
    lab.rotate();
    let told = lab.ok(["evidence", "2026-05-11..2026-05-12", "--to", "out"]);
    assert!(told.contains("record 2, which is signed"), "{told}");
    assert!(told.contains("record 3, which is not signed"), "{told}");
    let text = fs::read_to_string(lab.path("out/README.txt")).unwrap();
    assert!(text.contains("minisign -Vm manifest/2.head -p ../minisign.pub"), "{text}");
    assert!(text.contains("the record of one segment here is later"), "{text}");
    if let Some(run) = check(&lab.path("out")) {
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    }
    // A signature that the manifest does not have is left out.
    fs::write(lab.archive().join("heads/9.head.minisig"), "no signature").unwrap();
    let run = lab.run(["evidence", "2026-05-11", "--to", "again"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(lab.path("again/manifest/2.head.minisig").exists());
    assert!(run.stderr.contains("1 signature here does not fit this manifest"), "{run:?}");
}

#[test]
fn evidence_of_an_id_that_no_event_has_names_the_one_that_was_likely_meant() {
    let lab = Lab::new();
    lab.ok(["emit", "node_online", "--correlation-id", "deploy-882"]);
    let told = |id: &str| lab.fails(66, ["evidence", id, "--to", "out"]).stderr;
    let end = "neither live nor archived; did you mean \"deploy-882\"?\n";
    assert!(told("deploy-8882").ends_with(end));
    assert!(told("backup-1").ends_with("neither live nor archived\n"));
    assert!(!lab.path("out").exists());
}

//! Sync with another machine: real rsync over a real sshd.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::process::{files_seen, finish, halt_when, send, start};
use crate::common::ssh::Sshd;
use crate::common::{Lab, NOW, Run, Tree, tree};
use rustix::process::Signal;

fn sync(lab: &Lab, sshd: &Sshd, words: &[&str]) -> Command {
    let mut command = lab.command(["sync", "--ssh", &sshd.ssh()]);
    command.args(words).env("HOME", sshd.directory());
    command
}

#[track_caller]
fn synced(lab: &Lab, sshd: &Sshd, words: &[&str]) -> String {
    let run = Run::of(&sync(lab, sshd, words).output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    run.stdout
}

fn all(lab: &Lab) -> Vec<String> {
    let mut lines = lab.list_all();
    lines.sort();
    lines
}

/// The directories that a sync keeps in the archive of a root until it is done, and any in the
/// root itself, where it keeps none.
fn staging(root: &Path) -> Vec<PathBuf> {
    let archive = PathBuf::from(format!("{}-archive", root.display()));
    let entries = [root.to_owned(), archive].map(|directory| {
        fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path())
    });
    let is_staging = |path: &PathBuf| path.to_string_lossy().contains("/.hlarchive-sync-");
    entries.into_iter().flatten().filter(is_staging).collect()
}

/// What others know of the fleet's history; then the node that was away comes back with weeks
/// of its own.
fn fleet() -> (Lab, Lab, Tree) {
    let (nas, pi4) = (Lab::new(), Lab::new());
    nas.seed(14, 6);
    nas.rotate();
    let mut own = Tree::new();
    for day in 10..24 {
        for number in 0..150 {
            let (path, bytes) = crate::common::event(day, 7, "pi-away", number);
            pi4.write(&path, &bytes);
            own.insert(path, bytes);
        }
    }
    (nas, pi4, own)
}

#[test]
fn a_node_that_was_away_for_weeks_brings_thousands_of_events() {
    let Some(sshd) = Sshd::start() else { return };
    let (nas, pi4, own) = fleet();
    let before = all(&nas).len();
    let from = sshd.at(&pi4.root());
    let planned = synced(&nas, &sshd, &[&from, "-n"]);
    assert!(planned.starts_with("2100 events to copy"), "{planned}");
    assert!(tree(&nas.root()).is_empty());
    let told = synced(&nas, &sshd, &[&from]);
    assert!(told.starts_with("2100 events copied"), "{told}");
    assert!(tree(&nas.root()) == own && tree(&pi4.root()) == own);
    assert_eq!(all(&nas).len(), before + 2100);
    assert_eq!(staging(&nas.root()), [""; 0].map(PathBuf::from));
    assert_eq!(synced(&nas, &sshd, &[&from]), "0 events copied (0 B), 2100 live already\n");
    nas.rotate();
    nas.ok(["verify"]);
    // Archived here, live there: still nothing travels.
    assert_eq!(synced(&nas, &sshd, &[&from]), "0 events copied (0 B), 2100 archived already\n");
    // And back: the node learns what it missed, from segments.
    let told = synced(&pi4, &sshd, &[&sshd.at(&nas.root())]);
    assert!(told.starts_with(&format!("{before} events copied")), "{told}");
    assert_eq!(all(&pi4), all(&nas));
}

#[test]
fn the_node_that_was_away_may_send_what_it_has_itself() {
    let Some(sshd) = Sshd::start() else { return };
    let (nas, pi4, own) = fleet();
    let before = all(&nas);
    let from = pi4.root().display().to_string();
    let to = sshd.at(&nas.root());
    let planned = synced(&pi4, &sshd, &[&from, &to, "--dry-run", "-o", "json"]);
    let planned: serde_json::Value = serde_json::from_str(&planned).unwrap();
    assert_eq!((&planned["copied"], &planned["segments_fetched"]), (&2100.into(), &0.into()));
    assert!(tree(&nas.root()).is_empty());
    let told = synced(&pi4, &sshd, &[&from, &to]);
    assert!(told.starts_with("2100 events copied"), "{told}");
    assert!(tree(&nas.root()) == own);
    assert_eq!(staging(&nas.root()), [""; 0].map(PathBuf::from));
    assert_eq!(all(&nas).len(), before.len() + 2100);
    assert_eq!(synced(&pi4, &sshd, &[&from, &to]), "0 events copied (0 B), 2100 live already\n");
    nas.rotate();
    let told = synced(&pi4, &sshd, &[&from, &to]);
    assert_eq!(told, "0 events copied (0 B), 2100 archived already\n");
    nas.ok(["verify"]);
    // What the node archived itself is known by its content, or found in segments there.
    pi4.rotate();
    let told = synced(&pi4, &sshd, &[&from, &to]);
    assert_eq!(told, "0 events copied (0 B); 14 of 14 segments known by content\n");
}

#[test]
fn conflicts_are_told_in_both_directions_and_nothing_is_replaced() {
    let Some(sshd) = Sshd::start() else { return };
    let (here, there) = (Lab::new(), Lab::new());
    let name =
        "2026-05-16/pi4/20260516T101112Z_node_online_0196d8a2-0000-7000-8000-000000000001.json";
    let body = |service: &str| {
        format!(
            "{{\"timestamp\":\"2026-05-16T10:11:12Z\",\"node\":\"pi4\",\"type\":\"node_online\",\
             \"severity\":\"info\",\"source\":\"s\",\"service\":\"{service}\",\
             \"correlation_id\":\"c\",\"payload\":{{}}}}\n"
        )
    };
    // Of one size: only their times and bytes tell them apart.
    here.write(name, body("aaa"));
    there.write(name, body("bbb"));
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(30);
    fs::File::open(there.root().join(name)).unwrap().set_modified(old).unwrap();
    let root = here.root().display().to_string();
    let other = sshd.at(&there.root());
    for words in [&[other.as_str()][..], &[&root, &other]] {
        let run = Run::of(&sync(&here, &sshd, words).output().unwrap());
        assert_eq!(run.code, 1, "{run:?}");
        assert!(
            run.stderr.contains(&format!("{name}: another event of this name is live")),
            "{run:?}"
        );
        assert!(run.stdout.contains("0 events copied (0 B), 1 in conflict"), "{run:?}");
    }
    // The same bytes under another time are no conflict.
    fs::write(there.root().join(name), body("aaa")).unwrap();
    fs::File::open(there.root().join(name)).unwrap().set_modified(old).unwrap();
    for words in [&[other.as_str()][..], &[&root, &other]] {
        assert_eq!(synced(&here, &sshd, words), "0 events copied (0 B), 1 live already\n");
    }
    fs::write(there.root().join(name), body("bbb")).unwrap();
    // Of one size and time they are compared by content all the same: they are small.
    for lab in [&here, &there] {
        fs::File::open(lab.root().join(name)).unwrap().set_modified(old).unwrap();
    }
    for words in [&[other.as_str()][..], &[&root, &other]] {
        for more in [&[][..], &["--checksum"]] {
            let words = [words, more].concat();
            let run = Run::of(&sync(&here, &sshd, &words).output().unwrap());
            assert!(run.code == 1 && run.stdout.contains("1 in conflict"), "{run:?}");
        }
    }
    // Archived there: then both are kept.
    there.ok(["rotate", "--now", NOW]);
    let run = Run::of(&sync(&here, &sshd, &[&root, &other]).output().unwrap());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.stderr.contains("another event of this name is archived there; this one was sent, too")
    );
    assert_eq!(all(&there).len(), 2);
    there.fails(1, ["rotate", "--now", NOW]);
    assert_eq!(
        synced(&here, &sshd, &[&root, &other]),
        "0 events copied (0 B), 1 archived already\n"
    );
}

#[test]
fn a_host_that_is_away_or_locked_changes_nothing() {
    let Some(sshd) = Sshd::start() else { return };
    let lab = Lab::new();
    lab.seed(1, 1);
    let before = crate::common::tree(&lab.path(""));
    let root = lab.root().display().to_string();
    // It listens, and never answers; then nobody listens.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let ssh = format!("ssh -F none -p {port} -o BatchMode=yes");
    for words in [&["127.0.0.1:/events"][..], &[&root, "127.0.0.1:/events"]] {
        let run = lab.run(["sync", "--ssh", &ssh, "--connect-timeout", "1"].iter().chain(words));
        assert_eq!(run.code, 75, "{run:?}");
        assert!(run.stderr.starts_with("hlarchive: 127.0.0.1: unreachable: "), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    }
    drop(silent);
    assert_eq!(lab.run(["sync", "--ssh", &ssh, "127.0.0.1:/events"]).code, 75);
    // No such root, and no such archive.
    let missing = sshd.at(Path::new("/no/such/events"));
    let run = Run::of(&sync(&lab, &sshd, &[&missing]).output().unwrap());
    assert_eq!(run.code, 66, "{run:?}");
    sshd.change_locks();
    let run = Run::of(&sync(&lab, &sshd, &[&sshd.at(&lab.root())]).output().unwrap());
    assert_eq!(run.code, 77, "{run:?}");
    assert!(crate::common::tree(&lab.path("")) == before);
}

#[test]
fn a_run_that_is_killed_leaves_a_sound_destination_and_is_gone_on_with() {
    let Some(sshd) = Sshd::start() else { return };
    let (nas, pi4, own) = fleet();
    let from = sshd.at(&pi4.root());
    let root = nas.root();
    let mut child = start(&mut sync(&nas, &sshd, &[&from]));
    let arrived = |root: &Path| {
        let staged = staging(root);
        staged.iter().any(|directory| files_seen(directory) > 50)
    };
    if halt_when(&mut child, &mut || arrived(&root)) {
        send(&child, Signal::KILL);
        assert_eq!(finish(child).code, 128 + 9);
        assert_eq!(staging(&root).len(), 1, "what had arrived is kept");
    } else {
        finish(child);
    }
    // Readers pass it over, and so do rotate and another kind of run that cleans up.
    let listed = nas.run(["list", "--since", "2000-01-01", "-o", "path", "--verbose"]);
    assert!(!listed.stderr.contains(".hlarchive-"), "{listed:?}");
    nas.ok(["verify"]);
    nas.ok(["rotate", "--now", NOW]);
    synced(&nas, &sshd, &[&from]);
    nas.rotate();
    nas.ok(["verify"]);
    assert!(staging(&root).is_empty());
    let pi: Vec<String> = all(&pi4);
    let nas_all = all(&nas);
    assert_eq!(pi.len(), own.len());
    assert!(pi.iter().all(|line| nas_all.binary_search(line).is_ok()));
}

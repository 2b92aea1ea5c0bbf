//! Hostile entries of an archive's directory: links, FIFOs, devices and directories where
//! its files should be. None is followed, waited for or read without end.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode};

use crate::common::{Lab, event, tree};
use crate::hostile::{SECRET, battery, end_of, limited};

/// Two archived days, a late event, and things outside that links may point to.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(2, 3);
    lab.rotate();
    let (below, bytes) = event(10, 2, "pi5", 77);
    lab.write(&below, bytes);
    fs::create_dir(lab.path("outside")).unwrap();
    fs::write(lab.path("outside/secret"), format!("{SECRET}\n")).unwrap();
    fs::write(lab.path("outside/empty"), "").unwrap();
    lab
}

/// What can stand in a file's place; whether it could be made.
const KINDS: [&str; 8] =
    ["link to a file", "link to nothing", "loop", "fifo", "socket", "directory", "device", "other"];

fn put(lab: &Lab, kind: &str, path: &Path) -> bool {
    if path.is_dir() && !path.is_symlink() {
        fs::rename(path, lab.path("moved")).unwrap();
    } else if path.symlink_metadata().is_ok() {
        fs::remove_file(path).unwrap();
    }
    let special = |file_type, device| {
        rustix::fs::mknodat(CWD, path, file_type, Mode::from_raw_mode(0o644), device).is_ok()
    };
    match kind {
        "link to a file" => symlink(lab.path("outside/secret"), path).unwrap(),
        "link to nothing" => symlink(lab.path("outside/new"), path).unwrap(),
        "loop" => symlink(path.file_name().unwrap(), path).unwrap(),
        "fifo" => assert!(special(FileType::Fifo, 0)),
        "socket" => {
            let short = lab.path("s");
            drop(UnixListener::bind(&short).unwrap());
            fs::rename(short, path).unwrap();
        }
        "directory" => fs::create_dir(path).unwrap(),
        // /dev/zero, which never ends; only root can make it.
        "device" => return special(FileType::CharacterDevice, rustix::fs::makedev(1, 5)),
        _ => fs::write(path, SECRET).unwrap(),
    }
    true
}

/// The late event is there, live or archived, unless the manifest itself is unreadable.
fn assert_late_event(lab: &Lab, what: &str) {
    let late = event(10, 2, "pi5", 77).0;
    let listed = limited(lab, &["list", "--since", "2026-05-01", "-o", "path"]);
    let times = listed.stdout.lines().filter(|line| *line == late).count();
    let live = lab.root().join(&late).exists();
    assert!(times == 1 || (live && listed.code != 0), "{what}: {listed:?}");
}

#[test]
fn whatever_stands_in_a_segments_place_is_named_and_other_days_are_read() {
    for kind in KINDS {
        let lab = lab();
        if !put(&lab, kind, &lab.archive().join("2026/2026-05-10.tar.zst")) {
            continue;
        }
        let ends = battery(&lab, "2026-05-10");
        assert_eq!(end_of(&ends, "list").code, 74, "{kind}");
        let other_day = end_of(&ends, "list").stdout.matches("/2026-05-11.tar.zst").count();
        assert_eq!(other_day, 9, "{kind}");
        assert_eq!(end_of(&ends, "show").code, 0, "{kind}: it is of the other day");
        assert_eq!(end_of(&ends, "verify").code, 1, "{kind}");
        assert!(end_of(&ends, "verify").stdout.contains("2026/2026-05-10.tar.zst: "), "{kind}");
        assert_eq!(end_of(&ends, "restore 2026-05-10 --to").code, 1, "{kind}");
        assert_eq!(end_of(&ends, "rotate --now").code, 1, "{kind}: the damage is named");
        assert_late_event(&lab, kind);
    }
}

#[test]
fn whatever_stands_in_a_years_place_is_named() {
    for kind in KINDS {
        let lab = lab();
        if !put(&lab, kind, &lab.archive().join("2026")) {
            continue;
        }
        let ends = battery(&lab, "2026-05-10");
        assert_eq!(end_of(&ends, "list").code, 74, "{kind}");
        assert_eq!(end_of(&ends, "verify").code, 1, "{kind}");
        assert_late_event(&lab, kind);
    }
    // A link to a folder with genuine segments is still a link.
    let lab = lab();
    fs::rename(lab.archive().join("2026"), lab.path("outside/2026")).unwrap();
    symlink(lab.path("outside/2026"), lab.archive().join("2026")).unwrap();
    let ends = battery(&lab, "2026-05-10");
    assert_eq!(end_of(&ends, "list").code, 74);
    assert!(end_of(&ends, "rotate --now").code != 0);
    assert!(lab.root().join(event(10, 2, "pi5", 77).0).exists(), "it stays live");
}

#[test]
fn whatever_stands_in_a_checksum_files_place_is_named_and_the_day_is_read() {
    for kind in KINDS {
        let lab = lab();
        if !put(&lab, kind, &lab.archive().join("2026/2026-05-10.tar.zst.sha256")) {
            continue;
        }
        let ends = battery(&lab, "2026-05-10");
        assert_eq!(end_of(&ends, "list").code, 0, "{kind}");
        assert_eq!(end_of(&ends, "verify").code, 1, "{kind}");
        assert!(end_of(&ends, "verify").stdout.contains("2026/2026-05-10.tar.zst"), "{kind}");
        assert_late_event(&lab, kind);
    }
}

#[test]
fn whatever_stands_in_the_manifests_place_is_refused_and_the_day_stays_live() {
    for kind in KINDS.into_iter().filter(|kind| *kind != "other") {
        let lab = lab();
        if !put(&lab, kind, &lab.archive().join("manifest.jsonl")) {
            continue;
        }
        let before = tree(&lab.root());
        let ends = battery(&lab, "2026-05-10");
        for (command, run) in &ends {
            assert!([65, 74].contains(&run.code), "{kind}: {command}: {run:?}");
            assert!(run.stderr.contains("manifest.jsonl"), "{kind}: {command}: {run:?}");
        }
        assert_eq!(tree(&lab.root()), before, "{kind}");
        assert_late_event(&lab, kind);
    }
}

#[test]
fn whatever_stands_in_the_locks_place_keeps_writers_off() {
    for kind in KINDS.into_iter().filter(|kind| *kind != "other") {
        let lab = lab();
        if !put(&lab, kind, &lab.archive().join("lock")) {
            continue;
        }
        let before = tree(&lab.root());
        let ends = battery(&lab, "2026-05-10");
        for (command, run) in &ends {
            let writes = command.starts_with("rotate --now") || command.ends_with("--live");
            if writes {
                assert!([65, 74].contains(&run.code), "{kind}: {command}: {run:?}");
                assert!(run.stderr.contains("lock"), "{kind}: {command}: {run:?}");
            } else if !command.starts_with("verify") {
                // Nothing was attempted, and status may need somebody: answers, both.
                let answers = ["attempts", "status"].iter().any(|name| command.starts_with(name));
                assert!(run.code == 0 || (answers && run.code == 1), "{kind}: {command}: {run:?}");
            }
        }
        assert_eq!(tree(&lab.root()), before, "{kind}");
        assert_ne!(limited(&lab, &["manifest", "rebuild"]).code, 0, "{kind}");
    }
}

#[test]
fn strangers_are_named_and_left_alone() {
    let lab = lab();
    let archive = lab.archive();
    let strangers =
        ["2027", "x", "2026/.hlarchive-tmp-0000000000000001", "2026/2026-05-12.tar.zst"];
    for (kind, name) in KINDS.iter().zip(strangers) {
        assert!(put(&lab, kind, &archive.join(name)));
    }
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"2026/\x1b[2J\n\xff");
    fs::write(archive.join(odd), "odd").unwrap();
    fs::create_dir(archive.join("2028")).unwrap();
    fs::write(archive.join("2028/2026-05-13.tar.zst"), "in the folder of another year").unwrap();
    let ends = battery(&lab, "2026-05-10");
    let verify = end_of(&ends, "verify");
    let shown = ["2026/\\u{1b}[2J\\n\u{fffd}: ", "2028/2026-05-13.tar.zst: "];
    for name in strangers.map(|name| format!("{name}: ")).iter().map(String::as_str).chain(shown) {
        assert!(verify.stdout.contains(name), "{name}: {}", verify.stdout);
    }
    assert!(!verify.stdout.contains('\u{1b}'));
    assert_eq!(end_of(&ends, "list").code, 0);
    assert_eq!(end_of(&ends, "rotate --now").code, 0);
    for name in strangers {
        assert!(archive.join(name).symlink_metadata().is_ok(), "{name} was not ours to remove");
    }
    assert!(archive.join(odd).exists());
    assert_late_event(&lab, "strangers");
}

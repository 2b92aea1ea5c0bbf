//! Hostile trees: whatever lies where events should lie is named, and harms nothing.

#![allow(clippy::print_stderr)]

mod jungle;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use jungle::{Jungle, body, name};

use crate::common::{Lab, NOW, below, event, is_root, tool, tree};
use crate::hostile::{SECRET, canary, guarded, holds};

/// Whether this is what other programs leave, which is passed over without a word.
fn is_litter(odd: &str) -> bool {
    odd.split('/').any(|part| {
        part.starts_with('.')
            || part.ends_with('~')
            || (part.starts_with('#') && part.ends_with('#'))
    })
}

#[test]
fn readers_name_everything_odd_and_give_every_event_once() {
    let jungle = Jungle::new();
    let lab = &jungle.lab;
    let (live, outside) = (canary_of_names(&lab.root()), canary(&lab.path("outside")));
    jungle.assert_all_there();
    let verbose = guarded(lab, &["-v", "list", "--since", "2000-01-01", "-o", "ndjson"]);
    let verify = guarded(lab, &["verify", "--live"]);
    assert_eq!(verify.code, 1);
    for odd in jungle.odd.iter().filter(|odd| !is_litter(odd)) {
        assert!(verify.stdout.lines().any(|line| line.starts_with(&format!("{odd}: "))), "{odd}");
        assert!(verbose.stderr.contains(&format!("warning: {odd}: ")), "{odd}");
    }
    for disagrees in ["000000000110.json: its timestamp", "000000000111.json: its timestamp"] {
        assert!(verify.stdout.contains(disagrees), "{disagrees}");
    }
    assert_eq!(guarded(lab, &["trace", SECRET.trim_end_matches("SIDE")]).code, 1);
    let secret = lab.command(["trace", SECRET]).output().unwrap();
    assert_eq!(secret.status.code(), Some(1));
    assert_eq!(guarded(lab, &["trace", "deep"]).code, 0);
    assert!(guarded(lab, &["trace", "huge", "-o", "path"]).stdout.ends_with("000100.json\n"));
    for number in 1..=8 {
        let path = format!("2026-05-10/pi4/{}", name(900 + number));
        assert_eq!(guarded(lab, &["show", &path]).code, 66, "{path}");
    }
    let twin = guarded(lab, &["show", "0196d8a2-0010-7000-9000-000000000777"]);
    assert!(twin.code == 0 && twin.stdout.contains("\"twin-"), "{twin:?}");
    assert_eq!(canary_of_names(&lab.root()), live);
    assert_eq!(canary(&lab.path("outside")), outside);
}

/// Reading devices and FIFOs would be the very thing that must not happen.
fn canary_of_names(root: &Path) -> BTreeSet<String> {
    below(root).map(|(path, _)| path).collect()
}

#[test]
fn rotate_archives_events_removes_only_those_and_restore_gives_them_back() {
    let jungle = Jungle::new();
    let lab = &jungle.lab;
    let outside = canary(&lab.path("outside"));
    fs::remove_file(lab.root().join(format!("2026-05-10/nas/{}", name(300)))).unwrap();
    let before = tree(&lab.root());
    let plan = guarded(lab, &["rotate", "--dry-run", "--now", NOW]);
    assert_eq!(plan.code, 0);
    assert_eq!(tree(&lab.root()), before);
    let rotated = guarded(lab, &["rotate", "--now", NOW]);
    assert_eq!(rotated.code, 1, "odd things are left, and that is said");
    jungle.assert_all_there();
    let after = tree(&lab.root());
    assert!(after.keys().any(|path| path.starts_with("2099-01-01/")), "the future is not closed");
    assert!(after.iter().all(|(path, bytes)| before.get(path) == Some(bytes)), "nothing is new");
    for odd in jungle.odd.iter().filter(|odd| odd.starts_with("2026-05-1") && !odd.contains('~')) {
        let archived_as_it_is = odd.starts_with("2026-05-10/nas/");
        let named = rotated.stderr.contains(&format!("warning: {odd}: "));
        assert!(named || is_litter(odd) || odd.ends_with("300.json"), "{odd}: {}", rotated.stderr);
        assert_eq!(
            after.contains_key(odd),
            !archived_as_it_is && before.contains_key(odd),
            "{odd}"
        );
    }
    for days in [&["2026-05-10", "2026-05-11"][..], &["2026-05-10"][..]] {
        let mut arguments = vec!["restore", "--to", "back"];
        arguments.extend(days);
        assert_eq!(guarded(lab, &arguments).code, 1, "odd things are still live, and named");
    }
    let gone = before.into_iter().filter(|(path, _)| !after.contains_key(path)).collect();
    assert!(tree(&lab.path("back")) == gone, "what was removed is what was archived");
    assert_eq!(guarded(lab, &["verify", "--archived"]).code, 0);
    assert_eq!(guarded(lab, &["rotate", "--now", NOW]).code, 1);
    assert_eq!(tree(&lab.root()), after);
    // Back into the jungle: what is odd there stays, too.
    guarded(lab, &["restore", "2026-05-10", "2026-05-11", "--live"]);
    jungle.assert_all_there();
    assert!(after.iter().all(|(path, bytes)| tree(&lab.root()).get(path) == Some(bytes)));
    assert_eq!(canary(&lab.path("outside")), outside);
    assert!(!holds(&lab.path("back"), SECRET));
}

#[test]
fn emit_and_restore_never_follow_a_link_that_stands_in_their_way() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    let outside = lab.path("outside");
    fs::create_dir_all(outside.join("pi4")).unwrap();
    fs::write(outside.join("pi4/kept"), SECRET).unwrap();
    let before = canary(&outside);
    for (link, target) in
        [("2026-05-10", &outside), ("2026-05-12", &outside), ("2026-05-14", &lab.path("none"))]
    {
        symlink(target, lab.root().join(link)).unwrap();
    }
    fs::create_dir(lab.root().join("2026-05-13")).unwrap();
    symlink(outside.join("pi4"), lab.root().join("2026-05-13/pi4")).unwrap();
    for day in ["2026-05-12", "2026-05-13", "2026-05-14"] {
        let time = format!("{day}T10:00:00Z");
        let emitted =
            guarded(&lab, &["emit", "node_online", "--node", "pi4", "--timestamp", &time]);
        assert!(![0, 1].contains(&emitted.code), "{emitted:?}");
        assert!(emitted.stderr.contains(day), "{emitted:?}");
    }
    let live = guarded(&lab, &["restore", "2026-05-10", "--live"]);
    assert!(![0].contains(&live.code) && live.stderr.contains("2026-05-10"), "{live:?}");
    fs::create_dir(lab.path("to")).unwrap();
    symlink(&outside, lab.path("to/2026-05-10")).unwrap();
    let to = guarded(&lab, &["restore", "2026-05-10", "--to", "to"]);
    assert!(to.code != 0 && to.stderr.contains("2026-05-10"), "{to:?}");
    assert_eq!(canary(&outside), before);
    assert!(!lab.path("none").exists());
}

#[test]
fn a_hard_link_costs_the_other_name_nothing() {
    let lab = Lab::new();
    let all = lab.seed(1, 3);
    let (below, bytes) = event(10, 1, "pi4", 0);
    let outside = lab.path("kept.json");
    fs::hard_link(lab.root().join(&below), &outside).unwrap();
    let (_, other) = event(10, 1, "pi4", 50);
    lab.write(&format!("2026-05-10/pi4/{}", name(50)), other);
    fs::create_dir(lab.root().join("2026-05-10/twin")).unwrap();
    fs::hard_link(
        lab.root().join(format!("2026-05-10/pi4/{}", name(50))),
        lab.root().join(format!("2026-05-10/twin/{}", name(50))),
    )
    .unwrap();
    // The first of two names changes the other one's times when it goes, so that one may
    // stay for the next run, which knows it from the archive.
    for _ in 0..2 {
        guarded(&lab, &["rotate", "--now", NOW]);
    }
    assert_eq!(tree(&lab.root()), tree(&lab.path("none")));
    assert_eq!(fs::read(outside).unwrap(), bytes);
    assert_eq!(lab.list_all().len(), all.len() + 2);
    lab.ok(["verify"]);
}

#[test]
fn a_file_that_changes_while_it_is_read_costs_no_byte_that_was_archived() {
    let lab = Lab::new();
    lab.seed(1, 3);
    let below = format!("2026-05-10/pi4/{}", name(1));
    lab.write(&below, body("growing", "{}"));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut writer = File::options().append(true).open(lab.root().join(&below)).unwrap();
    let mut reader = File::open(lab.root().join(&below)).unwrap();
    std::thread::scope(|scope| {
        let grow = scope.spawn(|| {
            let mut lines = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) && lines < 100_000 {
                writer.write_all(b"        \n").unwrap();
                lines += 1;
            }
        });
        for arguments in [
            &["list", "--since", "2026-05-01", "-o", "path"][..],
            &["trace", "growing"],
            &["attempts", "--since", "2026-05-01"],
            &["status", "--since", "2026-05-01", "--now", NOW],
            &["verify", "--live"],
            &["rotate", "--now", NOW],
            &["rotate", "--now", NOW],
            &["list", "--since", "2026-05-01", "-o", "path"],
        ] {
            guarded(&lab, arguments);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        grow.join().unwrap();
    });
    let mut written = Vec::new();
    std::io::Read::read_to_end(&mut reader, &mut written).unwrap();
    lab.run(["restore", "2026-05-10", "--to", "back"]);
    let archived = fs::read(lab.path("back").join(&below)).unwrap_or_default();
    assert!(written.starts_with(&archived), "a part of what was written, and no other bytes");
    let live = lab.root().join(&below);
    assert!(live.exists() || !archived.is_empty(), "either live or archived");
    if live.exists() {
        assert_eq!(fs::read(live).unwrap(), written, "what stayed is whole");
    }
    assert_eq!(tree(&lab.path("back")).len(), 9 + usize::from(!archived.is_empty()));
}

#[test]
fn a_directory_that_cannot_be_read_hides_nothing_silently() {
    let lab = Lab::new();
    lab.seed(3, 2);
    let Some(setpriv) = tool("setpriv") else { return };
    if !is_root() {
        return;
    }
    fs::set_permissions(
        lab.root().join("2026-05-11"),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    fs::set_permissions(lab.path(""), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let inner = lab.command(["list", "--since", "2026-05-01", "-o", "path"]);
    let mut command = std::process::Command::new(setpriv);
    command.args(["--reuid=65534", "--clear-groups"]).arg(inner.get_program());
    command.args(inner.get_args());
    for (key, value) in inner.get_envs() {
        command.env(key, value.unwrap_or_default());
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "events may be missing: {stderr}");
    assert!(stderr.contains("2026-05-11: cannot read this directory"), "{stderr}");
    let listed = String::from_utf8_lossy(&output.stdout).lines().count();
    assert_eq!(listed, 12, "the other days are there");
}

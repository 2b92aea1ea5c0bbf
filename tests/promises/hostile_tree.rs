//! Hostile trees: whatever lies where events should lie is named, and harms nothing.

#![allow(clippy::print_stderr)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode};

use crate::common::{Lab, NOW, below, cannot, event, is_root, tool, tree};
use crate::hostile::{SECRET, canary, guarded, holds};

/// A tree with everything odd in it that we could think of.
struct Jungle {
    lab: Lab,
    /// Every valid event's identity.
    valid: BTreeSet<String>,
    /// What `verify --live` must name, as it is shown.
    odd: Vec<String>,
}

/// A valid event's bytes, told apart by its correlation id.
fn body(id: &str, payload: &str) -> Vec<u8> {
    let (_, bytes) = event(10, 1, "pi4", 0);
    let text = String::from_utf8(bytes).unwrap();
    text.replace("run-10-0", id).replace("{\"number\":0}", payload).into_bytes()
}

fn name(number: u32) -> String {
    format!("20260510T120000.{number:06}Z_node_online_0196d8a2-0010-7000-9000-{number:012}.json")
}

impl Jungle {
    fn new() -> Self {
        let lab = Lab::new();
        let valid = lab.seed(2, 4).into_keys().collect();
        let outside = lab.path("outside");
        fs::create_dir_all(outside.join("day/pi4")).unwrap();
        fs::write(outside.join("secret.json"), body(SECRET, "{}")).unwrap();
        for number in 0..4 {
            let (below, _) = event(10, 1, "pi4", number);
            let file = outside.join("day/pi4").join(below.rsplit('/').next().unwrap());
            fs::write(file, body(SECRET, "{}")).unwrap();
        }
        let mut jungle = Self { lab, valid, odd: Vec::new() };
        let root = jungle.lab.root();
        jungle.specials(&root, "", |number| format!("2026-04-{number:02}"));
        jungle.specials(&root, "2026-05-10/", |number| format!("node-{number}"));
        jungle.specials(&root, "2026-05-10/pi4/", |number| name(900 + number));
        jungle.names(&root);
        jungle.bodies();
        jungle
    }

    /// Everything that is no directory and no file, at one level of the tree.
    fn specials(&mut self, root: &Path, level: &str, name: impl Fn(u32) -> String) {
        let outside = self.lab.path("outside");
        let depth = level.matches('/').count();
        let targets = [
            outside.join(["day", "day/pi4", "secret.json"][depth]),
            PathBuf::from(name(2)),
            PathBuf::from("nowhere"),
            PathBuf::from("../".repeat(depth + 1) + "outside/secret.json"),
        ];
        for (number, target) in targets.iter().enumerate() {
            symlink(target, root.join(level).join(name(number as u32 + 1))).unwrap();
        }
        let at = |number| root.join(level).join(name(number));
        let special = |path: &Path, kind, device| {
            rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o644), device)
        };
        special(&at(5), FileType::Fifo, 0).unwrap();
        drop(UnixListener::bind(socket_path(&at(6))).unwrap());
        fs::rename(socket_path(&at(6)), at(6)).unwrap();
        let mut made = 6;
        // /dev/zero never ends. Only root can make one.
        if special(&at(7), FileType::CharacterDevice, rustix::fs::makedev(1, 5)).is_ok() {
            made = 7;
        } else {
            cannot("device nodes, which only root can make");
        }
        self.odd.extend((1..=made).map(|number| format!("{level}{}", name(number))));
        if depth < 2 {
            fs::write(at(8), "a file where a directory belongs").unwrap();
        } else {
            fs::create_dir(at(8)).unwrap();
            fs::write(at(8).join(name(1)), body("too-deep", "{}")).unwrap();
        }
        self.odd.push(format!("{level}{}", name(8)));
    }

    fn names(&mut self, root: &Path) {
        let valid = body("odd-name", "{}");
        // Days that do not exist, and one that has not come yet.
        self.lab.write(&format!("2026-02-30/pi4/{}", name(1)), &valid);
        self.lab.write(&format!(".stversions/pi4/{}", name(1)), &valid);
        self.lab.write(&format!("2026-05-10~/pi4/{}", name(1)), &valid);
        self.odd.extend(["2026-02-30", ".stversions", "2026-05-10~"].map(str::to_owned));
        let future = format!("2099-01-01/pi4/{}", name(2));
        self.lab
            .write(&future, String::from_utf8_lossy(&valid).replace("2026-05-10", "2099-01-01"));
        self.valid.insert(future);
        let long_node = format!("2026-05-10/{}/{}", "n".repeat(255), name(3));
        let long_name = format!("2026-05-10/nas/{}.json", "e".repeat(250));
        let accents = format!("2026-05-10/küche ☃/{}", name(4));
        for below in [long_node, long_name, accents] {
            self.lab.write(&below, &valid);
            self.valid.insert(below);
        }
        let raw: [(&str, &[u8], &str); 6] = [
            ("", b"line\nbreak", "line\\nbreak"),
            ("", b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("2026-05-10/", b"red\x1b[31m", "2026-05-10/red\\u{1b}[31m"),
            ("2026-05-10/", b"bad\xc3", "2026-05-10/bad\u{fffd}"),
            ("2026-05-10/pi4/", b"a\n2026-05-10.json", "2026-05-10/pi4/a\\n2026-05-10.json"),
            ("2026-05-10/pi4/", b"\xf0\x28.json", "2026-05-10/pi4/\u{fffd}(.json"),
        ];
        for (level, bytes, shown) in raw {
            let path = root.join(level).join(OsStr::from_bytes(bytes));
            if level.ends_with("pi4/") {
                fs::write(&path, &valid).unwrap();
            } else {
                fs::create_dir(&path).unwrap();
                fs::write(path.join(name(5)), &valid).unwrap();
            }
            self.odd.push(shown.to_owned());
        }
        // What editors and rsync leave while they work.
        let stem = name(6);
        for temporary in [
            format!(".{stem}"),
            format!(".{stem}.swp"),
            format!("{stem}~"),
            format!("{stem}.tmp"),
            format!(".#{stem}"),
            format!(".{stem}.AbC123"),
            "#x.json#".to_owned(),
            ".json".to_owned(),
        ] {
            let below = format!("2026-05-10/pi4/{temporary}");
            self.lab.write(&below, &valid);
            self.odd.push(below);
        }
    }

    fn bodies(&mut self) {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(50 << 20));
        let good = [
            body("huge", &huge),
            body("deep", &deep),
            body("pretty", "{\n  \"a\" : 1e999 ,\r\n\t\"b\":{}}"),
            body("payload-key-twice", "{\"a\":1,\"a\":2}"),
            body("zero", "{\"a\":\"\\u0000\\ud83d\\ude00\"}"),
        ];
        for (number, bytes) in good.into_iter().enumerate() {
            let below = format!("2026-05-11/nas/{}", name(100 + number as u32));
            self.lab.write(&below, bytes);
            self.valid.insert(below);
        }
        // The name and the place say one thing and the body another: read, and named.
        let (_, of_other_day) = event(11, 2, "pi5", 3);
        for (below, bytes) in [
            (format!("2026-05-11/nas/{}", name(110)), body("other-day", "{}")),
            ("2026-05-10/pi4/20250101T000000Z_node_offline_0196d8a2-0010-7000-9000-000000000111.json".to_owned(), of_other_day),
            // One UUID on two nodes.
            (format!("2026-05-10/pi4/{}", name(777)), body("twin-1", "{}")),
            (format!("2026-05-10/pi5/{}", name(777)), body("twin-2", "{}")),
        ] {
            self.lab.write(&below, bytes);
            self.valid.insert(below);
        }
        let whole = body("bad", "{}");
        let text = String::from_utf8(whole.clone()).unwrap();
        let bad: [Vec<u8>; 12] = [
            Vec::new(),
            b" \n".to_vec(),
            whole[..whole.len() / 2].to_vec(),
            text.replace("{}", "{\"a\":NaN}").into_bytes(),
            text.replace("{}", "[]").into_bytes(),
            text.replace("\"node\":", "\"node\":\"x\",\"node\":").into_bytes(),
            format!("\u{feff}{text}").into_bytes(),
            text.replace("pi4", "\u{7f}").replace('\u{7f}', "\\ud800").into_bytes(),
            whole.iter().map(|byte| if *byte == b'4' { 0xff } else { *byte }).collect(),
            format!("{text}{text}").into_bytes(),
            "[".repeat(100_000).into_bytes(),
            vec![0; 4096],
        ];
        for (number, bytes) in bad.into_iter().enumerate() {
            let below = format!("2026-05-10/nas/{}", name(200 + number as u32));
            self.lab.write(&below, bytes);
            self.odd.push(below);
        }
        // Larger than any event; sparse, so that it costs nothing.
        let below = format!("2026-05-10/nas/{}", name(300));
        self.lab.write(&below, "");
        File::options()
            .write(true)
            .open(self.lab.root().join(&below))
            .and_then(|file| file.set_len(1 << 40))
            .unwrap();
        self.odd.push(below);
    }

    #[track_caller]
    fn assert_all_there(&self) {
        let run = guarded(&self.lab, &["list", "--since", "2000-01-01", "-o", "path"]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let listed: Vec<&str> = run.stdout.lines().collect();
        let set: BTreeSet<String> = listed.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(listed.len(), set.len(), "an event is listed twice");
        assert_eq!(set, self.valid);
    }
}

/// A socket's path must be short; it is moved to its place afterwards.
fn socket_path(target: &Path) -> PathBuf {
    let root = target.ancestors().find(|path| path.ends_with("events")).unwrap();
    root.with_file_name("s")
}

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

//! Hostile segments: whatever stands in an archive under a segment's name, nothing is
//! written outside, nothing is read without bound, and every honest day stays readable.

mod forgeries;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use hlarchive::Date;

use crate::common::verbs::{OTHERS, assert_every_verb};
use crate::common::{Lab, NOW, Tree, system, tool, tree};
use crate::forge::{event_of, honest, plant, seek_table};
use forgeries::{Forged, containers, members};

use crate::hostile::{canary, guarded, limited};

/// Two honest days and one forged segment a day from 2027 on.
struct Menagerie {
    lab: Lab,
    honest: Tree,
    planted: Vec<(Date, &'static str)>,
}

impl Menagerie {
    fn new(forgeries: &[Forged]) -> Self {
        let lab = Lab::new();
        let honest = lab.seed(2, 3);
        lab.rotate();
        fs::create_dir(lab.path("outside")).unwrap();
        fs::write(lab.path("outside/kept"), "kept").unwrap();
        let first: Date = "2027-01-01".parse().unwrap();
        let days = (0..).map(|number| first.plus_days(number));
        let made: Vec<(Date, Vec<u8>)> =
            days.clone().zip(forgeries).map(|(day, (_, bytes))| (day, bytes(day))).collect();
        plant(&lab, &made);
        let planted = days.zip(forgeries.iter().map(|(what, _)| *what)).collect();
        Self { lab, honest, planted }
    }

    /// Every reader and writer of the archive, in a gigabyte of memory.
    fn torment(&self) {
        let lab = &self.lab;
        let (outside, archive) = (canary(&lab.path("outside")), tree(&lab.archive()));
        let everything = ["list", "--since", "2000-01-01", "-o", "ndjson"];
        let listed = limited(lab, &everything);
        assert_eq!(listed.code, 74, "events may be missing");
        let lines: Vec<&str> = listed.stdout.lines().collect();
        assert_eq!(lines.iter().filter(|line| line.contains("\"_path\":\"2026-05-1")).count(), 18);
        let paths: BTreeSet<&str> =
            lines.iter().map(|line| line.split_once("\"_path\":").unwrap().1).collect();
        assert_eq!(paths.len(), lines.len(), "an event is listed twice");
        for arguments in [
            &["trace", "run-10-0"][..],
            &["list", "--since", "2027-01-01", "--correlation-id", "v", "--reverse"],
            &["list", "--since", "2027-01-01", "--min-severity", "error", "--limit", "3"],
            &["show", "00000000-0000-7000-8000-000000000000"],
        ] {
            let code = limited(lab, arguments).code;
            assert!([0, 1, 65, 74].contains(&code), "{arguments:?} ended with {code}");
        }
        let shown = limited(lab, &["show", "0196d8a2-0011-7000-8000-000100000002", "-o", "path"]);
        assert_eq!(shown.code, 0, "damage elsewhere is no matter: {}", shown.stderr);

        let verify = limited(lab, &["verify"]);
        assert_eq!(verify.code, 1);
        let quick = limited(lab, &["verify", "--quick"]);
        assert_eq!(quick.code, 1);
        for (day, what) in &self.planted {
            let name = format!("2027/{day}.tar.zst: ");
            assert!(verify.stdout.contains(&name), "{what} goes unnoticed by verify");
            assert!(quick.stdout.contains(&name), "{what} goes unnoticed by verify --quick");
            let day = day.to_string();
            let inspected = limited(lab, &["inspect", &day]);
            assert!([0, 65].contains(&inspected.code), "{what}: {inspected:?}");
            let file = lab.archive().join(format!("2027/{day}.tar.zst"));
            limited(lab, &["inspect", file.to_str().unwrap()]);
            for target in [&["--dry-run"][..], &["--to", "out"], &["--live"]] {
                let restored = limited(lab, &[&["restore", &day], target].concat());
                assert!([0, 1].contains(&restored.code), "{what}: {restored:?}");
            }
        }
        // Only events of their own day came out, and only into the places named.
        for target in [lab.path("out"), lab.root()] {
            for path in tree(&target).keys() {
                assert!(path.parse::<hlarchive::internals::event::EventPath>().is_ok(), "{path}");
                assert!(path.starts_with("2027-"), "{path}");
            }
        }
        assert_eq!(canary(&lab.path("outside")), outside);
        assert!(!Path::new("/tmp/hlarchive-escaped").exists());
        let mut after = tree(&lab.archive());
        // The record of what was restored, what writers note for themselves, and what is derived.
        let written = ["manifest.jsonl", "lock", "catalogue", "words", "overview", "state"];
        after.retain(|path, _| !written.contains(&path.as_str()));
        assert!(after.iter().all(|(path, bytes)| archive.get(path) == Some(bytes)));

        // Late arrivals, and a manifest made anew.
        for (day, _) in &self.planted {
            let (path, bytes) = event_of(*day, 40);
            lab.write(&path.to_string(), bytes);
        }
        let rotated = limited(lab, &["rotate", "--now", "2028-06-01T00:00:00Z"]);
        assert_eq!(rotated.code, 1, "{rotated:?}");
        assert_eq!(limited(lab, &["manifest", "rebuild"]).code, 1);
        let listed = limited(lab, &["list", "--since", "2000-01-01", "-o", "path"]).stdout;
        for (day, what) in &self.planted {
            let late = event_of(*day, 40).0.to_string();
            assert_eq!(listed.lines().filter(|line| *line == late).count(), 1, "{what}");
        }
        assert!(self.honest.keys().all(|path| listed.lines().any(|line| line == path)));
        assert_eq!(canary(&lab.path("outside")), outside);
    }
}

#[test]
fn hostile_members_write_nothing_outside() {
    if tool("prlimit").is_some() {
        Menagerie::new(&members()).torment();
    }
}

#[test]
fn hostile_containers_cost_a_bounded_amount_of_memory() {
    if tool("prlimit").is_some() {
        Menagerie::new(&containers()).torment();
    }
}

#[test]
fn sparse_files_of_any_size_are_not_read_through() {
    if tool("prlimit").is_none() {
        return;
    }
    let lab = Lab::new();
    lab.seed(1, 3);
    lab.rotate();
    let days: Vec<Date> = (1..=3).map(|n| format!("2027-01-0{n}").parse().unwrap()).collect();
    let segment = honest(days[0], 1);
    plant(&lab, &days.iter().map(|day| (*day, segment.clone())).collect::<Vec<_>>());
    let open = |number: usize| {
        let path = lab.archive().join(format!("2027/{}.tar.zst", days[number]));
        File::options().read(true).write(true).open(path).unwrap()
    };
    // A frame that never ends; a hole behind a segment; a table that fits a hole of 3 GiB.
    open(0).write_all_at(b"\x28\xb5\x2f\xfd\xe4\0\0\0\0\0\0\0\0", 0).unwrap();
    open(0).set_len(1 << 40).unwrap();
    open(1).set_len(1 << 40).unwrap();
    open(2).set_len(0).unwrap();
    open(2).set_len(3 << 30).unwrap();
    open(2).write_all_at(&seek_table(&[(3 << 30, 1 << 20), (0, 1024), (0, 0)]), 3 << 30).unwrap();
    let lines = [
        &["list", "--since", "2000-01-01"][..],
        &["trace", "run-10-0", "--verbose"],
        &["show", "0196d8a2-0010-7000-8000-00000000ffff"],
        &["outages", "--since", "2000-01-01"],
        &["count", "--by", "service"],
        &["values", "payload.number"],
        &["export", "--format", "csv", "--to", "exported"],
        &["evidence", "2027-01-02", "--to", "evidence"],
        &["attempts", "--since", "2000-01-01"],
        &["status", "--since", "2000-01-01", "--now", NOW],
        &["verify"],
        &["verify", "--quick"],
        &["restore", "2027-01-01", "--to", "out"],
        &["restore", "2027-01-02", "--to", "out"],
        &["restore", "2027-01-03", "--to", "out"],
        &["inspect", "2027-01-03"],
        &["manifest", "rebuild"],
    ];
    assert_every_verb(
        &lines,
        &[
            &OTHERS[..],
            &[
                (&["emit", "import", "sync"], "they look at what arrives"),
                (&["manifest show", "manifest head", "manifest sign"], "they read the manifest"),
                (&["hold add", "hold list", "hold release"], "they read the manifest"),
                (&["policy show", "policy check"], "they read the policy"),
                (&["prune"], "it removes files by what the manifest says of them"),
                (&["rotate"], "each menagerie rotates late arrivals"),
                (&["compact"], "it leaves a day of one segment as it is"),
            ],
        ]
        .concat(),
    );
    for arguments in lines {
        assert_ne!(limited(&lab, arguments).code, 0, "{arguments:?}");
    }
    assert_eq!(lab.list_all().len(), 9);
}

#[test]
fn a_segment_cut_off_at_any_byte_gives_only_whole_events() {
    let lab = Lab::new();
    let honest_days = lab.seed(1, 2);
    lab.rotate();
    let first: Date = "2001-01-01".parse().unwrap();
    let whole = honest(first, 3).len();
    // Each day is a segment of its own, cut off one byte earlier than the day before.
    let planted: Vec<(Date, Vec<u8>)> = (0..whole)
        .map(|cut| {
            let day = first.plus_days(cut as i64);
            let mut bytes = honest(day, 3);
            bytes.truncate(cut);
            (day, bytes)
        })
        .collect();
    plant(&lab, &planted);
    let listed = guarded(&lab, &["list", "--since", "2000-01-01", "-o", "ndjson"]);
    assert_eq!(listed.code, 74);
    assert_eq!(listed.stdout.lines().filter(|line| line.contains("/2026-05-10.tar")).count(), 6);
    let verify = guarded(&lab, &["verify", "--archived"]);
    assert_eq!(verify.code, 1);
    for (day, _) in &planted {
        assert!(verify.stdout.contains(&format!("{day}.tar.zst: ")), "{day}");
    }
    guarded(&lab, &["restore", "--since", "2000-01-01", "--to", "out"]);
    let out = tree(&lab.path("out"));
    assert!(out.len() > honest_days.len());
    for (path, bytes) in out {
        let genuine = honest_days.get(&path).cloned().or_else(|| {
            let day = path[..10].parse().unwrap();
            (0..3).map(|n| event_of(day, n)).find(|(p, _)| p.to_string() == path).map(|e| e.1)
        });
        assert_eq!(Some(bytes), genuine, "{path}");
    }
}

#[test]
fn tarballs_of_other_tools_are_named_and_harm_nothing() {
    let (Some(tar), Some(zstd)) = (tool("tar"), tool("zstd")) else { return };
    let lab = Lab::new();
    lab.seed(1, 3);
    lab.rotate();
    let evil = lab.path("evil");
    fs::create_dir_all(evil.join("2027-01-01/pi4")).unwrap();
    let (path, bytes) = event_of("2027-01-01".parse().unwrap(), 1);
    fs::write(evil.join(path.to_string()), bytes).unwrap();
    fs::hard_link(evil.join(path.to_string()), evil.join("2027-01-01/pi4/y.json")).unwrap();
    std::os::unix::fs::symlink("../../../outside", evil.join("2027-01-01/link")).unwrap();
    fs::create_dir(lab.path("outside")).unwrap();
    let hole = File::create(evil.join("2027-01-01/pi4/hole.json")).unwrap();
    hole.set_len(1 << 24).unwrap();
    let ways: [&[&str]; 6] = [
        &["--format=gnu"],
        &["--format=ustar"],
        &["--format=pax"],
        &["--format=gnu", "--sparse"],
        &["--format=v7"],
        &["-P", "--transform=s,^2027,../../outside/2027,"],
    ];
    let made: Vec<(Date, Vec<u8>)> = (1..)
        .zip(ways)
        .map(|(number, way)| {
            let mut pack = Command::new(&tar);
            pack.args(way).arg("-C").arg(&evil).args(["-cf", "-", "2027-01-01"]);
            let plain = lab.path("plain.tar");
            fs::write(&plain, system(&mut pack)).unwrap();
            let packed = system(Command::new(&zstd).args(["-q", "-c"]).arg(&plain));
            (format!("2027-01-{number:02}").parse().unwrap(), packed)
        })
        .collect();
    plant(&lab, &made);
    let before = tree(&lab.path("outside"));
    let verify = guarded(&lab, &["verify"]);
    assert_eq!(verify.code, 1);
    for (day, _) in &made {
        assert!(verify.stdout.contains(&format!("2027/{day}.tar.zst: ")), "{day}");
        assert_eq!(guarded(&lab, &["restore", &day.to_string(), "--to", "out"]).code, 1);
        assert_eq!(guarded(&lab, &["inspect", &day.to_string()]).code, 65);
    }
    assert_eq!(guarded(&lab, &["list", "--since", "2000-01-01", "-o", "path"]).code, 74);
    assert_eq!(guarded(&lab, &["rotate", "--now", NOW]).code, 0);
    assert_eq!(tree(&lab.path("outside")), before);
    assert!(tree(&lab.path("out")).keys().all(|path| path.starts_with("2027-01-01/pi4/")));
}

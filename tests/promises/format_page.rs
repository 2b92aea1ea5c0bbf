//! `docs/format.md` is enough to read an archive.
//!
//! `tests/format/reader.py` was written from that page and shares no code with the program.
//! Here it reads what the program just wrote, and the fixture; and the page's worked example
//! is held against the fixture's bytes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::{Lab, Run, python, system, tree};
use crate::fixtures::{self, fixture, sha256};

fn reader<'a>(python: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format/reader.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args(arguments);
    command
}

fn read<'a>(python: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Value {
    serde_json::from_slice(&system(&mut reader(python, arguments))).unwrap()
}

/// Identity and SHA-256 of all that the independent reader found in an archive, sorted.
fn files_in(archive: &Value) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = archive["segments"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|segment| segment["files"].as_array().unwrap().clone())
        .map(|file| serde_json::from_value(file).unwrap())
        .collect();
    files.sort();
    files
}

#[test]
fn the_independent_reader_reads_the_fixture() {
    let Some(python) = python("zstandard") else { return };
    let directory = fixture("v1").join("archive");
    let archive = read(&python, ["archive", directory.to_str().unwrap()]);
    let wanted: Vec<(String, String)> = fixtures::files("v1")
        .into_iter()
        .flat_map(|(path, hashes)| hashes.into_iter().map(move |hash| (path.clone(), hash)))
        .collect();
    assert_eq!(files_in(&archive), wanted);
    let head = fs::read_to_string(fixture("v1").join("expected/head.txt")).unwrap();
    assert_eq!(archive["head"], head.trim());
}

#[test]
fn the_independent_reader_reads_what_was_just_rotated() {
    let Some(python) = python("zstandard") else { return };
    for (frame_size, level) in [("4KiB", "1"), ("1MiB", "19")] {
        let lab = Lab::new();
        let policy = format!(
            "version = 1\n[rotate]\nframe_size = \"{frame_size}\"\nlevel = {level}\n\
             [[retain.class]]\nname = \"a\"\nmatch = {{ node = [\"pi5\"] }}\nkeep = \"forever\"\n"
        );
        fs::write(lab.path("policy.toml"), policy).unwrap();
        let mut wanted: Vec<(String, String)> =
            lab.seed(2, 60).into_iter().map(|(path, bytes)| (path, sha256(&bytes))).collect();
        for (path, bytes) in odd_files() {
            lab.write(path, &bytes);
            wanted.push((path.to_owned(), sha256(&bytes)));
        }
        wanted.sort();
        // 1, since it names the files that are no events.
        lab.fails(1, ["rotate", "--now", crate::common::NOW]);
        assert!(tree(&lab.root()).is_empty());
        let archive = read(&python, ["archive", lab.archive().to_str().unwrap()]);
        assert_eq!(files_in(&archive), wanted);
        // The reader judges by the page what an event is; the program must have done so, too.
        let invalid: u64 = archive["segments"]
            .as_object()
            .unwrap()
            .values()
            .map(|segment| segment["invalid"].as_u64().unwrap())
            .sum();
        let named = odd_files().iter().filter(|(path, _)| path.contains("/bad-")).count();
        assert_eq!(invalid, named as u64);
    }
}

/// Files at the edges of what the page calls an event; those named `bad-` are none.
fn odd_files() -> Vec<(&'static str, Vec<u8>)> {
    let good = |more: &str| {
        format!(
            "{{\"timestamp\":\"2026-05-10T10:11:12Z\",\"node\":\"n\",\"type\":\"t\",\
             \"severity\":\"info\",\"source\":\"s\",\"service\":\"v\",\"correlation_id\":\"c\",\
             {more}\"payload\":{{\"a\":1}}}}"
        )
    };
    let with = |from: &str, to: &str| good("").replace(from, to).into_bytes();
    vec![
        ("2026-05-10/n/extra-twice.json", good("\"x\":1,\"x\":[1e999],").into_bytes()),
        ("2026-05-10/n/escaped-key.json", with("\"node\"", "\"\\u006eode\"")),
        ("2026-05-10/n/huge-number.json", with("1}", &format!("{}}}", "9".repeat(5000)))),
        ("2026-05-10/n/half-pair-within.json", with("1}", "\"\\ud800\"}")),
        ("2026-05-10/n/leap-second.json", with("10:11:12Z", "23:59:60.25Z")),
        ("2026-05-10/n/offset.json", with("2026-05-10T10:11:12Z", "20260510 101112,5-0130")),
        ("2026-05-10/n/minutes.json", with("2026-05-10T10:11:12Z", "20260510t10:11+02")),
        ("2026-05-10/n/before-1970.json", with("2026-05-10T10:11:12Z", "0001-01-01T00:00Z")),
        ("2026-05-10/n/long.json", with("\"c\"", &format!("\"{}\"", "é".repeat(700)))),
        ("2026-05-10/n/long-too.json", with("\"c\"", &format!("\"{}e\"", "é".repeat(700)))),
        ("2026-05-10/n/empty-value.json", with("\"s\"", "\"\"")),
        ("2026-05-10/n/white.json", format!(" \t\r\n{} \n", good("")).into_bytes()),
        ("2026-05-10/n/bad-twice.json", good("\"node\":\"n\",").into_bytes()),
        ("2026-05-10/n/bad-half-pair.json", with("\"s\"", "\"\\ud800\"")),
        ("2026-05-10/n/bad-number.json", with("\"s\"", "7")),
        ("2026-05-10/n/bad-nan.json", with("1}", "NaN}")),
        ("2026-05-10/n/bad-payload.json", with("{\"a\":1}", "[1]")),
        ("2026-05-10/n/bad-severity.json", with("info", "Info")),
        ("2026-05-10/n/bad-hour.json", with("T10", "T24")),
        ("2026-05-10/n/bad-date.json", with("05-10T", "02-30T")),
        ("2026-05-10/n/bad-year.json", with("2026-05-10T10:11:12Z", "0001-01-01T00:00+01")),
        ("2026-05-10/n/bad-mark.json", format!("\u{feff}{}", good("")).into_bytes()),
        ("2026-05-10/n/bad-control.json", with("\"s\"", "\"\n\"")),
        ("2026-05-10/n/bad-utf8.json", [good("").as_bytes(), b"\xff"].concat()),
        ("2026-05-10/n/bad-two.json", format!("{0}{0}", good("")).into_bytes()),
        ("2026-05-10/n/bad-array.json", format!("[{}]", good("")).into_bytes()),
        ("2026-05-10/n/bad-comma.json", with("1}}", "1},}")),
        ("2026-05-10/n/bad-empty.json", Vec::new()),
    ]
}

#[test]
fn one_id_is_looked_up_by_the_index_in_the_frames_that_hold_it() {
    let Some(python) = python("zstandard") else { return };
    let lab = Lab::new();
    fs::write(lab.path("policy.toml"), "version = 1\n[rotate]\nframe_size = \"4KiB\"\n").unwrap();
    let before = lab.seed(1, 200);
    lab.rotate();
    let file = lab.archive().join("2026/2026-05-10.tar.zst");
    let file = file.to_str().unwrap();
    for id in ["run-10-0", "run-10-7", "run-10-49", "run-10-50", ""] {
        let needle = format!("\"correlation_id\":\"{id}\"");
        let mut wanted: Vec<&str> = before
            .iter()
            .filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains(&needle))
            .map(|(path, _)| path.as_str())
            .collect();
        wanted.sort_unstable();
        let answer = read(&python, ["lookup", file, "correlation_id", id]);
        let mut found: Vec<&str> =
            answer["events"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, wanted);
        let read = answer["frames_read"].as_array().unwrap().len();
        assert!(read <= wanted.len(), "{read} frames for {} events", wanted.len());
        assert!(answer["frames"].as_u64().unwrap() > 100);
    }
}

#[test]
fn the_independent_reader_finds_a_flipped_bit() {
    let Some(python) = python("zstandard") else { return };
    let lab = fixtures::lab("v1");
    for (path, at) in [
        ("2026/2026-05-16.tar.zst", 700),
        ("2026/2026-05-16.tar.zst", 4000),
        ("2026/2026-05-16.1.tar.zst.sha256", 3),
        ("manifest.jsonl", 4000),
        ("catalogue", 60),
    ] {
        let file = lab.archive().join(path);
        let sound = fs::read(&file).unwrap();
        let mut flipped = sound.clone();
        flipped[at] ^= 4;
        fs::write(&file, flipped).unwrap();
        let archive = lab.archive();
        let output = reader(&python, ["archive", archive.to_str().unwrap()]).output().unwrap();
        let run = Run::of(&output);
        assert_eq!(run.code, 1, "{path}: {run:?}");
        assert!(!run.stderr.contains("Traceback"), "{path}: {run:?}");
        fs::write(&file, sound).unwrap();
    }
}

#[test]
fn the_independent_reader_and_the_program_agree_on_torn_lines() {
    let Some(python) = python("zstandard") else { return };
    let lab = fixtures::lab("v1");
    let file = lab.archive().join("manifest.jsonl");
    let sound = fs::read(&file).unwrap();
    let end = sound.len();
    let space = sound.iter().rposition(|byte| *byte == b' ').unwrap();
    let changed = |from: usize, bytes: &[u8]| {
        let mut changed = sound.clone();
        changed[from..from + bytes.len()].copy_from_slice(bytes);
        changed
    };
    for (what, bytes, records) in [
        ("whole", sound.clone(), 6),
        ("without its newline", sound[..end - 1].to_vec(), 6),
        ("without its last two bytes", sound[..end - 2].to_vec(), 5),
        ("cut in the middle", sound[..end - 200].to_vec(), 5),
        ("with another newline", changed(end - 1, b"\x0b"), 6),
        ("with zeros in it", changed(end - 200, &[0; 64]), 5),
        ("with a byte lost", changed(space, &[0]), 6),
        ("with zeros after it", [sound.as_slice(), &[0; 512]].concat(), 6),
        ("empty", Vec::new(), 0),
    ] {
        fs::write(&file, bytes).unwrap();
        let found = read(&python, ["manifest", file.to_str().unwrap()]);
        assert_eq!(found["records"], records, "{what}");
        assert_eq!(lab.ok(["manifest", "head"]).trim(), found["head"], "{what}");
    }
}

#[test]
fn the_worked_example_is_the_fixture() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md");
    let page = fs::read_to_string(page).unwrap();
    let archive = fixture("v1").join("archive");
    let segment = fs::read(archive.join("2026/2026-05-16.1.incidents.tar.zst")).unwrap();
    let (start, end) =
        (page.find("## 10. A worked example").unwrap(), page.find("## 11.").unwrap());
    let tar = zstd::bulk::decompress(&segment[..267], 1024).unwrap();
    let body = zstd::bulk::decompress(&segment[290 + 8..508], 310).unwrap();
    let mut compared = [0; 3];
    let mut shows = 0;
    for line in page[start..end].lines() {
        let Some(line) = line.strip_prefix("    ") else {
            // Each piece begins with a sentence that says what its bytes are of.
            shows = match line.split_whitespace().next() {
                None => shows,
                Some("Its") if line.starts_with("Its header") => 1,
                Some("Its") if line.starts_with("Its body") => 2,
                Some(_) => 0,
            };
            continue;
        };
        let mut words = line.split_whitespace();
        let Some(Ok(at)) = words.next().map(|word| usize::from_str_radix(word, 16)) else {
            continue;
        };
        if !line[3..].starts_with("  ") {
            continue;
        }
        let bytes: Vec<&str> = words
            .take_while(|word| {
                matches!(word.len(), 2 | 4) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
            .collect();
        let of = [&segment, &tar, &body][shows];
        let digits: String = bytes.concat();
        let shown: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        assert_eq!(of.get(at..at + shown.len()), Some(shown.as_slice()), "{line}");
        compared[shows] += shown.len();
    }
    let least = [100, 200, 200];
    assert!(compared.iter().zip(least).all(|(found, least)| *found > least), "{compared:?}");
    let manifest = fs::read_to_string(archive.join("manifest.jsonl")).unwrap();
    let shown: String = page[page.find("    {\"v\":1,").unwrap()..]
        .lines()
        .map_while(|line| line.strip_prefix("    "))
        .collect();
    assert_eq!(shown, manifest.lines().last().unwrap());
    let checksum = fs::read_to_string(archive.join("2026/2026-05-16.1.incidents.tar.zst.sha256"));
    assert!(page.contains(&format!("    {}", checksum.unwrap())));
}

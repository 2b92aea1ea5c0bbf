//! The test vectors in `tests/fixtures/vectors`: what is an event, an instant, a name and a
//! manifest, and what is not. They are for every reader of the formats; here the program, and
//! the short reader in `docs`, are held to them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hlarchive::Timestamp;
use hlarchive::internals::event::{EventHead, EventName, EventPath};
use serde_json::Value;

use crate::common::{Lab, python, system};
use crate::fixtures::fixture;

fn vectors(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(fixture("vectors").join(format!("{name}.json"))).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(vectors.len() > 10, "{name}");
    vectors
}

fn text<'a>(vector: &'a Value, member: &str) -> Option<&'a str> {
    vector[member].as_str()
}

fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn instants_are_read_as_the_vectors_say() {
    for vector in vectors("instants") {
        let read = text(&vector, "text").unwrap().parse::<Timestamp>().ok();
        assert_eq!(
            read.map(|time| time.to_string()).as_deref(),
            text(&vector, "instant"),
            "{vector}"
        );
    }
}

#[test]
fn events_are_judged_as_the_vectors_say() {
    for vector in vectors("events") {
        let bytes = text(&vector, "text").unwrap().as_bytes();
        let head = EventHead::parse(bytes).ok();
        assert_eq!(head.is_some(), vector["valid"].as_bool().unwrap(), "{vector}");
        let id = head.as_ref().map(|head| head.correlation_id.as_ref());
        assert_eq!(id, text(&vector, "correlation_id"), "{vector}");
        let time = head.as_ref().map(|head| head.timestamp.to_string());
        assert_eq!(time.as_deref(), text(&vector, "instant"), "{vector}");
    }
}

#[test]
fn names_claim_what_the_vectors_say() {
    for vector in vectors("names") {
        let path = text(&vector, "path").unwrap();
        let identity = path.parse::<EventPath>().ok();
        assert_eq!(identity.is_some(), vector["identity"].as_bool().unwrap(), "{vector}");
        let name = identity.as_ref().and_then(|path| EventName::parse(path.name.as_str()));
        let time = name.map(|name| name.timestamp.to_string());
        assert_eq!(time.as_deref(), text(&vector, "instant"), "{vector}");
    }
}

#[test]
fn whole_torn_and_damaged_manifests_are_told_apart_as_the_vectors_say() {
    for vector in vectors("manifests") {
        let lab = Lab::new();
        // Each character is one byte.
        let bytes: Vec<u8> = text(&vector, "text")
            .unwrap()
            .chars()
            .map(|c| u8::try_from(c as u32).unwrap())
            .collect();
        fs::create_dir_all(lab.archive()).unwrap();
        fs::write(lab.archive().join("manifest.jsonl"), bytes).unwrap();
        if let Some(head) = text(&vector, "head") {
            assert_eq!(lab.ok(["manifest", "head"]).trim(), head, "{vector}");
        } else {
            let run = lab.fails(65, ["manifest", "head"]);
            assert!(run.stderr.contains("line "), "{vector}: {run:?}");
        }
    }
}

/// Runs the short reader; what it printed, as values.
fn read(python: &Path, words: &[&str], code: i32) -> Vec<Value> {
    let output =
        Command::new(python).arg("-B").arg(package("docs/read_archive.py")).args(words).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn values(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_short_reader_is_short_and_judges_as_the_vectors_say() {
    let text = fs::read_to_string(package("docs/read_archive.py")).unwrap();
    assert!(text.lines().count() < 200);
    let Some(python) = python("zstandard") else { return };
    system(Command::new(python).arg("-B").arg(package("tests/format/vectors.py")));
}

#[test]
fn the_short_reader_lists_traces_and_verifies_every_fixture() {
    let Some(python) = python("zstandard") else { return };
    let ever = ["1900-01-01T00:00Z", "9999-12-31T00:00Z"];
    for (version, code) in [("v1", 0), ("v2", 75)] {
        let archive = fixture(version).join("archive");
        let archive = archive.to_str().unwrap();
        let expected = fs::read_to_string(fixture(version).join("expected/list.ndjson")).unwrap();
        let mut expected = values(&expected);
        // What lies elsewhere is named, and not read.
        expected.retain(|event| {
            archive.contains("/v1/")
                || !["2026-05-10", "2026-05-12"].contains(&&event["_path"].as_str().unwrap()[..10])
        });
        let list = ["list", "/nonexistent", archive, ever[0], ever[1]];
        assert_eq!(read(&python, &list, code), expected);
        assert!(read(&python, &["verify", archive], code).is_empty());
    }
}

/// Events of a fresh history, live and archived, some filed under days that are not theirs.
#[test]
fn the_short_reader_and_the_program_give_one_answer_live_and_archived() {
    let Some(python) = python("zstandard") else { return };
    let lab = Lab::new();
    lab.seed(3, 40);
    let misfiled = "{\"timestamp\":\"1601-01-01T10:00:00Z\",\"node\":\"n\",\"type\":\"t\",\"severity\":\
                    \"info\",\"source\":\"s\",\"service\":\"v\",\"correlation_id\":\"odd\",\"payload\":{}}";
    for (path, year) in [("n/a.json", "1969"), ("n/b.json", "1601"), ("z/a.json", "9999")] {
        lab.write(&format!("2026-05-10/{path}"), misfiled.replace("1601", year));
    }
    let (root, archive) = (lab.root(), lab.archive());
    let (root, archive) = (root.to_str().unwrap(), archive.to_str().unwrap());
    for _ in 0..2 {
        for (since, until) in [("0001-01-01", "9999-12-31"), ("1601-01-01", "1970-01-01")] {
            let listed = lab.ok(["list", "--since", since, "--until", until, "-o", "ndjson"]);
            assert!(listed.contains("1601"), "{listed}");
            let (from, to) = (format!("{since}T00:00Z"), format!("{until}T23:59:59.999999Z"));
            assert_eq!(read(&python, &["list", root, archive, &from, &to], 0), values(&listed));
        }
        let traced = lab.ok(["trace", "odd", "-o", "ndjson"]);
        assert_eq!(read(&python, &["trace", root, archive, "odd"], 0), values(&traced));
        assert_eq!(traced.lines().count(), 3);
        lab.run(["rotate", "--now", crate::common::NOW]);
    }
    assert!(read(&python, &["verify", archive], 0).is_empty());
    fs::write(lab.archive().join("2026/2026-05-10.tar.zst"), "x").unwrap();
    read(&python, &["verify", archive], 1);
}

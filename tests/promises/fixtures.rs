//! What an older version wrote stays readable for ever.
//!
//! `tests/fixtures/vN` holds an archive that the program of its time made, and what must be
//! read from it. Nothing here is ever made anew; a new version gets a new folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::common::{Lab, Tree, tree};
use crate::forge::compress;

/// Every version that ever landed.
const VERSIONS: [&str; 1] = ["v1"];

pub(crate) fn fixture(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version)
}

fn expected(version: &str, name: &str) -> String {
    fs::read_to_string(fixture(version).join("expected").join(name)).unwrap()
}

/// A lab whose archive is a copy of the fixture's.
pub(crate) fn lab(version: &str) -> Lab {
    let lab = Lab::new();
    for (path, bytes) in tree(&fixture(version).join("archive")) {
        let target = lab.archive().join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
    lab
}

/// The files that went into the fixture: for each identity the hashes of all that had it.
pub(crate) fn files(version: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in expected(version, "files.sha256").lines() {
        let (hash, path) = line.split_once("  ").unwrap();
        files.entry(path.to_owned()).or_default().insert(hash.to_owned());
    }
    files
}

/// Whether `found` says all that `expected` says; it may say more.
#[track_caller]
fn says(found: &Value, expected: &Value) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (key, value) in expected {
                says(found.get(key).unwrap_or_else(|| panic!("{key} is missing")), value);
            }
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(found, expected)| says(found, expected));
        }
        _ => assert_eq!(found, expected),
    }
}

#[test]
fn archives_of_every_version_verify_clean_to_the_same_head() {
    for version in VERSIONS {
        let lab = lab(version);
        let head = expected(version, "head.txt");
        assert_eq!(lab.ok(["manifest", "head"]), head);
        let report = lab.ok(["verify", "--head", head.trim(), "-o", "json"]);
        says(&parse(&report), &parse(&expected(version, "verify.json")));
        lab.ok(["verify", "--quick"]);
        assert_eq!(tree(&lab.archive()), tree(&fixture(version).join("archive")), "it wrote");
    }
}

#[test]
fn archives_of_every_version_are_listed_traced_and_inspected_as_ever() {
    for version in VERSIONS {
        let lab = lab(version);
        let listed = lab.ok(["list", "--since", "1900-01-01", "-o", "ndjson"]);
        assert_eq!(listed, expected(version, "list.ndjson"));
        let traced = lab.ok(["trace", "deploy-882", "-o", "json"]);
        says(&parse(&traced), &parse(&expected(version, "trace.json")));
        let inspected = lab.ok(["inspect", "2026-05-16", "-o", "json"]);
        says(&parse(&inspected), &parse(&expected(version, "inspect.json")));
    }
}

#[test]
fn archives_of_every_version_are_restored_byte_for_byte() {
    for version in VERSIONS {
        let lab = lab(version);
        let to = lab.path("restored");
        // 1, since of two events with one name only the first finds its place free.
        let run =
            lab.fails(1, ["restore", "2026-05-16", "2026-05-17", "--to", to.to_str().unwrap()]);
        assert!(run.stderr.contains("something else is here already"), "{run:?}");
        let restored: Tree = tree(&to);
        let files = files(version);
        assert_eq!(restored.keys().collect::<Vec<_>>(), files.keys().collect::<Vec<_>>());
        for (path, bytes) in &restored {
            assert!(files[path].contains(&sha256(bytes)), "{path} has other bytes");
        }
        let boot = fs::metadata(to.join("2026-05-16/pi4/boot.json")).unwrap();
        assert_eq!((boot.mtime(), boot.permissions().mode() & 0o777), (0, 0o444));
        let empty = fs::metadata(to.join("2026-05-17/nas/empty.json")).unwrap();
        assert_eq!(empty.mtime(), 1_778_976_000, "an invalid file has its day's start");
        let late = "2026-05-16/pi5/20260516T235959.999999Z_deployment_started_0196d8a2-5b00-7000-\
                    8000-0000000001f4.json";
        assert_eq!(fs::metadata(to.join(late)).unwrap().mtime(), 1_778_975_999);
    }
}

#[test]
fn a_lost_manifest_of_every_version_can_be_rebuilt() {
    for version in VERSIONS {
        let lab = lab(version);
        fs::remove_file(lab.archive().join("manifest.jsonl")).unwrap();
        lab.ok(["manifest", "rebuild"]);
        lab.ok(["verify"]);
        let listed = lab.ok(["list", "--since", "1900-01-01", "-o", "ndjson"]);
        assert_eq!(listed, expected(version, "list.ndjson"));
    }
}

/// Version 2 of the records came with segments whose files lie elsewhere.
#[test]
fn an_archive_of_which_a_part_lies_elsewhere_is_read_as_far_as_it_is_here() {
    let lab = lab("v2");
    let head = expected("v2", "head.txt");
    assert_eq!(lab.ok(["manifest", "head"]), head);
    lab.ok(["verify", "--head", head.trim()]);
    let all = expected("v2", "list.ndjson");
    let is_here = |line: &&str| !line.contains("/2026-05-10.") && !line.contains("/2026-05-12.");
    let here: String = all.split_inclusive('\n').filter(is_here).collect();
    let run = lab.fails(75, ["list", "--since", "1900-01-01", "-o", "ndjson"]);
    assert_eq!(run.stdout, here);
    assert!(run.stderr.contains("2026-05-10, 2026-05-12: not all of it is on this"), "{run:?}");
    assert_eq!(tree(&lab.archive()), tree(&fixture("v2").join("archive")), "it wrote");
}

#[cfg(feature = "remote")]
#[test]
fn a_copy_elsewhere_of_every_version_is_read_and_becomes_an_archive_again() {
    let lab = lab("v2");
    let policy = lab.path("policy.toml");
    let bucket = lab.path("bucket");
    for (path, bytes) in tree(&fixture("v2").join("bucket")) {
        let target = bucket.join(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
    let text =
        format!("version = 1\n[remote]\nurl = \"file://{}\"\nhost = \"pi4\"\n", bucket.display());
    fs::write(&policy, text).unwrap();
    let policy = policy.to_str().unwrap();
    let list = ["--policy", policy, "list", "--since", "1900-01-01", "-o", "ndjson"];
    assert_eq!(lab.ok(list), expected("v2", "list.ndjson"));
    lab.ok(["--policy", policy, "remote", "verify"]);
    let other = Lab::new();
    other.ok(["--policy", policy, "remote", "rebuild"]);
    let of = |archive: &std::path::Path| {
        let mut files = tree(archive);
        // What writers note for themselves.
        files.remove("lock");
        // What is derived, and came after the fixture.
        files.remove("state");
        files.remove("words");
        files
    };
    assert_eq!(of(&other.archive()), of(&fixture("v2").join("archive")));
    assert_eq!(other.ok(list), expected("v2", "list.ndjson"));
}

#[test]
fn an_index_of_a_version_to_come_is_named_and_read_around() {
    let lab = lab("v1");
    let name = "2026/2026-05-16.tar.zst";
    let path = lab.archive().join(name);
    let segment = fs::read(&path).unwrap();
    fs::write(&path, with_index(&segment, |body| body[4] = 2)).unwrap();
    let named = "its index has version 2; this program reads version 1";
    let listed = lab.run(["list", "--since", "1900-01-01", "-o", "ndjson"]);
    assert_eq!(listed.stdout, expected("v1", "list.ndjson"));
    assert!(listed.stderr.contains(named), "{listed:?}");
    assert!(lab.fails(65, ["inspect", "2026-05-16"]).stderr.contains(named));
    let verified = lab.fails(1, ["verify", "2026-05-16", "-o", "json"]);
    assert!(verified.stdout.contains(named), "{verified:?}");
}

/// A segment whose index says something else, and is packed and listed as the page says.
fn with_index(segment: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let u32_at = |at: usize| u32::from_le_bytes(segment[at..at + 4].try_into().unwrap());
    let table = segment.len() - (17 + 8 * u32_at(segment.len() - 9) as usize);
    // The last entry of the table is the index's.
    let entry = segment.len() - 9 - 8;
    let index = table - u32_at(entry) as usize;
    let mut body = zstd::decode_all(&segment[index + 8..table]).unwrap();
    assert!(body.starts_with(b"HLIX"));
    change(&mut body);
    let packed = compress(&body);
    let bytes = packed.len() as u32;
    [
        &segment[..index + 4],
        &bytes.to_le_bytes(),
        &packed,
        &segment[table..entry],
        &(bytes + 8).to_le_bytes(),
        &segment[entry + 4..],
    ]
    .concat()
}

/// Appends a record to a manifest, linked and sealed as the page says.
fn append(lab: &Lab, v: u32, op: &str) {
    let path = lab.archive().join("manifest.jsonl");
    let mut text = fs::read_to_string(&path).unwrap();
    let prev = sha256(text.lines().last().unwrap().as_bytes());
    let seq = text.lines().count() + 1;
    let body = format!(
        "{{\"v\":{v},\"seq\":{seq},\"time\":\"2026-05-20T03:00:00.000000Z\",\"op\":\"{op}\",\
         \"segment\":\"2026/2026-05-16.tar.zst\",\"weather\":[\"fair\"],\"prev\":\"{prev}\""
    );
    text.push_str(&format!("{body},\"self\":\"{}\"}}\n", sha256(body.as_bytes())));
    fs::write(path, text).unwrap();
}

#[test]
fn words_and_members_to_come_in_a_manifest_are_passed_over() {
    let lab = lab("v1");
    append(&lab, 1, "levitate");
    lab.ok(["verify"]);
    assert!(lab.ok(["manifest", "show"]).contains("levitate"));
    let listed = lab.ok(["list", "--since", "1900-01-01", "-o", "ndjson"]);
    assert_eq!(listed, expected("v1", "list.ndjson"));
}

#[test]
fn a_record_of_a_version_to_come_is_refused_by_name() {
    let lab = lab("v1");
    append(&lab, 3, "rotate");
    let named = "line 7 is damaged: it has version 3; this program reads versions up to 2";
    assert!(lab.fails(65, ["list", "--since", "1900-01-01"]).stderr.contains(named));
    assert!(lab.fails(1, ["verify", "-o", "json"]).stdout.contains(named));
    lab.write("2026-05-18/nas/x.json", "{}");
    let before = tree(&lab.archive());
    assert!(lab.fails(65, ["rotate", "--now", "2026-06-01T03:00:00Z"]).stderr.contains(named));
    let mut after = tree(&lab.archive());
    after.remove("lock");
    assert_eq!(after, before, "rotate wrote into an archive that it does not understand");
    assert_eq!(tree(&lab.root()).len(), 1);
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hlarchive::internals::segment::Sha256Hash::of(bytes).to_string()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

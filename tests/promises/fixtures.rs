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

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hlarchive::segment::Sha256Hash::of(bytes).to_string()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

//! Stubs, mirrors and the cache spare time, and hide nothing when they are forged; a rebuild
//! says whose objects it believed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use hlarchive::internals::segment::Sha256Hash;

use crate::common::{NOW, tree};
use crate::site::{Site, file_url};

const ID: &str = "run-11-0";

/// A machine whose archived days went to a directory.
fn evicted() -> (tempfile::TempDir, Site) {
    let bucket = tempfile::tempdir().unwrap();
    let site = Site::at(&file_url(bucket.path()), "", "nas");
    site.lab.seed(3, 5);
    site.ok(["rotate", "--now", NOW]);
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    let stubs = tree(&site.lab.archive()).into_keys().filter(|path| path.ends_with(".stub"));
    assert_eq!(stubs.count(), 3);
    (bucket, site)
}

/// The stub with an index that has another id in the place of [`ID`]: sizes, totals and
/// checksums fit.
fn forge(path: &Path) {
    let stub = fs::read(path).unwrap();
    let line = stub.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let tail = &stub[line..stub.len() - 32];
    let footer = tail.len() - 9;
    let frames = u32::from_le_bytes(tail[footer..footer + 4].try_into().unwrap()) as usize;
    let table = footer - frames * 8 - 8;
    let mut index = zstd::decode_all(&tail[8..table]).unwrap();
    let at = index.windows(ID.len()).position(|part| part == ID.as_bytes()).unwrap();
    // Another last letter, by a level at which the index takes as much room as before.
    let last = at + ID.len() - 1;
    let letters = (b'!'..=b'~').filter(|letter| *letter != ID.as_bytes()[ID.len() - 1]);
    let forged = letters.flat_map(|letter| (1..20).map(move |level| (letter, level))).find_map(
        |(letter, level)| {
            index[last] = letter;
            let mut compressor = zstd::bulk::Compressor::new(level).unwrap();
            compressor.include_checksum(true).unwrap();
            let forged = compressor.compress(&index).unwrap();
            (forged.len() == table - 8).then_some(forged)
        },
    );
    let body = [&stub[..line], &tail[..8], &forged.unwrap(), &tail[table..]].concat();
    fs::remove_file(path).unwrap();
    fs::write(path, [&body[..], &Sha256Hash::of(&body).0].concat()).unwrap();
}

fn traced(site: &Site) -> usize {
    site.run(["trace", ID, "-o", "ndjson"]).stdout.lines().count()
}

#[test]
fn a_forged_stub_is_named_by_every_verify_and_made_again_by_a_pull() {
    let (_bucket, site) = evicted();
    let path = site.lab.archive().join("2026/2026-05-11.tar.zst.stub");
    let honest = fs::read(&path).unwrap();
    assert_eq!(traced(&site), 12);
    forge(&path);
    assert_eq!(traced(&site), 0, "it hides the events");
    for words in [&["verify"][..], &["verify", "--quick"]] {
        let run = site.fails(1, words);
        let wanted = "2026/2026-05-11.tar.zst: its stub differs from its record";
        assert!(run.stdout.contains(wanted), "{run:?}");
    }
    let run = site.fails(1, ["remote", "verify"]);
    assert!((run.stdout + &run.stderr).contains("its stub here differs from its copy"));
    site.ok(["remote", "pull"]);
    assert!(fs::read(&path).unwrap() == honest);
    site.ok(["verify"]);
    assert_eq!(traced(&site), 12);
}

#[test]
fn what_is_held_and_lies_elsewhere_does_not_go_though_its_stub_denies_it() {
    let (_bucket, site) = evicted();
    site.ok(["hold", "add", "--correlation-id", ID, "--reason", "evidence"]);
    forge(&site.lab.archive().join("2026/2026-05-11.tar.zst.stub"));
    site.policy("keep = \"1d\"\ngrace = \"0d\"");
    site.run(["prune", "--now", "2026-08-01T03:00:00Z", "--yes-really", "--shorten"]);
    let left: Vec<String> =
        tree(&site.lab.archive()).into_keys().filter(|path| path.ends_with(".stub")).collect();
    assert_eq!(left, ["2026/2026-05-11.tar.zst.stub"]);
}

#[test]
fn a_forged_mirror_is_named_and_made_again_by_the_next_pull() {
    let (_bucket, other) = evicted();
    let site = other.beside("pi4");
    site.ok(["remote", "pull"]);
    assert_eq!(traced(&site), 12);
    site.ok(["verify"]);
    let mirror = site.lab.archive().join("remote/nas");
    let stub = mirror.join("2026/2026-05-11.tar.zst.stub");
    forge(&stub);
    let run = site.fails(1, ["verify", "--quick"]);
    let wanted = "remote/nas/2026/2026-05-11.tar.zst: its stub differs from its record";
    assert!(run.stdout.contains(wanted), "{run:?}");
    site.ok(["remote", "pull"]);
    site.ok(["verify"]);
    // Its catalogue, with filters that deny everything.
    let path = mirror.join("catalogue");
    let honest = fs::read(&path).unwrap();
    let (mut forged, mut rest) = (honest[..8].to_vec(), &honest[8..]);
    while rest.len() > 4 && rest[..4] != [0; 4] {
        let size = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let mut body = rest[..size - 8].to_vec();
        body[36..].fill(0);
        let own = Sha256Hash::of(&body).0;
        forged.extend(body);
        forged.extend(&own[..8]);
        rest = &rest[size..];
    }
    forged.extend(rest);
    fs::write(&path, forged).unwrap();
    assert_eq!(traced(&site), 0, "it hides the events");
    let run = site.fails(1, ["verify", "--quick"]);
    let wanted = "remote/nas/2026/2026-05-11.tar.zst: the catalogue differs from";
    assert!(run.stdout.contains(wanted), "{run:?}");
    site.ok(["remote", "pull"]);
    assert!(fs::read(&path).unwrap() == honest);
    site.ok(["verify"]);
    assert_eq!(traced(&site), 12);
}

/// What another user may have put into a cache is fetched again.
#[test]
fn a_cache_counts_only_as_far_as_it_is_the_readers_own() {
    let (_bucket, site) = evicted();
    let expected = site.events();
    let kept = |site: &Site| -> Vec<_> {
        fs::read_dir(site.cache()).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let files = kept(&site);
    assert!(!files.is_empty());
    let mode = fs::metadata(site.cache()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    for file in &files {
        // Zeros with the checksum of zeros in the place of a frame.
        let bytes = vec![0; fs::metadata(file).unwrap().len() as usize - 32];
        fs::write(file, [&Sha256Hash::of(&bytes).0[..], &bytes].concat()).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    }
    assert_eq!(site.events(), expected);
    if rustix::process::geteuid().is_root() {
        for file in kept(&site) {
            let bytes = vec![0; fs::metadata(&file).unwrap().len() as usize - 32];
            fs::write(&file, [&Sha256Hash::of(&bytes).0[..], &bytes].concat()).unwrap();
            chown(&file, Some(64003), Some(64003)).unwrap();
        }
        assert_eq!(site.events(), expected);
    }
    site.ok(["verify"]);
}

#[test]
fn a_rebuild_says_whose_objects_it_believed() {
    let bucket = tempfile::tempdir().unwrap();
    let url = file_url(bucket.path());
    let site = Site::at(&url, "", "nas");
    site.lab.seed(2, 3);
    site.ok(["rotate", "--now", NOW]);
    let head = site.ok(["manifest", "head"]).trim().to_owned();
    let records = site.ok(["manifest", "show"]).lines().count();
    // A segment that no record names, put there by whoever may write.
    let stranger = Site::at(&url, "", "other");
    stranger.lab.seed(3, 3);
    stranger.ok(["rotate", "--now", NOW]);
    let from = bucket.path().join("other/2026");
    for found in fs::read_dir(from).unwrap().map(|found| found.unwrap()) {
        let name = found.file_name();
        if name.to_string_lossy().starts_with("2026-05-12") {
            fs::copy(found.path(), bucket.path().join("nas/2026").join(name)).unwrap();
        }
    }
    let pieces: Vec<String> = tree(&bucket.path().join("nas/manifest"))
        .into_keys()
        .map(|p| format!("manifest/{p}"))
        .collect();
    site.lose();
    let told = site.json(["remote", "rebuild", "-o", "json"]);
    let believed = &told["believed"];
    assert_eq!(believed["place"], format!("{url}/nas"));
    assert_eq!(believed["other_origins"], serde_json::json!([]));
    let origin = believed["origin"].as_str().unwrap();
    assert_eq!(origin.len(), 16);
    for piece in believed["pieces"].as_array().unwrap() {
        let piece = piece.as_str().unwrap();
        assert!(pieces.iter().any(|there| there == piece), "{piece}: {pieces:?}");
        assert!(piece.starts_with(&format!("manifest/{origin}-")), "{piece}");
    }
    assert_eq!(told["taken_up"], serde_json::json!(["2026/2026-05-12.tar.zst"]));
    // And in words.
    site.lose();
    let text = site.ok(["remote", "rebuild"]);
    assert!(text.contains(&format!("believed {url}/nas: ")), "{text}");
    assert!(text.contains(&format!("with origin {origin}, head ")), "{text}");
    assert!(text.contains("2026/2026-05-12.tar.zst  added: no record named it"), "{text}");
    assert!(text.contains("whoever may write there could have written all of this"), "{text}");
    let told = site.json(["verify", "--head", &head, "-o", "json"]);
    assert!(!told["after_head"].as_array().unwrap().is_empty(), "{told} {records}");
}

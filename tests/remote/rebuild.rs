//! A machine that was lost comes back from its copies alone.

use std::fs;

use crate::common::{NOW, event, tree};
use crate::garage::shared;
use crate::proxy::{Fault, Proxy};
use crate::site::{Site, file_url};

#[test]
fn a_lost_archive_comes_back_byte_for_byte() {
    let Some(garage) = shared() else { return };
    let site = Site::new(garage, "rebuild-all", "nas");
    site.lab.seed(4, 3);
    site.ok(["rotate", "--now", NOW]);
    let (late, bytes) = event(10, 0, "nas", 20);
    site.lab.write(&late, bytes);
    site.ok(["rotate", "--now", NOW]);
    site.ok(["compact"]);
    site.ok(["hold", "add", "2026-05-13", "--reason", "x"]);
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    let expected = site.events();
    let before = site.archive_files();
    assert!(before.keys().any(|path| path.ends_with(".stub")));
    assert!(before.contains_key("2026/2026-05-13.tar.zst"));
    site.lose();
    site.ok(["remote", "rebuild"]);
    assert_eq!(site.archive_files(), before);
    site.is_sound(&expected);
    // And from then on it goes on as if nothing had been.
    site.lab.seed(1, 5);
    site.ok(["rotate", "--now", NOW]);
    site.is_sound(&site.events());
    // Where there is an archive, nothing is touched.
    let before = site.archive_files();
    site.fails(75, ["remote", "rebuild"]);
    assert_eq!(site.archive_files(), before);
}

#[test]
fn copies_that_no_piece_of_the_manifest_names_yet_are_taken_up() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "rebuild-ahead", "nas");
    site.rules = "timeout = \"1s\"\n".to_owned();
    site.policy("");
    site.lab.seed(1, 3);
    site.ok(["rotate", "--now", NOW]);
    let (late, bytes) = event(10, 0, "nas", 20);
    site.lab.write(&late, bytes);
    for number in 0..3 {
        let (below, bytes) = event(11, 0, "nas", number);
        site.lab.write(&below, bytes);
    }
    let expected = site.events();
    site.endpoint.clone_from(&proxy.address);
    // A list, two segments with their reading back, and then the manifest.
    proxy.spoil(5, Fault::Gone);
    site.fails(75, ["rotate", "--now", NOW]);
    let cut = proxy.take();
    assert!(cut[5].1.contains("/manifest/"), "{cut:?}");
    let segments = site.segments();
    assert_eq!(segments.len(), 3);
    site.lose();
    // A list, the manifest, the segment that it names, and the first of the other two.
    proxy.spoil(3, Fault::Changed);
    let run = site.fails(1, ["remote", "rebuild"]);
    assert!(run.stderr.contains("it is not what its name says"), "{run:?}");
    assert_eq!(site.segments().len(), 2);
    proxy.take();
    let told = site.json(["remote", "rebuild", "-o", "json"]);
    assert_eq!(told["taken_up"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(site.segments(), segments);
    site.fails(75, ["remote", "rebuild"]);
    // The two were copied, but that is not recorded: the push that follows does it.
    site.ok(["remote", "push"]);
    site.is_sound(&expected);
}

#[test]
fn a_rebuild_that_was_stopped_anywhere_is_finished_by_the_next() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "rebuild-stopped", "nas");
    site.rules = "timeout = \"1s\"\n".to_owned();
    site.lab.seed(2, 2);
    site.policy("");
    site.ok(["rotate", "--now", NOW]);
    site.evicts();
    site.ok(["hold", "add", "2026-05-11", "--reason", "x"]);
    site.ok(["prune", "--now", NOW]);
    let (late, bytes) = event(12, 0, "nas", 20);
    site.lab.write(&late, bytes);
    let expected = site.events();
    site.endpoint.clone_from(&proxy.address);
    proxy.spoil(3, Fault::Gone);
    site.fails(75, ["rotate", "--now", NOW]);
    proxy.take();
    site.lose();
    for at in 0.. {
        proxy.spoil(at, Fault::Gone);
        let run = site.run(["remote", "rebuild"]);
        let asked = proxy.take().len();
        if asked <= at {
            assert_eq!(run.code, 0, "{run:?}");
            break;
        }
        assert_eq!(run.code, 75, "{run:?}");
    }
    site.ok(["remote", "push"]);
    site.is_sound(&expected);
    let left = tree(&site.lab.archive());
    assert!(!left.keys().any(|path| path.contains(".hlarchive-tmp-")), "{:?}", left.keys());
}

#[test]
fn what_is_damaged_or_missing_there_is_named_and_the_rest_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::at(&file_url(directory.path()), "127.0.0.1:9", "nas");
    site.lab.seed(3, 2);
    site.ok(["rotate", "--now", NOW]);
    let expected = site.events();
    let objects: Vec<String> =
        tree(directory.path()).into_keys().filter(|path| path.ends_with(".tar.zst")).collect();
    let damaged = directory.path().join(&objects[1]);
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let run = site.fails(1, ["remote", "verify"]);
    assert!(run.stdout.contains("2026-05-11") && run.stdout.contains("1 finding"), "{run:?}");
    site.lose();
    let run = site.fails(1, ["remote", "rebuild"]);
    assert!(run.stderr.contains("2026/2026-05-11.tar.zst"), "{run:?}");
    assert_eq!(site.segments().len(), 2);
    // When it is whole there again, it can be had.
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    site.ok(["remote", "rebuild"]);
    site.is_sound(&expected);
    let run = site.fails(66, ["remote", "rebuild", "--host", "pi9"]);
    assert!(run.stderr.contains("nothing of this host"), "{run:?}");
}

#[test]
fn a_copy_that_was_damaged_is_sent_again_from_here() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::at(&file_url(directory.path()), "127.0.0.1:9", "nas");
    site.lab.seed(2, 2);
    site.ok(["rotate", "--now", NOW]);
    let expected = site.events();
    for (path, mut bytes) in tree(directory.path()) {
        // Cut short it is found by its size alone; changed, when it is read.
        bytes.truncate(bytes.len() / 2);
        fs::write(directory.path().join(path), bytes).unwrap();
    }
    site.fails(1, ["remote", "verify", "--quick"]);
    site.ok(["remote", "push"]);
    site.is_sound(&expected);
}

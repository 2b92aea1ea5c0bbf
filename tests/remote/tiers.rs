//! What stays here, what goes, and what goes there, too. The bucket is a directory where the
//! test looks into it.

use std::fs;
use std::path::PathBuf;

use crate::common::{NOW, event, tree};
use crate::garage::shared;
use crate::proxy::{Fault, Proxy};
use crate::site::{Site, file_url};

/// A machine whose bucket is a directory, with three days archived and copied.
fn with_directory() -> (Site, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::at(&file_url(directory.path()), "127.0.0.1:9", "nas");
    site.lab.seed(3, 4);
    site.ok(["rotate", "--now", NOW]);
    (site, directory)
}

fn objects(directory: &tempfile::TempDir) -> Vec<String> {
    let names = tree(directory.path()).into_keys();
    names.filter(|name| name.ends_with(".tar.zst")).collect()
}

fn object_of(directory: &tempfile::TempDir, day: &str) -> PathBuf {
    let found = objects(directory).into_iter().find(|name| name.contains(day));
    directory.path().join(found.unwrap())
}

#[test]
fn a_file_goes_when_its_copy_is_there_and_what_it_holds_is_still_known() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "tiers-evict", "nas");
    site.endpoint.clone_from(&proxy.address);
    site.lab.seed(3, 4);
    let expected = site.events();
    let told = site.ok(["rotate", "--now", NOW]);
    assert_eq!(told.lines().filter(|line| line.contains("copied")).count(), 3);
    let inspected = site.json(["inspect", "2026-05-11", "-o", "json"]);
    let trace = ["trace", "run-11-0", "-o", "json"];
    let traced = site.json(trace);
    site.evicts();
    let told = site.ok(["prune", "--now", NOW]);
    assert_eq!(
        told.lines().filter(|line| line.contains("file evicted, copy kept")).count(),
        3,
        "{told}"
    );
    let files: Vec<String> =
        site.archive_files().into_keys().filter(|path| path.starts_with("20")).collect();
    let stub = |day| format!("2026/2026-05-{day}.tar.zst.stub");
    assert_eq!(files, [stub(10), stub(11), stub(12)]);
    proxy.take();
    // The index is here: that costs no request.
    assert_eq!(site.json(["inspect", "2026-05-11", "-o", "json"])["events"], inspected["events"]);
    site.fails(1, ["trace", "run-99-0"]);
    site.ok(["verify"]);
    // Nodes are offline; that is known without asking for the events that say so.
    site.fails(1, ["status"]);
    assert_eq!(proxy.take(), []);
    assert_eq!(site.json(trace), traced);
    assert_eq!(proxy.take().len(), 1);
    let target = site.lab.path("restored");
    site.ok(["restore", "2026-05-10", "--to", target.to_str().unwrap()]);
    assert_eq!(tree(&target).len(), 12);
    site.is_sound(&expected);
}

#[test]
fn status_tells_what_is_copied_what_is_elsewhere_alone_and_what_waits_for_a_copy() {
    let (site, _directory) = with_directory();
    let status = ["status", "--now", NOW];
    assert!(site.fails(1, status).stdout.contains("\ncopied     3 of 3 segments\n"));
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    let text = site.fails(1, status).stdout;
    assert!(text.contains("\ncopied     3 of 3 segments; 3 are only remote\n"), "{text}");
    // A day is archived by a run that copies nothing: it waits, and then somebody is needed.
    let (path, bytes) = event(20, 0, "pi4", 0);
    site.lab.write(&path, bytes);
    site.rotate_alone();
    let text = site.fails(1, status).stdout;
    assert!(text.contains("\ncopied     3 of 4 segments; 3 are only remote\n"), "{text}");
    let run = site.fails(1, ["status", "--now", "2026-06-04T03:00:00Z", "-o", "json"]);
    let object: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&object["archived"]["copied"], &object["archived"]["elsewhere"]),
        (&3.into(), &3.into())
    );
    let finding = object["findings"].to_string();
    assert!(finding.contains("2026/2026-05-20.tar.zst"), "{finding}");
    assert!(finding.contains("it has had no copy for days (hlarchive remote push)"), "{finding}");
}

#[test]
fn a_file_without_a_copy_stays_until_there_is_one() {
    let (site, directory) = with_directory();
    let expected = site.events();
    let before = site.segments();
    fs::remove_file(object_of(&directory, "2026-05-11")).unwrap();
    site.evicts();
    let run = site.run(["prune", "--now", NOW]);
    let here: Vec<String> = site.segments().into_keys().collect();
    assert_eq!(here, ["2026/2026-05-11.tar.zst"], "evicted without a copy");
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("the file stays here"), "{run:?}");
    // The push that followed sent it again, so the next prune may.
    site.ok(["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 0);
    assert_eq!(objects(&directory).len(), before.len());
    site.is_sound(&expected);
}

#[test]
fn what_was_never_copied_is_not_evicted() {
    let Some(garage) = shared() else { return };
    let site = Site::new(garage, "tiers-never", "nas");
    site.lab.seed(1, 2);
    site.rotate_alone();
    site.evicts();
    let run = site.run(["prune", "--now", NOW]);
    assert!(run.stderr.contains("there is no copy yet"), "{run:?}");
    assert_eq!(site.segments().len(), 1);
    assert_eq!(site.records("upload"), 1);
}

#[test]
fn what_is_held_stays_here_and_there() {
    let (site, directory) = with_directory();
    let expected = site.events();
    site.ok(["hold", "add", "2026-05-11", "--reason", "dispute"]);
    site.policy("local = \"1d\"\ngrace = \"0d\"\nkeep = \"5d\"");
    site.ok(["prune", "--now", NOW, "--shorten", "--yes-really"]);
    let here: Vec<String> = site.segments().into_keys().collect();
    assert_eq!(here, ["2026/2026-05-11.tar.zst"]);
    assert_eq!(objects(&directory).len(), 1, "{:?}", objects(&directory));
    let left: Vec<String> =
        expected.into_iter().filter(|line| line.contains("\"timestamp\":\"2026-05-11")).collect();
    site.is_sound(&left);
}

#[test]
fn what_expires_goes_from_the_bucket_too_though_it_was_evicted() {
    let (site, directory) = with_directory();
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    assert_eq!(objects(&directory).len(), 3);
    site.policy("local = \"1d\"\ngrace = \"0d\"\nkeep = \"21d\"");
    site.ok(["prune", "--now", NOW, "--shorten", "--yes-really"]);
    let left = objects(&directory);
    assert!(!left.is_empty() && left.len() < 3, "{left:?}");
    let stubs = site.archive_files().into_keys().filter(|path| path.ends_with(".stub")).count();
    assert_eq!(stubs, left.len());
    assert_eq!(site.events().len(), 12 * left.len());
    site.ok(["verify"]);
    site.ok(["remote", "verify"]);
}

#[test]
fn superseded_copies_go_only_when_their_heir_is_there() {
    let Some(garage) = shared() else { return };
    let proxy = Proxy::before(&garage.address);
    let mut site = Site::new(garage, "tiers-compact", "nas");
    site.endpoint.clone_from(&proxy.address);
    site.rules = "timeout = \"1s\"\n".to_owned();
    site.policy("");
    site.lab.seed(1, 2);
    site.ok(["rotate", "--now", NOW]);
    let (below, bytes) = event(10, 0, "nas", 20);
    site.lab.write(&below, bytes);
    site.ok(["rotate", "--now", NOW]);
    let expected = site.events();
    site.ok(["compact"]);
    // A list, and then the heir comes back changed: nothing may go.
    proxy.spoil(2, Fault::Changed);
    site.fails(1, ["remote", "push"]);
    let deletes = |requests: &[(String, String)]| -> Vec<usize> {
        let is_delete = |(method, path): &(String, String)| {
            method == "DELETE" || (method == "POST" && path.contains("?delete"))
        };
        (0..requests.len()).filter(|at| is_delete(&requests[*at])).collect()
    };
    assert!(deletes(&proxy.take()).is_empty(), "a copy went before its heir was there");
    site.ok(["remote", "push"]);
    let requests = proxy.take();
    let deletes = deletes(&requests);
    let last_put = requests.iter().rposition(|(method, _)| method == "PUT").unwrap();
    assert_eq!(deletes.len(), 2, "{requests:?}");
    assert!(deletes.iter().all(|at| *at > last_put), "{requests:?}");
    site.is_sound(&expected);
    let status = site.json(["remote", "status", "-o", "json"]);
    assert_eq!(status["hosts"][0]["objects"], 1, "{status}");
}

#[test]
fn a_damaged_stub_is_told_of_and_made_anew() {
    let (site, _directory) = with_directory();
    let expected = site.events();
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    let path = site.lab.archive().join("2026/2026-05-11.tar.zst.stub");
    let sound = fs::read(&path).unwrap();
    for at in [5, sound.len() / 2, sound.len() - 40, sound.len() - 1] {
        let mut damaged = sound.clone();
        damaged[at] ^= 4;
        fs::remove_file(&path).unwrap();
        fs::write(&path, damaged).unwrap();
        let run = site.fails(74, ["list", "--since", "2000-01-01", "-o", "ndjson"]);
        assert!(run.stderr.contains("hlarchive remote pull"), "{run:?}");
        assert_eq!(run.stdout.lines().count(), 24);
        site.fails(1, ["verify"]);
        site.ok(["remote", "pull"]);
        assert_eq!(fs::read(&path).unwrap(), sound);
        site.is_sound(&expected);
    }
    fs::remove_file(&path).unwrap();
    site.ok(["remote", "pull"]);
    site.is_sound(&expected);
}

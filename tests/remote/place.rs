//! The place of the copies is empty, is another one, or lost some of them. It is a directory
//! here, as a NAS is that is mounted, or is not.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{NOW, Run, cannot, event, tree};
use crate::site::{Site, file_url};

/// A machine whose copies are on a NAS, with three days archived and copied.
fn with_nas() -> (Site, PathBuf, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let nas = directory.path().join("nas");
    let site = Site::at(&file_url(&nas), "127.0.0.1:9", "pi4");
    site.lab.seed(3, 2);
    site.ok(["rotate", "--now", NOW]);
    assert_eq!(site.records("upload"), 3);
    (site, nas, directory)
}

/// What is beneath a mount point: an empty directory.
fn unmount(nas: &Path) {
    fs::rename(nas, nas.with_file_name("aside")).unwrap();
    fs::create_dir(nas).unwrap();
}

fn mount(nas: &Path) {
    fs::remove_dir_all(nas).unwrap();
    fs::rename(nas.with_file_name("aside"), nas).unwrap();
}

fn late(site: &Site) {
    let (below, bytes) = event(14, 0, "nas", 0);
    site.lab.write(&below, bytes);
}

fn copies(nas: &Path) -> Vec<PathBuf> {
    let files = tree(nas).into_keys().filter(|name| name.ends_with(".tar.zst"));
    files.map(|name| nas.join(name)).collect()
}

#[track_caller]
fn asks_for_the_mount(run: &Run, nas: &Path) {
    let told = format!("nothing of this archive is at file://{}; is it mounted?", nas.display());
    assert!(run.stderr.contains(&told), "{run:?}");
}

#[test]
fn an_empty_mount_point_takes_no_copies_and_nothing_is_evicted_by_it() {
    let (site, nas, _directory) = with_nas();
    let expected = site.events();
    late(&site);
    unmount(&nas);
    let run = site.fails(75, ["rotate", "--now", NOW]);
    asks_for_the_mount(&run, &nas);
    assert!(run.stderr.contains("remote push --anew"), "{run:?}");
    assert!(run.stderr.contains("the archive here is as it should be"), "{run:?}");
    site.evicts();
    asks_for_the_mount(&site.fails(75, ["prune", "--now", NOW]), &nas);
    for words in [&["remote", "push"][..], &["remote", "verify"], &["remote", "pull"]] {
        asks_for_the_mount(&site.fails(75, words), &nas);
    }
    asks_for_the_mount(&site.fails(75, ["remote", "status"]), &nas);
    assert_eq!(tree(&nas).len(), 0, "nothing was put beneath the mount point");
    assert_eq!(site.segments().len(), 4);
    mount(&nas);
    site.ok(["rotate", "--now", NOW]);
    site.ok(["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 0);
    assert_eq!(site.events().len(), expected.len() + 1);
    site.ok(["verify"]);
    site.ok(["remote", "verify"]);
}

#[test]
fn a_day_that_is_on_the_nas_alone_is_told_with_75_while_that_is_away() {
    let (site, nas, _directory) = with_nas();
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    fs::remove_dir_all(site.cache()).ok();
    unmount(&nas);
    let run = site.fails(75, ["list", "--since", "2000-01-01"]);
    assert!(run.stderr.contains("is it mounted?"), "{run:?}");
    // What is not to be seen is neither well nor wrong.
    let run = site.run(["verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("the copies were not looked for"), "{run:?}");
    // The same without the directory, and the timer tries it again.
    fs::remove_dir(&nas).unwrap();
    for words in [
        &["list", "--since", "2000-01-01"][..],
        &["rotate", "--now", NOW],
        &["prune", "--now", NOW],
        &["remote", "push"],
        &["remote", "pull"],
        &["remote", "status"],
        &["remote", "verify"],
        &["remote", "rebuild"],
    ] {
        let run = site.fails(75, words);
        assert!(run.stderr.contains("is it mounted?"), "{words:?}: {run:?}");
    }
}

#[test]
fn what_is_begun_anew_is_another_place_and_evicts_only_its_own() {
    let (site, nas, _directory) = with_nas();
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    site.policy("");
    late(&site);
    unmount(&nas);
    site.fails(75, ["rotate", "--now", NOW]);
    // Somebody means it: what is here is copied, and what is not here is missed.
    let run = site.fails(1, ["remote", "push", "--anew"]);
    assert_eq!(run.stderr.matches("look for a backup").count(), 3, "{run:?}");
    assert_eq!(copies(&nas).len(), 1);
    // The NAS is back: it is not the place of the last copy.
    mount(&nas);
    let run = site.fails(75, ["remote", "push"]);
    assert!(run.stderr.contains("is not the place where the copies"), "{run:?}");
    site.evicts();
    site.fails(75, ["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 1, "its copy went with the other place");
    site.ok(["remote", "push", "--anew"]);
    assert_eq!(copies(&nas).len(), 4);
    site.ok(["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 0);
    assert_eq!(site.events().len(), 19);
    site.ok(["verify"]);
    site.ok(["remote", "verify"]);
}

#[test]
fn another_address_is_another_place_and_needs_no_word() {
    let (mut site, nas, directory) = with_nas();
    site.url = file_url(&directory.path().join("other"));
    site.policy("");
    site.ok(["remote", "push"]);
    assert_eq!(copies(&directory.path().join("other")).len(), 3);
    assert_eq!(site.records("upload"), 6);
    site.url = file_url(&nas);
    site.policy("");
    site.ok(["remote", "push"]);
    site.ok(["remote", "verify"]);
}

#[test]
fn a_place_whose_file_system_changed_is_read_before_anything_goes() {
    let (site, nas, _directory) = with_nas();
    // The same mark and the same names: what somebody copied, and not all of it whole.
    let spoiled = copies(&nas).remove(1);
    let mut bytes = fs::read(&spoiled).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&spoiled, bytes).unwrap();
    let device = fs::metadata(&nas).map(|found| std::os::unix::fs::MetadataExt::dev(&found));
    let manifest = site.lab.archive().join("manifest.jsonl");
    let recorded = format!("\"device\":{}", device.unwrap());
    assert_eq!(fs::read_to_string(&manifest).unwrap().matches(&recorded).count(), 4);
    let elsewhere = Path::new("/dev/shm");
    if !elsewhere.is_dir() {
        cannot("there is no second file system");
        return;
    }
    let other = tempfile::tempdir_in(elsewhere).unwrap();
    for (name, bytes) in tree(&nas) {
        let to = other.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, bytes).unwrap();
    }
    fs::remove_dir_all(&nas).unwrap();
    std::os::unix::fs::symlink(other.path(), &nas).unwrap();
    site.evicts();
    let run = site.run(["prune", "--now", NOW]);
    assert!(run.stderr.contains("the copy is missing or differs from its record"), "{run:?}");
    assert_eq!(site.segments().len(), 1);
}

#[test]
fn all_agree_about_a_copy_that_is_gone() {
    let (site, nas, _directory) = with_nas();
    // One whose file is here as well, and one that was the only one.
    site.evicts();
    site.ok(["hold", "add", "2026-05-12", "--reason", "x"]);
    site.ok(["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 1);
    for day in ["2026-05-10", "2026-05-12"] {
        let gone = copies(&nas).into_iter().find(|path| path.display().to_string().contains(day));
        fs::remove_file(gone.unwrap()).unwrap();
    }
    let only = |text: &str| {
        let line = text.lines().find(|line| line.contains("2026-05-10")).unwrap_or_default();
        assert!(line.contains("is gone, and its file is no longer here"), "{text}");
        assert!(line.contains("look for a backup"), "{text}");
        assert!(!line.contains("next push"), "{text}");
    };
    only(&site.fails(1, ["verify"]).stdout);
    only(&site.fails(1, ["verify", "--quick"]).stdout);
    let run = site.fails(1, ["remote", "verify"]);
    only(&run.stdout);
    let line = run.stdout.lines().find(|line| line.contains("2026-05-12")).unwrap();
    assert!(line.contains("the next push recreates it"), "{run:?}");
    let run = site.fails(1, ["status", "--now", NOW, "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let found = told["findings"].as_array().unwrap().iter().any(|finding| {
        finding["path"] == "2026/2026-05-10.tar.zst"
            && finding["reason"].as_str().unwrap().contains("look for a backup")
    });
    assert!(found, "{told}");
    let run = site.run(["remote", "status", "-o", "json"]);
    let told: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(
        (&told["hosts"][0]["not_copied"], &told["hosts"][0]["lost"]),
        (&1.into(), &1.into())
    );
    // The next push keeps what the one was promised, and says what it cannot.
    let run = site.fails(1, ["remote", "push"]);
    assert!(run.stderr.contains("look for a backup"), "{run:?}");
    let run = site.fails(1, ["remote", "verify"]);
    assert!(!run.stdout.contains("2026-05-12"), "{run:?}");
}

#[test]
fn copies_of_a_version_that_knew_no_marks_are_taken_for_what_they_are() {
    let (site, nas, _directory) = with_nas();
    // As that version left them: no mark there, and no place in the records.
    let mark = tree(&nas).into_keys().find(|name| name.contains("/place-")).unwrap();
    fs::remove_file(nas.join(mark)).unwrap();
    let version_before = |site: &Site| {
        let records = site.manifest();
        assert!(records.iter().any(|record| record["op"] == "upload"));
    };
    version_before(&site);
    // A mark that is gone makes it another place for who recorded one.
    let run = site.fails(75, ["remote", "push"]);
    assert!(run.stderr.contains("it has not that one's mark"), "{run:?}");
    site.ok(["remote", "push", "--anew"]);
    site.ok(["remote", "verify"]);
    site.evicts();
    site.ok(["prune", "--now", NOW]);
    assert_eq!(site.segments().len(), 0);
    assert_eq!(site.events().len(), 18);
}

//! Whether the model is as unkind as it says, shown by commands that everyone knows.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use super::*;
use crate::trace::{End, Job, run};

/// What a file is in each state that a power cut may leave after a script.
fn after(name: &str, text: &str) -> HashSet<Option<Vec<u8>>> {
    let home =
        std::env::temp_dir().join(format!("hlarchive-faults-disk-{}-{name}", std::process::id()));
    let root = home.join("root");
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("file"), "old").unwrap();
    fs::write(home.join("stdin"), "").unwrap();
    let job = Job {
        words: vec!["/bin/sh".into(), "-c".into(), format!("cd {}; {text}", root.display())],
        environment: vec![("PATH".into(), std::env::var("PATH").unwrap())],
        root: root.clone(),
        stdin: home.join("stdin"),
        stdout: home.join("stdout"),
        stderr: home.join("stderr"),
        looks: false,
    };
    let mut disk = Disk::read(&root).unwrap();
    assert_eq!(run(&job, &mut disk).unwrap(), End::Code(0));
    assert_eq!(disk.unknown, Vec::<String>::new());
    let upto = disk.steps.len();
    let mut found = HashSet::new();
    for state in states(&disk, upto, true, 1, &mut HashSet::new()) {
        let out = home.join("out");
        fs::create_dir(&out).unwrap();
        state.tree(&disk).write(&out).unwrap();
        found.insert(fs::read(out.join("file")).ok());
        fs::remove_dir_all(out).unwrap();
    }
    fs::remove_dir_all(home).unwrap();
    found
}

fn contents(all: &[&str]) -> HashSet<Option<Vec<u8>>> {
    all.iter().map(|content| Some(content.as_bytes().to_vec())).collect()
}

#[test]
fn a_rename_without_a_sync_may_leave_an_empty_file() {
    let found = after("rename", "printf fresh > new; mv new file");
    assert_eq!(found, contents(&["old", "fresh", "", "\0\0\0\0\0", "fr"]));
}

#[test]
fn a_sync_before_a_rename_leaves_the_old_file_or_the_new_one() {
    let found = after("sync-file", "printf fresh > new; sync new; mv new file");
    assert_eq!(found, contents(&["old", "fresh"]));
}

#[test]
fn only_a_sync_of_the_directory_makes_a_name_safe() {
    let found = after("sync-both", "printf fresh > new; sync new; mv new file; sync .");
    assert_eq!(found, contents(&["fresh"]));
}

#[test]
fn a_removal_that_was_not_synced_may_be_undone() {
    assert_eq!(after("remove", "rm file"), HashSet::from([None, Some(b"old".to_vec())]));
    assert_eq!(after("remove-sync", "rm file; sync ."), HashSet::from([None]));
}

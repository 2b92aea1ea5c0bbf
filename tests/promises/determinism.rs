//! The same events give the same bytes: whatever the number of threads, the order and the
//! times of the files, the place, and the night. What is inside has one name (the content
//! digest) at any level.

use std::collections::BTreeMap;
use std::fs::{self, FileTimes};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::common::{Lab, Tree, tree};

/// A policy with a class and small frames, so that there is much to get out of order.
fn policy(level: u32, frame_size: &str) -> String {
    format!(
        "version = 1\n[rotate]\nlevel = {level}\nframe_size = \"{frame_size}\"\n\
         [[retain.class]]\nname = \"bad\"\nmatch = {{ severity = [\"critical\"] }}\nkeep = \"9y\"\n"
    )
}

fn events() -> Tree {
    let lab = Lab::new();
    lab.seed(2, 300);
    lab.write("2026-05-10/nas/broken.json", "{");
    lab.write("2026-05-10/küche/foreign name.json", "[]");
    tree(&lab.root())
}

/// Rotates a tree whose files are made in this order with these times; gives all segments
/// with their checksum files, and the content digests as recorded.
fn rotate<'a>(
    files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>,
    policy: &str,
    threads: &str,
    now: &str,
) -> (Tree, BTreeMap<String, String>) {
    let lab = Lab::new();
    fs::write(lab.path("policy.toml"), policy).unwrap();
    for (number, (path, bytes)) in files.into_iter().enumerate() {
        lab.write(path, bytes);
        let mtime = UNIX_EPOCH + Duration::from_secs(1_000_000 * number as u64);
        let file = fs::File::options().write(true).open(lab.root().join(path)).unwrap();
        file.set_times(FileTimes::new().set_modified(mtime)).unwrap();
    }
    let mut command = lab.command(["rotate", "--now", now]);
    let run = crate::common::Run::of(&command.env("RAYON_NUM_THREADS", threads).output().unwrap());
    assert_eq!(run.code, 1, "1, since it names what is no event: {run:?}");
    assert!(tree(&lab.root()).is_empty());
    let mut archive = tree(&lab.archive());
    archive.retain(|path, _| path.contains(".tar.zst"));
    let manifest = fs::read_to_string(lab.archive().join("manifest.jsonl")).unwrap();
    let digests = manifest
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|record| (text(&record, "segment"), text(&record, "content")))
        .collect();
    (archive, digests)
}

fn text(record: &Value, key: &str) -> String {
    record[key].as_str().unwrap().to_owned()
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let files = events();
    let policy = policy(5, "4KiB");
    let (once, digests) = rotate(&files, &policy, "1", "2026-06-01T03:00:00Z");
    assert_eq!(once.len(), 8, "two days, each in two segments with checksum files");
    let backwards = files.iter().rev();
    let (again, digests_again) = rotate(backwards, &policy, "7", "2026-07-09T22:15:00Z");
    assert_eq!(digests, digests_again);
    assert!(once == again, "the bytes of a segment depend on more than its events");
}

#[test]
fn another_level_or_frame_size_gives_the_same_content_digest() {
    let files = events();
    let (once, digests) = rotate(&files, &policy(1, "4KiB"), "2", "2026-06-01T03:00:00Z");
    for (level, frame_size) in [(15, "4KiB"), (1, "1MiB")] {
        let (other, others) =
            rotate(&files, &policy(level, frame_size), "2", "2026-06-01T03:00:00Z");
        assert!(once != other, "level {level} and {frame_size} changed nothing");
        assert_eq!(digests, others, "level {level}, {frame_size}");
    }
}

#[test]
fn one_changed_byte_gives_another_content_digest() {
    let files = events();
    let mut changed = files.clone();
    let path = "2026-05-10/nas/broken.json";
    changed.insert(path.to_owned(), b"[".to_vec());
    let policy = policy(1, "4KiB");
    let (_, digests) = rotate(&files, &policy, "2", "2026-06-01T03:00:00Z");
    let (_, others) = rotate(&changed, &policy, "2", "2026-06-01T03:00:00Z");
    let differ: Vec<&String> =
        digests.keys().filter(|segment| digests[*segment] != others[*segment]).collect();
    assert_eq!(differ, ["2026/2026-05-10.tar.zst"]);
}

//! Full disks: what fits is done, what does not is named beforehand, nothing is left over,
//! and whoever only reads does not notice.

use std::fs;

use crate::common::verbs::ready;
use crate::common::{Lab, NOW, event, tree};
use crate::disk::{
    Disk, PAGE, all_answers, can_mount, dense_event, is_answered, temporary_and_segments,
};

/// A day of which a sample says much less than there is: every other run of files cannot
/// be made smaller.
fn misleading_day(lab: &Lab) {
    for number in 0..2304 {
        let dense = number / 256 % 2 == 1;
        let (path, bytes) = dense_event(10, number, if dense { 1500 } else { 0 });
        lab.write(&path, bytes);
    }
}

#[test]
fn the_days_that_fit_are_rotated_and_the_others_are_named_beforehand() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    lab.seed(3, 20);
    for number in 0..40 {
        let (path, bytes) = dense_event(11, number, 100_000);
        lab.write(&path, bytes);
    }
    let disk = Disk::small(&lab.archive(), 2 << 20);
    let (before, listed) = (tree(&lab.root()), lab.list_all());

    let dry = lab.fails(1, ["rotate", "--dry-run", "--now", NOW]);
    assert_eq!(dry.stdout.lines().count(), 3, "{dry:?}");
    assert!(dry.stdout.lines().all(|line| line.contains("; needs about ")), "{dry:?}");
    assert!(dry.stderr.contains("2026-05-11: the day needs about "), "{dry:?}");
    let plan: serde_json::Value =
        serde_json::from_str(&lab.fails(1, ["rotate", "-n", "--now", NOW, "-o", "json"]).stdout)
            .unwrap();
    let needed = plan["days"][0]["needed_bytes"].as_u64().unwrap();
    assert_eq!(tree(&lab.root()), before);

    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert_eq!(run.stdout.lines().count(), 3, "{run:?}");
    assert!(run.stdout.contains("100 left live"), "{run:?}");
    let line = run.stderr.lines().find(|line| line.contains("2026-05-11: ")).unwrap();
    assert!(line.contains("needs about ") && line.contains("are free there"), "{line}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    let left: Vec<_> = tree(&lab.root()).into_keys().collect();
    assert_eq!(left.len(), 100);
    assert!(left.iter().all(|path| path.starts_with("2026-05-11/")), "{left:?}");
    let (temporary, segments) = temporary_and_segments(&lab.archive());
    assert_eq!((temporary.len(), segments.len()), (0, 2));
    let size = fs::metadata(lab.archive().join("2026/2026-05-10.tar.zst")).unwrap().len();
    assert!((size..size + (64 << 10)).contains(&needed), "{needed} for {size}");
    assert_eq!(lab.list_all(), listed);
    lab.ok(["verify"]);

    disk.remount("size=16m");
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), listed);
}

/// A disk for an archive that begins: the tree does not remember the one of the disk before.
fn another_disk(lab: &Lab, bytes: u64) -> Disk {
    let _ = fs::remove_file(lab.root().join(".hlarchive-archive"));
    Disk::small(&lab.archive(), bytes)
}

#[test]
fn a_rotation_that_runs_out_of_room_at_any_step_leaves_nothing_and_loses_nothing() {
    if !can_mount() {
        return;
    }
    // How large the segment becomes, from an archive with room.
    let ample = Lab::new();
    misleading_day(&ample);
    ample.rotate();
    let segment = ample.archive().join("2026/2026-05-10.tar.zst");
    let pages = fs::metadata(&segment).unwrap().len().div_ceil(PAGE);

    let lab = Lab::new();
    misleading_day(&lab);
    let (path, bytes) = event(12, 0, "nas", 0);
    lab.write(&path, bytes);
    let (before, listed) = (tree(&lab.root()), lab.list_all());
    // Room for half the segment; for all but its last page; for it alone; for its checksum
    // file, too, but not for the record.
    for room in [pages / 2, pages - 1, pages, pages + 1] {
        let disk = another_disk(&lab, room * PAGE);
        let run = lab.fails(1, ["rotate", "--now", NOW, "--date", "2026-05-10"]);
        assert!(run.stderr.contains("2026-05-10: "), "{room}: {run:?}");
        assert!(run.stderr.contains("no space left on device"), "{room}: {run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{room}: {run:?}");
        assert_eq!(tree(&lab.root()), before, "{room}");
        let (temporary, segments) = temporary_and_segments(&lab.archive());
        assert!(temporary.is_empty() && segments.is_empty(), "{room}: {temporary:?} {segments:?}");
        assert!(disk.free_bytes() >= (room - 1) * PAGE, "{room}: {} free", disk.free_bytes());
        lab.ok(["verify", "--archived"]);
        assert_eq!(lab.list_all(), listed);

        // Beside it, a small day is still taken.
        disk.fill(32 * PAGE);
        let both = lab.fails(1, ["rotate", "--now", NOW]);
        assert!(both.stdout.contains("2026-05-12  1 event into"), "{room}: {both:?}");
        lab.ok(["restore", "2026-05-12", "--live"]);
        drop(disk);
    }
    let disk = another_disk(&lab, (pages + 2) * PAGE);
    lab.ok(["rotate", "--now", NOW, "--date", "2026-05-10"]);
    assert_eq!(tree(&lab.root()).len(), 1);
    lab.ok(["verify", "--archived"]);
    assert_eq!(lab.list_all(), listed);
    drop(disk);
}

#[test]
fn without_a_free_inode_nothing_is_touched_and_the_lack_is_named() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    lab.seed(1, 5);
    let disk = Disk::with(&lab.archive(), "size=4m,nr_inodes=64");
    // An archive in use: lock and manifest are there.
    let (path, bytes) = event(9, 0, "nas", 0);
    lab.write(&path, bytes);
    lab.rotate_day("2026-05-09");
    let (before, listed) = (tree(&lab.root()), lab.list_all());
    let files = disk.use_up_files();
    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert!(run.stderr.contains("2026-05-10: the day needs 2 new files"), "{run:?}");
    assert!(run.stderr.contains("no inodes are left"), "{run:?}");
    assert_eq!(tree(&lab.root()), before);
    assert_eq!(lab.list_all(), listed);
    fs::remove_dir_all(files).unwrap();
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), listed);
}

#[test]
fn a_new_archive_without_room_for_its_lock_is_an_error_in_one_sentence() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    lab.seed(1, 2);
    let before = tree(&lab.root());
    let disk = Disk::with(&lab.archive(), "size=4m,nr_inodes=4");
    disk.use_up_files();
    let run = lab.fails(74, ["rotate", "--now", NOW]);
    assert!(run.stderr.contains("events-archive/lock: cannot open: no space left"), "{run:?}");
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    assert_eq!(tree(&lab.root()), before);
}

/// A lab whose events and archive lie on one small file system.
fn shared(bytes: u64) -> (Lab, Disk) {
    let lab = Lab::new();
    let disk = Disk::small(&lab.path("disk"), bytes);
    for name in ["events", "events-archive"] {
        fs::create_dir_all(lab.path("disk").join(name)).unwrap();
        let _ = fs::remove_dir(lab.path(name));
        std::os::unix::fs::symlink(lab.path("disk").join(name), lab.path(name)).unwrap();
    }
    (lab, disk)
}

#[test]
fn each_finished_day_gives_room_to_the_next() {
    if !can_mount() {
        return;
    }
    let (lab, disk) = shared(4 << 20);
    lab.seed(1, 40);
    for number in 0..60 {
        let (path, bytes) = dense_event(11, number, 3500);
        lab.write(&path, bytes);
    }
    let listed = lab.list_all();
    disk.fill(80 << 10);
    // The second day does not fit as things stand, and does once the first one is done.
    let alone = lab.fails(1, ["rotate", "--now", NOW, "--date", "2026-05-11"]);
    assert!(alone.stderr.contains("the day needs about"), "{alone:?}");
    let told = lab.ok(["rotate", "--now", NOW]);
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), listed);
}

#[test]
fn what_is_archived_already_is_removed_with_no_byte_free() {
    if !can_mount() {
        return;
    }
    let (lab, disk) = shared(4 << 20);
    lab.seed(1, 10);
    lab.rotate();
    lab.ok(["restore", "2026-05-10", "--live"]);
    // One of the day is not archived yet, and there is no room for it.
    let (path, bytes) = dense_event(10, 7, 100);
    lab.write(&path, bytes);
    let listed = lab.list_all();
    disk.fill(0);
    let run = lab.fails(1, ["rotate", "--now", NOW]);
    assert!(run.stdout.contains("30 were archived already; 1 left live"), "{run:?}");
    assert!(run.stderr.contains("2026-05-10: the day needs about"), "{run:?}");
    assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), [path]);
    assert_eq!(lab.list_all(), listed);
    // That gave room.
    lab.ok(["rotate", "--now", NOW]);
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all(), listed);
}

#[test]
fn emitting_onto_a_full_disk_fails_in_one_sentence_and_works_again_with_room() {
    if !can_mount() {
        return;
    }
    for options in ["size=1m", "size=1m,nr_inodes=20"] {
        let lab = Lab::new();
        let disk = Disk::with(&lab.root(), options);
        let emit = ["emit", "node_online", "--node", "pi4", "--timestamp", "2026-05-10T10:00:00Z"];
        lab.ok(emit);
        let ballast = if options.contains("inodes") { disk.use_up_files() } else { disk.fill(0) };
        let before = tree(&lab.root());
        for day in ["2026-05-10", "2026-05-11"] {
            let run = lab.fails(74, ["emit", "node_online", "--node", "pi4", "--timestamp", day]);
            assert!(run.stderr.contains("no space left on device"), "{run:?}");
            assert_eq!((run.stderr.lines().count(), run.stdout.as_str()), (1, ""), "{run:?}");
            assert_eq!(tree(&lab.root()), before);
        }
        let _ = fs::remove_file(&ballast);
        let _ = fs::remove_dir_all(&ballast);
        lab.ok(emit);
        assert_eq!(lab.list_all().len(), 2);
    }
}

#[test]
fn a_batch_onto_a_filling_disk_acknowledges_what_is_there_and_nothing_else() {
    if !can_mount() {
        return;
    }
    let lab = Lab::new();
    let disk = Disk::small(&lab.root(), 1 << 20);
    lab.ok(["emit", "node_online", "--timestamp", "2026-05-10T10:00:00Z"]);
    let ballast = disk.fill(5 * PAGE);
    let line = "{\"type\":\"node_online\",\"timestamp\":\"2026-05-10T11:00:00Z\"}\n";
    let run = lab.pipe(line.repeat(40).as_bytes(), ["emit", "--batch"]);
    assert_eq!(run.code, 74, "{run:?}");
    let acknowledged: Vec<&str> = run.stdout.lines().collect();
    assert_eq!(acknowledged.len(), 5, "{run:?}");
    assert_eq!(run.stderr.matches("no space left on device").count(), 35, "{run:?}");
    for path in acknowledged {
        assert!(fs::metadata(path).unwrap().len() > 0);
    }
    assert_eq!(lab.list_all().len(), 6);
    fs::remove_file(ballast).unwrap();
    lab.ok(["verify"]);
}

#[test]
fn readers_do_not_notice_that_no_byte_is_free() {
    if !can_mount() {
        return;
    }
    let (lab, disk) = shared(4 << 20);
    lab.seed(2, 10);
    lab.rotate_day("2026-05-10");
    ready(&lab);
    let before = all_answers(&lab);
    assert!(before.iter().all(is_answered), "{before:?}");
    disk.fill(0);
    for (now, before) in all_answers(&lab).into_iter().zip(before) {
        assert_eq!(now, before);
    }
}

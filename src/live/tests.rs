#![allow(clippy::unwrap_used)]

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::event::{Date, EventPath};

const ID: &str = "0196d8a2-7c1a-7000-8000-0123456789ab";

fn path(node: &str, second: u32) -> EventPath {
    format!("2026-05-16/{node}/20260516T1011{second:02}.000000Z_node_online_{ID}.json")
        .parse()
        .unwrap()
}

fn options() -> CreateOptions {
    CreateOptions { token: 7, now: std::time::SystemTime::now().into(), mtime: None }
}

fn day() -> Date {
    "2026-05-16".parse().unwrap()
}

fn tree() -> (tempfile::TempDir, LiveTree) {
    let directory = tempfile::tempdir().unwrap();
    let tree = LiveTree::create(&directory.path().join("events")).unwrap();
    (directory, tree)
}

#[test]
fn a_placed_event_is_listed_and_read_and_never_replaced() {
    let (_keep, tree) = tree();
    let path = path("pi4", 12);
    assert_eq!(create_event(&tree, &path, b"one", &options()).unwrap(), Creation::Created);
    assert_eq!(create_event(&tree, &path, b"two", &options()).unwrap(), Creation::AlreadyExists);
    let listing = tree.list(day()).unwrap();
    assert_eq!((listing.len(), listing.path(0)), (1, path.clone()));
    let mut bytes = Vec::new();
    let partition = tree.partition(day());
    assert!(matches!(
        partition.read_into(&path.node, &path.name, &mut bytes).unwrap(),
        FileState::Read(_)
    ));
    assert_eq!(bytes, b"one");
    assert_eq!(tree.dates().unwrap(), (vec![day()], vec![]));
}

#[test]
fn a_batch_reports_each_event_for_itself() {
    let (_keep, tree) = tree();
    let paths = [path("pi4", 1), path("pi5", 2), path("pi4", 1)];
    let items: Vec<BatchItem<'_>> = paths
        .iter()
        .enumerate()
        .map(|(number, path)| BatchItem { path, bytes: b"x", token: number as u64 })
        .collect();
    let outcomes: Vec<Creation> =
        create_batch(&tree, &items, options().now).into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes.iter().filter(|placed| **placed == Creation::Created).count(), 2);
    assert_eq!(outcomes[1], Creation::Created);
    assert_eq!(tree.list(day()).unwrap().len(), 2);
}

#[test]
fn names_of_every_form_are_listed_in_the_order_of_a_segment() {
    let (_keep, tree) = tree();
    let node = tree.root().join("2026-05-16/pi4");
    std::fs::create_dir_all(&node).unwrap();
    let names = [
        "note.json".to_owned(),
        format!("20260516T101112.000001Z_node_online_{ID}.json"),
        format!("20260516T101112Z_node_online_{ID}.json"),
        format!("2026-05-16T10:11:12Z_Some.Type_{ID}.json"),
        format!("20260516T101112.000000Z_node_online_{}.json", ID.to_uppercase()),
    ];
    for name in &names {
        std::fs::write(node.join(name), b"x").unwrap();
    }
    let listing = tree.list(day()).unwrap();
    let listed: Vec<EventPath> = (0..listing.len()).map(|number| listing.path(number)).collect();
    assert!(listed.is_sorted(), "{listed:?}");
    let mut given: Vec<String> = listed.iter().map(|path| path.name.to_string()).collect();
    given.sort();
    let mut wanted = names.to_vec();
    wanted.sort();
    assert_eq!(given, wanted);
}

#[test]
fn what_is_no_event_file_is_named_and_never_followed() {
    let (keep, tree) = tree();
    let outside = keep.path().join("outside");
    std::fs::create_dir_all(outside.join("pi4")).unwrap();
    std::fs::write(outside.join("pi4/secret.json"), b"secret").unwrap();
    let node = tree.root().join("2026-05-16/pi4");
    std::fs::create_dir_all(node.join("directory.json")).unwrap();
    symlink(&outside, tree.root().join("2026-05-17")).unwrap();
    symlink(outside.join("pi4"), tree.root().join("2026-05-16/linked")).unwrap();
    symlink(outside.join("pi4/secret.json"), node.join("link.json")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        node.join("fifo.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o644),
        0,
    )
    .unwrap();
    std::fs::write(node.join("readme.txt"), b"x").unwrap();
    let broken = std::ffi::OsStr::from_bytes(b"\xff.json");
    std::fs::write(node.join(broken), b"x").unwrap();

    let (dates, unexpected) = tree.dates().unwrap();
    assert_eq!(dates, [day()]);
    assert_eq!(unexpected.len(), 1);
    let listing = tree.list(day()).unwrap();
    assert!(listing.is_empty());
    let mut unexpected: Vec<String> =
        listing.unexpected().iter().map(|entry| entry.path.display().to_string()).collect();
    unexpected.sort();
    assert_eq!(unexpected.len(), 6, "{unexpected:?}");

    let partition = tree.partition(day());
    let mut bytes = Vec::new();
    let mut state = |name: &str| {
        let node = "pi4".parse().unwrap();
        partition.read_into(&node, &name.parse().unwrap(), &mut bytes).unwrap()
    };
    assert_eq!(state("link.json"), FileState::NotRegular("a symbolic link"));
    assert_eq!(state("fifo.json"), FileState::NotRegular("a FIFO"));
    assert_eq!(state("directory.json"), FileState::NotRegular("a directory"));
    assert_eq!(state("absent.json"), FileState::Gone);
}

#[test]
fn an_event_is_never_written_through_a_link() {
    let (keep, tree) = tree();
    let outside = keep.path().join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    symlink(&outside, tree.root().join("2026-05-16")).unwrap();
    create_event(&tree, &path("pi4", 1), b"x", &options()).unwrap_err();
    std::fs::remove_file(tree.root().join("2026-05-16")).unwrap();
    std::fs::create_dir(tree.root().join("2026-05-16")).unwrap();
    symlink(&outside, tree.root().join("2026-05-16/pi4")).unwrap();
    create_event(&tree, &path("pi4", 1), b"x", &options()).unwrap_err();
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn only_the_file_that_was_read_is_removed() {
    let (_keep, tree) = tree();
    let path = path("pi4", 12);
    create_event(&tree, &path, b"one", &options()).unwrap();
    let partition = tree.partition(day());
    let FileState::Read(stamp) =
        partition.read_into(&path.node, &path.name, &mut Vec::new()).unwrap()
    else {
        unreachable!()
    };
    let file = tree.root().join(path.to_string());
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, b"two").unwrap();
    assert_eq!(
        partition.remove(&path.node, &path.name, &stamp.digest()).unwrap(),
        Removal::Changed
    );
    partition.remove_empty_dirs(options().now).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"two");
    let FileState::Read(stamp) =
        partition.read_into(&path.node, &path.name, &mut Vec::new()).unwrap()
    else {
        unreachable!()
    };
    assert_eq!(
        partition.remove(&path.node, &path.name, &stamp.digest()).unwrap(),
        Removal::Removed
    );
    assert_eq!(partition.remove(&path.node, &path.name, &stamp.digest()).unwrap(), Removal::Gone);
    partition.remove_empty_dirs(options().now).unwrap();
    assert!(!tree.root().join("2026-05-16").exists());
}

/// A listed file may be something else by the time it is read or removed.
#[test]
fn what_becomes_a_link_after_the_listing_is_neither_read_nor_removed() {
    let (keep, tree) = tree();
    let path = path("pi4", 12);
    create_event(&tree, &path, b"one", &options()).unwrap();
    let read = || {
        let mut bytes = Vec::new();
        let state = tree.partition(day()).read_into(&path.node, &path.name, &mut bytes);
        (state, bytes)
    };
    let (Ok(FileState::Read(stamp)), _) = read() else { unreachable!() };
    let remove = || tree.partition(day()).remove(&path.node, &path.name, &stamp.digest());
    let (file, node) = (tree.root().join(path.to_string()), tree.root().join("2026-05-16/pi4"));
    let outside = keep.path().join("outside");

    // The very file, stamp and all, through a link in its place.
    std::fs::rename(&file, &outside).unwrap();
    symlink(&outside, &file).unwrap();
    let (state, bytes) = read();
    assert_eq!((state.unwrap(), bytes), (FileState::NotRegular("a symbolic link"), Vec::new()));
    assert_eq!(remove().unwrap(), Removal::Changed);
    assert_eq!(std::fs::read(&outside).unwrap(), b"one");

    // And through a link in place of a directory above it.
    std::fs::remove_file(&file).unwrap();
    std::fs::rename(&outside, &file).unwrap();
    let day_directory = tree.root().join("2026-05-16");
    for directory in [&node, &day_directory] {
        std::fs::rename(directory, &outside).unwrap();
        symlink(&outside, directory).unwrap();
        let (state, bytes) = read();
        state.unwrap_err();
        assert_eq!(bytes, b"");
        remove().unwrap_err();
        std::fs::remove_file(directory).unwrap();
        std::fs::rename(&outside, directory).unwrap();
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"one");
}

#[test]
fn stale_temporary_files_do_not_keep_a_directory_alive() {
    let (_keep, tree) = tree();
    let node = tree.root().join("2026-05-16/pi4");
    std::fs::create_dir_all(&node).unwrap();
    std::fs::write(node.join(crate::fs::temp_name(1)), b"half").unwrap();
    assert!(tree.list(day()).unwrap().unexpected().is_empty());
    let partition = tree.partition(day());
    partition.remove_empty_dirs(options().now).unwrap();
    assert!(node.exists());
    let later = crate::event::Timestamp::from_micros(options().now.micros() + 7_200_000_000);
    partition.remove_empty_dirs(later).unwrap();
    assert!(!node.exists());
}

#[test]
fn emitting_goes_on_while_directories_are_removed_under_it() {
    let (_keep, tree) = tree();
    std::thread::scope(|scope| {
        let remover = scope.spawn(|| {
            for _ in 0..2000 {
                tree.partition(day()).remove_empty_dirs(options().now).unwrap();
            }
        });
        for number in 0..60 {
            let path = path("pi4", number);
            assert_eq!(create_event(&tree, &path, b"x", &options()).unwrap(), Creation::Created);
            assert!(Path::new(&tree.root().join(path.to_string())).exists());
            std::fs::remove_file(tree.root().join(path.to_string())).unwrap();
        }
        remover.join().unwrap();
    });
}

#[test]
fn a_bulk_of_files_appears_whole_and_leaves_nothing_beside() {
    let (_keep, tree) = tree();
    let now = options().now;
    {
        // The remains of an interrupted run.
        let staging = tree.root().join(crate::fs::temp_name(9));
        let waiting = staging.join(".hlarchive-staged/2026-05-16/pi4");
        std::fs::create_dir_all(&waiting).unwrap();
        std::fs::write(waiting.join("0"), b"half").unwrap();
        std::fs::set_permissions(&staging, PermissionsExt::from_mode(0o700)).unwrap();
    }
    let paths = [path("pi4", 1), path("pi5", 2)];
    create_event(&tree, &paths[1], b"there", &options()).unwrap();
    let bulk = BulkPlacer::begin(&tree, 1, now).unwrap();
    let mtime = Some("2026-05-16T10:11:12Z".parse().unwrap());
    for path in &paths {
        bulk.stage(path, b"new", mtime).unwrap();
    }
    let mut in_the_way = Vec::new();
    let stats = bulk.finish(&mut |path| in_the_way.push(path.clone())).unwrap();
    assert_eq!((stats.created_files, stats.same_files), (1, 0));
    assert_eq!(in_the_way, paths[1..]);
    let top: Vec<_> = std::fs::read_dir(tree.root()).unwrap().collect();
    assert_eq!(top.len(), 1);
    assert_eq!(std::fs::read(tree.root().join(paths[1].to_string())).unwrap(), b"there");
    let file = std::fs::metadata(tree.root().join(paths[0].to_string())).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mtime(&file), 1_778_926_272);
}

/// Anyone who may write to the root can rename a day to a staging name, and choose what is in it.
#[test]
fn what_only_bears_the_name_of_a_leftover_is_left_and_named() {
    let (_keep, tree) = tree();
    let make = |name: &str, below: &str, mode: u32| {
        let directory = tree.root().join(name);
        std::fs::create_dir_all(directory.join(below)).unwrap();
        std::fs::write(directory.join(below).join("an-event.json"), b"evidence").unwrap();
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(mode)).unwrap();
    };
    make(".hlarchive-tmp-0000000000000001", "pi4", 0o775);
    make(".hlarchive-tmp-0000000000000002", ".hlarchive-staged/2026-05-16/pi4", 0o755);
    make(".hlarchive-tmp-0000000000000003", "pi4", 0o700);
    make(".hlarchive-tmp-x", ".hlarchive-staged/2026-05-16/pi4", 0o700);
    make(".hlarchive-tmp-000000000000000A", ".hlarchive-staged/2026-05-16/pi4", 0o700);
    drop(BulkPlacer::begin(&tree, 1, options().now).unwrap());
    tree.remove_leftovers();
    let found = std::fs::read_dir(tree.root()).unwrap().map(|entry| entry.unwrap().path());
    let mut files = 0;
    for path in found {
        files += usize::from(path.join("pi4/an-event.json").exists());
        let staged = path.join(".hlarchive-staged/2026-05-16/pi4/an-event.json");
        files += usize::from(staged.exists());
    }
    assert_eq!(files, 5);
    let (dates, unexpected) = tree.dates().unwrap();
    assert_eq!((dates.len(), unexpected.len()), (0, 4), "{unexpected:?}");
}

#[test]
fn a_million_names_take_little_memory() {
    let mut builder = listing::Builder::new(day(), u64::MAX);
    let node = builder.node("pi4".parse().unwrap());
    for number in 0..1000 {
        builder.file(node, &format!("20260516T101112.{number:06}Z_node_online_{ID}.json"));
    }
    assert!(builder.bytes_per_file() <= 40, "{}", builder.bytes_per_file());
    assert_eq!(builder.finish().len(), 1000);
}

#![allow(clippy::unwrap_used)]

use super::*;
use crate::archive::{By, ManifestWriter, NewRecord};

/// Returns an archive with this many records of all the kinds that matter here.
fn archive(records: u32) -> (tempfile::TempDir, ArchiveDir) {
    let directory = tempfile::tempdir().unwrap();
    let archive = ArchiveDir::create(directory.path()).unwrap();
    add(&archive, 0, records);
    (directory, archive)
}

fn add(archive: &ArchiveDir, from: u32, to: u32) {
    let lock = archive.lock().unwrap();
    let now: Timestamp = "2026-06-01T03:00:00Z".parse().unwrap();
    let by =
        By { user: "u".to_owned(), host: "h".to_owned(), command: "c".to_owned(), sudo_user: None };
    let (mut writer, _) = ManifestWriter::open(archive, &lock, now, &by).unwrap();
    let epoch: Date = "2020-01-01".parse().unwrap();
    let name = |number: u32| SegmentName {
        date: epoch.plus_days(i64::from(number / 3)),
        number: number % 3,
        class: (number % 2 == 1).then(|| "incidents".to_owned()),
    };
    for number in from..to {
        let (op, number) = match number % 10 {
            7 => (Op::Prune, number - 5),
            8 => (Op::Evict, number - 2),
            9 => (Op::Hold, number),
            _ => (Op::Rotate, number),
        };
        let mut record = NewRecord::new(now, op);
        record.segment = Some(name(number));
        record.sha256 = Some(Sha256Hash::of(&number.to_le_bytes()));
        record.first = (number % 4 > 0).then(|| Timestamp::from_micros(i64::from(number)));
        record.last = Some(Timestamp::from_micros(-1 - i64::from(number)));
        record.events = Some(u64::from(number) << 20);
        writer.append(record).unwrap();
    }
}

fn same(overview: &Overview, archive: &ArchiveDir) {
    let whole = Overview::of(&Manifest::load(archive).unwrap());
    assert_eq!(overview.segments, whole.segments);
    assert_eq!(overview.expired, whole.expired);
    assert_eq!(overview.stamp, whole.stamp);
}

fn refresh(archive: &ArchiveDir) {
    write(archive, &Manifest::load(archive).unwrap(), 1, 1).unwrap();
}

#[test]
fn what_the_file_and_the_newer_lines_say_is_what_the_manifest_says() {
    let (_directory, archive) = archive(95);
    assert!(Overview::read(&archive).is_none());
    same(&Overview::load(&archive).unwrap(), &archive);
    refresh(&archive);
    let read = Overview::read(&archive).unwrap();
    same(&read, &archive);
    assert!(read.segments.iter().any(|row| row.evicted));
    assert!(read.expired().count() > 5);
    for more in 96..120 {
        add(&archive, more - 1, more);
        same(&Overview::read(&archive).unwrap(), &archive);
    }
    refresh(&archive);
    assert!(!is_false(&archive, &Manifest::load(&archive).unwrap()).unwrap());
    same(&Overview::read(&archive).unwrap(), &archive);
}

#[test]
fn a_file_with_any_bit_flipped_or_cut_off_is_as_good_as_none() {
    let (directory, archive) = archive(12);
    refresh(&archive);
    let path = directory.path().join(OVERVIEW);
    let sound = std::fs::read(&path).unwrap();
    for at in 0..sound.len() {
        let mut flipped = sound.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(decode(&flipped).is_none(), "{at}");
        assert!(decode(&sound[..at]).is_none());
    }
    std::fs::write(&path, &sound[..40]).unwrap();
    same(&Overview::load(&archive).unwrap(), &archive);
}

#[test]
fn a_file_of_another_manifest_is_as_good_as_none() {
    let (directory, first) = archive(30);
    refresh(&first);
    let (other, second) = archive(31);
    std::fs::copy(directory.path().join(OVERVIEW), other.path().join(OVERVIEW)).unwrap();
    // The same lines up to there: it belongs.
    same(&Overview::read(&second).unwrap(), &second);
    // Others in their place, as after a rebuild.
    let text = std::fs::read_to_string(second.manifest_path()).unwrap();
    std::fs::write(second.manifest_path(), text.replacen("\"u\"", "\"v\"", 1)).unwrap();
    std::fs::remove_file(second.manifest_path()).unwrap();
    add(&second, 1, 40);
    assert!(Overview::read(&second).is_none());
    same(&Overview::load(&second).unwrap(), &second);
}

#[test]
fn damage_in_the_newer_lines_is_an_error_and_a_torn_end_is_stepped_over() {
    let (_directory, archive) = archive(30);
    refresh(&archive);
    add(&archive, 30, 35);
    let sound = std::fs::read(archive.manifest_path()).unwrap();
    let mut damaged = sound.clone();
    let at = damaged.len() - 400;
    damaged[at] ^= 1;
    std::fs::write(archive.manifest_path(), &damaged).unwrap();
    assert!(matches!(Overview::load(&archive), Err(Error::Corrupt { .. })));
    std::fs::write(archive.manifest_path(), &sound[..sound.len() - 20]).unwrap();
    same(&Overview::read(&archive).unwrap(), &archive);
}

//! The effects of a power cut, a long line or somebody else's file on a manifest.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode};

use super::*;

/// A single zero byte, if its value can be determined: the line is intact for readers, and the
/// next writer puts the byte back.
#[test]
fn a_lost_byte_of_the_last_line_is_read_and_put_back() {
    let place = TestArchive::with_records(2);
    let mut noted = record(Op::Hold, None);
    noted.note = Some("a b@c".to_owned());
    place.append([noted]);
    let whole = place.bytes();
    let head = place.load().head();
    let before = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut tried = Vec::new();
    for at in before..whole.len() - 1 {
        let byte = whole[at];
        if !byte.is_power_of_two() {
            continue;
        }
        tried.push(byte);
        let mut torn = whole.clone();
        torn[at] = 0;
        place.write(&torn);
        let manifest = place.load();
        assert_eq!((manifest.records().len(), manifest.head()), (3, head));
        assert_eq!(manifest.torn(), Some(Torn { bytes: 1 }));
        assert_eq!(manifest.lost_byte, Some((at as u64, byte)));
        assert_eq!((manifest.sound_bytes, manifest.lacks_newline), (whole.len() as u64, false));
        let lock = place.archive.lock().unwrap();
        ManifestWriter::open(&place.archive, &lock, now(), &by()).unwrap();
        assert_eq!(place.bytes()[..whole.len()], whole, "byte {at}");
        let mended = place.load();
        let mend = mended.records().last().unwrap();
        assert_eq!((&mend.op, mend.bytes, mended.torn()), (&Op::Mend, Some(1), None));
        assert_eq!(mend.note.as_deref(), Some("a lost byte of the last line was put back"));
    }
    assert!(tried.contains(&b' ') && tried.contains(&b'@'));
}

#[test]
fn a_file_that_never_was_a_manifest_is_not_cut_off() {
    let place = TestArchive::new();
    for foreign in [&b"hello"[..], b"hello\0\n", b"\xff{"] {
        place.write(foreign);
        assert_eq!(place.damages(), ["it is not a manifest: line 1 is not a record"]);
        let lock = place.archive.lock().unwrap();
        ManifestWriter::open(&place.archive, &lock, now(), &by()).unwrap_err();
        assert_eq!(place.bytes(), foreign);
    }
    for torn in [&b"{"[..], b"{\"v\":1,\"seq\"", b"\0\0\0", b"\0\n"] {
        place.write(torn);
        assert_eq!(place.load().torn(), Some(Torn { bytes: torn.len() as u64 }));
    }
    // After a sound line, anything else came with a power cut.
    let sound = TestArchive::with_records(1).bytes();
    place.write(&[&sound, &b"hello"[..]].concat());
    let manifest = place.load();
    assert_eq!(
        (manifest.torn(), manifest.sound_bytes),
        (Some(Torn { bytes: 5 }), sound.len() as u64)
    );
}

#[test]
fn a_manifest_that_cannot_be_opened_is_not_taken_for_an_empty_one() {
    let place = TestArchive::new();
    let path = place.archive.manifest_path();
    assert!(place.load().records().is_empty(), "none is there");
    symlink("/dev/null", &path).unwrap();
    Manifest::load(&place.archive).unwrap_err();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    Manifest::load(&place.archive).unwrap_err();
}

#[test]
fn a_line_may_have_sixteen_mebibytes_and_no_more() {
    let place = TestArchive::new();
    let limit = 16 << 20;
    place.write(&vec![b'{'; limit]);
    assert_eq!(place.load().torn(), Some(Torn { bytes: limit as u64 }));
    place.write(&vec![b'{'; limit + 1]);
    assert_eq!(place.damages(), ["line 1 is longer than any record"]);
}

#[test]
fn a_manifest_is_made_with_its_first_record() {
    let place = TestArchive::new();
    let path = place.archive.manifest_path();
    let lock = place.archive.lock().unwrap();
    let (mut writer, _) = ManifestWriter::open(&place.archive, &lock, now(), &by()).unwrap();
    assert!(!path.exists());
    writer.append(record(Op::Hold, None)).unwrap();
    assert_eq!(place.load().head(), writer.manifest().head());
}

/// Between the check and the first record anything may be put there.
#[test]
fn what_was_put_in_the_place_of_a_manifest_is_not_written_to() {
    let place = TestArchive::new();
    let path = place.archive.manifest_path();
    let lock = place.archive.lock().unwrap();
    let (mut writer, _) = ManifestWriter::open(&place.archive, &lock, now(), &by()).unwrap();
    let elsewhere = place.directory.path().join("elsewhere");
    fs::write(&elsewhere, "mine").unwrap();
    symlink(&elsewhere, &path).unwrap();
    writer.append(record(Op::Hold, None)).unwrap_err();
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
    fs::remove_file(&path).unwrap();
    // Nothing waits for a reader of this.
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    writer.append(record(Op::Hold, None)).unwrap_err();
    fs::remove_file(&path).unwrap();
    assert!(!writer.is_poisoned());
    writer.append(record(Op::Hold, None)).unwrap();
    assert_eq!(place.load().records().len(), 1);
}

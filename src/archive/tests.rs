//! Locks and manifests, as files.

#![allow(clippy::unwrap_used)]

mod edges;

use std::fs;

use super::manifest::Manifest;
use super::*;
use crate::Error;
use crate::event::Timestamp;
use crate::segment::Sha256Hash;

struct TestArchive {
    directory: tempfile::TempDir,
    archive: ArchiveDir,
}

fn now() -> Timestamp {
    "2026-06-01T03:00:00Z".parse().unwrap()
}

fn by() -> By {
    By { user: "u".to_owned(), host: "h".to_owned(), command: "c".to_owned(), sudo_user: None }
}

fn name(text: &str) -> SegmentName {
    text.parse().unwrap()
}

fn record(op: Op, segment: Option<&str>) -> NewRecord {
    let mut record = NewRecord::new(now(), op);
    record.segment = segment.map(name);
    record
}

impl TestArchive {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let archive = ArchiveDir::create(&directory.path().join("archive")).unwrap();
        Self { directory, archive }
    }

    /// Returns an archive with this many records, each of another segment.
    fn with_records(count: u32) -> Self {
        let place = Self::new();
        let mut text = Vec::new();
        let mut prev = Sha256Hash::ZERO;
        for number in 1..=count {
            let segment = format!("2026/2026-05-10.{number}.tar.zst");
            let linked = record(Op::Rotate, Some(&segment)).linked(u64::from(number), prev);
            let line = chain::line(&linked);
            prev = Sha256Hash::of(&line);
            text.extend(line);
            text.push(b'\n');
        }
        place.write(&text);
        place
    }

    fn append(&self, records: impl IntoIterator<Item = NewRecord>) {
        let lock = self.archive.lock().unwrap();
        let (mut writer, torn) = ManifestWriter::open(&self.archive, &lock, now(), &by()).unwrap();
        assert_eq!(torn, None);
        for record in records {
            writer.append(record).unwrap();
        }
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.archive.manifest_path()).unwrap()
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.archive.manifest_path(), bytes).unwrap();
    }

    fn load(&self) -> Manifest {
        Manifest::load(&self.archive).unwrap()
    }

    fn damages(&self) -> Vec<String> {
        Manifest::load_checked(&self.archive).unwrap().1
    }
}

#[test]
fn a_lock_keeps_everybody_else_out_until_it_is_given_up() {
    let place = TestArchive::new();
    let lock = place.archive.lock().unwrap();
    assert!(matches!(place.archive.lock(), Err(Error::Busy { .. })));
    let other = ArchiveDir::open(place.archive.root()).unwrap().unwrap();
    assert!(matches!(other.lock(), Err(Error::Busy { .. })));
    drop(lock);
    other.lock().unwrap();
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 1);
}

#[test]
fn what_is_appended_is_read_back_in_its_place_in_the_chain() {
    let place = TestArchive::new();
    assert!(place.load().records().is_empty());
    assert_eq!(place.load().head(), Sha256Hash::ZERO);
    place.append([record(Op::Rotate, Some("2026/2026-05-10.tar.zst"))]);
    place.append([record(Op::Hold, None), record(Op::Restore, None)]);
    let manifest = place.load();
    let seqs: Vec<u64> = manifest.records().iter().map(|record| record.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    let bytes = place.bytes();
    let lines: Vec<&[u8]> =
        bytes.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
    let mut prev = Sha256Hash::ZERO;
    for (line, record) in lines.iter().zip(manifest.records()) {
        assert_eq!(record.prev, prev);
        prev = Sha256Hash::of(line);
        assert!(manifest.has_head(prev));
    }
    assert_eq!((lines.len(), manifest.head()), (3, prev));
    assert!(manifest.has_head(Sha256Hash::ZERO));
    assert!(!manifest.has_head(Sha256Hash::of(b"another line")));
}

#[test]
fn a_segment_is_there_from_its_record_until_it_expires() {
    let place = TestArchive::new();
    let segments =
        ["2026/2026-05-09.1.tar.zst", "2026/2026-05-10.tar.zst", "2026/2026-05-10.1.tar.zst"];
    place.append(segments[..2].iter().map(|text| record(Op::Rotate, Some(text))));
    place.append([
        record(Op::Import, Some(segments[2])),
        record(Op::Hold, Some("2026/2026-05-11.tar.zst")),
    ]);
    let there = |manifest: &Manifest| {
        manifest.segments().map(|(name, record)| (name.to_string(), record.seq)).collect::<Vec<_>>()
    };
    let expected = |text: &str, seq| (text.to_owned(), seq);
    let manifest = place.load();
    assert_eq!(
        there(&manifest),
        [expected(segments[0], 1), expected(segments[1], 2), expected(segments[2], 3)]
    );
    let of_day: Vec<String> = manifest
        .segments_of("2026-05-10".parse().unwrap())
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(of_day, segments[1..]);
    place.append([record(Op::Prune, Some(segments[1]))]);
    let manifest = place.load();
    assert_eq!(there(&manifest), [expected(segments[0], 1), expected(segments[2], 3)]);
    assert!(manifest.names(&name(segments[2])) && !manifest.names(&name(segments[1])));
}

#[test]
fn a_manifest_is_read_again_when_it_changed() {
    let place = TestArchive::new();
    let mut manifest = place.load();
    assert!(!manifest.reload_if_changed(&place.archive).unwrap());
    place.append([record(Op::Hold, None)]);
    assert!(manifest.reload_if_changed(&place.archive).unwrap());
    assert_eq!(manifest.records().len(), 1);
    assert!(!manifest.reload_if_changed(&place.archive).unwrap());
}

/// Wherever the power cut it off: the lines before are sound, and the next writer appends where
/// they end and says so.
#[test]
fn a_line_torn_anywhere_is_stepped_over_and_mended() {
    let place = TestArchive::with_records(3);
    let whole = place.bytes();
    let before = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let zeros = [&whole[..before], &[0; 40], b"\n"].concat();
    let torn = (before + 1..whole.len()).map(|cut| whole[..cut].to_vec()).chain([zeros]);
    for bytes in torn {
        let lacks_newline = bytes.len() == whole.len() - 1;
        let kept = if lacks_newline { 3 } else { 2 };
        let dropped = if lacks_newline { 0 } else { (bytes.len() - before) as u64 };
        place.write(&bytes);
        let manifest = place.load();
        assert_eq!(manifest.records().len(), kept);
        assert_eq!(manifest.torn(), Some(Torn { bytes: dropped }));
        let lock = place.archive.lock().unwrap();
        let (mut writer, torn) = ManifestWriter::open(&place.archive, &lock, now(), &by()).unwrap();
        assert_eq!(torn, manifest.torn());
        writer.append(record(Op::Hold, None)).unwrap();
        assert!(!writer.is_poisoned());
        assert_eq!(writer.manifest().head(), place.load().head());
        let mended = place.load();
        assert_eq!(mended.torn(), None);
        let ops: Vec<&Op> = mended.records()[kept..].iter().map(|record| &record.op).collect();
        assert_eq!(ops, [&Op::Mend, &Op::Hold]);
        assert_eq!(mended.records()[kept].bytes, Some(dropped));
        let sound = if lacks_newline { whole.len() - 1 } else { before };
        assert_eq!(place.bytes()[..sound], whole[..sound]);
    }
}

#[test]
fn any_other_damage_is_named_by_its_line_and_keeps_writers_off() {
    let place = TestArchive::with_records(4);
    let whole = place.bytes();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let broken = "does not follow the line before it";
    let mut flipped = whole.clone();
    flipped[lines[0].len() + 20] ^= 1;
    for (bytes, told) in [
        (flipped, vec!["line 2 is damaged: it is not as it was written", broken]),
        ([lines[0], lines[2], lines[3]].concat(), vec![broken, "line 3 has the wrong number 4"]),
        ([lines[0], lines[2], lines[1], lines[3]].concat(), vec![broken, broken, broken]),
        ([lines[0], lines[1], b"\n", lines[2]].concat(), vec!["line 3 is damaged", broken]),
    ] {
        place.write(&bytes);
        let damages = place.damages();
        assert_eq!(damages.len(), told.len(), "{damages:?}");
        for (damage, told) in damages.iter().zip(told) {
            assert!(damage.contains(told), "{damages:?}");
        }
        assert!(matches!(Manifest::load(&place.archive), Err(Error::Corrupt { .. })));
        let lock = place.archive.lock().unwrap();
        ManifestWriter::open(&place.archive, &lock, now(), &by()).unwrap_err();
        assert_eq!(place.bytes(), bytes);
    }
}

/// Lines are parsed many at a time, and a file is read piece by piece.
#[test]
fn a_manifest_of_many_lines_is_read_as_one_of_few() {
    let place = TestArchive::with_records(5000);
    let manifest = place.load();
    assert_eq!((manifest.records().len(), manifest.torn()), (5000, None));
    assert!(manifest.records().iter().zip(1..).all(|(record, seq)| record.seq == seq));
    assert_eq!(manifest.sound_bytes, place.bytes().len() as u64);
    assert!(place.bytes().len() > 1 << 20);
    place.append([record(Op::Hold, None)]);
    assert_eq!(place.load().records().len(), 5001);
}

#[test]
fn what_is_no_manifest_is_not_read_to_its_end() {
    let place = TestArchive::new();
    place.write(&b"\n".repeat(100_000));
    let damages = place.damages();
    let last = damages.last().unwrap();
    assert!(last.starts_with("what follows line ") && last.ends_with(" was not read"), "{last}");
    assert!((1000..20_000).contains(&damages.len()), "{}", damages.len());
    place.write(&vec![b'x'; 40 << 20]);
    assert_eq!(place.damages(), ["line 1 is longer than any record"]);
}

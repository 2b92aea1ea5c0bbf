//! What a stopped run leaves is finished by the next, and nobody has to clean up.

use std::fs;

use crate::common::{Lab, event};

#[test]
fn a_checksum_file_without_its_segment_does_not_contradict_the_next_one() {
    let lab = Lab::new();
    let seeded = lab.seed(1, 4);
    fs::create_dir_all(lab.path("events-archive/2026")).unwrap();
    let checksum = format!("{}  2026-05-10.tar.zst\n", "0".repeat(64));
    fs::write(lab.path("events-archive/2026/2026-05-10.tar.zst.sha256"), checksum).unwrap();
    lab.rotate();
    lab.ok(["verify"]);
    assert_eq!(lab.list_all().len(), seeded.len());
}

#[test]
fn a_segment_without_a_record_goes_when_others_hold_its_events() {
    let lab = Lab::new();
    lab.seed(1, 4);
    lab.rotate();
    let folder = lab.path("events-archive/2026");
    fs::copy(folder.join("2026-05-10.tar.zst"), folder.join("2026-05-10.1.tar.zst")).unwrap();
    let (late, bytes) = event(10, 0, "nas", 40);
    lab.write(&late, bytes);
    lab.rotate();
    lab.ok(["verify"]);
    assert_eq!(lab.list_all().len(), 13);
    assert!(!folder.join("2026-05-10.2.tar.zst").exists());
}

#[test]
fn a_segment_without_a_record_stays_when_it_alone_holds_an_event() {
    let lab = Lab::new();
    lab.seed(1, 4);
    lab.rotate();
    let folder = lab.path("events-archive/2026");
    let segment = fs::read(folder.join("2026-05-10.tar.zst")).unwrap();
    fs::remove_dir_all(lab.archive()).unwrap();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("2026-05-10.tar.zst"), &segment).unwrap();
    let (late, bytes) = event(10, 0, "nas", 40);
    lab.write(&late, bytes);
    lab.fails(75, ["rotate", "--now", crate::common::NOW]);
    let run = lab.fails(1, ["rotate", "--now", crate::common::NOW, "--new-archive"]);
    assert!(run.stderr.contains("no record names this segment"), "{run:?}");
    assert_eq!(fs::read(folder.join("2026-05-10.tar.zst")).unwrap(), segment);
}

#[test]
fn restoring_live_mends_a_torn_manifest_and_is_done() {
    let lab = Lab::new();
    let seeded = lab.seed(1, 2);
    lab.rotate();
    let manifest = lab.path("events-archive/manifest.jsonl");
    let mut bytes = fs::read(&manifest).unwrap();
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":2,\"ti");
    fs::write(&manifest, bytes).unwrap();
    let run = lab.run(["restore", "2026-05-10", "--live"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("torn by a crash"), "{run:?}");
    assert_eq!(crate::common::tree(&lab.root()), seeded);
    lab.ok(["verify"]);
}

#[test]
fn a_rebuild_removes_what_a_stopped_one_left() {
    let lab = Lab::new();
    lab.seed(1, 2);
    lab.rotate();
    fs::write(lab.path("events-archive/.hlarchive-tmp-0000000000000001"), "half").unwrap();
    lab.ok(["manifest", "rebuild"]);
    lab.ok(["verify"]);
}

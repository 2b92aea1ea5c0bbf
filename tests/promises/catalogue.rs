//! The catalogue spares readers segments, and never an event.

use std::fs;

use hlarchive::Date;
use hlarchive::internals::archive::{ArchiveDir, Manifest, catalogue};
use hlarchive::internals::store::Store;
use hlarchive::internals::store::{Filter, Query};

use crate::common::{Lab, NOW};

/// Fifteen days with ids of their own; each day also has an event of `long-run`.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(15, 8);
    for day in 10..25 {
        let time = format!("2026-05-{day}T12:00:00Z");
        lab.ok(["emit", "node_online", "--correlation-id=long-run", "--timestamp", &time]);
    }
    lab.rotate();
    assert!(lab.archive().join("catalogue").is_file());
    lab
}

/// What `trace` prints, and how many segments a query for the id opens.
fn trace(lab: &Lab, id: &str) -> (String, u64) {
    let told = lab.run(["trace", id, "-o", "ndjson"]);
    let filter = Filter { correlation_ids: vec![id.to_owned()], ..Filter::default() };
    let store = Store::new(lab.root(), Some(lab.archive()));
    let mut events = store.events(Query { filter, ..Query::default() }).unwrap();
    assert_eq!(events.by_ref().count(), told.stdout.lines().count());
    (told.stdout, events.segments_opened())
}

#[test]
fn a_trace_opens_only_the_segments_that_may_hold_its_id() {
    let lab = lab();
    let (told, opened) = trace(&lab, "run-15-1");
    assert_eq!(told.lines().count(), 12);
    assert!(opened <= 3, "{opened} segments opened for one day's id");
    assert_eq!(trace(&lab, "long-run").1, 15);
    assert!(trace(&lab, "never-was").1 <= 2);
}

#[test]
fn without_a_sound_catalogue_the_answers_are_the_same() {
    let lab = lab();
    let file = lab.archive().join("catalogue");
    let whole = fs::read(&file).unwrap();
    let wanted: Vec<String> =
        ["run-15-1", "long-run", "never-was"].map(|id| trace(&lab, id).0).to_vec();
    let mut states: Vec<Vec<u8>> = vec![Vec::new(), b"HLCT".to_vec(), vec![0; whole.len()]];
    // Zeros behind the entries only fill the file up.
    let entries = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    states.extend((0..entries).step_by(97).map(|length| whole[..length].to_vec()));
    states.extend((0..entries).step_by(61).map(|at| {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped
    }));
    for state in &states {
        fs::write(&file, state).unwrap();
        let told: Vec<String> =
            ["run-15-1", "long-run", "never-was"].map(|id| trace(&lab, id).0).to_vec();
        assert!(told == wanted, "{} bytes", state.len());
        lab.ok(["verify", "--quick"]);
    }
    // The next rotation makes it whole again, from wherever it was damaged.
    for state in [&states[2], &states[9], states.last().unwrap()] {
        fs::write(&file, state).unwrap();
        lab.rotate();
        assert_eq!(fs::read(&file).unwrap().len(), whole.len());
        assert!(trace(&lab, "run-15-1").1 <= 3);
    }
    fs::remove_file(&file).unwrap();
    lab.rotate();
    assert!(fs::read(&file).unwrap() == whole);
}

#[test]
fn a_catalogue_that_is_a_link_or_a_directory_is_not_used() {
    let lab = lab();
    let file = lab.archive().join("catalogue");
    let elsewhere = lab.path("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert_eq!(trace(&lab, "run-15-1").1, 15);
    lab.ok(["rotate", "--now", NOW]);
    assert!(fs::read(&elsewhere).unwrap() == before);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(trace(&lab, "run-15-1").1, 15);
}

#[test]
fn an_entry_that_hides_events_is_named_by_verify() {
    let lab = lab();
    let file = lab.archive().join("catalogue");
    let date: Date = "2026-05-15".parse().unwrap();
    // An entry with a sound checksum that says of this segment what is true of another.
    let archive = ArchiveDir::open(&lab.archive()).unwrap().unwrap();
    let manifest = Manifest::load(&ArchiveDir::open(&lab.archive()).unwrap().unwrap());
    let manifest = manifest.unwrap();
    let of = |date: Date| manifest.segments_of(date).next().unwrap().1.sha256.unwrap();
    let (victim, other) = (of(date), of("2026-05-16".parse().unwrap()));
    let mut bytes = fs::read(&file).unwrap();
    let find = |bytes: &[u8], hash: &[u8]| {
        bytes.windows(32).position(|window| window == hash).unwrap() - 4
    };
    let (at, from) = (find(&bytes, &victim.0), find(&bytes, &other.0));
    let size = u32::from_le_bytes(bytes[from..from + 4].try_into().unwrap()) as usize;
    let mut forged = bytes[from..from + size - 8].to_vec();
    forged[4..36].copy_from_slice(&victim.0);
    let checksum = hlarchive::internals::segment::Sha256Hash::of(&forged).0;
    forged.extend_from_slice(&checksum[..8]);
    let old = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    bytes.splice(at..at + old, forged);
    fs::write(&file, bytes).unwrap();
    assert!(catalogue::without(&archive, &["run-15-1".to_owned()]).contains(&victim));

    let run = lab.fails(1, ["verify"]);
    let wanted = "2026/2026-05-15.tar.zst: the catalogue differs from its index";
    assert!(run.stdout.starts_with(wanted), "{run:?}");
    fs::remove_file(&file).unwrap();
    lab.rotate();
    lab.ok(["verify"]);
}

//! Any flipped bit is found and named; a damaged frame costs only the events inside it; and
//! no damage makes anything panic.
//!
//! A real archive, 10,000 random bits of it flipped one after the other, each looked at by
//! `verify` inside this process, some by every command; a segment cut off at every byte; and
//! things that follow it. The seed is printed on failure; `HLARCHIVE_TEST_SEED` sets it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

use hlarchive::internals::segment::SegmentReader;
use hlarchive::internals::store::{Query, Store};
use hlarchive::{Context, History, VerifyOptions, VerifyReport};

use crate::common::{Lab, NOW, Tree};

const FLIPS: u64 = 10_000;

/// Every so many flips, all events are read as well.
const READ_EVERY: u64 = 5;

/// Every so many flips, every command is run.
const RUN_EVERY: u64 = 200;

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn new() -> (Self, u64) {
        let given = std::env::var("HLARCHIVE_TEST_SEED").ok();
        let seed = given.map_or(0x68_6c61_7263_6869, |text| text.parse().unwrap());
        (Self(seed), seed)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// An archive of two days in frames of 4 KiB, and what can be read from it.
struct Archive {
    lab: Lab,
    store: Store,
    history: History,
    /// Every event, by identity.
    events: Tree,
    /// For each segment, by path: where its data frames begin and end, and what they hold.
    frames: BTreeMap<String, Vec<(u64, u64, Vec<String>)>>,
}

impl Archive {
    fn new(per_node: u32) -> Self {
        let lab = Lab::new();
        let policy = "version = 1\n[rotate]\nlevel = 3\nframe_size = \"4KiB\"\n";
        fs::write(lab.path("policy.toml"), policy).unwrap();
        let events = lab.seed(2, per_node);
        lab.rotate();
        let store = Store::new(lab.root(), Some(lab.archive()));
        let context = Context::from_system("test").unwrap().at(NOW.parse().unwrap());
        let history = History::open(lab.root()).unwrap().with_archive(lab.archive());
        let history = history.with_context(context);
        let mut frames = BTreeMap::new();
        for day in ["2026-05-10", "2026-05-11"] {
            let name = format!("2026/{day}.tar.zst");
            let path = lab.archive().join(&name);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            let reader = SegmentReader::open(File::open(&path).unwrap(), &path).unwrap();
            let list = (0..reader.frames().len())
                .map(|number| {
                    let info = reader.frames()[number];
                    let frame = reader.read_frame(number).unwrap();
                    let held = frame.members().map(|m| m.unwrap().path.to_string()).collect();
                    (info.offset, info.offset + u64::from(info.compressed), held)
                })
                .collect();
            frames.insert(name, list);
        }
        Self { lab, store, history, events, frames }
    }

    fn file(&self, below: &str) -> PathBuf {
        self.lab.archive().join(below)
    }

    fn verify(&self) -> VerifyReport {
        self.history.verify(&VerifyOptions::default()).unwrap()
    }

    /// Reads every event; those lost must all be in `may_be_lost`.
    #[track_caller]
    fn reads_all_but(&self, may_be_lost: &[String], what: &str) {
        let mut found = Tree::new();
        for event in self.store.events(Query::default()).unwrap() {
            let event = event.unwrap();
            let path = event.path.to_string();
            assert_eq!(self.events.get(&path).map(Vec::as_slice), Some(&*event.bytes), "{what}");
            assert!(found.insert(path, event.bytes.to_vec()).is_none(), "{what}: seen twice");
        }
        let lost: Vec<&String> = self
            .events
            .keys()
            .filter(|path| !found.contains_key(*path) && !may_be_lost.contains(path))
            .collect();
        assert!(lost.is_empty(), "{what}: {} more events are lost: {lost:?}", lost.len());
    }

    /// The events of the data frame that this byte is in.
    fn held_at(&self, segment: &str, at: u64) -> &[String] {
        self.frames[segment]
            .iter()
            .find(|(from, to, _)| (*from..*to).contains(&at))
            .map_or(&[], |(_, _, held)| held)
    }

    /// Runs every command that reads; whatever it thinks of the damage, it must say so and end.
    #[track_caller]
    fn no_command_panics(&self, what: &str) {
        let to = self.lab.path("restored");
        let event = self.events.keys().next().unwrap();
        for arguments in [
            vec!["list", "--since", "2026-01-01"],
            vec!["trace", "run-10-3"],
            vec!["show", event],
            vec!["inspect", "2026-05-10"],
            vec!["restore", "2026-05-10", "--to", to.to_str().unwrap()],
            vec!["manifest", "show"],
            vec!["rotate", "--dry-run", "--now", NOW],
            vec!["verify", "--quick"],
            vec!["verify"],
        ] {
            let run = self.lab.run(&arguments);
            assert!(run.code < 100 && run.code >= 0, "{what}: {arguments:?}: {run:?}");
            assert!(!run.stderr.contains("panicked"), "{what}: {arguments:?}: {run:?}");
            if arguments == ["verify"] {
                assert_eq!(run.code, 1, "{what}: {arguments:?}: {run:?}");
            }
        }
        let _ = fs::remove_dir_all(to);
    }
}

#[test]
fn every_flipped_bit_is_found_and_costs_only_its_frame() {
    let archive = Archive::new(12);
    archive.reads_all_but(&[], "sound");
    assert_eq!(archive.verify().findings, []);
    let names = [
        "2026/2026-05-10.tar.zst",
        "2026/2026-05-11.tar.zst",
        "2026/2026-05-10.tar.zst.sha256",
        "2026/2026-05-11.tar.zst.sha256",
        "manifest.jsonl",
    ];
    for name in names {
        let mode = fs::Permissions::from_mode(0o644);
        fs::set_permissions(archive.file(name), mode).unwrap();
    }
    let files: Vec<(File, Vec<u8>)> = names
        .iter()
        .map(|name| {
            let file = File::options().write(true).open(archive.file(name)).unwrap();
            (file, fs::read(archive.file(name)).unwrap())
        })
        .collect();
    let (mut random, seed) = Random::new();
    for number in 0..FLIPS {
        // Half of them in segments, of which a larger part is data.
        let which = [0, 0, 1, 1, 2, 3, 4, 4][random.below(8) as usize];
        let (file, bytes) = &files[which];
        let at = random.below(bytes.len() as u64);
        let bit = random.below(8);
        let flipped = bytes[at as usize] ^ (1 << bit);
        let what =
            format!("seed {seed}, flip {number}: bit {bit} of byte {at} of {}", names[which]);
        file.write_all_at(&[flipped], at).unwrap();
        let findings = archive.verify().findings;
        let stem = names[which].trim_end_matches(".sha256");
        assert!(
            findings.iter().any(|finding| finding.path.contains(stem)),
            "{what}: verify says {findings:?}"
        );
        if which < 2 && number % READ_EVERY == 0 {
            archive.reads_all_but(archive.held_at(names[which], at), &what);
        }
        if names[which] == "manifest.jsonl" && archive.store.events(Query::default()).is_ok() {
            archive.reads_all_but(&[], &what);
        }
        if number % RUN_EVERY == 0 {
            archive.no_command_panics(&what);
        }
        file.write_all_at(&[bytes[at as usize]], at).unwrap();
    }
    assert_eq!(archive.verify().findings, [], "the archive is whole again");
}

/// A reader refuses a manifest with a flipped bit, or reads all that it ever named: also
/// where the flip makes the last line look as a power cut would leave it.
#[test]
fn a_flipped_bit_in_the_last_line_of_the_manifest_hides_nothing() {
    let archive = Archive::new(2);
    let path = archive.file("manifest.jsonl");
    let sound = fs::read(&path).unwrap();
    let last = sound[..sound.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    // In place: some file systems sync a file that is cut to nothing and written anew.
    let file = File::options().write(true).open(&path).unwrap();
    let (mut refused, mut read) = (0, 0);
    for at in last..sound.len() {
        for bit in 0..8 {
            let what = format!("bit {bit} of byte {at}");
            file.set_len(sound.len() as u64).unwrap();
            file.write_all_at(&sound[last..], last as u64).unwrap();
            file.write_all_at(&[sound[at] ^ (1 << bit)], at as u64).unwrap();
            if archive.store.events(Query::default()).is_err() {
                refused += 1;
                continue;
            }
            read += 1;
            archive.reads_all_but(&[], &what);
            if sound[at] == b'\n' && bit > 0 {
                // All other newlines are mended as the first one is.
                continue;
            }
            archive.lab.ok(["rotate", "--now", NOW]);
            let mended = fs::read(&path).unwrap();
            assert!(mended.starts_with(&sound), "{what}: the last record is not as it was");
            assert_eq!(archive.verify().findings, [], "{what}");
        }
    }
    // The newline's eight bits, and the spaces in the command line.
    assert!(refused > 5000 && read > 8, "{refused} refused, {read} read");
}

#[test]
fn a_damaged_frame_hides_no_event_of_another_from_show() {
    let archive = Archive::new(4);
    let name = "2026/2026-05-10.tar.zst";
    let (from, to, _) = archive.frames[name][0];
    let file = File::options().write(true).open(archive.file(name)).unwrap();
    file.write_all_at(&[0xff; 8], u64::midpoint(from, to)).unwrap();
    let lost = archive.held_at(name, from);
    for (path, bytes) in &archive.events {
        if lost.contains(path) {
            // Damage, not "no such event": it may well be there.
            let run = archive.lab.fails(65, ["show", path]);
            assert!(run.stderr.contains("frame 0"), "{run:?}");
        } else {
            assert_eq!(archive.lab.ok(["show", path]).as_bytes(), bytes);
        }
    }
}

#[test]
fn a_changed_bit_costs_a_quarter_of_a_quiet_day_at_most() {
    let lab = Lab::new();
    for number in 0..500 {
        let (below, bytes) = crate::common::event(10, 0, "nas", number);
        lab.write(&below, bytes);
    }
    lab.rotate();
    let path = lab.archive().join("2026/2026-05-10.tar.zst");
    let sound = fs::read(&path).unwrap();
    // The first three quarters are frames of events, whatever comes after them.
    for place in (1..12).map(|part| sound.len() * part / 16) {
        let mut changed = sound.clone();
        changed[place] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, changed).unwrap();
        let run = lab.run(["list", "--since=2026-05-01", "-opath"]);
        let listed = run.stdout.lines().count();
        assert!((375..500).contains(&listed), "{place}: {listed} of 500 listed; {}", run.stderr);
    }
}

#[test]
fn a_segment_cut_off_anywhere_is_found_and_gives_the_frames_before_the_cut() {
    let archive = Archive::new(4);
    let name = "2026/2026-05-10.tar.zst";
    let path = archive.file(name);
    let bytes = fs::read(&path).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    for length in (0..bytes.len() as u64).rev() {
        file.set_len(length).unwrap();
        let what = format!("cut off after {length} bytes");
        let findings = archive.verify().findings;
        assert!(findings.iter().any(|finding| finding.path == name), "{what}: {findings:?}");
        let beyond: Vec<String> = archive.frames[name]
            .iter()
            .filter(|(_, to, _)| *to > length)
            .flat_map(|(_, _, held)| held.clone())
            .collect();
        archive.reads_all_but(&beyond, &what);
        if length % 97 == 0 {
            archive.no_command_panics(&what);
        }
    }
}

#[test]
fn whatever_follows_a_segment_is_found_and_costs_nothing() {
    let archive = Archive::new(4);
    let name = "2026/2026-05-10.tar.zst";
    let path = archive.file(name);
    let sound = fs::read(&path).unwrap();
    let other = fs::read(archive.file("2026/2026-05-11.tar.zst")).unwrap();
    let frame = zstd::bulk::compress(b"not a tar", 3).unwrap();
    let table = sound[sound.len() - 8 - 33..].to_vec();
    let skippable = [&0x184D_2A50_u32.to_le_bytes()[..], &4_u32.to_le_bytes(), b"more"].concat();
    for (what, more) in [
        ("a zero", vec![0]),
        ("a newline", b"\n".to_vec()),
        ("a block of zeros", vec![0; 4096]),
        ("a skippable frame", skippable),
        ("another frame", frame),
        ("the seek table once more", table),
        ("the segment once more", sound.clone()),
        ("another segment", other),
    ] {
        fs::write(&path, [sound.as_slice(), &more].concat()).unwrap();
        let findings = archive.verify().findings;
        assert!(findings.iter().any(|finding| finding.path == name), "{what}: {findings:?}");
        archive.reads_all_but(&[], what);
        archive.no_command_panics(what);
    }
}

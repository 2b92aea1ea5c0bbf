//! A derived file that was forged hides nothing from `verify`, nothing from what keeps,
//! exports or removes events, and from readers only until the next write.

use std::fs;

use hlarchive::internals::archive::{ArchiveDir, By, Manifest, ManifestWriter, NewRecord, Op};
use hlarchive::internals::segment::Sha256Hash;

use crate::common::{Lab, NOW, tree};

/// The day that is to be hidden, and an id of its events.
const DAY: &str = "2026-05-11";
const ID: &str = "run-11-0";

/// A time at which all days of the lab are over, by the policy that [`lab`] writes.
const LATER: &str = "2026-07-01T04:00:00Z";

/// Three archived days, and a manifest that is long enough for an overview.
fn lab() -> Lab {
    let lab = Lab::new();
    let policy = "version = 1\n[retain]\nkeep = \"25d\"\ngrace = \"0d\"\n";
    fs::write(lab.path("policy.toml"), policy).unwrap();
    lab.seed(3, 5);
    lab.rotate();
    let archive = ArchiveDir::open(&lab.archive()).unwrap().unwrap();
    let lock = archive.lock().unwrap();
    let now = NOW.parse().unwrap();
    let by = By { user: "u".into(), host: "h".into(), command: "c".into(), sudo_user: None };
    let (mut writer, _) = ManifestWriter::open(&archive, &lock, now, &by).unwrap();
    for _ in 0..260 {
        writer.append(NewRecord::new(now, Op::Conflict)).unwrap();
    }
    drop(writer);
    drop(lock);
    lab.rotate();
    lab
}

/// A derived file, how somebody forges it who knows the format, and what that hides.
struct Forgery {
    file: &'static str,
    forge: fn(&Lab, &[u8]) -> Vec<u8>,
    /// How `verify` names it.
    named: &'static str,
}

const FORGERIES: [Forgery; 3] = [
    Forgery {
        file: "overview",
        forge: without_row,
        named: "overview: it differs from the manifest",
    },
    Forgery {
        file: "catalogue",
        forge: with_empty_filters,
        named: "2026/2026-05-11.tar.zst: the catalogue differs from its index",
    },
    Forgery {
        file: "catalogue",
        forge: with_a_second_entry,
        named: "2026/2026-05-11.tar.zst: the catalogue differs from its index",
    },
];

/// The overview without the day's segment, with the right head and checksum.
fn without_row(_: &Lab, overview: &[u8]) -> Vec<u8> {
    let mut text = overview[..overview.len() - 32].to_vec();
    assert_eq!(text[80], 0, "there are no classes");
    let segments = u64::from_le_bytes(text[32..40].try_into().unwrap());
    assert_eq!(segments, 3);
    text[32..40].copy_from_slice(&2_u64.to_le_bytes());
    text.drain(81 + 72..81 + 2 * 72);
    let own = Sha256Hash::of(&text).0;
    [text, own.to_vec()].concat()
}

/// Every entry, as the bytes before its filter, the filter, and whether it is the day's.
fn entries(lab: &Lab, catalogue: &[u8]) -> Vec<(Vec<u8>, Vec<u8>, bool)> {
    let archive = ArchiveDir::open(&lab.archive()).unwrap().unwrap();
    let manifest = Manifest::load(&archive).unwrap();
    let (_, record) = manifest.segments_of(DAY.parse().unwrap()).next().unwrap();
    let (mut rest, mut found) = (&catalogue[8..], Vec::new());
    while rest.len() > 4 && rest[..4] != [0; 4] {
        let size = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let is_victim = rest[4..36] == record.sha256.unwrap().0;
        found.push((rest[..36].to_vec(), rest[36..size - 8].to_vec(), is_victim));
        rest = &rest[size..];
    }
    assert_eq!(found.len(), 3);
    found
}

fn sealed(head: &[u8], filter: &[u8]) -> Vec<u8> {
    let body = [head, filter].concat();
    let own = Sha256Hash::of(&body).0;
    [body, own[..8].to_vec()].concat()
}

fn with_empty_filters(lab: &Lab, catalogue: &[u8]) -> Vec<u8> {
    let mut text = catalogue[..8].to_vec();
    for (head, filter, _) in entries(lab, catalogue) {
        text.extend(sealed(&head, &vec![0; filter.len()]));
    }
    text.resize(catalogue.len(), 0);
    text
}

/// The honest entry stays, behind another one that denies everything.
fn with_a_second_entry(lab: &Lab, catalogue: &[u8]) -> Vec<u8> {
    let mut text = catalogue[..8].to_vec();
    for (head, filter, is_victim) in entries(lab, catalogue) {
        if is_victim {
            text.extend(sealed(&head, &vec![0; filter.len()]));
        }
        text.extend(sealed(&head, &filter));
    }
    text.resize(text.len().max(8192), 0);
    text
}

impl Forgery {
    /// Forges the file, and makes sure that it hides the day from a trace.
    fn put(&self, lab: &Lab) {
        let path = lab.archive().join(self.file);
        let honest = fs::read(&path).unwrap();
        let forged = (self.forge)(lab, &honest);
        assert!(forged != honest);
        fs::write(&path, forged).unwrap();
        assert_eq!(lab.run(["trace", ID, "-o", "ndjson"]).stdout, "", "it hides nothing");
    }
}

fn traced(lab: &Lab) -> usize {
    lab.ok(["trace", ID, "-o", "ndjson"]).lines().count()
}

#[test]
fn a_forged_derived_file_is_named_by_every_verify() {
    let lab = lab();
    lab.ok(["verify"]);
    let head = lab.ok(["manifest", "head"]).trim().to_owned();
    for forgery in &FORGERIES {
        let path = lab.archive().join(forgery.file);
        let honest = fs::read(&path).unwrap();
        forgery.put(&lab);
        for words in [&["verify"][..], &["verify", "--quick"], &["verify", "--head", &head]] {
            let run = lab.fails(1, words);
            assert!(run.stdout.contains(forgery.named), "{words:?}: {run:?}");
        }
        fs::write(&path, honest).unwrap();
        lab.ok(["verify", "--quick"]);
    }
}

#[test]
fn a_rotate_with_nothing_to_do_makes_a_forged_derived_file_again() {
    let lab = lab();
    let expected = (lab.list_all(), traced(&lab));
    for forgery in &FORGERIES {
        let path = lab.archive().join(forgery.file);
        let honest = fs::read(&path).unwrap();
        forgery.put(&lab);
        lab.rotate();
        assert!(fs::read(&path).unwrap() == honest, "{}", forgery.file);
        lab.ok(["verify"]);
        assert_eq!((lab.list_all(), traced(&lab)), expected);
    }
}

/// A short manifest needs no overview; one that lies there is believed by readers all the same.
#[test]
fn an_overview_that_a_short_manifest_does_not_need_is_named_and_goes() {
    let lab = Lab::new();
    lab.seed(3, 5);
    lab.rotate();
    let path = lab.archive().join("overview");
    assert!(!path.exists());
    let events = lab.list_all();
    let manifest = fs::read(lab.archive().join("manifest.jsonl")).unwrap();
    let lines: Vec<&[u8]> = manifest.split_inclusive(|byte| *byte == b'\n').collect();
    let last = lines.last().unwrap();
    let mut text = b"HLOV\x01\0\0\0".to_vec();
    let start = manifest.len() - last.len();
    for number in [lines.len(), start, manifest.len(), 0, 0] {
        text.extend((number as u64).to_le_bytes());
    }
    text.extend(Sha256Hash::of(&last[..last.len() - 1]).0);
    text.push(0);
    let own = Sha256Hash::of(&text).0;
    text.extend(own);
    fs::write(&path, text).unwrap();
    assert_eq!(lab.list_all().len(), 0, "it hides everything");
    let run = lab.fails(1, ["verify", "--quick"]);
    assert!(run.stdout.contains(FORGERIES[0].named), "{run:?}");
    lab.rotate();
    assert!(!path.exists());
    assert_eq!(lab.list_all(), events);
}

#[test]
fn every_other_write_makes_a_forged_derived_file_again_too() {
    let other = Lab::new();
    let root = other.root().display().to_string();
    let dump = other.path("dump");
    fs::create_dir_all(&dump).unwrap();
    for words in [
        &["hold", "add", "2026-05-10", "--reason", "x"][..],
        &["hold", "release", "264"],
        &["prune", "--now", NOW],
        &["compact"],
        &["restore", DAY, "--live"],
        &["import", &dump.display().to_string()],
    ] {
        for forgery in &FORGERIES {
            let lab = lab();
            if words.contains(&"release") {
                lab.ok(["hold", "add", "2026-05-10", "--reason", "x"]);
            }
            forgery.put(&lab);
            lab.ok(words);
            let run = lab.run(["verify", "--archived"]);
            assert_eq!(run.code, 0, "{words:?}: {run:?}");
            assert_eq!(traced(&lab), 12, "{words:?}");
        }
    }
    // A sync reads the tree and the manifest of the other side.
    for forgery in &FORGERIES {
        let lab = lab();
        forgery.put(&lab);
        let run = lab.run(["sync", &root]);
        assert_eq!(run.code, 0, "{run:?}");
        lab.rotate();
        assert_eq!(traced(&lab), 12);
    }
}

#[test]
fn an_export_a_restore_and_a_sync_miss_nothing_that_a_forged_file_hides() {
    for (number, forgery) in FORGERIES.iter().enumerate() {
        let lab = lab();
        let events = lab.list_all().len();
        forgery.put(&lab);
        let to = lab.path(&format!("export-{number}"));
        let to_text = to.display().to_string();
        lab.ok(["export", "--format=ndjson", "--to", &to_text]);
        let lines = |tree: crate::common::Tree| -> usize {
            tree.values().map(|text| String::from_utf8_lossy(text).lines().count()).sum()
        };
        assert_eq!(lines(tree(&to)), events, "{}", forgery.file);
        let one = lab.path(&format!("one-{number}"));
        let one_text = one.display().to_string();
        lab.ok(["export", "--format=ndjson", "--correlation-id", ID, "--to", &one_text]);
        assert_eq!(lines(tree(&one)), 12, "{}", forgery.file);
        let to = lab.path(&format!("restore-{number}"));
        lab.ok(["restore", "--correlation-id", ID, "--to", &to.display().to_string()]);
        assert_eq!(tree(&to).len(), 12, "{}", forgery.file);
        // What is archived is known as such, whatever the overview says.
        let from = lab.path(&format!("restore-{number}")).display().to_string();
        let told = lab.ok(["import", "-n", &from]);
        assert!(told.contains("0 are new") || !told.contains("are new"), "{told}");
        let other = Lab::new();
        other.ok(["sync", &lab.root().display().to_string()]);
        assert_eq!(other.list_all().len(), events, "{}", forgery.file);
    }
}

#[test]
fn what_is_held_does_not_go_though_a_forged_file_denies_it() {
    for forgery in &FORGERIES {
        let lab = lab();
        forgery.put(&lab);
        let told = lab.ok(["hold", "add", "--correlation-id", ID, "--reason", "evidence"]);
        assert!(told.contains(" holds 1 segment: evidence"), "{told}");
        // The hold is a write, so it is to be forged again.
        forgery.put(&lab);
        let told = lab.ok(["hold", "list"]);
        assert!(told.contains(" holds 1 segment: evidence"), "{told}");
        lab.ok(["prune", "--now", LATER, "--yes-really"]);
        let days: Vec<String> =
            tree(&lab.archive()).into_keys().filter(|path| path.ends_with(".zst")).collect();
        assert_eq!(days, ["2026/2026-05-11.tar.zst"], "{}", forgery.file);
        assert_eq!(traced(&lab), 12);
    }
}

/// The state, with the same line of the manifest and a sound checksum, that knows of nothing.
fn state_of_nothing(lab: &Lab) {
    let path = lab.archive().join("state");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut sum: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
    sum["standing"] = serde_json::json!({"latest": null, "well": [], "online": {}, "open": []});
    let signed = format!("{}\n{sum}\n", lines[0]);
    let own = Sha256Hash::of(signed.as_bytes());
    fs::write(&path, format!("{signed}{own}\n")).unwrap();
}

#[test]
fn a_forged_state_hides_what_is_open_from_status_alone_until_the_next_write() {
    let lab = lab();
    lab.ok(["emit", "node_offline", "--timestamp=2026-05-12T23:00:00Z", "--node=pi99"]);
    lab.rotate();
    let path = lab.archive().join("state");
    let honest = fs::read(&path).unwrap();
    let is_told = || lab.run(["status", "--now", LATER, "-ojson"]).stdout.contains("\"pi99\"");
    assert!(is_told());
    for words in [&["rotate", "--now", NOW][..], &["hold", "add", "2026-05-10", "--reason", "x"]] {
        state_of_nothing(&lab);
        assert!(!is_told(), "it hides nothing");
        assert!(lab.list_all().len() > 36 && traced(&lab) == 12);
        let run = lab.fails(1, ["verify"]);
        let named = "state: it differs from the segments";
        assert!(run.stdout.contains(named), "{run:?}");
        lab.ok(words);
        assert!(is_told(), "{words:?}");
        lab.ok(["verify"]);
    }
    // Of another line of the manifest: the hold's.
    assert!(fs::read(&path).unwrap() != honest);
}

/// A follower's marks are its own memory, and not derived from anything; nobody else reads
/// them.
#[test]
fn a_forged_list_of_marks_hides_events_from_its_follower_alone() {
    let lab = lab();
    let file = lab.path("seen.cursor").display().to_string();
    let follow = ["list", "--since=2000-01-01", "--cursor-file", &file, "-o", "ndjson"];
    let expected = lab.list_all();
    let first = lab.ok(follow).lines().count();
    assert_eq!(first, expected.len());
    // All are marked as given, though a new one came.
    lab.ok(["emit", "node_online", "--timestamp=2026-05-20T10:00:00Z"]);
    assert_eq!(lab.ok(follow).lines().count(), 1);
    assert_eq!(lab.ok(follow).lines().count(), 0, "all is marked");
    assert_eq!(lab.list_all().len(), expected.len() + 1);
    lab.ok(["verify"]);
    let to = lab.path("exported").display().to_string();
    lab.ok(["export", "--format=ndjson", "--to", &to]);
    assert_eq!(traced(&lab), 12);
}

#[test]
fn a_segment_whose_index_denies_a_held_id_is_read_before_it_goes() {
    let lab = lab();
    lab.ok(["hold", "add", "--correlation-id", ID, "--reason", "evidence"]);
    // The segment with the index of another id, which a damaged disk or a bad program
    // could leave; seek table and sizes are sound.
    let path = lab.archive().join("2026/2026-05-11.tar.zst");
    let bytes = fs::read(&path).unwrap();
    let forged = with_other_id_in_index(&bytes);
    fs::remove_file(&path).unwrap();
    fs::write(&path, &forged).unwrap();
    let told = lab.ok(["hold", "list"]);
    assert!(told.contains(" holds 0 segments"), "the index denies it: {told}");
    let run = lab.run(["prune", "--now", LATER, "--yes-really"]);
    assert!(run.stderr.contains("2026-05-11.tar.zst stays"), "{run:?}");
    assert!(path.exists());
    assert!(!lab.archive().join("2026/2026-05-10.tar.zst").exists());
}

/// The same segment, whose index has a slightly different id in the place of [`ID`].
fn with_other_id_in_index(segment: &[u8]) -> Vec<u8> {
    crate::support::segment_with_index(segment, &|index| {
        let at = index.windows(ID.len()).position(|part| part == ID.as_bytes()).unwrap();
        // One that sorts before it, so that the order stays.
        index[at + ID.len() - 1] = b'/';
    })
}

//! Hostile manifests: each forgery is found, costs bounded memory, is left for a person to
//! look at, and a manifest made anew from the segments has every event again.

use std::fs::{self, File};

use hlarchive::internals::segment::Sha256Hash;

use crate::common::{Lab, NOW, event, tool};
use crate::hostile::{battery, end_of, limited};

/// Three archived days, and an event that came late for the first.
struct Archive {
    lab: Lab,
    all: Vec<String>,
    manifest: Vec<u8>,
    head: String,
}

impl Archive {
    fn new() -> Self {
        let lab = Lab::new();
        lab.seed(3, 3);
        let head_before = lab.rotate();
        assert_eq!(head_before.lines().count(), 3);
        let (below, bytes) = event(10, 2, "pi5", 77);
        lab.write(&below, bytes);
        fs::create_dir(lab.path("outside")).unwrap();
        fs::write(lab.path("outside/2027-01-01.tar.zst"), "kept").unwrap();
        let all = lab.list_all();
        let manifest = fs::read(lab.archive().join("manifest.jsonl")).unwrap();
        let head = lab.ok(["manifest", "head"]).trim().to_owned();
        // With it a manifest that is forged as a whole would be that of another archive, and
        // nobody would read on.
        fs::remove_file(lab.root().join(crate::common::NOTE)).unwrap();
        Self { lab, all, manifest, head }
    }

    fn lines(&self) -> Vec<&[u8]> {
        self.manifest.trim_ascii_end().split(|byte| *byte == b'\n').collect()
    }

    fn put(&self, manifest: &[u8]) {
        fs::write(self.lab.archive().join("manifest.jsonl"), manifest).unwrap();
    }

    fn late_file(&self) -> bool {
        self.lab.root().join(event(10, 2, "pi5", 77).0).exists()
    }

    /// The manifest is damaged: nothing is done on its word, and nothing is done to it.
    fn assert_refused(&self, what: &str) {
        let file = self.lab.archive().join("manifest.jsonl");
        let stat = |file: &std::path::Path| {
            let stat = fs::metadata(file).unwrap();
            (stat.len(), stat.modified().unwrap())
        };
        let before = stat(&file);
        let ends = battery(&self.lab, "2026-05-10");
        for (command, run) in &ends {
            let expected = if command.starts_with("verify") { 1 } else { 65 };
            assert_eq!(run.code, expected, "{what}: {command}: {run:?}");
        }
        assert!(end_of(&ends, "list").stderr.contains("manifest rebuild"), "{what}");
        assert!(end_of(&ends, "verify").stdout.contains("manifest.jsonl: "), "{what}");
        assert_eq!(stat(&file), before, "{what}: damage is left as it is");
        assert!(self.late_file(), "{what}");
        self.assert_rebuilt(what);
    }

    /// The segments are whole, so a new manifest has everything.
    fn assert_rebuilt(&self, what: &str) {
        let rebuilt = limited(&self.lab, &["manifest", "rebuild"]);
        assert_eq!(rebuilt.code, 0, "{what}: {rebuilt:?}");
        assert_eq!(self.lab.list_all(), self.all, "{what}");
        assert_eq!(limited(&self.lab, &["verify"]).code, 0, "{what}");
    }
}

/// Records as one who knows the format would link them.
fn sealed(bodies: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut prev = "0".repeat(64);
    for (number, body) in bodies.iter().enumerate() {
        let line = format!("{{\"v\":1,\"seq\":{},{body},\"prev\":\"{prev}\"", number + 1);
        let own = Sha256Hash::of(line.as_bytes());
        let line = format!("{line},\"self\":\"{own}\"}}");
        prev = Sha256Hash::of(line.as_bytes()).to_string();
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out
}

const ROTATE: &str = "\"time\":\"2026-05-30T00:00:00.000000Z\",\"op\":\"rotate\"";

#[test]
fn lines_that_were_changed_moved_cut_or_replayed_are_found() {
    let archive = Archive::new();
    let lines: Vec<Vec<u8>> = archive.lines().into_iter().map(<[u8]>::to_vec).collect();
    let join = |numbers: &[usize]| -> Vec<u8> {
        numbers.iter().flat_map(|number| [&lines[*number][..], b"\n"].concat()).collect()
    };
    let edited = |from: &str, to: &str| {
        String::from_utf8(archive.manifest.clone()).unwrap().replacen(from, to, 1).into_bytes()
    };
    let mut nul = archive.manifest.clone();
    nul[40] = 0;
    for (what, manifest) in [
        ("a number changed", edited("\"events\":9", "\"events\":8")),
        ("a segment renamed", edited("2026/2026-05-11.tar", "2026/2026-05-12.tar")),
        ("two lines exchanged", join(&[1, 0, 2])),
        ("the first line cut", join(&[1, 2])),
        ("a middle line cut", join(&[0, 2])),
        ("a line replayed", join(&[0, 1, 2, 1])),
        ("the last line replayed", join(&[0, 1, 2, 2])),
        ("a NUL inside", nul),
        ("a byte order mark", [b"\xef\xbb\xbf", &archive.manifest[..]].concat()),
        ("line ends of another system", edited("\n", "\r\n")),
        ("an empty line", edited("\n", "\n\n")),
        ("no manifest at all but text", b"hello\nworld\n".to_vec()),
    ] {
        archive.put(&manifest);
        archive.assert_refused(what);
    }
}

#[test]
fn a_manifest_that_was_cut_back_is_found_by_its_head() {
    let archive = Archive::new();
    let cut: Vec<u8> = archive.lines()[..2].iter().flat_map(|l| [*l, b"\n"].concat()).collect();
    for (what, manifest) in [("the last line cut", cut), ("emptied", Vec::new())] {
        archive.put(&manifest);
        let with_head = limited(&archive.lab, &["verify", "--head", &archive.head]);
        assert_eq!(with_head.code, 1, "{what}");
        assert!(with_head.stdout.contains("rewritten or cut off"), "{what}: {with_head:?}");
        // The segment that no record names any more is named, too, and stays.
        assert!(with_head.stdout.contains("2026/2026-05-12.tar.zst: no record"), "{what}");
        archive.assert_rebuilt(what);
    }
}

#[test]
fn forged_records_lead_nowhere() {
    let archive = Archive::new();
    let segment = |path: &str| format!("{ROTATE},\"date\":\"2026-05-10\",\"segment\":\"{path}\"");
    let deep = format!("{ROTATE},\"more\":{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let deep_nodes = format!("{ROTATE},\"nodes\":{}", "{\"a\":".repeat(200_000));
    for (what, bodies) in [
        ("a way up", vec![segment("../outside/2027-01-01.tar.zst")]),
        ("a way up inside", vec![segment("2027/../../outside/2027-01-01.tar.zst")]),
        ("an absolute path", vec![segment("/etc/2027-01-01.tar.zst")]),
        ("a NUL in a path", vec![segment("2027/2027-01-01.tar.zst\\u0000")]),
        ("another year's folder", vec![segment("2026/2027-01-01.tar.zst")]),
        ("a class that climbs", vec![segment("2027/2027-01-01.../../x.tar.zst")]),
        ("a day that does not exist", vec![format!("{ROTATE},\"date\":\"2026-02-30\"")]),
        ("a time that does not exist", vec![ROTATE.replace("05-30T00", "05-30T25")]),
        ("a negative number", vec![format!("{ROTATE},\"events\":-1")]),
        ("a number without end", vec![format!("{ROTATE},\"bytes\":{}", "9".repeat(100_000))]),
        ("a broken number", vec![format!("{ROTATE},\"bytes\":1e400")]),
        ("objects nested without end", vec![deep_nodes]),
        ("a field twice", vec![format!("{ROTATE},\"bytes\":1,\"bytes\":2")]),
        ("another version", vec![ROTATE.replace("\"time\"", "\"v\":2,\"time\"")]),
    ] {
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
        archive.put(&sealed(&bodies));
        archive.assert_refused(what);
    }
    // A newer version may add fields, whatever is in them.
    archive.put(&sealed(&[&deep]));
    assert_eq!(limited(&archive.lab, &["manifest", "show"]).code, 0);
    archive.assert_rebuilt("deep");
}

#[test]
fn absurd_numbers_in_forged_records_are_numbers() {
    let archive = Archive::new();
    let record = |day: u32| {
        format!(
            "{ROTATE},\"date\":\"2026-05-{day}\",\"segment\":\"2026/2026-05-{day}.tar.zst\",\
             \"sha256\":\"{}\",\"bytes\":{max},\"events\":{max},\"invalid\":{max},\
             \"first\":\"9999-12-31T23:59:59.999999Z\",\"last\":\"0001-01-01T00:00:00Z\"",
            "0".repeat(64),
            max = u64::MAX
        )
    };
    let bodies = [10, 11, 12].map(record);
    archive.put(&sealed(&bodies.each_ref().map(String::as_str)));
    let ends = battery(&archive.lab, "2026-05-10");
    assert_eq!(end_of(&ends, "verify").code, 1);
    for day in [10, 11, 12] {
        assert!(end_of(&ends, "verify").stdout.contains(&format!("2026-05-{day}.tar.zst: ")));
    }
    assert_eq!(end_of(&ends, "restore 2026-05-10 --to").code, 1);
    let restored = limited(&archive.lab, &["restore", "--since", "2026-05-01", "--to", "all"]);
    assert_eq!(restored.code, 1, "{restored:?}");
    assert!(archive.lab.path("all/2026-05-12/pi4").is_dir(), "what can be read is restored");
}

#[test]
fn a_manifest_of_any_size_costs_bounded_memory() {
    if tool("prlimit").is_none() {
        return;
    }
    let archive = Archive::new();
    let file = archive.lab.archive().join("manifest.jsonl");
    // A line of four gigabytes, most of it a hole.
    let whole = File::options().append(true).open(&file).unwrap();
    whole.set_len(4 << 30).unwrap();
    archive.assert_refused("a line without end");
    archive.put(&[b'\n'].repeat(20 << 20));
    archive.assert_refused("millions of empty lines");
    archive.put(&b"{}\n".repeat(1 << 20));
    archive.assert_refused("a million lines");
}

#[test]
fn a_forged_segment_under_a_recorded_name_is_named() {
    let archive = Archive::new();
    let other = Lab::new();
    other.seed(2, 2);
    other.ok(["rotate", "--now", NOW]);
    let target = archive.lab.archive().join("2026/2026-05-11.tar.zst");
    let original = fs::read(&target).unwrap();
    for (what, bytes) in [
        ("another archive's", fs::read(other.archive().join("2026/2026-05-11.tar.zst")).unwrap()),
        ("another day's", fs::read(other.archive().join("2026/2026-05-10.tar.zst")).unwrap()),
    ] {
        fs::remove_file(&target).unwrap();
        fs::write(&target, bytes).unwrap();
        for arguments in
            [&["verify"][..], &["verify", "--quick"], &["restore", "2026-05-11", "--to", "out"]]
        {
            let run = limited(&archive.lab, arguments);
            assert_eq!(run.code, 1, "{what}: {run:?}");
            assert!((run.stdout + &run.stderr).contains("2026/2026-05-11.tar.zst: "), "{what}");
        }
        let listed = limited(&archive.lab, &["list", "--since", "2026-05-01", "-o", "path"]).stdout;
        let mut unique: Vec<&str> = listed.lines().collect();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), listed.lines().count(), "{what}: an event twice");
    }
    fs::write(&target, original).unwrap();
    archive.assert_rebuilt("the right one again");
}

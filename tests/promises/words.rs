//! The words spare readers frames, and never an event.

use std::fs;

use hlarchive::internals::segment::Sha256Hash;

use crate::common::{Lab, NOW, Run, tree};

/// Days with a word of their own each, some of it escaped, and one that all have.
fn lab() -> Lab {
    let lab = Lab::new();
    let policy = "version = 1\n[retain]\nkeep = \"20d\"\ngrace = \"0d\"\n";
    fs::write(lab.path("policy.toml"), policy).unwrap();
    lab.seed(6, 3);
    for (day, text) in [
        (10, "kernel panic on nvme0n1"),
        (11, "Disk FULL: /var"),
        (12, r"\u0064isk is not fu\u006cl"),
        (13, "di\u{17f}k with a long s"),
        (14, "größe überschritten"),
        (15, "nothing of that"),
    ] {
        let uuid = format!("0190b3c4-5d6e-7f80-9a1b-2c3d4e5f60{day}");
        let name = format!("2026-05-{day}/pi4/202605{day}T120000.000000Z_note_{uuid}.json");
        let event = format!(
            r#"{{"timestamp":"2026-05-{day}T12:00:00.000000Z","node":"pi4","type":"note","severity":"info","source":"s","service":"texts","correlation_id":"text-{day}","payload":{{"odd key":"{text}"}}}}"#
        );
        lab.write(&name, event);
    }
    lab.rotate();
    assert!(lab.archive().join("words").is_file());
    lab
}

const PATTERNS: [&str; 14] = [
    "kernel panic",
    "disk",
    "isk",
    "FULL",
    "full",
    "disk is not full",
    "panic|überschritten",
    "odd key=.*of that",
    "größe",
    "nvme0n1",
    "nowhere at all",
    "texts",
    "(?i)DISK",
    "correlation_id=text-1[0-3]",
];

fn search(lab: &Lab, pattern: &str) -> Run {
    lab.run(["list", "--since", "2026-01-01", "-o", "path", "--grep", pattern])
}

fn answers(lab: &Lab) -> Vec<String> {
    PATTERNS.map(|pattern| search(lab, pattern).stdout).to_vec()
}

#[test]
fn with_and_without_sound_words_a_text_is_found_in_the_same_events() {
    let lab = lab();
    let file = lab.archive().join("words");
    let whole = fs::read(&file).unwrap();
    let wanted = answers(&lab);
    for (pattern, events) in
        [("disk", 3), ("isk", 3), ("FULL", 1), ("full", 2), ("größe", 1), ("texts", 6)]
    {
        let at = PATTERNS.iter().position(|known| *known == pattern).unwrap();
        assert_eq!(wanted[at].lines().count(), events, "{pattern}: {}", wanted[at]);
    }
    let mut states = vec![Vec::new(), b"HLWD".to_vec(), vec![0; whole.len()]];
    states.extend((0..whole.len()).step_by(211).map(|length| whole[..length].to_vec()));
    for state in &states {
        fs::write(&file, state).unwrap();
        assert!(answers(&lab) == wanted, "{} bytes", state.len());
    }
    // The next rotation builds it anew, from wherever it was damaged, or gone.
    lab.rotate();
    assert!(fs::read(&file).unwrap() == whole);
    fs::remove_file(&file).unwrap();
    lab.rotate();
    assert!(fs::read(&file).unwrap() == whole);
    lab.ok(["verify"]);
}

/// Destroys the frames of a day's segment: who reads them says so.
fn damage(lab: &Lab, day: u32) {
    use std::os::unix::fs::PermissionsExt;
    let path = lab.archive().join(format!("2026/2026-05-{day}.tar.zst"));
    let mut bytes = fs::read(&path).unwrap();
    let index = memchr::memmem::rfind(&bytes, &0x184D_2A57_u32.to_le_bytes()).unwrap();
    bytes[20..index - 60].fill(0);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, bytes).unwrap();
}

#[test]
fn what_cannot_hold_the_text_is_not_read() {
    let lab = lab();
    damage(&lab, 15);
    for pattern in ["kernel panic", "FULL", "nowhere at all", "disk is not full"] {
        let run = search(&lab, pattern);
        assert!(!run.stderr.contains("2026-05-15.tar"), "{pattern}: {run:?}");
    }
    for pattern in ["nothing", "othin", "[0-9]{9}", "texts"] {
        let run = search(&lab, pattern);
        assert!(run.code != 0 && run.stderr.contains("2026-05-15.tar"), "{pattern}: {run:?}");
    }
}

#[test]
fn a_segment_with_a_file_that_is_not_an_event_is_always_searched() {
    let lab = lab();
    lab.write(
        "2026-05-16/pi4/20260516T120000.000000Z_note_0190b3c4-5d6e-7f80-9a1b-2c3d4e5f6071.json",
        b"no event",
    );
    lab.run(["rotate", "--now", NOW]);
    let run = lab.run(["list", "--since", "2026-01-01", "--grep", "kernel panic"]);
    assert!(run.stderr.contains("2026-05-16/pi4"), "{run:?}");
}

#[test]
fn words_of_segments_that_are_gone_go_with_them() {
    let lab = lab();
    let file = lab.archive().join("words");
    let held = |word: &[u8]| memchr::memmem::find(&fs::read(&file).unwrap(), word).is_some();
    assert!(held(b"\nkernel\n") && held(b"\nnothing\n"));
    lab.ok(["prune", "--now", "2026-06-01T04:00:00Z"]);
    assert!(!held(b"\nkernel\n") && held(b"\nnothing\n"));
    assert_eq!(answers(&lab)[0], "");
    lab.ok(["verify"]);
}

#[test]
fn words_that_hide_events_are_named_by_a_full_verify_and_go_with_the_next_rotate() {
    let lab = lab();
    let file = lab.archive().join("words");
    let honest = fs::read(&file).unwrap();
    let mut forged = honest[..honest.len() - 32].to_vec();
    let at = memchr::memmem::find(&forged, b"\nkernel\n").unwrap();
    forged[at + 6] = b'm';
    let own = Sha256Hash::of(&forged);
    forged.extend_from_slice(&own.0);
    fs::write(&file, forged).unwrap();
    assert_eq!(search(&lab, "kernel panic").stdout, "", "it hides nothing");
    // What removes or copies reads the segments themselves.
    let out = lab.path("out");
    let to = out.to_str().unwrap();
    lab.ok([
        "export",
        "--since",
        "2026-01-01",
        "--grep",
        "kernel panic",
        "--format=ndjson",
        "--to",
        to,
    ]);
    assert!(tree(&out).values().any(|bytes| memchr::memmem::find(bytes, b"kernel").is_some()));

    let run = lab.fails(1, ["verify"]);
    let wanted = "2026/2026-05-10.tar.zst: the file \"words\" lacks words of its events";
    assert!(run.stdout.starts_with(wanted), "{run:?}");
    lab.rotate();
    assert!(fs::read(&file).unwrap() == honest);
    lab.ok(["verify"]);
}

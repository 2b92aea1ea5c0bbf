use std::fs;
use std::path::PathBuf;

use crate::common::{Lab, Run, tree};
use crate::support::{EVENT, Event, assert_untouched, json, sentence};

/// Three archived days and a live one.
pub fn lab() -> Lab {
    let lab = Lab::new();
    lab.seed(3, 3);
    lab.rotate();
    EVENT.write(&lab);
    lab
}

/// What verify names, which must be enough for exit code 1 and must leave all as it is.
#[track_caller]
pub fn findings(lab: &Lab, flags: &[&str]) -> Vec<String> {
    let run = assert_untouched(lab, || lab.fails(1, ["verify"].iter().chain(flags)));
    assert_eq!(run.stderr, "");
    let mut lines: Vec<String> = run.stdout.lines().map(str::to_owned).collect();
    assert!(lines.pop().is_some_and(|line| line.starts_with("proved: ")), "{run:?}");
    let last = lines.pop().unwrap();
    let count = lines.len();
    let ending = format!(": {count} finding{}", if count == 1 { "" } else { "s" });
    assert!(last.starts_with("checked ") && last.ends_with(&ending), "{run:?}");
    lines
}

#[track_caller]
pub fn well(lab: &Lab, flags: &[&str]) -> Run {
    let run = assert_untouched(lab, || lab.run(["verify"].iter().chain(flags)));
    // What came after a head that was named is counted behind the verdict.
    let is_well = run.stdout.contains(": all is well\nproved: ")
        || (flags.contains(&"--head") && run.stdout.contains(": all is well; "));
    assert!(run.code == 0 && is_well, "{run:?}");
    assert_eq!(run.stderr, "");
    run
}

fn segment(lab: &Lab, day: &str) -> PathBuf {
    lab.archive().join(format!("2026/{day}.tar.zst"))
}

#[test]
fn a_sound_history_is_all_well_and_nothing_is_written() {
    let lab = lab();
    let run = well(&lab, &[]);
    assert!(run.stdout.starts_with("checked 3 segments with 27 events ("), "{}", run.stdout);
    let told = " KiB read in full), 3 records, and 1 live file: all is well\nproved: every bit of 3 \
                segments is as it was archived; nobody vouches for the manifest itself, which \
                whoever can write to the archive could have rewritten; live files can be read as \
                events, and whether they were changed since they were written nothing tells, for \
                they have no checksum until they are archived\n";
    assert!(run.stdout.ends_with(told), "{}", run.stdout);
    let report = json(&assert_untouched(&lab, || lab.ok(["verify", "-ojson"])));
    let bytes: u64 = ["2026-05-10", "2026-05-11", "2026-05-12"]
        .iter()
        .map(|day| fs::metadata(segment(&lab, day)).unwrap().len())
        .sum();
    assert_eq!(
        report,
        serde_json::json!({
            "manifest_records": 3, "manifest_head": lab.ok(["manifest", "head"]).trim_end(),
            "segments": 3, "segments_read_whole": 3, "segments_elsewhere": 0, "segment_bytes": bytes,
            "archived_events": 27, "live_files": 1, "archived_invalid_files": 0,
            "expired_segments": 0, "expired_events": 0, "findings": [], "remarks": [], "misfiled": [],
            "passed_over": 0, "stopped": false, "witness": "none",
            "depth": { "kind": "full", "archive": true, "live": true },
            "proves": told.trim_end().split_once("proved: ").unwrap().1,
        })
    );
    // Also where there is not even a lock file yet.
    fs::remove_file(lab.archive().join("lock")).unwrap();
    fs::write(lab.archive().join("stranger"), "").unwrap();
    findings(&lab, &[]);
}

#[test]
fn what_was_proved_is_said_by_depth_and_witness_and_no_more() {
    let lab = lab();
    let head = lab.ok(["manifest", "head"]).trim_end().to_owned();
    let (foreign, all) = ("1".repeat(64), serde_json::json!({"archive": true, "live": true}));
    let with = |kind: &str| {
        let mut depth = all.clone();
        depth["kind"] = kind.into();
        depth
    };
    let told = |flags: &[&str]| {
        let run = lab.run(["verify", "-ojson"].iter().chain(flags));
        let report = json(&run.stdout);
        let text = lab.run(["verify"].iter().chain(flags));
        let last = text.stdout.lines().last().unwrap().to_owned();
        assert_eq!(last, format!("proved: {}", report["proves"].as_str().unwrap()));
        (report["depth"].clone(), report["witness"].clone(), last)
    };
    let (depth, witness, proved) = told(&["--quick"]);
    assert_eq!((depth, witness), (with("quick"), "none".into()));
    assert!(proved.contains("and no event in them was read; nobody vouches for"), "{proved}");
    let (mut depth, _, proved) = told(&["--sample=100%", "2026-05-10"]);
    assert_eq!(depth.as_object_mut().unwrap().remove("percent").unwrap(), 100.0);
    assert_eq!(depth, with("sample"));
    assert!(proved.contains("every bit of 1 of 1 segment is as it was archived"), "{proved}");
    assert!(proved.contains("of the given days"), "{proved}");
    let (_, witness, proved) = told(&["--head", &head]);
    assert_eq!(witness, "head");
    assert!(proved.contains("nothing up to record 3 of 3 was rewritten or cut off"), "{proved}");
    let (_, witness, proved) = told(&["--head", &foreign]);
    assert_eq!(witness, "head");
    assert!(proved.starts_with("proved: except for the findings, "), "{proved}");
    assert!(proved.contains("the given head does not vouch for the manifest"), "{proved}");
    let (depth, witness, proved) = told(&["--live"]);
    assert_eq!((&depth["archive"], witness), (&false.into(), "none".into()));
    assert!(proved.contains("no checksum until they are archived") && !proved.contains("segment"));
    let (depth, _, proved) = told(&["--archived"]);
    assert_eq!(depth["live"], false);
    assert!(!proved.contains("live files"), "{proved}");
}

#[test]
fn a_flipped_bit_anywhere_in_a_segment_is_found() {
    let lab = lab();
    let path = segment(&lab, "2026-05-11");
    let sound = fs::read(&path).unwrap();
    for at in (0..sound.len()).step_by(19).chain([sound.len() - 1]) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        for line in findings(&lab, &["--archive"]) {
            assert!(line.starts_with("2026/2026-05-11.tar.zst: "), "byte {at}: {line}");
        }
        assert_eq!(lab.run(["verify", "2026-05-10", "2026-05-12"]).code, 0);
    }
    fs::write(&path, &sound).unwrap();
    well(&lab, &[]);
}

#[test]
fn a_segment_that_is_cut_off_grown_or_replaced_is_found() {
    let lab = lab();
    let path = segment(&lab, "2026-05-11");
    let sound = fs::read(&path).unwrap();
    let other = fs::read(segment(&lab, "2026-05-10")).unwrap();
    let longer = [sound.as_slice(), b"\0"].concat();
    for bytes in [&sound[..sound.len() / 2], &sound[..sound.len() - 1], &[], &longer, &other] {
        fs::write(&path, bytes).unwrap();
        for flags in [&[][..], &["--quick"]] {
            let told = findings(&lab, flags);
            assert!(
                told.iter().all(|line| line.starts_with("2026/2026-05-11.tar.zst: ")),
                "{told:?}"
            );
        }
    }
}

#[test]
fn a_missing_segment_is_named() {
    let lab = lab();
    fs::remove_file(segment(&lab, "2026-05-11")).unwrap();
    for flags in [&[][..], &["--quick"]] {
        assert_eq!(
            findings(&lab, flags),
            [
                "2026/2026-05-11.tar.zst: the manifest records this segment, but there is no such file",
                "2026/2026-05-11.tar.zst.sha256: a checksum file without its segment",
            ]
        );
    }
}

#[test]
fn missing_and_changed_checksum_files_are_named() {
    let lab = lab();
    let path = lab.archive().join("2026/2026-05-11.tar.zst.sha256");
    let sound = fs::read_to_string(&path).unwrap();
    let other = fs::read_to_string(lab.archive().join("2026/2026-05-10.tar.zst.sha256")).unwrap();
    for text in [sound.trim_end(), &sound.to_uppercase(), &other, "", &format!("{sound}{sound}")] {
        fs::write(&path, text).unwrap();
        for flags in [&[][..], &["--quick"]] {
            assert_eq!(
                findings(&lab, flags),
                ["2026/2026-05-11.tar.zst: its checksum file 2026-05-11.tar.zst.sha256 differs \
                  from the manifest's record"]
            );
        }
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(
        findings(&lab, &[]),
        ["2026/2026-05-11.tar.zst: its checksum file 2026-05-11.tar.zst.sha256 is missing"]
    );
}

#[test]
fn what_does_not_belong_into_an_archive_is_named() {
    let lab = lab();
    fs::copy(segment(&lab, "2026-05-10"), segment(&lab, "2026-05-20")).unwrap();
    let write = |name: &str| fs::write(lab.archive().join(name), "x").unwrap();
    for name in [
        "notes.txt",
        "2026/notes.txt",
        "2026/2025-01-01.tar.zst",
        "2026/.hlarchive-tmp-1",
        ".hlarchive-tmp-2",
    ] {
        write(name);
    }
    fs::create_dir(lab.archive().join("2026/folder")).unwrap();
    std::os::unix::fs::symlink("/etc", lab.archive().join("1999")).unwrap();
    let leftover = "a temporary file of a run that was stopped; the next rotate removes it";
    let unknown = "that hlarchive did not put here";
    assert_eq!(
        findings(&lab, &[]),
        [
            "2026/2026-05-20.tar.zst: no record of the manifest names this file: a run was \
             stopped before it was done (the next rotate of its day settles it), or it was put \
             here by other means"
                .to_owned(),
            format!(".hlarchive-tmp-2: {leftover}"),
            format!("1999: a symbolic link {unknown}"),
            format!("2026/.hlarchive-tmp-1: {leftover}"),
            format!("2026/2025-01-01.tar.zst: a file {unknown}"),
            format!("2026/folder: a directory {unknown}"),
            format!("2026/notes.txt: a file {unknown}"),
            format!("notes.txt: a file {unknown}"),
        ]
    );
}

#[test]
fn a_rotation_at_work_is_no_finding() {
    let lab = lab();
    fs::copy(segment(&lab, "2026-05-10"), segment(&lab, "2026-05-20")).unwrap();
    fs::write(lab.archive().join("2026/.hlarchive-tmp-1"), "x").unwrap();
    let archive = hlarchive::internals::archive::ArchiveDir::open(&lab.archive()).unwrap().unwrap();
    let lock = archive.lock().unwrap();
    // No picture of the lab is taken here: a process that closes the lock file gives it up.
    let run = lab.run(["verify"]);
    assert!(run.code == 0 && run.stdout.contains(": all is well\n"), "{run:?}");
    assert!(
        run.stdout.starts_with(
            "note: 2026/2026-05-20.tar.zst: not recorded yet; another hlarchive is at work on \
             this archive\n"
        ),
        "{run:?}"
    );
    drop(lock);
    assert_eq!(findings(&lab, &[]).len(), 2);
}

#[test]
fn live_files_must_say_what_their_place_says() {
    let lab = lab();
    let other = Event { number: 1, ..EVENT };
    lab.write(&other.path().replace("/pi4/", "/nas/"), other.line());
    lab.write(&other.path().replace("2026-05-16/", "2026-05-17/"), other.line());
    lab.write("2026-05-16/pi4/broken.json", "x");
    lab.write("2026-05-16/pi4/notes.txt", "x");
    lab.write("stray", "x");
    let archived = tree(&lab.archive());
    assert!(!archived.is_empty());
    let (conflicting, _) = crate::common::event(10, 0, "nas", 0);
    lab.write(&conflicting, EVENT.line());
    let wanted = [
        "stray: not an event: a file; days have directories YYYY-MM-DD".to_owned(),
        format!(
            "{conflicting}: another event of this name is archived; the next rotate keeps both"
        ),
        "2026-05-16/pi4/notes.txt: not an event: a file; events are files that end in .json"
            .to_owned(),
        "2026-05-16/pi4/broken.json: not an event: an event is a JSON object; this is not one"
            .to_owned(),
        format!(
            "{}: it names node pi4, but is in the directory of nas",
            other.path().replace("/pi4/", "/nas/")
        ),
        format!(
            "{}: its timestamp 2026-05-16T10:11:12.000000Z is not of this day",
            other.path().replace("2026-05-16/", "2026-05-17/")
        ),
    ];
    assert_eq!(findings(&lab, &[]), wanted);
    assert_eq!(findings(&lab, &["--live"]), wanted);
    assert_eq!(findings(&lab, &["--live", "2026-05-17"]), [wanted[0].as_str(), wanted[5].as_str()]);
    well(&lab, &["--archive"]);
    well(&lab, &["--archived"]);
}

#[test]
fn live_and_archive_alone_see_only_their_half() {
    let lab = lab();
    fs::write(segment(&lab, "2026-05-11"), "damaged").unwrap();
    let run = well(&lab, &["--live"]);
    assert_eq!(
        run.stdout,
        "checked 1 live file: all is well\nproved: live files can be read as events, and whether \
         they were changed since they were written nothing tells, for they have no checksum until \
         they are archived\n"
    );
    assert!(!findings(&lab, &["--archive"]).is_empty());
    assert!(!findings(&lab, &["--archive", "2026-05-11"]).is_empty());
    well(&lab, &["--archive", "2026-05-10"]);
    // With a directory it names one, as for every command.
    fs::create_dir(lab.path("empty")).unwrap();
    let told = findings(&lab, &["--archive", "empty"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("empty: the archive of the events in"), "{told:?}");
    let copy = lab.path("copy");
    let mut cp = std::process::Command::new("cp");
    crate::common::system(cp.arg("-r").arg(lab.archive()).arg(&copy));
    assert!(!findings(&lab, &["--archive", copy.to_str().unwrap()]).is_empty());
    lab.fails(2, ["verify", "--archive", "--live"]);
}

#[test]
fn without_an_archive_verify_says_so() {
    let lab = Lab::new();
    EVENT.write(&lab);
    let run = well(&lab, &[]);
    let archive = lab.archive().display().to_string();
    assert!(run.stdout.starts_with(&format!("note: {archive}: there is no archive here yet\n")));
    let run = assert_untouched(&lab, || lab.fails(66, ["verify", "--archive"]));
    assert_eq!(
        sentence(&run),
        format!("{archive}: there is no archive here; name it with --archive")
    );
    let run = lab.fails(66, ["verify", "--root=a", "--archive=b"]);
    assert_eq!(
        sentence(&run),
        "a: there is neither an event tree here nor an archive at b; name them with --root and --archive"
    );
}

#[test]
fn quick_and_sample_read_less_and_say_so() {
    let lab = lab();
    let path = segment(&lab, "2026-05-11");
    let mut bytes = fs::read(&path).unwrap();
    // Inside the first frame's compressed data: nothing but reading it can tell.
    bytes[60] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for flags in [&["--quick"][..], &["--sample", "0%"], &["--sample=0"]] {
        let run = well(&lab, flags);
        assert!(run.stdout.contains("27 events (0 of them read in full), "), "{run:?}");
    }
    for flags in [&["--sample", "100%"][..], &["--sample=100"]] {
        assert!(findings(&lab, flags)[0].starts_with("2026/2026-05-11.tar.zst: "));
    }
    for bad in ["101%", "-1%", "x", "NaN", ""] {
        let run = lab.fails(2, ["verify", &format!("--sample={bad}")]);
        assert_eq!(run.stdout, "");
    }
    lab.fails(2, ["verify", "--quick", "--sample=10%"]);
}

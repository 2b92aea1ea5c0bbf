//! `--after` and `--cursor-file`, run after run, with the history moved in between.

use std::fs;

use crate::common::{Lab, event};
use crate::support::{cursor_file, cursor_of, everything, lines, live, news, path_of, place};

const FILE: &str = "--cursor-file=seen.cursor";
const ALL: &str = "--since=2000-01-01";

/// Places event `number` of 2026-05-`day` on pi4; its identity.
fn late(lab: &Lab, day: u32, number: u32) -> String {
    let (path, bytes) = event(day, 1, "pi4", number);
    place(lab, &path, &bytes);
    path
}

#[test]
fn each_event_is_given_once_however_it_came_and_wherever_it_went() {
    let lab = Lab::new();
    let tree = lab.seed(3, 5);
    lab.rotate_day("2026-05-10");
    let mut given = news(&lab, &[FILE, ALL]);
    assert_eq!(given.len(), tree.len());
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0]);
    // Late, into a live day, an archived one and one that never was.
    let mut came = vec![late(&lab, 9, 50), late(&lab, 10, 51), late(&lab, 12, 52)];
    assert_eq!(news(&lab, &[FILE, ALL]), came);
    given.append(&mut came);
    // Everything moves, and nothing came.
    lab.rotate();
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0], "rotated");
    lab.ok(["restore", "2026-05-10", "2026-05-12", "--live"]);
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0], "live again");
    lab.rotate();
    lab.ok(["compact"]);
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0], "compacted");
    lab.ok(["manifest", "rebuild"]);
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0], "with a new manifest");
    // Late, and in a segment together with what was given, before anybody looked.
    let came = [late(&lab, 10, 60), late(&lab, 11, 61)];
    lab.ok(["restore", "2026-05-10", "--live"]);
    lab.rotate();
    assert_eq!(live(&lab), [""; 0]);
    assert_eq!(news(&lab, &[FILE, ALL]), came);
    // Late, rotated and compacted.
    let came = [late(&lab, 10, 70)];
    lab.rotate();
    lab.ok(["compact"]);
    assert_eq!(news(&lab, &[FILE, ALL]), came);
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0]);
}

#[test]
fn what_was_there_before_the_beginning_is_never_news() {
    let lab = Lab::new();
    lab.seed(3, 5);
    lab.rotate_day("2026-05-10");
    // Today has no event: what there is, is known.
    assert_eq!(news(&lab, &[FILE]), [""; 0]);
    lab.ok(["restore", "2026-05-10", "--live"]);
    assert_eq!(news(&lab, &[FILE]), [""; 0]);
    // The known day becomes one segment with an event that nobody saw.
    lab.rotate();
    let came = [late(&lab, 10, 80)];
    lab.rotate();
    lab.ok(["compact"]);
    assert_eq!(news(&lab, &[FILE]), came);
    // Its segment expires, and comes back in live files from a copy.
    let copy = lab.path("copy");
    lab.ok(["restore", "2026-05-10", "--to", copy.to_str().unwrap()]);
    lab.ok(["prune", "--now", "2030-01-01T00:00:00Z", "--yes-really"]);
    for (path, bytes) in crate::common::tree(&copy) {
        place(&lab, &path, &bytes);
    }
    assert!(!live(&lab).is_empty());
    assert_eq!(news(&lab, &[FILE]), [""; 0]);
}

#[test]
fn a_cursor_gives_what_came_after_its_event_in_the_same_order_for_ever() {
    let lab = Lab::new();
    lab.seed(1, 4);
    let mut all = lines(&lab, &[FILE, ALL]);
    for day in [3, 12, 7] {
        late(&lab, day, day);
        all.extend(lines(&lab, &[FILE, ALL]));
    }
    assert_eq!(all.len(), 15);
    lab.rotate();
    let paths = |lines: &[String]| lines.iter().map(|line| path_of(line)).collect::<Vec<_>>();
    for (number, line) in all.iter().enumerate() {
        let cursor = cursor_of(line);
        assert!(cursor.len() < 200, "{cursor}");
        // The cursor names its file; it need not be named again.
        let rest = lines(&lab, &["--after", &cursor]);
        assert_eq!(paths(&rest), paths(&all[number + 1..]));
        let cursors = |lines: &[String]| lines.iter().map(|l| cursor_of(l)).collect::<Vec<_>>();
        assert_eq!(cursors(&rest), cursors(&all[number + 1..]));
    }
    assert_eq!(paths(&lines(&lab, &["--after=start", FILE])), paths(&all));
    // To look behind a cursor does not move the file's own place.
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0]);
    // The file may move, when it is named.
    fs::rename(cursor_file(&lab), lab.path("moved")).unwrap();
    let rest = lines(&lab, &["--after", &cursor_of(&all[13]), "--cursor-file=moved"]);
    assert_eq!(paths(&rest), paths(&all[14..]));
    let run = lab.fails(66, ["list", "--after", &cursor_of(&all[13])]);
    assert!(run.stdout.is_empty() && run.stderr.contains("it is not there"), "{run:?}");
}

#[test]
fn filters_apply_to_what_is_given_and_not_to_what_is_seen() {
    let lab = Lab::new();
    lab.seed(1, 10);
    let errors = news(&lab, &[FILE, ALL, "--severity=error"]);
    assert!(!errors.is_empty() && errors.iter().all(|path| path.contains("deployment_failed")));
    assert_eq!(news(&lab, &[FILE, ALL]), [""; 0]);
    let rest = news(&lab, &["--after=start", FILE, "--node=nas", "--date=2026-05-10"]);
    assert!(rest.iter().all(|path| path.starts_with("2026-05-10/nas/")));
    assert_eq!(rest.len(), 10);
    let first = news(&lab, &["--after=start", FILE, "--limit=7"]);
    let second = news(&lab, &[FILE, "--limit=100"]);
    assert_eq!((first.len(), second.len()), (7, 23));
    let both: std::collections::BTreeSet<String> = first.into_iter().chain(second).collect();
    assert_eq!(both, everything(&lab));
}

#[test]
fn days_that_expired_unseen_are_told_of_once_and_the_rest_is_given() {
    let lab = Lab::new();
    lab.seed(2, 2);
    let all = lines(&lab, &[FILE, ALL]);
    late(&lab, 3, 1);
    late(&lab, 11, 40);
    lab.ok(["rotate", "--now", "2026-05-28T00:00:00Z"]);
    fs::write(lab.path("policy.toml"), "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"10d\"\n")
        .unwrap();
    lab.ok(["prune", "--now", "2026-05-21T00:00:00Z", "--yes-really", "--shorten"]);
    let run = lab.run(["list", "-o", "path", FILE, ALL]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1), "{run:?}");
    assert!(run.stderr.contains("have expired"), "{run:?}");
    let run = lab.run(["list", "-o", "path", FILE, ALL]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
    // What is behind an old cursor and expired is named, and nothing else is missing.
    let run = lab.run(["list", "-o", "path", "--after", &cursor_of(&all[0])]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("5 events of this day that came after the cursor are expired"),
        "{run:?}"
    );
    assert_eq!(run.stdout.lines().count(), 7);
}

#[test]
fn a_file_that_is_half_written_is_given_when_it_is_whole() {
    let lab = Lab::new();
    news(&lab, &[FILE, ALL]);
    let (path, bytes) = event(10, 1, "pi4", 1);
    lab.write(&path, &bytes[..40]);
    let run = lab.run(["list", "-o", "path", FILE, ALL]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    assert!(run.stderr.contains(&path) && run.stderr.contains("not an event"), "{run:?}");
    lab.write(&path, &bytes);
    assert_eq!(news(&lab, &[FILE, ALL]), [path]);
}

#[test]
fn what_a_damaged_segment_hides_is_given_when_it_is_whole_again() {
    let lab = Lab::new();
    news(&lab, &[FILE, ALL]);
    lab.seed(1, 4);
    lab.rotate();
    let segment = lab.archive().join("2026/2026-05-10.tar.zst");
    let whole = fs::read(&segment).unwrap();
    let mut damaged = whole.clone();
    damaged[30] ^= 0xff;
    fs::set_permissions(&segment, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&segment, &damaged).unwrap();
    let run = lab.fails(74, ["list", "-o", "path", FILE, ALL]);
    assert!(run.stderr.contains("2026-05-10.tar.zst"), "{run:?}");
    let before = run.stdout.lines().count();
    fs::write(&segment, &whole).unwrap();
    assert_eq!(before + news(&lab, &[FILE, ALL]).len(), 12);
}

#[test]
fn a_cursor_of_another_file_or_none_at_all_is_refused() {
    let lab = Lab::new();
    lab.seed(1, 1);
    let cursor = cursor_of(&lines(&lab, &[FILE, ALL])[1]);
    lines(&lab, &["--cursor-file=other.cursor", ALL]);
    let run = lab.fails(2, ["list", "--after", &cursor, "--cursor-file=other.cursor"]);
    assert!(run.stderr.contains("not of this cursor file"), "{run:?}");
    let beyond = cursor.replacen(':', ":9", 1);
    for (after, reason) in [
        (beyond.as_str(), "not of this cursor file"),
        ("yesterday", "is no cursor"),
        ("2:1:0000000000000000:/x", "another version"),
    ] {
        let run = lab.fails(2, ["list", "--after", after]);
        assert!(run.stderr.contains(reason), "{run:?}");
    }
    lab.fails(2, ["list", "--after=start"]);
    fs::write(lab.path("text"), "no cursor file").unwrap();
    lab.fails(65, ["list", "--cursor-file=text"]);
    assert_eq!(fs::read(lab.path("text")).unwrap(), b"no cursor file");
    lab.fails(73, ["list", "--cursor-file=nowhere/seen"]);
    for flag in ["--reverse", "--live-only", "--archived-only"] {
        lab.fails(2, ["list", FILE, flag]);
        lab.fails(2, ["list", "--after", &cursor, flag]);
    }
}

#[test]
fn one_run_at_a_time_has_a_cursor_file() {
    let lab = Lab::new();
    lab.seed(1, 1);
    let mut follower = crate::support::Follower::start(&lab, &[FILE, ALL]);
    follower.next();
    let run = lab.fails(75, ["list", FILE]);
    assert!(run.stderr.contains("another hlarchive is at work with this cursor file"), "{run:?}");
    follower.stop();
    lab.ok(["list", FILE]);
}

#[test]
fn other_formats_move_the_place_as_well() {
    let lab = Lab::new();
    lab.seed(1, 2);
    let mut table = lab.command(["list", FILE, ALL, "--limit=2"]);
    let run = crate::common::Run::of(&table.env("COLUMNS", "80").output().unwrap());
    assert_eq!(run.stdout.lines().count(), 3, "{run:?}");
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{run:?}");
    assert_eq!(lab.ok(["list", FILE, ALL, "--limit=2", "-o", "path"]).lines().count(), 2);
    let array: serde_json::Value =
        serde_json::from_str(&lab.ok(["list", FILE, ALL, "-o", "json"])).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 2);
    assert!(array[1]["_cursor"].as_str().unwrap().starts_with("1:"));
    assert_eq!(lab.ok(["list", FILE, ALL, "-o", "json"]), "[]\n");
}

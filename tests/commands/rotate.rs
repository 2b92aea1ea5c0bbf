use std::fs;
use std::process::Command;

use rustix::fs::{FlockOperation, flock};

use crate::common::{Lab, NOTE, NOW, system, tool, tree};
use crate::support::{EVENT, Event, assert_untouched, json, policy, sentence};

#[test]
fn a_closed_day_becomes_a_segment_and_its_files_go() {
    let lab = Lab::new();
    lab.seed(2, 4);
    let before = lab.list_all();
    assert_eq!(before.len(), 24);
    let told = lab.rotate();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    for (line, day) in lines.iter().zip(["2026-05-10", "2026-05-11"]) {
        let start = format!("{day}  12 events into 2026/{day}.tar.zst (");
        assert!(line.starts_with(&start) && line.ends_with(" KiB)"), "{line}");
    }
    assert!(tree(&lab.root()).is_empty());
    let left: Vec<_> =
        fs::read_dir(lab.root()).unwrap().map(|at| at.unwrap().file_name()).collect();
    assert_eq!(left, [NOTE], "the days' directories are gone");
    let archive = tree(&lab.archive());
    assert_eq!(
        archive.keys().collect::<Vec<_>>(),
        [
            "2026/2026-05-10.tar.zst",
            "2026/2026-05-10.tar.zst.sha256",
            "2026/2026-05-11.tar.zst",
            "2026/2026-05-11.tar.zst.sha256",
            "catalogue",
            "lock",
            "manifest.jsonl",
            "state",
            "words",
        ]
    );
    assert_eq!(lab.list_all(), before);
}

#[test]
fn ordinary_tools_give_the_original_tree_back() {
    let (Some(tar), Some(_)) = (tool("tar"), tool("zstd")) else { return };
    let lab = Lab::new();
    lab.write("2026-05-10/pi4/not-an-event.json", b"\0\xff");
    let before = lab.seed(1, 20);
    lab.fails(1, ["rotate", "--now", NOW]);
    let folder = lab.archive().join("2026");
    system(
        Command::new("sha256sum")
            .args(["-c", "--strict", "2026-05-10.tar.zst.sha256"])
            .current_dir(&folder),
    );
    fs::create_dir(lab.path("out")).unwrap();
    let mut untar = Command::new(tar);
    untar
        .args(["--zstd", "-xf"])
        .arg(folder.join("2026-05-10.tar.zst"))
        .current_dir(lab.path("out"));
    system(&mut untar);
    let after = tree(&lab.path("out"));
    assert_eq!(after.len(), before.len());
    assert!(after == before);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_changes_nothing() {
    let lab = Lab::new();
    lab.seed(3, 2);
    lab.ok(["rotate", "--date=2026-05-11", "--now", NOW]);
    Event { time: "2026-05-11T05:00:00.000000Z", ..EVENT }.write(&lab);
    let run = assert_untouched(&lab, || lab.run(["rotate", "--dry-run", "--now", NOW]));
    assert_eq!(run.code, 0);
    let days: Vec<(&str, &str)> =
        run.stdout.lines().map(|line| line.split_once("; needs about ").unwrap()).collect();
    let heads: Vec<&str> = days.iter().map(|(head, _)| *head).collect();
    assert_eq!(
        heads,
        [
            "2026-05-10  6 files, 1.2 KiB",
            "2026-05-11  1 file (late arrivals), 166 B",
            "2026-05-12  6 files, 1.2 KiB"
        ]
    );
    assert!(days.iter().all(|(_, room)| room.contains(" in the archive, ")), "{days:?}");
    assert_eq!(run.stderr, "a dry run: nothing was changed\n");
    let plan = assert_untouched(&lab, || lab.ok(["rotate", "-n", "-o", "json", "--now", NOW]));
    let mut plan = json(&plan);
    for day in plan["days"].as_array_mut().unwrap() {
        let day = day.as_object_mut().unwrap();
        let needed = day.remove("needed_bytes").unwrap().as_u64().unwrap();
        let free = day.remove("free_bytes").unwrap().as_u64().unwrap();
        assert!(needed > day.remove("event_bytes").unwrap().as_u64().unwrap() && free > needed);
        assert_eq!(day.remove("lacks"), Some(serde_json::Value::Null));
    }
    assert_eq!(
        plan,
        serde_json::json!({ "dry_run": true, "days": [
            { "date": "2026-05-10", "files": 6, "segments": 0 },
            { "date": "2026-05-11", "files": 1, "segments": 1 },
            { "date": "2026-05-12", "files": 6, "segments": 0 },
        ] })
    );
}

#[test]
fn nothing_to_do_is_success_and_touches_nothing() {
    let lab = Lab::new();
    for flags in [
        &["rotate"][..],
        &["rotate", "-n"],
        &["rotate", "--now", NOW],
        &["rotate", "--date=2026-05-10"],
    ] {
        let run = assert_untouched(&lab, || lab.run(flags));
        assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{flags:?}");
        assert_eq!(run.stderr, "nothing to rotate\n");
    }
    let run = lab.fails(66, ["rotate", "--root=nowhere"]);
    assert_eq!(
        sentence(&run),
        "nowhere: there is no event tree here; name it with --root or HLARCHIVE_ROOT"
    );
}

#[test]
fn days_stay_live_as_long_as_the_policy_says() {
    let lab = Lab::new();
    lab.seed(3, 1);
    let days = |lab: &Lab| {
        let mut days: Vec<String> = fs::read_dir(lab.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != NOTE)
            .collect();
        days.sort_unstable();
        days
    };
    // Seven days after its end, and not a microsecond earlier.
    lab.ok(["rotate", "--now", "2026-05-17T23:59:59.999999Z"]);
    assert_eq!(days(&lab), ["2026-05-10", "2026-05-11", "2026-05-12"]);
    lab.ok(["rotate", "--now", "2026-05-18T00:00:00Z"]);
    assert_eq!(days(&lab), ["2026-05-11", "2026-05-12"]);
    policy(&lab, "version = 1\n[rotate]\nkeep_live = \"0d\"\n");
    lab.ok(["rotate", "--now", "2026-05-12T23:59:59Z"]);
    assert_eq!(days(&lab), ["2026-05-12"]);
    lab.ok(["rotate", "--now", "2026-05-13"]);
    assert_eq!(days(&lab), [""; 0]);
}

#[test]
fn a_named_day_is_rotated_within_keep_live_and_alone() {
    let lab = Lab::new();
    lab.seed(3, 1);
    let told = lab.ok(["rotate", "--date=2026-05-11", "--now", "2026-05-12T00:00:00Z"]);
    assert!(told.starts_with("2026-05-11  3 events into 2026/2026-05-11.tar.zst"), "{told}");
    assert_eq!(told.lines().count(), 1);
    let told = lab.ok(["rotate", "--date=2026-05-10", "--date=2026-05-12", "--now", NOW]);
    assert_eq!(told.lines().count(), 2);
    assert!(tree(&lab.root()).is_empty());
}

#[test]
fn an_open_day_is_refused() {
    let lab = Lab::new();
    lab.seed(1, 1);
    let wanted = "2026-05-10: the day is not over yet (in UTC), so it cannot be rotated";
    for flags in [
        &["--date=2026-05-10"][..],
        &["--date=2026-05-10", "-n"],
        &["--date=2026-05-09", "--date=2026-05-10"],
    ] {
        let arguments = ["rotate", "--now", "2026-05-10T23:59:59.999999Z"];
        let run = assert_untouched(&lab, || lab.run(arguments.iter().chain(flags)));
        assert_eq!((run.code, sentence(&run)), (75, wanted), "{flags:?}");
    }
    let run = assert_untouched(&lab, || lab.run(["rotate", "--date=today"]));
    assert_eq!(run.code, 75);
}

#[test]
fn a_second_rotation_is_turned_away_at_once() {
    let lab = Lab::new();
    lab.seed(2, 1);
    lab.ok(["rotate", "--date=2026-05-10", "--now", NOW]);
    let lock = fs::File::open(lab.archive().join("lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let run = assert_untouched(&lab, || lab.fails(75, ["rotate", "--now", NOW]));
    let wanted = format!(
        "{}/lock: another hlarchive is at work on this archive (pid {}, \"{}\", uid {}); try again \
         when it has finished",
        lab.archive().display(),
        std::process::id(),
        fs::read_to_string("/proc/self/comm").unwrap().trim_end(),
        rustix::process::geteuid().as_raw(),
    );
    assert_eq!(sentence(&run), wanted);
    for command in [&["restore", "2026-05-10", "--live"][..], &["manifest", "rebuild"]] {
        let run = assert_untouched(&lab, || lab.fails(75, command));
        assert_eq!(sentence(&run), wanted);
    }
    // Readers take no lock.
    assert_eq!(lab.list_all().len(), 6);
    lab.ok(["verify"]);
    flock(&lock, FlockOperation::Unlock).unwrap();
    lab.rotate();
    assert!(tree(&lab.root()).is_empty());
}

#[test]
fn the_report_has_one_shape() {
    let lab = Lab::new();
    lab.seed(1, 2);
    let bytes: usize = tree(&lab.root()).values().map(Vec::len).sum();
    let report = json(&lab.ok(["rotate", "-o", "json", "--now", NOW]));
    let size = fs::metadata(lab.archive().join("2026/2026-05-10.tar.zst")).unwrap().len();
    assert_eq!(
        report,
        serde_json::json!({
            "days": [{
                "date": "2026-05-10", "segments": ["2026/2026-05-10.tar.zst"], "events": 6,
                "invalid": 0, "late": 0, "conflicts": 0, "event_bytes": bytes, "segment_bytes": size,
                "already_archived": 0, "removed": 6, "left": 0,
            }],
            "recovered": [], "findings": [], "remarks": [], "stopped": false, "left_days": [],
        })
    );
}

#[test]
fn a_clock_before_the_newest_record_is_not_believed() {
    let lab = Lab::new();
    lab.seed(2, 1);
    lab.ok(["rotate", "--date=2026-05-10", "--now", "9000-01-01T00:00:00Z"]);
    for flags in [&["rotate"][..], &["rotate", "--dry-run"], &["rotate", "--date=2026-05-11"]] {
        let run = assert_untouched(&lab, || lab.fails(75, flags));
        let told = sentence(&run);
        assert!(told.starts_with("the clock says 20"), "{told}");
        let end = ", but the manifest's newest record is of 9000-01-01T00:00:00.000000Z; set the \
                   clock right, or give the time with --now";
        assert!(told.ends_with(end), "{told}");
    }
    // Who gives the time vouches for it.
    lab.rotate();
    assert!(tree(&lab.root()).is_empty());
}

#[test]
fn a_clock_years_after_the_newest_event_is_not_believed() {
    let lab = Lab::new();
    let old = Event { time: "2001-02-03T04:05:06.000000Z", ..EVENT }.write(&lab);
    let before = tree(&lab.root());
    for flags in [&["rotate", "--dry-run"][..], &["rotate"]] {
        let run = lab.fails(75, flags);
        let told = sentence(&run);
        let end = ", but the newest event is of 2001-02-03, years before; set the clock right, or \
                   give the time with --now";
        assert!(told.starts_with("the clock says 20") && told.ends_with(end), "{told}");
    }
    assert!(tree(&lab.root()) == before);
    assert_eq!(lab.ok(["list", "--date=2001-02-03", "-opath", "--live-only"]), format!("{old}\n"));
    lab.ok(["rotate", "--now", "2001-03-01"]);
    assert!(tree(&lab.root()).is_empty());
}

#[test]
fn days_that_lie_ahead_of_the_clock_are_left_alone() {
    let lab = Lab::new();
    lab.seed(1, 1);
    let ahead = Event { time: "2031-01-01T00:00:00.000000Z", ..EVENT }.write(&lab);
    lab.rotate();
    assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), [ahead]);
}

/// One archived day, which has expired two months later, and a live one.
fn with_an_expired_day() -> Lab {
    let lab = Lab::new();
    policy(&lab, "version = 1\n[retain]\nkeep = \"40d\"\n");
    lab.seed(4, 2);
    lab.ok(["rotate", "--now", "2026-05-21T03:00:00Z"]);
    Event { time: "2026-06-01T10:00:00.000000Z", ..EVENT }.write(&lab);
    lab
}

#[test]
fn pruning_follows_a_rotation_that_did_its_work_and_each_leaves_how_it_ended() {
    let lab = with_an_expired_day();
    lab.write("README", "x");
    let words = ["rotate", "--prune", "--now", "2026-06-21T00:00:00Z", "--metrics-file=x.prom"];
    let run = lab.fails(1, words);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("2026-06-01  1 event into "), "{run:?}");
    assert!(lines[1].starts_with("2026/2026-05-10.tar.zst  6 events, "), "{run:?}");
    assert!(lines[2].starts_with("2026/2026-05-11.tar.zst  6 events, "), "{run:?}");
    let metrics = fs::read_to_string(lab.path("x.prom")).unwrap();
    for ended in ["hlarchive_last_rotate_exit_code 1\n", "hlarchive_last_prune_exit_code 0\n"] {
        assert!(metrics.contains(ended), "{ended} {metrics}");
    }
    // What needs a person outweighs what was named.
    let run = lab.fails(77, ["rotate", "--prune", "--now", "2027-06-21T00:00:00Z"]);
    assert!(run.stderr.contains("README"), "{run:?}");
}

#[test]
fn pruning_does_not_follow_a_rotation_that_failed() {
    let lab = with_an_expired_day();
    let words = ["rotate", "--prune", "--now", "2026-06-21T00:00:00Z"];
    let lock = fs::File::open(lab.archive().join("lock")).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_untouched(&lab, || lab.fails(75, words));
    flock(&lock, FlockOperation::Unlock).unwrap();
    fs::rename(lab.root(), lab.path("away")).unwrap();
    assert_untouched(&lab, || lab.fails(66, words));
    fs::rename(lab.path("away"), lab.root()).unwrap();
    let dry = assert_untouched(&lab, || lab.run(words.iter().chain(&["--dry-run"])));
    assert_eq!((dry.code, dry.stdout.lines().count()), (0, 3), "{dry:?}");
    lab.ok(words);
}

#[test]
fn a_range_of_days_is_rotated_with_others_that_are_named() {
    let lab = Lab::new();
    lab.seed(6, 2);
    let range = ["--date", "2026-05-11..2026-05-12", "--date", "2026-05-15"];
    let told = lab.ok(["rotate", "--now", NOW].iter().chain(&range));
    let days: Vec<&str> = told.lines().map(|line| &line[..10]).collect();
    assert_eq!(days, ["2026-05-11", "2026-05-12", "2026-05-15"]);
    for (range, reason) in [
        ("2026-05-12..2026-05-11", "the range ends before it begins"),
        ("0001-01-01..2026-05-11", "that is more than a hundred years"),
        ("2026-05-11..soon", "\"soon\" is not a day"),
    ] {
        let run = lab.fails(2, ["rotate", "--now", NOW, "--date", range]);
        assert!(run.stderr.contains(reason), "{run:?}");
    }
}

#[test]
fn a_range_leaves_out_days_that_are_not_over_and_one_of_these_alone_is_refused() {
    let lab = Lab::new();
    lab.seed(3, 2);
    let now = ["rotate", "--now", "2026-05-12T10:00:00Z"];
    let run = lab.run(now.iter().chain(&["--date", "2026-05-11..2026-05-13"]));
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stderr, "2026-05-12 is not over yet (in UTC) and stays live\n");
    assert!(run.stdout.starts_with("2026-05-11  6 events") && run.stdout.lines().count() == 1);
    for date in ["2026-05-12", "today", "2026-05-12..2026-05-13"] {
        let run = lab.fails(75, now.iter().chain(&["--date", date]));
        assert!(run.stderr.contains("2026-05-12: the day is not over yet"), "{run:?}");
    }
}

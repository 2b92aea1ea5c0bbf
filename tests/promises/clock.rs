//! The clock is a witness, not a judge: wherever it jumps and whatever zone it is in, no
//! event is lost or filed under a wrong day, and no day is rotated before it is over.

use std::process::{Command, Output};

use crate::common::{HLARCHIVE, Lab, NOW, Run, tool, tree};

/// Zones and locales on both sides of every border, and some that do not exist.
const SURROUNDINGS: [(&str, &str); 7] = [
    ("UTC", "C"),
    ("Pacific/Kiritimati", "de_DE.UTF-8"),
    ("America/Los_Angeles", "C.UTF-8"),
    ("<-12>+12", "tr_TR.UTF-8"),
    ("No/Such_Zone", "xx_YY"),
    ("", ""),
    (":/dev/zero\u{1b}", "\u{ff}"),
];

fn in_zone(lab: &Lab, (zone, locale): (&str, &str), arguments: &[&str]) -> Run {
    let mut command = lab.command(arguments);
    command.env("TZ", zone).env("LC_ALL", locale).env("LANG", locale);
    Run::of(&command.output().unwrap())
}

fn emit(lab: &Lab, time: &str) -> String {
    let file = lab.ok(["emit", "node_online", "--node", "pi4", "--timestamp", time]);
    let (_, below) = file.trim().split_once("/events/").unwrap();
    below.to_owned()
}

/// Runs the command with a system clock that lies.
fn at_clock(lab: &Lab, clock: &str, arguments: &[&str]) -> Option<Run> {
    let faketime = tool("faketime")?;
    let inner = lab.command(arguments);
    let mut command = Command::new(faketime);
    command.args(["-f", clock, HLARCHIVE]).args(arguments).env_clear().env("TZ", "UTC");
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let output: Output = command.current_dir(lab.path("")).output().unwrap();
    Some(Run::of(&output))
}

#[test]
fn every_event_is_filed_under_its_utc_day() {
    for (time, day, name) in [
        ("2026-05-16T00:00:00Z", "2026-05-16", "20260516T000000.000000Z"),
        ("2026-05-15T23:59:59.999999Z", "2026-05-15", "20260515T235959.999999Z"),
        ("2026-05-15T23:59:59.999999999Z", "2026-05-15", "20260515T235959.999999Z"),
        ("2026-05-16T00:30:00+02:00", "2026-05-15", "20260515T223000.000000Z"),
        ("2026-05-16T23:30:00-0130", "2026-05-17", "20260517T010000.000000Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31", "20161231T235959.999999Z"),
        ("2017-01-01T01:59:60.5+02:00", "2016-12-31", "20161231T235959.999999Z"),
        ("2024-02-29T12:00:00Z", "2024-02-29", "20240229T120000.000000Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01", "19700101T000000.000000Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31", "19691231T235959.000000Z"),
        ("2038-01-19T03:14:08Z", "2038-01-19", "20380119T031408.000000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31", "99991231T235959.000000Z"),
    ] {
        let lab = Lab::new();
        let below = emit(&lab, time);
        assert!(below.starts_with(&format!("{day}/pi4/{name}_node_online_")), "{time}: {below}");
        let all = lab.list_all();
        let since = lab.ok(["list", "--date", day, "-o", "path"]);
        assert_eq!(since.trim(), below, "{time}");
        assert!(day < "2000" || all.len() == 1, "{time}");
        lab.ok(["verify"]);
        assert_eq!(lab.ok(["show", &below, "-o", "path"]).trim(), below);
    }
}

#[test]
fn times_that_do_not_exist_are_refused_and_write_nothing() {
    let lab = Lab::new();
    for time in ["2026-02-30T00:00:00Z", "2026-05-16T24:00:00Z", "2026-05-16T10:61:00Z", "25th"] {
        let run = lab.fails(65, ["emit", "node_online", "--timestamp", time]);
        assert!(run.stderr.contains("is not a time"), "{run:?}");
    }
    assert!(tree(&lab.root()).is_empty());
}

#[test]
fn zone_and_locale_change_no_byte_of_any_answer() {
    let lab = Lab::new();
    lab.seed(2, 4);
    let commands: [&[&str]; 5] = [
        &["list", "--since", "2026-05-01"],
        &["list", "--date", "2026-05-10", "--until", "2026-05-10T12:00:00", "-o", "ndjson"],
        &["trace", "run-10-0"],
        &["verify"],
        &["rotate", "--dry-run", "--now", "2026-05-18T00:00:00Z"],
    ];
    for command in commands {
        let answers: Vec<String> = SURROUNDINGS
            .iter()
            .map(|around| {
                let run = in_zone(&lab, *around, command);
                assert_eq!(run.code, 0, "{around:?} {command:?}: {run:?}");
                run.stdout
            })
            .collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{command:?}: {answers:?}");
        assert!(!answers[0].is_empty());
    }
    // The same segment comes of it, too.
    let mut segments = Vec::new();
    for around in SURROUNDINGS {
        let lab = Lab::new();
        lab.seed(1, 4);
        assert_eq!(in_zone(&lab, around, &["rotate", "--now", NOW]).code, 0);
        segments.push(std::fs::read(lab.archive().join("2026/2026-05-10.tar.zst")).unwrap());
    }
    assert!(segments.iter().all(|segment| *segment == segments[0]));
}

#[test]
fn a_day_is_closed_when_it_is_over_in_utc_and_not_a_microsecond_before() {
    for around in SURROUNDINGS {
        let lab = Lab::new();
        lab.seed(2, 2);
        let rotate = |now: &str, more: &[&str]| {
            in_zone(&lab, around, &[&["rotate", "--now", now], more].concat())
        };
        let before = tree(&lab.root());
        // Open: not even by name, whatever day it is where the command runs.
        for now in ["2026-05-10T10:00:00Z", "2026-05-10T23:59:59.999999Z", "2026-05-10T23:00-00:59"]
        {
            let refused = rotate(now, &["--date", "2026-05-10"]);
            assert_eq!(refused.code, 75, "{around:?}: {refused:?}");
            assert!(refused.stderr.contains("2026-05-10: the day is not over yet (in UTC)"));
        }
        // Closed, but within keep_live: not by itself.
        for now in ["2026-05-11T00:00:00Z", "2026-05-17T23:59:59.999999Z"] {
            assert_eq!(rotate(now, &[]).code, 0);
            assert_eq!(tree(&lab.root()), before, "{around:?}");
        }
        assert_eq!(rotate("2026-05-18T02:00:00+02:00", &[]).code, 0);
        let left = tree(&lab.root());
        assert!(left.len() == 6 && left.keys().all(|path| path.starts_with("2026-05-11/")));
        assert_eq!(rotate("2026-05-12T00:00:00Z", &["--date", "2026-05-11"]).code, 0);
        assert!(tree(&lab.root()).is_empty());
        assert_eq!(lab.list_all().len(), 12);
    }
}

#[test]
fn a_node_whose_clock_is_ahead_loses_nothing() {
    let lab = Lab::new();
    let all = lab.seed(1, 2);
    // Hours ahead, a day ahead, and a clock that is plainly wrong.
    let ahead: Vec<String> =
        ["2026-06-01T09:00:00Z", "2026-06-02T01:00:00Z", "2099-01-01T00:00:00Z"]
            .map(|time| emit(&lab, time))
            .to_vec();
    lab.rotate();
    let left: Vec<String> = tree(&lab.root()).into_keys().collect();
    assert_eq!(left, ahead, "a day in the future is not closed");
    assert_eq!(lab.list_all().len(), all.len() + 3);
    // A day later the first of them is due by name; it comes late for nobody.
    lab.ok(["rotate", "--date", "2026-06-01", "--now", "2026-06-02T00:00:00Z"]);
    assert_eq!(tree(&lab.root()).into_keys().collect::<Vec<_>>(), ahead[1..]);
    // And one whose clock is behind arrives for a day that is archived already.
    emit(&lab, "2026-05-10T03:00:00Z");
    let told = lab.ok(["rotate", "--now", "2026-06-02T03:00:00Z"]);
    assert!(told.contains("2026/2026-05-10.1.tar.zst"), "{told}");
    assert_eq!(lab.list_all().len(), all.len() + 4);
    lab.ok(["verify"]);
}

#[test]
fn a_clock_that_jumped_back_stops_rotation_until_someone_vouches_for_the_time() {
    let lab = Lab::new();
    lab.seed(2, 2);
    lab.ok(["rotate", "--date", "2026-05-10", "--now", NOW]);
    let before = (tree(&lab.root()), tree(&lab.archive()));
    for clock in ["@1970-01-01 00:00:10", "@2026-05-20 03:00:00", "@2026-06-01 02:49:00"] {
        for arguments in [&["rotate"][..], &["rotate", "--dry-run"]] {
            let Some(run) = at_clock(&lab, clock, arguments) else { return };
            assert_eq!(run.code, 75, "{clock}: {run:?}");
            assert!(run.stderr.contains("the manifest's newest record is of 2026-06-01T03:00"));
            assert!(run.stderr.contains("set the clock right, or give the time with --now"));
        }
    }
    assert_eq!((tree(&lab.root()), tree(&lab.archive())), before, "nothing was touched");
    // Seconds are what clocks are set by every day.
    let run = at_clock(&lab, "@2026-06-01 02:55:00", &["rotate", "--dry-run"]).unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    let run = at_clock(&lab, "@1970-01-01 00:00:10", &["rotate", "--now", NOW]).unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    assert!(tree(&lab.root()).is_empty());
    assert_eq!(lab.list_all().len(), 12);
}

#[test]
fn a_clock_years_ahead_stops_rotation_until_someone_vouches_for_the_time() {
    let lab = Lab::new();
    lab.seed(2, 2);
    let before = tree(&lab.root());
    for clock in ["@2028-06-01 00:00:00", "@2037-12-31 23:59:59"] {
        let Some(run) = at_clock(&lab, clock, &["rotate"]) else { return };
        assert_eq!(run.code, 75, "{clock}: {run:?}");
        assert!(run.stderr.contains("the newest event is of 2026-05-11, years before"), "{run:?}");
        assert!(run.stderr.contains("give the time with --now"), "{run:?}");
    }
    assert_eq!(tree(&lab.root()), before);
    lab.ok(["rotate", "--now", "2028-06-01T00:00:00Z"]);
    assert!(tree(&lab.root()).is_empty());
}

#[test]
fn events_emitted_while_the_clock_jumps_are_all_there_in_the_order_of_their_times() {
    let lab = Lab::new();
    let clocks = [
        "@2026-05-16 23:59:59",
        "@2026-05-17 00:00:01",
        "@2026-05-16 12:00:00",
        "@1970-01-01 00:00:00",
        "@2026-05-16 23:59:59",
        "@2033-03-03 03:03:03",
    ];
    let mut files = Vec::new();
    for clock in clocks {
        let Some(run) = at_clock(&lab, clock, &["emit", "node_online", "--node", "pi4"]) else {
            return;
        };
        assert_eq!(run.code, 0, "{clock}: {run:?}");
        let (_, below) = run.stdout.trim().split_once("/events/").unwrap();
        assert!(below.starts_with(&clock[1..11]), "{clock}: {below}");
        files.push(below.to_owned());
    }
    let listed = lab.ok(["list", "--since", "1960-01-01", "-o", "path"]);
    let listed: Vec<&str> = listed.lines().collect();
    files.sort_unstable();
    assert_eq!(listed, files);
    let day = at_clock(&lab, "@2026-05-16 23:59:59", &["list", "-o", "path"]).unwrap();
    assert_eq!(day.stdout.lines().count(), 3, "today is what the clock says: {day:?}");
    lab.ok(["verify"]);
}

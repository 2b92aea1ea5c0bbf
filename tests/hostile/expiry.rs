//! Nobody makes what is not theirs expire, and nobody stops expiry for ever.

use std::fmt::Write;
use std::fs;

use crate::common::NOW;
use crate::support::{Machine, User};

/// The machine, with these rules for what is kept.
fn machine(retain: &str) -> Option<Machine> {
    let machine = Machine::new()?;
    let policy = format!("version = 1\n[rotate]\nkeep_live = \"0d\"\n[retain]\n{retain}\n");
    fs::write(machine.lab.path("policy.toml"), policy).unwrap();
    Some(machine)
}

/// Events at noon of so many days from the first on, of each day several.
fn emit(machine: &Machine, user: User, days: &[String], events: usize) {
    let mut lines = String::new();
    for day in days {
        for number in 0..events {
            writeln!(
                lines,
                "{{\"timestamp\":\"{day}T12:00:00Z\",\"node\":\"pi4\",\"type\":\"node_online\",\
                 \"severity\":\"info\",\"source\":\"s\",\"service\":\"all\",\
                 \"correlation_id\":\"{number}\",\"payload\":{{\"n\":{number}}}}}"
            )
            .unwrap();
        }
    }
    let file = machine.lab.path("scratch/batch");
    fs::write(&file, lines).unwrap();
    let mut command = machine.command(user, ["emit", "--batch"]);
    let status = command
        .stdin(fs::File::open(&file).unwrap())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    fs::remove_file(file).unwrap();
}

/// `2026-05-01` and the days after it.
fn days(month: &str, numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| format!("{month}-{number:02}")).collect()
}

fn listed(machine: &Machine) -> usize {
    let all =
        machine.ok(User::Alice, ["list", "--since=1960-01-01", "--until=2030-01-01", "-opath"]);
    all.lines().count()
}

#[test]
fn a_day_that_was_renamed_into_the_past_is_kept_as_long_as_its_events_say() {
    let Some(machine) = machine("keep = \"1y\"") else { return };
    // Days enough, so that it is the term that keeps it and not the guard.
    emit(&machine, User::Alice, &days("2026-04", 1..=20), 5);
    machine.ok(User::Archiver, ["rotate", "--now=2026-05-01T03:00:00Z"]);
    emit(&machine, User::Alice, &["2026-05-16".to_owned()], 3);
    let moved = machine.shell(User::Mallory, "mv \"$ROOT\"/2026-05-16 \"$ROOT\"/2024-01-01");
    assert!(moved.status.success(), "{moved:?}");
    let run = machine.run(User::Archiver, ["rotate", "--prune", "--now=2026-05-17T03:00:00Z"]);
    assert_eq!(run.code, 1, "{run:?}");
    let told = "its timestamp 2026-05-16T12:00:00.000000Z is not of this day; archived as is";
    assert_eq!(run.stderr.matches(told).count(), 3, "{run:?}");
    assert_eq!(listed(&machine), 103);
    // Not when the grace is over, and not when the others' year is, but when its own is.
    for (now, left) in [
        ("--now=2026-07-01T03:00:00Z", 103),
        ("--now=2027-04-05T03:00:00Z", 83),
        ("--now=2027-05-16T11:59:59Z", 3),
        ("--now=2027-05-16T12:00:00Z", 0),
    ] {
        machine.ok(User::Archiver, ["prune", "--yes-really", now]);
        assert_eq!(listed(&machine), left, "{now}");
    }
    machine.ok(User::Archiver, ["verify"]);
}

#[test]
fn a_timestamp_of_the_future_keeps_a_day_no_longer_than_its_record_allows() {
    let Some(machine) = machine("keep = \"60d\"") else { return };
    emit(&machine, User::Alice, &days("2026-05", 1..=4), 5);
    let event = "cd \"$ROOT\"/2026-05-01/pi4 && f=$(ls | head -n 1) && \
                 sed s/2026-05-01T/2099-05-01T/ \"$f\" >x && mv x 2099.json";
    assert!(machine.shell(User::Mallory, event).status.success());
    let run = machine.run(User::Archiver, ["rotate", "--now=2026-05-10T03:00:00Z"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("2099-05-01T12:00:00.000000Z is not of this day"), "{run:?}");
    let gone = |now| machine.ok(User::Archiver, ["prune", "--yes-really", now]).lines().count();
    assert_eq!(gone("--now=2026-07-06T00:00:00Z"), 3);
    assert_eq!(gone("--now=2026-07-09T02:59:59Z"), 0);
    assert_eq!(gone("--now=2026-07-09T03:00:00Z"), 1);
}

#[test]
fn what_arrives_old_stays_for_a_grace_and_that_is_said() {
    let Some(machine) = machine("keep = \"1y\"") else { return };
    emit(&machine, User::Alice, &days("2026-05", 1..=9), 2);
    // A machine without a clock.
    emit(&machine, User::Alice, &["1970-01-01".to_owned()], 2);
    let run = machine.run(User::Archiver, ["rotate", "--prune", "--now", NOW]);
    assert_eq!(run.code, 0, "{run:?}");
    let told = "; 2 of them are older than the policy keeps them (retain.grace)";
    assert!(run.stdout.lines().next().unwrap().ends_with(told), "{run:?}");
    assert_eq!(listed(&machine), 20);
    machine.ok(User::Archiver, ["prune", "--now=2026-07-01T02:59:59Z"]);
    assert_eq!(listed(&machine), 20);
    machine.ok(User::Archiver, ["prune", "--now=2026-07-01T03:00:00Z"]);
    assert_eq!(listed(&machine), 18);
}

#[test]
fn what_arrives_old_goes_last_where_room_is_wanted() {
    let Some(machine) = machine("keep = \"forever\"\nmax_size = \"1MiB\"") else { return };
    emit(&machine, User::Alice, &days("2026-05", 1..=3), 2);
    machine.ok(User::Archiver, ["rotate", "--now=2026-05-05T03:00:00Z"]);
    emit(&machine, User::Alice, &["1999-01-01".to_owned()], 2);
    // Too much for the limit, by what cannot be compressed.
    let noise = "head -c 900000 /dev/urandom | base64 -w0 >\"$ROOT\"/1999-01-01/pi4/noise.json";
    assert!(machine.shell(User::Mallory, noise).status.success());
    let run = machine.run(User::Archiver, ["rotate", "--now", NOW]);
    assert_eq!(run.code, 1, "{run:?}");
    let more = "head -c 300000 /dev/urandom | base64 -w0 >\"$ROOT\"/2026-05-30/pi4/noise.json";
    emit(&machine, User::Alice, &["2026-05-30".to_owned()], 2);
    assert!(machine.shell(User::Alice, more).status.success());
    machine.run(User::Archiver, ["rotate", "--now=2026-06-01T04:00:00Z"]);
    let plan = machine.run(User::Archiver, ["prune", "-n", "--now=2026-06-10T04:00:00Z", "-ojson"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let going: Vec<&str> =
        plan["expiring"].as_array().unwrap().iter().map(|s| s["date"].as_str().unwrap()).collect();
    // Oldest first, but the newcomer of 1999 only when the others did not suffice.
    assert_eq!(going, ["1999-01-01", "2026-05-01", "2026-05-02", "2026-05-03"]);
    let plan = machine.run(User::Archiver, ["prune", "-n", "--now=2026-07-10T04:00:00Z", "-ojson"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    assert_eq!(plan["expiring"].as_array().unwrap().len(), 1, "by then it is one of them");
}

#[test]
fn a_file_beside_the_days_does_not_keep_everything_for_ever() {
    let Some(machine) = machine("keep = \"20d\"\ngrace = \"0d\"") else { return };
    emit(&machine, User::Alice, &days("2026-05", 1..=20), 5);
    machine.ok(User::Archiver, ["rotate", "--now=2026-05-21T03:00:00Z"]);
    let litter = "touch \"$ROOT\"/README && mkfifo \"$ROOT\"/pipe && mkdir \"$ROOT\"/2026-05-22 && \
                  mkfifo \"$ROOT\"/2026-05-22/pipe && ln -s / \"$ROOT\"/2026-05-23";
    assert!(machine.shell(User::Mallory, litter).status.success());
    let unit =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/hlarchive.service"));
    let unit = unit.unwrap();
    let starts: Vec<&str> =
        unit.lines().filter_map(|line| line.strip_prefix("ExecStart=hlarchive ")).collect();
    assert_eq!(starts, ["rotate --prune"], "what the unit does, this test does");
    let words = starts[0].split(' ').chain(["--now=2026-05-24T03:00:00Z"]);
    let run = machine.run(User::Archiver, words);
    assert_eq!(run.code, 1, "{run:?}");
    for named in ["README: ", "pipe: ", "2026-05-22/pipe: ", "2026-05-23: "] {
        assert!(run.stderr.contains(named), "{named} {run:?}");
    }
    assert_eq!(run.stdout.matches(": retain.keep = \"20d\"").count(), 3, "{run:?}");
    assert_eq!(listed(&machine), 85);
}

#[test]
fn backdated_events_neither_stop_a_prune_nor_let_one_through() {
    let Some(machine) = machine("keep = \"60d\"") else { return };
    emit(&machine, User::Alice, &days("2026-04", 1..=25), 20);
    machine.ok(User::Archiver, ["rotate", "--now=2026-04-26T03:00:00Z"]);
    emit(&machine, User::Mallory, &days("1999-01", 1..=28), 1);
    machine.ok(User::Archiver, ["rotate", "--now=2026-04-27T03:00:00Z"]);
    // A day's worth and all that she backdated: 29 of 53 days, and next to nothing.
    machine.ok(User::Archiver, ["prune", "--now=2026-06-01T03:00:00Z"]);
    assert_eq!(listed(&machine), 24 * 20);
    // A slip that takes most of what there is: her days, which stay, do not hide it.
    emit(&machine, User::Mallory, &days("1998-01", 1..=28), 1);
    machine.ok(User::Archiver, ["rotate", "--now=2026-06-01T04:00:00Z"]);
    let run = machine.run(User::Archiver, ["prune", "--now=2026-06-01T05:00:00Z"]);
    assert_eq!(run.code, 0, "{run:?}");
    let run = machine.run(User::Archiver, ["prune", "--now=2026-06-25T00:00:00Z"]);
    assert_eq!(run.code, 77, "{run:?}");
    assert!(run.stderr.contains(" archived days would expire at once"), "{run:?}");
}

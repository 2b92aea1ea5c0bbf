//! Nobody stops the nights by how much they put into a day.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::common::{NOW, Run, event};
use crate::support::{Machine, User};

/// The command in 96 MiB of memory of its own.
fn in_little_memory(machine: &Machine, words: &[&str]) -> Run {
    let inner = machine.command(User::Archiver, words);
    let mut command = Command::new("prlimit");
    command.arg("--data=100663296").arg(inner.get_program()).args(inner.get_args());
    command.current_dir(machine.lab.path("")).env_clear().env("RAYON_NUM_THREADS", "2");
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    Run::of(&command.stdin(Stdio::null()).output().unwrap())
}

#[test]
fn a_day_of_200_000_empty_files_is_archived_in_little_memory_and_no_other_day_waits_for_it() {
    let Some(machine) = Machine::new() else { return };
    let lab = &machine.lab;
    machine.shell(User::Mallory, "mkdir -p \"$ROOT\"/2026-05-01/evil");
    let evil = lab.root().join("2026-05-01/evil");
    for number in 0..200_000 {
        fs::File::create(evil.join(format!("{number}.json"))).unwrap();
    }
    let (below, bytes) = event(10, 0, "nas", 1);
    lab.write(&below, bytes);
    let run = in_little_memory(&machine, &["rotate", "--now", NOW]);
    assert_eq!(run.code, 1, "{}", &run.stderr[..run.stderr.len().min(2000)]);
    assert!(run.stdout.contains("200000 events into 2026/2026-05-01.tar.zst"), "{}", run.stdout);
    assert!(run.stdout.contains("1 event into 2026/2026-05-10.tar.zst"), "{}", run.stdout);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 1001);
    assert_eq!(lines[1000], "hlarchive: warning: 2026-05-01: and 199000 more like it");
    assert!(!evil.exists());
    machine.ok(User::Archiver, ["verify", "--quick"]);
}

#[test]
fn the_findings_of_one_day_do_not_hide_those_of_another() {
    let Some(machine) = Machine::new() else { return };
    let lab = &machine.lab;
    for number in 0..1500 {
        lab.write(&format!("2026-05-01/evil/{number}.json"), "");
        lab.write(&format!("2026-05-01/evil/{number}.txt"), "");
    }
    for number in 0..20 {
        lab.write(&format!("2026-05-02/pi4/{number}.json"), "");
    }
    let run = machine.run(User::Archiver, ["rotate", "--now", NOW, "-ojson"]);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let of = |day: &str| {
        findings.iter().filter(|f| f["path"].as_str().unwrap().starts_with(day)).count()
    };
    assert_eq!((of("2026-05-01"), of("2026-05-02")), (1001, 11));
    assert_eq!(report["days"][0]["left"], 1500);
    let counts: Vec<&str> = findings
        .iter()
        .filter_map(|finding| finding["reason"].as_str())
        .filter(|reason| reason.ends_with(" more like it"))
        .collect();
    assert_eq!(counts, ["and 2000 more like it", "and 10 more like it"]);
}

#[test]
fn a_stop_is_heard_between_any_two_of_many_huge_files() {
    let Some(machine) = Machine::new() else { return };
    let lab = &machine.lab;
    let make = "mkdir -p \"$ROOT\"/2026-05-01/evil && cd \"$ROOT\"/2026-05-01/evil && \
                for i in $(seq 400); do truncate -s 64M $i.json; done";
    assert!(machine.shell(User::Mallory, make).status.success());
    let mut command = machine.command(User::Archiver, ["rotate", "--now", NOW]);
    let mut child = Command::new("strace");
    child.args(["-f", "-qq", "-e", "trace=openat", "-e", "signal=none", "-o", "/dev/stdout"]);
    child.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.env("TERM", "dumb").get_envs() {
        child.env(name, value.unwrap_or_default());
    }
    let mut child =
        child.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // All of them are looked at together first, and then read one by one.
    let mut opened = (&mut lines).filter(|line| line.contains(".json\""));
    assert_eq!((&mut opened).take(402).count(), 402);
    let pid = child.id().to_string();
    let inner = Command::new("pgrep").args(["-P", &pid]).output().unwrap();
    let inner = String::from_utf8(inner.stdout).unwrap();
    let killed = Command::new("kill").args(["-TERM", inner.trim()]).status().unwrap();
    assert!(killed.success());
    let after = lines.filter(|line| line.contains(".json\"")).count();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(143), "{ended:?}");
    assert!(after < 10, "{after} more were read");
    let left = fs::read_dir(lab.root().join("2026-05-01/evil")).unwrap().count();
    assert_eq!(left, 400, "the day stays live as it was");
}

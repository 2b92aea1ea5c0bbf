//! The file of metrics: what each run leaves there, read by Prometheus' own tools.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{Lab, NOW, Run, python, tool};
use crate::support::{EVENT, Event};

fn read(path: &Path) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(path).unwrap();
    // The archive is told by a label, and is no number.
    let is_number = |line: &&str| !line.starts_with('#') && !line.contains('{');
    let lines = text.lines().filter(is_number);
    let pairs = lines.map(|line| line.split_once(' ').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// A lab, and the file that its runs write.
fn lab() -> (Lab, PathBuf) {
    let lab = Lab::new();
    lab.seed(3, 4);
    let file = lab.path("hlarchive.prom");
    (lab, file)
}

#[track_caller]
fn run(lab: &Lab, code: i32, words: &[&str]) -> Run {
    lab.fails(code, words.iter().chain(&["--metrics-file", "hlarchive.prom"]))
}

#[test]
fn a_rotation_leaves_its_numbers_and_those_of_the_history() {
    let (lab, file) = lab();
    lab.write("2026-05-11/pi4/broken.json", "{");
    run(&lab, 1, &["rotate", "--now", NOW, "--date", "2026-05-11"]);
    EVENT.write(&lab);
    Event { time: "2026-05-11T23:00:00.000000Z", ..EVENT }.write(&lab);
    run(&lab, 0, &["rotate", "--now", NOW]);
    let values = read(&file);
    let last = |name: &str| values[&format!("hlarchive_last_rotate_{name}")];
    for (name, value) in [
        ("partitions", 4.0),
        ("events", 12.0 + 12.0 + 1.0 + 1.0),
        ("late_events", 1.0),
        ("invalid_events", 0.0),
        ("conflicts", 0.0),
        ("removed_files", 26.0),
        ("left_files", 0.0),
        ("exit_code", 0.0),
        ("findings", 0.0),
    ] {
        assert!((last(name) - value).abs() < 0.1, "{name}: {values:?}");
    }
    let size = |events: f64| last("segment_bytes") + events > 0.0;
    assert!(size(0.0) && last("event_bytes") > 0.0 && last("duration_seconds") > 0.0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - last("success_timestamp_seconds")).abs() < 600.0, "{values:?}");
    for (name, value) in
        [("archived_events", 39.0), ("archived_partitions", 4.0), ("archived_segments", 5.0)]
    {
        assert!((values[&format!("hlarchive_{name}")] - value).abs() < 0.1, "{name}: {values:?}");
    }
    assert!(values["hlarchive_live_files"].abs() < 0.1);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o644);
}

/// Runs every operation that can be measured, each into the same file.
fn all(lab: &Lab) {
    let seen = lab.root().display().to_string();
    run(lab, 0, &["rotate", "--now", NOW]);
    run(lab, 0, &["prune", "--now", NOW]);
    run(lab, 0, &["verify"]);
    run(lab, 0, &["compact"]);
    run(lab, 0, &["import", &seen]);
    fs::create_dir(lab.path("other")).unwrap();
    run(lab, 0, &["sync", "other"]);
    lab.run(["status", "--metrics-file", "hlarchive.prom"]);
}

const OPERATIONS: [&str; 7] = ["rotate", "prune", "verify", "compact", "import", "sync", "status"];

#[test]
fn operations_share_a_file_and_prometheus_accepts_it() {
    let (lab, file) = lab();
    all(&lab);
    let values = read(&file);
    for operation in OPERATIONS {
        for name in ["timestamp_seconds", "duration_seconds", "exit_code", "findings"] {
            let name = format!("hlarchive_last_{operation}_{name}");
            assert!(values.contains_key(&name), "{name}: {values:?}");
        }
    }
    let text = fs::read_to_string(&file).unwrap();
    if let Some(promtool) = tool("promtool") {
        let mut command = Command::new(promtool);
        command.args(["check", "metrics"]).stdin(fs::File::open(&file).unwrap());
        let run = Run::of(&command.output().unwrap());
        assert!(run.code == 0 && run.stderr.is_empty() && run.stdout.is_empty(), "{run:?}\n{text}");
    }
    let Some(python) = python("prometheus_client") else { return };
    let script = "\
import sys
from prometheus_client.parser import text_string_to_metric_families as parse
for family in parse(sys.stdin.read()):
    assert family.type == 'gauge' and family.documentation, family
    assert [sample.name for sample in family.samples] == [family.name], family
    if not family.samples[0].labels:
        print(family.name, float(family.samples[0].value))
";
    let mut command = Command::new(python);
    command.args(["-c", script]).stdin(fs::File::open(&file).unwrap());
    let run = Run::of(&command.output().unwrap());
    assert_eq!(run.code, 0, "{run:?}");
    let pairs = run.stdout.lines().map(|line| line.split_once(' ').unwrap());
    let seen: BTreeMap<String, f64> =
        pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
    assert_eq!(seen, values);
}

#[test]
fn a_failed_run_says_so_and_keeps_the_last_success() {
    let (lab, file) = lab();
    run(&lab, 0, &["rotate", "--now", NOW]);
    run(&lab, 0, &["verify"]);
    let before = read(&file);
    fs::write(lab.path("policy.toml"), "version = 7\n").unwrap();
    run(&lab, 78, &["rotate", "--now", NOW]);
    let after = read(&file);
    let last = |name: &str| format!("hlarchive_last_rotate_{name}");
    assert!((after[&last("exit_code")] - 78.0).abs() < 0.1, "{after:?}");
    let success = last("success_timestamp_seconds");
    assert!((before[&success] - after[&success]).abs() < 1e-6);
    assert!(after[&last("timestamp_seconds")] > after[&success]);
    // What the run did not get to know is absent, rather than that of the run before.
    assert!(before.contains_key(&last("events")) && !after.contains_key(&last("events")));
    let verify = |values: &BTreeMap<String, f64>| {
        let of = values.iter().filter(|(name, _)| name.contains("_verify_"));
        of.map(|(name, value)| (name.clone(), *value)).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(verify(&before), verify(&after));
}

#[test]
fn a_variable_names_the_file_and_nothing_else_writes_it() {
    let (lab, file) = lab();
    let with = |words: &[&str], path: &Path| {
        Run::of(&lab.command(words).env("HLARCHIVE_METRICS_FILE", path).output().unwrap())
    };
    for words in [
        vec!["list"],
        vec!["rotate", "--dry-run"],
        vec!["prune", "-n"],
        vec!["compact", "-n"],
        vec!["rotate", "--no-such-flag"],
        vec!["emit", "node_online"],
    ] {
        with(&words, &file);
        assert!(!file.exists(), "{words:?}");
    }
    assert_eq!(with(&["verify"], Path::new("")).stderr, "");
    assert_eq!(with(&["verify"], &file).code, 0);
    assert!(read(&file).contains_key("hlarchive_last_verify_findings"));
    assert_eq!(fs::read_dir(lab.path("")).unwrap().count(), 3, "no temporary file stays");
}

#[test]
fn a_file_that_cannot_be_written_is_a_warning_and_no_failure() {
    let (lab, file) = lab();
    fs::write(&file, "node_load1 0.5\n").unwrap();
    let told = run(&lab, 0, &["rotate", "--now", NOW]);
    assert!(
        told.stderr.contains("warning: hlarchive.prom: line 1 (\"node_load1 0.5\")"),
        "{told:?}"
    );
    assert!(told.stderr.contains("was not written by hlarchive"), "{told:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "node_load1 0.5\n");
    fs::write(&file, [0xff, 0xfe, 0x00]).unwrap();
    assert!(run(&lab, 0, &["verify"]).stderr.contains("line 1"));
    fs::write(&file, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(run(&lab, 0, &["verify"]).stderr.contains("this is not a metrics file"));
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(run(&lab, 0, &["verify"]).stderr.contains("this is not a metrics file"));
    let told = lab.run(["verify", "--metrics-file", "no/such/place.prom"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stderr.contains("no/such/place.prom: cannot create: no such file"), "{told:?}");
    assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
    let told = lab.run(["verify", "--metrics-file", "/dev/full"]);
    assert_eq!((told.code, told.stderr.lines().count()), (0, 1), "{told:?}");
    // An operation that fails keeps its own code, too.
    lab.fails(66, ["import", "nowhere", "--metrics-file", "no/such/place.prom"]);
}

#[test]
fn runs_at_once_lose_none_of_each_other() {
    let (lab, file) = lab();
    lab.rotate();
    let operations = ["verify", "compact", "prune", "rotate"];
    for _ in 0..5 {
        let started: Vec<_> = operations
            .iter()
            .map(|operation| {
                let words = [operation, "--metrics-file", "hlarchive.prom"];
                lab.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        for mut child in started {
            child.wait().unwrap();
        }
        let values = read(&file);
        for operation in operations {
            let name = format!("hlarchive_last_{operation}_exit_code");
            assert!(values.contains_key(&name), "{name}: {values:?}");
        }
        fs::remove_file(&file).unwrap();
    }
}

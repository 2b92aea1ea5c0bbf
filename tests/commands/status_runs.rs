//! Outcomes of the last runs, as status shows them.

use std::fs;

use crate::common::{Lab, NOW, me};
use crate::status::{STATUS, calm, object};
use crate::support::json;

const RUNS: [&str; 2] = ["--metrics-file", "runs.prom"];

/// A command line of a run that leaves word of itself.
fn with<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [words, &RUNS].concat()
}

/// Flips a bit in the middle of a segment, and returns its path and what it was.
fn damage(lab: &Lab) -> (std::path::PathBuf, Vec<u8>) {
    let segment = lab.archive().join("2026/2026-05-10.tar.zst");
    let sound = fs::read(&segment).unwrap();
    let mut damaged = sound.clone();
    damaged[sound.len() / 2] ^= 0x10;
    fs::write(&segment, damaged).unwrap();
    (segment, sound)
}

/// The words of a screen, wherever its lines end.
fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The line of an operation on the screen.
fn line_of(text: &str, operation: &str) -> String {
    let start = format!("{operation} ");
    text.lines().find(|line| line.starts_with(&start)).unwrap().to_owned()
}

#[test]
fn how_the_last_rotate_verify_and_prune_ended_is_told_once_they_say_so() {
    let lab = calm();
    let status = with(&STATUS);
    // Nobody said anything yet.
    let before = lab.ok(&status);
    assert_eq!(line_of(&before, "verify"), "verify     last: not known");
    assert!(line_of(&before, "rotate").contains(&format!(" by {}@", me())), "{before}");
    for words in [&["rotate", "--now", NOW][..], &["verify"], &["prune", "--now", NOW]] {
        lab.ok(with(words));
    }
    let text = lab.ok(&status);
    for operation in ["rotate", "verify", "prune"] {
        assert!(line_of(&text, operation).contains(", went well"), "{text}");
    }
    assert!(line_of(&text, "verify").ends_with("went well, 2 segments read in full"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let runs = &json(&lab.ok(with(&[&STATUS[..], &["-ojson"]].concat())))["last_runs"];
    let help: String = lab.ok(["status", "--help"]).split_whitespace().collect();
    for (operation, segments) in [("rotate", None), ("verify", Some(2)), ("prune", None)] {
        let run = &runs[operation];
        assert_eq!((run["exit_code"].as_u64(), run["findings"].as_u64()), (Some(0), Some(0)));
        assert_eq!(run["segments_read_whole"].as_u64(), segments, "{runs}");
        assert!(run["seconds"].as_f64().unwrap() > 0.0 && run["time"] == run["success_time"]);
        assert!(run["time"].as_str().unwrap().ends_with('Z'), "{runs}");
        for field in run.as_object().unwrap().keys() {
            assert!(help.contains(field.as_str()), "{field} is not in the help");
        }
    }
    // Without the file the archive tells, and without both nothing is known or made up.
    assert_eq!(object(&lab, 0)["last_runs"]["verify"], runs["verify"]);
    fs::remove_file(lab.archive().join("runs")).unwrap();
    assert_eq!(object(&lab, 0)["last_runs"], serde_json::json!({}));
}

#[test]
fn a_run_that_failed_needs_somebody_until_one_of_everything_went_well() {
    let lab = calm();
    let status = with(&STATUS);
    let (segment, sound) = damage(&lab);
    lab.fails(1, with(&["verify"]));
    let told = |code| {
        let run = lab.fails(code, &status);
        let is_named = words_of(&run.stdout).contains("the last verify: exit code 1 on 2");
        assert_eq!(is_named, code == 1, "{run:?}");
        run.stdout
    };
    assert!(line_of(&told(1), "verify").contains(", exit code 1, "));
    // Neither the other day nor a quick look shows that the damage is gone.
    lab.ok(with(&["verify", "2026-05-11"]));
    told(1);
    fs::write(&segment, &sound).unwrap();
    for part in [&["verify", "--quick"][..], &["verify", "2026-05-10"], &["verify", "--live"]] {
        lab.ok(with(part));
        told(1);
    }
    lab.ok(with(&["verify"]));
    told(0);
    // A rotation that never got to work is a failure of the same kind.
    let policy_file = lab.path("policy.toml");
    let policy = fs::read(&policy_file).unwrap();
    fs::write(&policy_file, "version = 7\n").unwrap();
    lab.fails(78, with(&["rotate"]));
    fs::write(&policy_file, policy).unwrap();
    let run = lab.fails(1, &status);
    assert!(run.stdout.contains("see to     the last rotate: exit code 78 on 2"), "{run:?}");
    assert!(line_of(&run.stdout, "rotate").ends_with(", exit code 78"), "{run:?}");
    lab.ok(with(&["rotate"]));
    lab.ok(&status);
}

#[test]
fn nothing_but_a_better_run_makes_a_failure_forgotten() {
    let lab = calm();
    let status = with(&STATUS);
    damage(&lab);
    let told = |what: &str| {
        let run = lab.fails(1, &status);
        let line = line_of(&run.stdout, "verify");
        assert!(line.contains(" findings, 2 segments"), "{what}: {run:?}");
    };
    // Whoever reads goes away: the run goes on, and says how it ended.
    let mut command = lab.command(with(&["verify"]));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(command.stdout(writer).status().unwrap().code(), Some(1));
    told("a closed pipe");
    // A command line that makes no sense is no run.
    lab.fails(2, with(&["verify", "2026-13-01"]));
    lab.fails(2, with(&["rotate", "--now", "soon"]));
    told("a wrong flag");
    lab.fails(66, with(&["verify", "--public-key", "no-such-key"]));
    told("a run that could not begin");
    // A disk that is not mounted holds nothing that is wrong.
    let (archive, aside) = (lab.archive(), lab.path("aside"));
    fs::rename(&archive, &aside).unwrap();
    lab.fails(1, with(&["verify"]));
    fs::create_dir(&archive).unwrap();
    lab.fails(1, with(&["verify"]));
    fs::remove_dir(&archive).unwrap();
    fs::rename(&aside, &archive).unwrap();
    told("an empty archive");
}

#[test]
fn what_a_head_disproved_no_verify_without_one_takes_back() {
    let lab = calm();
    let head = lab.ok(["manifest", "head"]).trim().to_owned();
    lab.fails(1, with(&["verify", "--head", &"a".repeat(64)]));
    lab.ok(with(&["verify"]));
    let run = lab.fails(1, with(&STATUS));
    assert!(words_of(&run.stdout).contains("run it again with the same head or key"), "{run:?}");
    lab.ok(with(&["verify", "--head", &head]));
    lab.ok(with(&STATUS));
}

#[test]
fn runs_of_another_archive_are_told_apart() {
    let (lab, other) = (calm(), calm());
    let runs = lab.path("runs.prom").display().to_string();
    let verify = ["verify", "--metrics-file", &runs];
    lab.ok(verify);
    let before = fs::read(&runs).unwrap();
    let run = other.fails(0, verify);
    let wanted = format!(
        "it is about the archive {}, not {}",
        lab.archive().display(),
        other.archive().display()
    );
    assert!(run.stderr.contains(&wanted), "{run:?}");
    assert_eq!(fs::read(&runs).unwrap(), before);
    let run = other.fails(1, STATUS.iter().chain(&["--metrics-file", &runs]));
    assert!(words_of(&run.stdout).contains("the outcome of the last runs is unknown"), "{run:?}");
    // The same archive by another spelling is the same.
    let spelled = format!("{}/", lab.archive().display());
    let run = lab.fails(0, ["verify", "--metrics-file", &runs, "--archive", &spelled]);
    assert_eq!(run.stderr, "");
}

#[test]
fn a_link_is_not_replaced_by_a_file() {
    let lab = calm();
    std::os::unix::fs::symlink("elsewhere.prom", lab.path("runs.prom")).unwrap();
    let run = lab.fails(0, with(&["verify"]));
    assert!(run.stderr.contains("runs.prom: this is a symbolic link"), "{run:?}");
    assert!(lab.path("runs.prom").is_symlink() && !lab.path("elsewhere.prom").exists());
}

#[test]
fn a_file_of_runs_that_is_somebody_elses_is_named_and_left_alone() {
    let lab = calm();
    fs::write(lab.path("runs.prom"), "node_load1 0.5\n").unwrap();
    let run = lab.fails(1, with(&STATUS));
    let joined = words_of(&run.stdout);
    assert!(joined.contains("see to runs.prom: line 1 (\"node_load1 0.5\")"), "{run:?}");
    assert!(joined.contains("the outcome of the last runs is unknown"), "{run:?}");
    assert_eq!(fs::read_to_string(lab.path("runs.prom")).unwrap(), "node_load1 0.5\n");
}

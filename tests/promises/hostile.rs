//! What the tests of hostile input share: runs under limits, and a canary outside.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{Lab, NOW, Run, Tree, tree};

/// Every exit code that the design names.
const CODES: [i32; 10] = [0, 1, 2, 65, 66, 73, 74, 75, 77, 78];

/// What lies outside the tree and must never be seen inside an answer.
pub(crate) const SECRET: &str = "SECRET-FROM-OUTSIDE";

/// Runs the command with a guard against hanging; it must not panic or be killed.
#[track_caller]
pub(crate) fn guarded(lab: &Lab, arguments: &[&str]) -> Run {
    run(lab, &["timeout", "-k", "5", "60"], arguments)
}

/// The same, in a gigabyte of address space.
#[track_caller]
pub(crate) fn limited(lab: &Lab, arguments: &[&str]) -> Run {
    run(lab, &["timeout", "-k", "5", "300", "prlimit", "--as=1073741824"], arguments)
}

#[track_caller]
fn run(lab: &Lab, prefix: &[&str], arguments: &[&str]) -> Run {
    let inner = lab.command(arguments);
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(lab.path("")).env_clear().env("RAYON_NUM_THREADS", "2");
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let run = Run::of(&command.stdin(Stdio::null()).output().unwrap());
    assert_ne!(run.code, 124, "{arguments:?} hangs");
    assert!(CODES.contains(&run.code), "{arguments:?} ended with {}: {}", run.code, run.stderr);
    assert!(!run.stderr.contains("panicked"), "{arguments:?}: {}", run.stderr);
    assert!(
        !run.stdout.contains(SECRET) && !run.stderr.contains(SECRET),
        "{arguments:?} shows what lies outside"
    );
    run
}

/// Files outside, with their bytes, modes and times: whatever is done must not change them.
pub(crate) fn canary(outside: &Path) -> (Tree, Vec<(String, u32, i64, i64)>) {
    let files = tree(outside);
    let stats = files
        .keys()
        .map(|name| {
            let stat = fs::symlink_metadata(outside.join(name)).unwrap();
            (name.clone(), stat.mode(), stat.mtime(), stat.mtime_nsec())
        })
        .collect();
    (files, stats)
}

/// Whether a marker stands in any file below a directory.
pub(crate) fn holds(directory: &Path, marker: &str) -> bool {
    tree(directory)
        .values()
        .any(|bytes| bytes.windows(marker.len()).any(|window| window == marker.as_bytes()))
}

/// Every command that reads or writes an archive, each in a gigabyte of memory. Nothing
/// outside may change; gives how each of them ended.
#[track_caller]
pub(crate) fn battery(lab: &Lab, day: &str) -> Vec<(String, Run)> {
    let outside = canary(&lab.path("outside"));
    let commands: [&[&str]; 16] = [
        &["list", "--since", "2000-01-01", "-o", "ndjson"],
        &["list", "--date", day, "--severity", "error", "--reverse"],
        &["trace", "run-10-0", "-o", "json"],
        &["attempts", "--since", "2000-01-01", "-o", "json"],
        &["status", "--since", "2000-01-01", "--now", NOW, "-o", "json"],
        &["show", "0196d8a2-0011-7000-8000-000100000001"],
        &["inspect", day],
        &["manifest", "show"],
        &["manifest", "head"],
        &["verify"],
        &["verify", "--quick"],
        &["restore", day, "--dry-run"],
        &["restore", day, "--to", "out"],
        &["rotate", "--dry-run", "--now", NOW],
        &["rotate", "--now", NOW],
        &["restore", day, "--live"],
    ];
    let ends = commands.iter().map(|command| (command.join(" "), limited(lab, command))).collect();
    assert_eq!(canary(&lab.path("outside")), outside);
    ends
}

/// How a command of the battery ended.
#[track_caller]
pub(crate) fn end_of<'a>(ends: &'a [(String, Run)], command: &str) -> &'a Run {
    &ends.iter().find(|(name, _)| name.starts_with(command)).unwrap().1
}

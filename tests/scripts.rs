//! The shell and Python libraries, tested by suites in their own languages, against the
//! command that was just built. Where the language is missing, its suite is skipped with a
//! line that says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{HLARCHIVE, tool};

/// A command that runs in the repository and tests this build.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HLARCHIVE_BIN", HLARCHIVE)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What a suite printed; it must have succeeded.
#[track_caller]
fn passed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}", output.status);
    text
}

#[test]
fn the_shell_library_keeps_its_promises() {
    let Some(bash) = tool("bash") else { return };
    let output = command(&bash).arg("tests/scripts_shell.sh").output().unwrap();
    let told = passed(&output);
    assert!(told.lines().any(|line| line.starts_with("ok ")), "no test ran: {told}");
}

#[test]
fn the_python_library_keeps_its_promises() {
    let Some(python) = tool("python3") else { return };
    let output = command(&python)
        .args(["-W", "error", "-m", "unittest", "tests/test_events.py"])
        .output()
        .unwrap();
    let told = passed(&output);
    assert!(!told.contains("Ran 0 tests") && !told.contains("skipped"), "no test ran: {told}");
}

#[test]
fn the_shell_files_are_free_of_what_shellcheck_knows() {
    let Some(shellcheck) = tool("shellcheck") else { return };
    // Remarks on style differ between its versions; warnings hardly do.
    let words = ["--severity=warning", "scripts/lib/events.sh", "tests/scripts_shell.sh"];
    passed(&command(&shellcheck).args(words).output().unwrap());
}

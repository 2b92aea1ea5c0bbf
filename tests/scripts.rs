//! The shell and Python libraries, tested by suites in their own languages, against the
//! command that was just built. Where the language is missing, its suite is skipped with a
//! line that says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{HLARCHIVE, cannot, missing, tool};
use walkdir::{DirEntry, WalkDir};

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

/// What somebody does who has only the installed package, in a directory of their own.
const INSTALLED: &str = r#"
import importlib.metadata, importlib.resources, os, hlarchive_events
from hlarchive_events import emit_event, list_events, trace_events
import hlarchive_events.events as module

assert module.emit_event is emit_event
files = importlib.metadata.files("hlarchive-events")
ours = sorted(str(file) for file in files if file.suffix != ".pyc" and "dist-info" not in str(file))
assert ours == ["hlarchive_events/" + name for name in ("__init__.py", "_command.py", "events.py", "py.typed", "reports.py")], ours
assert not importlib.metadata.requires("hlarchive-events")
run = emit_event("deployment_started", service="mosquitto", payload={"version": "2.0.18"})
emit_event("deployment_completed", service="mosquitto", correlation_id=run.correlation_id)
assert os.path.isfile(run.path)
kinds = [event["type"] for event in list_events(since="1h ago")]
assert kinds == ["deployment_started", "deployment_completed"], kinds
assert trace_events(run.correlation_id)["outcome"] == "completed"
print(importlib.metadata.version("hlarchive-events"))
"#;

#[test]
fn pip_installs_the_python_library_and_it_works_without_the_repository() {
    let Some(python) = tool("python3") else { return };
    let directory = tempfile::tempdir().unwrap();
    let environment = directory.path().join("environment");
    let output = command(&python).args(["-m", "venv"]).arg(&environment).output().unwrap();
    if !output.status.success() {
        missing("python3-venv");
        return;
    }
    let inside = environment.join("bin/python");
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    // What packs it comes from the network; without one there is nothing to be shown.
    let output = command(&inside).args(pip).arg("hatchling").output().unwrap();
    if !output.status.success() {
        cannot(&format!("hatchling cannot be had: {}", String::from_utf8_lossy(&output.stderr)));
        return;
    }
    let install = ["--no-build-isolation", "--no-index", "./scripts"];
    passed(&command(&inside).args(pip).args(install).output().unwrap());
    let output = command(&inside)
        .args(["-I", "-W", "error", "-c", INSTALLED])
        .current_dir(directory.path())
        .env("HLARCHIVE_ROOT", directory.path().join("events"))
        .output()
        .unwrap();
    assert_eq!(passed(&output).trim(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_shell_files_are_free_of_what_shellcheck_knows() {
    let Some(shellcheck) = tool("shellcheck") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scripts = shell_scripts(root);
    for known in ["scripts/lib/events.sh", "tests/planted/run", "systemd/debian/postinst"] {
        assert!(scripts.contains(&root.join(known)), "{known} was not found");
    }
    // Remarks on style differ between its versions; warnings hardly do.
    let words = ["--severity=warning"];
    passed(&command(&shellcheck).args(words).args(scripts).output().unwrap());
}

/// Every file of the repository that a shell reads: by its ending or its first line.
fn shell_scripts(root: &Path) -> Vec<PathBuf> {
    let made = [".git", "target", "corpus", "out"];
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    let files = walk
        .filter_entry(|entry| made.iter().all(|name| entry.file_name() != *name))
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().is_file())
        .map(DirEntry::into_path);
    files.filter(|path| is_of_a_shell(path)).collect()
}

fn is_of_a_shell(path: &Path) -> bool {
    let bytes = fs::read(path).unwrap();
    let first = String::from_utf8_lossy(bytes.split(|byte| *byte == b'\n').next().unwrap());
    let called = first.starts_with("#!") && (first.ends_with("sh") || first.contains("sh "));
    called || path.extension().is_some_and(|ending| ending == "sh")
}

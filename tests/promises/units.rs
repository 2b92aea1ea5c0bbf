//! The systemd units are well formed and shut tight, and what they forbid the program does
//! not need.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{HLARCHIVE, Lab, NOW, Run, cannot, tool};

/// How the units name the program, which systemd then looks for.
const NAMED: &str = "ExecStart=hlarchive ";

/// The most exposure that is put up with, in tenths, on systemd's scale from 0 to 10.
const THRESHOLD: &str = "--threshold=20";

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name);
    fs::read_to_string(path).unwrap()
}

/// The names of the units, all that there are, that end so.
fn names(endings: &[&str]) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| endings.iter().any(|ending| name.ends_with(ending)));
    names.sort();
    names
}

/// The units with this build in place of the installed program.
fn place(lab: &Lab) -> Vec<PathBuf> {
    let names = names(&[".service", ".timer"]);
    assert!(names.len() >= 5, "{names:?}");
    let written = names.iter().map(|name| {
        // A template is looked at as it is started.
        let path = lab.path(&name.replace("@.", "@hlarchive."));
        // Whoever is told of a failure is part of what is verified.
        let built = format!("ExecStart={HLARCHIVE} ");
        let text = unit(name).replace(NAMED, &built).replace("#OnFailure=", "OnFailure=");
        fs::write(&path, &text).unwrap();
        fs::write(lab.path(name), text).unwrap();
        path
    });
    written.collect()
}

#[test]
fn systemd_accepts_the_units() {
    let Some(analyze) = tool("systemd-analyze") else { return };
    let lab = Lab::new();
    let output =
        Command::new(analyze).args(["verify", "--man=no"]).args(place(&lab)).output().unwrap();
    let run = Run::of(&output);
    // A remark about a key that systemd does not know changes no exit code.
    assert!(run.code == 0 && run.stderr.is_empty(), "{run:?}");
}

#[test]
fn every_service_is_exposed_to_little() {
    let Some(analyze) = tool("systemd-analyze") else { return };
    let lab = Lab::new();
    let is_service = |path: &&PathBuf| path.extension().is_some_and(|ending| ending == "service");
    for service in place(&lab).iter().filter(is_service) {
        let output = Command::new(&analyze)
            .args(["security", "--offline=yes", "--no-pager", THRESHOLD])
            .arg(service)
            .output()
            .unwrap();
        assert!(output.status.success(), "{:?}", Run::of(&output));
    }
}

#[test]
fn the_rules_of_the_alerts_are_rules_and_ask_for_what_is_written() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/hlarchive.rules.yml");
    let rules = fs::read_to_string(&path).unwrap();
    let lab = Lab::new();
    lab.seed(1, 1);
    for words in [["rotate", "--now", NOW].as_slice(), &["prune", "--now", NOW], &["verify"]] {
        lab.ok(words.iter().chain(&["--metrics-file", "x.prom"]));
    }
    let metrics = fs::read_to_string(lab.path("x.prom")).unwrap();
    let mut asked = 0;
    for word in rules.split(|c: char| !c.is_ascii_lowercase() && c != '_') {
        if word.starts_with("hlarchive_") {
            assert!(metrics.contains(&format!("\n{word} ")), "{word}");
            asked += 1;
        }
    }
    assert!(asked >= 6, "{asked}");
    let Some(promtool) = tool("promtool") else { return };
    let output = Command::new(promtool).args(["check", "rules"]).arg(path).output().unwrap();
    assert!(output.status.success(), "{:?}", Run::of(&output));
}

/// Loads a seccomp filter that ends the process at the first call that is not in the list,
/// as systemd does, and becomes the command.
const CAGE: &str = r#"
import ctypes, os, sys
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
context = ctypes.c_void_p(lib.seccomp_init(ctypes.c_uint32(KILL_PROCESS)))
for name in sys.argv[1].split(","):
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if number >= 0 and lib.seccomp_rule_add(context, ctypes.c_uint32(ALLOW), number, 0) != 0:
        sys.exit(3)
if lib.seccomp_load(context) != 0:
    sys.exit(3)
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// The system calls of a group, and of the groups in it.
fn expand(analyze: &Path, group: &str, calls: &mut BTreeSet<String>) {
    let output =
        Command::new(analyze).args(["syscall-filter", "--no-pager", group]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')).skip(1) {
        if line.starts_with('@') {
            expand(analyze, line, calls);
        } else if !line.is_empty() {
            calls.insert(line.to_owned());
        }
    }
}

/// What the service's filter lets through.
fn allowed(analyze: &Path) -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for line in unit("hlarchive.service").lines() {
        let Some(words) = line.strip_prefix("SystemCallFilter=") else { continue };
        let mut calls = BTreeSet::new();
        for group in words.trim_start_matches('~').split_whitespace() {
            expand(analyze, group, &mut calls);
        }
        if words.starts_with('~') {
            allowed.retain(|call| !calls.contains(call));
        } else {
            allowed.extend(calls);
        }
    }
    allowed
}

#[test]
fn rotation_lives_with_the_system_calls_that_the_service_allows() {
    let (Some(analyze), Some(python)) = (tool("systemd-analyze"), tool("python3")) else { return };
    let allowed = allowed(&analyze);
    assert!(allowed.contains("unlinkat") && !allowed.contains("chown"), "{allowed:?}");
    let list = |calls: &BTreeSet<String>| calls.iter().cloned().collect::<Vec<_>>().join(",");
    let lab = Lab::new();
    let before = lab.seed(3, 40);
    let caged = |calls: &BTreeSet<String>| {
        let mut command = lab.command(["rotate", "--now", NOW]);
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let environment: Vec<_> = command
            .get_envs()
            .map(|(key, value)| (key.to_owned(), value.unwrap().to_owned()))
            .collect();
        command = Command::new(&python);
        command.args(["-c", CAGE, &list(calls), HLARCHIVE]).args(arguments);
        Run::of(&command.env_clear().envs(environment).output().unwrap())
    };
    // The cage holds: without a call that rotation needs, it dies of SIGSYS.
    let mut narrow = allowed.clone();
    narrow.remove("unlinkat");
    let run = caged(&narrow);
    if run.code == 3 || run.stderr.contains("libseccomp") {
        cannot("this system lets no test load a seccomp filter");
        return;
    }
    assert_eq!(run.code, 128 + 31, "{run:?}");
    let run = caged(&allowed);
    assert_eq!(run.code, 0, "{run:?}");
    lab.ok(["verify"]);
    lab.ok(["restore", "--since", "2026-05-01", "--to", "back"]);
    assert!(crate::common::tree(&lab.path("back")) == before);
}

#[test]
fn the_package_and_the_program_are_of_one_version() {
    let version = env!("CARGO_PKG_VERSION");
    let changelog = unit("debian/changelog");
    assert!(changelog.starts_with(&format!("hlarchive ({version}-1) ")), "{changelog}");
    let python = unit("../scripts/pyproject.toml");
    assert!(python.contains(&format!("\nversion = \"{version}\"\n")), "{python}");
}

#[test]
fn the_package_starts_and_stops_every_timer() {
    let timers = names(&[".timer"]);
    assert!(timers.len() > 1, "{timers:?}");
    for script in ["postinst", "prerm", "postrm"] {
        let text = unit(&format!("debian/{script}")).replace("\\\n", " ");
        let is_told = |line: &&str| line.contains("deb-systemd-") && line.contains(".timer");
        let lines: Vec<&str> = text.lines().filter(is_told).collect();
        for line in &lines {
            assert!(timers.iter().all(|timer| line.contains(timer.as_str())), "{script}: {line}");
        }
        assert!(text.lines().any(|line| timers.iter().all(|timer| line.contains(timer.as_str()))));
    }
}

/// What the maintainer scripts and the directories' file do is tried by .ci/package-trial; this
/// holds wherever the tests run.
#[test]
fn the_package_never_removes_what_it_did_not_bring() {
    for line in unit("hlarchive.tmpfiles").lines().filter(|line| line.contains('/')) {
        if line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(matches!(words[0], "d" | "a+") && words[5] == "-", "{line}");
    }
    for script in ["postinst", "prerm", "postrm"] {
        let text = unit(&format!("debian/{script}"));
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            // How runs ended is no part of the history, and the package's own.
            if script == "postrm" && line.trim() == "rm -f /var/lib/hlarchive/hlarchive.prom" {
                continue;
            }
            let removes = ["rm ", "find ", "userdel", "groupdel", "deluser", "--remove"];
            assert!(!removes.iter().any(|word| line.contains(word)), "{script}: {line}");
        }
    }
}

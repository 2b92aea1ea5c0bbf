//! What the tests share: a lab with an event tree, an archive and the real command.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

pub mod process;
pub mod ssh;
pub mod verbs;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use walkdir::{DirEntry, WalkDir};

/// The command under test.
pub const HLARCHIVE: &str = env!("CARGO_BIN_EXE_hlarchive");

/// The time that the tests' rotations take for now: well after every event of [`Lab::seed`].
pub const NOW: &str = "2026-06-01T03:00:00Z";

/// The note by which a tree remembers its archive.
pub const NOTE: &str = ".hlarchive-archive";

/// Files by path below some directory.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// A temporary directory with an event root, an archive and a policy of its own.
pub struct Lab {
    directory: tempfile::TempDir,
}

impl Lab {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("hlarchive-test-").tempdir().unwrap();
        fs::create_dir(directory.path().join("events")).unwrap();
        fs::write(
            directory.path().join("policy.toml"),
            include_str!("../../policies/default.toml"),
        )
        .unwrap();
        Self { directory }
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }

    pub fn root(&self) -> PathBuf {
        self.path("events")
    }

    pub fn archive(&self) -> PathBuf {
        self.path("events-archive")
    }

    /// The command, with this lab's places in its environment and nothing else that matters.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(HLARCHIVE);
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("USER", "tester")
            .env("HLARCHIVE_ROOT", self.root())
            .env("HLARCHIVE_ARCHIVE", self.archive())
            .env("HLARCHIVE_POLICY", self.path("policy.toml"))
            .env("HLARCHIVE_CACHE", self.path("cache"))
            .stdin(Stdio::null());
        command
    }

    /// Runs the command, whatever comes of it.
    pub fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the command, which must succeed; its standard output.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    }

    /// Runs the command, which must end with this code.
    #[track_caller]
    pub fn fails<S: AsRef<OsStr>>(&self, code: i32, arguments: impl IntoIterator<Item = S>) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, code, "{run:?}");
        run
    }

    /// Runs the command with something on its standard input.
    pub fn pipe<S: AsRef<OsStr>>(
        &self,
        input: &[u8],
        arguments: impl IntoIterator<Item = S>,
    ) -> Run {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // From a thread of its own, since the command answers while it reads.
        let writer = std::thread::spawn(move || {
            // A command that refuses its input early is not a failure of the test.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Run::of(&output)
    }

    /// Writes a file of the event tree as another program would.
    pub fn write(&self, below: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root().join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes `per_node` events for each of three nodes on each of `days` days from
    /// 2026-05-10 on; every file follows from its numbers alone. Gives the whole tree.
    pub fn seed(&self, days: u32, per_node: u32) -> Tree {
        for day in 0..days {
            for (node_number, node) in ["nas", "pi4", "pi5"].iter().enumerate() {
                for number in 0..per_node {
                    let (below, bytes) = event(10 + day, node_number as u32, node, number);
                    self.write(&below, bytes);
                }
            }
        }
        tree(&self.root())
    }

    /// Rotates every closed day that the policy lets go, at [`NOW`].
    #[track_caller]
    pub fn rotate(&self) -> String {
        self.ok(["rotate", "--now", NOW])
    }

    /// Rotates one day at [`NOW`].
    #[track_caller]
    pub fn rotate_day(&self, date: &str) -> String {
        self.ok(["rotate", "--now", NOW, "--date", date])
    }

    /// `list` over everything as NDJSON, one line an event, without `_segment`.
    #[track_caller]
    pub fn list_all(&self) -> Vec<String> {
        let text = self.ok(["list", "--since", "2000-01-01", "-o", "ndjson"]);
        text.lines().map(without_segment).collect()
    }
}

/// The name of the user who runs the tests, as records have it. `$USER` says "tester".
pub fn me() -> String {
    let name = system(Command::new("id").arg("-un"));
    String::from_utf8(name).unwrap().trim().to_owned()
}

/// An NDJSON line without the field that tells archived from live.
pub fn without_segment(line: &str) -> String {
    match line.split_once(",\"_segment\":") {
        Some((before, _)) => format!("{before}}}"),
        None => line.to_owned(),
    }
}

/// A made-up event's path and bytes.
pub fn event(day: u32, node_number: u32, node: &str, number: u32) -> (String, Vec<u8>) {
    const KINDS: [(&str, &str); 5] = [
        ("deployment_started", "info"),
        ("healthcheck_failed", "warning"),
        ("deployment_failed", "error"),
        ("node_offline", "critical"),
        ("service_recovered", "info"),
    ];
    const SERVICES: [&str; 3] = ["mosquitto", "grafana", "all"];
    let (kind, severity) = KINDS[(number + day) as usize % KINDS.len()];
    let service = SERVICES[(number / 2) as usize % SERVICES.len()];
    let (hour, minute) = (number * 7 % 24, number % 60);
    let id = format!("0196d8a2-{day:04}-7000-8000-{node_number:04}{number:08}");
    let time = format!("202605{day:02}T{hour:02}{minute:02}30.000{node_number:03}Z");
    let long = format!("2026-05-{day:02}T{hour:02}:{minute:02}:30.000{node_number:03}Z");
    let bytes = format!(
        "{{\"timestamp\":\"{long}\",\"node\":\"{node}\",\"type\":\"{kind}\",\
         \"severity\":\"{severity}\",\"source\":\"monitor.py\",\"service\":\"{service}\",\
         \"correlation_id\":\"run-{day}-{}\",\"payload\":{{\"number\":{number}}}}}\n",
        number / 4
    );
    (format!("2026-05-{day:02}/{node}/{time}_{kind}_{id}.json"), bytes.into_bytes())
}

/// Keys of minisign, made by the crate that signs: NAME.sec and NAME.pub.
pub fn keys(lab: &Lab, name: &str, password: Option<&str>) {
    let pair = match password {
        None => minisign::KeyPair::generate_unencrypted_keypair().unwrap(),
        Some(password) => {
            minisign::KeyPair::generate_encrypted_keypair(Some(password.to_owned())).unwrap()
        }
    };
    let secret = lab.path(&format!("{name}.sec"));
    fs::write(&secret, pair.sk.to_box(None).unwrap().into_string()).unwrap();
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(lab.path(&format!("{name}.pub")), pair.pk.to_box().unwrap().into_string()).unwrap();
}

/// What a run of the command came to.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let signal = || output.status.signal().map_or(-1, |signal| 128 + signal);
        Self {
            code: output.status.code().unwrap_or_else(signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The file in which an archive keeps how runs ended.
pub const RUNS: &str = "runs";

/// All that lies below a directory, and how it is called there; symbolic links are not followed.
/// What cannot be looked at is a failure: a test that passes it over would show nothing.
pub fn below(directory: &Path) -> impl Iterator<Item = (String, DirEntry)> {
    WalkDir::new(directory).min_depth(1).sort_by_file_name().into_iter().map(move |entry| {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(directory).unwrap();
        (path.to_string_lossy().into_owned(), entry)
    })
}

/// Every file below a directory with its bytes, but a tree's note; symbolic links as what they
/// point to. A directory that is not there has none.
pub fn tree(directory: &Path) -> Tree {
    if !directory.try_exists().unwrap() {
        return Tree::new();
    }
    // The tree's note of its archive differs from place to place, and is no event. How runs ended
    // differs from run to run, and is left by those that change nothing.
    let files = below(directory)
        .filter(|(path, entry)| !entry.file_type().is_dir() && path != NOTE && path != RUNS);
    let bytes = |entry: &DirEntry| {
        if entry.path_is_symlink() {
            format!("-> {}", fs::read_link(entry.path()).unwrap().display()).into_bytes()
        } else if entry.file_type().is_file() {
            fs::read(entry.path()).unwrap()
        } else {
            b"(special)".to_vec()
        }
    };
    files.map(|(path, entry)| (path, bytes(&entry))).collect()
}

/// Says that this test, or a part of it, shows nothing, since a tool is missing that could be
/// installed.
pub fn missing(tool: &str) {
    eprintln!("skipped: {tool} is missing");
    note_skip("missing", tool);
}

/// Says that this test, or a part of it, shows nothing, since this machine does not let it.
pub fn cannot(why: &str) {
    eprintln!("skipped: {why}");
    note_skip("cannot", why);
}

/// A test that was skipped passes, and what it printed is hidden: so a line goes into the file that
/// the environment names, which `.ci/run` looks at.
fn note_skip(kind: &str, what: &str) {
    let Some(list) = std::env::var_os("HLARCHIVE_SKIPPED") else { return };
    let thread = std::thread::current();
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let test = format!("{}::{}", env!("CARGO_CRATE_NAME"), thread.name().unwrap_or_default());
    // In one piece, for other tests write there, too.
    let line = format!("{kind}\t{what}\t{test}\n");
    let mut file = fs::OpenOptions::new().create(true).append(true).open(list).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// Whether root runs the tests; else it is said that this one needs that.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        cannot("this test needs root");
    }
    root
}

/// A program of the system, if it is there; else it is said that this test shows nothing.
pub fn tool(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        missing(program);
    }
    found
}

/// The Python interpreter, if it is there and has the packages; else it is said that this test
/// shows nothing. `pip install -r tests/requirements.txt` brings them.
pub fn python(packages: &str) -> Option<PathBuf> {
    let python = tool("python3")?;
    let import = format!("import {packages}");
    let found = Command::new(&python).args(["-c", &import]).output().unwrap();
    if !found.status.success() {
        missing(packages);
        return None;
    }
    Some(python)
}

/// Runs a program of the system, which must succeed; its standard output.
#[track_caller]
pub fn system(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

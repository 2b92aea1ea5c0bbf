//! The machines: machines.sh, and what is asked of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::common::{Run, is_root, missing, system, tool};

pub(super) struct Homelab {
    child: Child,
    answers: BufReader<ChildStdout>,
    directory: tempfile::TempDir,
    log: PathBuf,
    count: u32,
}

impl Homelab {
    /// None, with a line that says so, where it cannot be.
    pub(super) fn start() -> Option<Self> {
        if !is_root() {
            return None;
        }
        let needed =
            ["cargo-deb", "dpkg", "apt-get", "unshare", "ip", "sudo", "ssh-keyscan", "rsync"];
        for program in needed.into_iter().chain(["minisign", "setpriv", "zstd"]) {
            tool(program)?;
        }
        if !Path::new("/usr/sbin/sshd").is_file() {
            missing("sshd");
            return None;
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut build = Command::new(root.join(".ci/package"));
        let package = system(build.args(["--profile", "dev"]).current_dir(root));
        let package = String::from_utf8(package).unwrap();
        let directory = tempfile::Builder::new().prefix("hlarchive-homelab-").tempdir().unwrap();
        let log = directory.path().join("log");
        let mut child = Command::new("bash")
            .arg(root.join("tests/system/runbooks/machines.sh"))
            .arg(root.join(package.trim()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut lab = Self { child, answers, directory, log, count: 0 };
        lab.ready("the first machine");
        Some(lab)
    }

    fn ready(&mut self, what: &str) {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        assert_eq!(answer, "ready\n", "{what}: {}", log());
    }

    fn ask(&mut self, what: &str) {
        let mut stdin = self.child.stdin.as_ref().unwrap();
        stdin.write_all(format!("{what}\n").as_bytes()).unwrap();
        self.ready(what);
    }

    /// A machine that has not been there before; `bare` without hlarchive.
    pub(super) fn add(&mut self, machine: &str, bare: bool) {
        self.ask(&format!("new {machine}{}", if bare { " bare" } else { "" }));
    }

    /// All machines are gone.
    pub(super) fn reset(&mut self) {
        self.ask("reset");
    }

    /// Runs a script there, whatever comes of it; both of its outputs as one.
    pub(super) fn run(&mut self, machine: &str, user: &str, script: &str) -> Run {
        self.count += 1;
        let folder = self.directory.path().join(self.count.to_string());
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("script"), script).unwrap();
        self.ask(&format!("run {machine} {user} {}", folder.display()));
        let read = |name: &str| {
            String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap()).into_owned()
        };
        Run {
            code: read("code").trim().parse().unwrap(),
            stdout: read("output"),
            stderr: String::new(),
        }
    }

    /// Runs a script there, which must succeed; what it printed.
    #[track_caller]
    pub(super) fn ok(&mut self, machine: &str, user: &str, script: &str) -> String {
        let run = self.run(machine, user, &format!("set -euo pipefail\n{script}"));
        assert_eq!(run.code, 0, "{machine}: {script}:\n{}", run.stdout);
        run.stdout
    }

    /// Every event's own fields and identity that a machine's history has, sorted.
    #[track_caller]
    pub(super) fn history(&mut self, machine: &str) -> Vec<String> {
        let script = "hlarchive list -q --since 2000-01-01 -o ndjson";
        let text = self.ok(machine, "admin", script);
        let mut lines: Vec<String> = text.lines().map(crate::common::without_segment).collect();
        lines.sort();
        lines
    }
}

impl Drop for Homelab {
    fn drop(&mut self) {
        // At the end of its input it cleans up and ends, and with it all that runs in there.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

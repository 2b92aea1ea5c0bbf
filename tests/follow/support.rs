//! A follower and what it printed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::common::{Lab, tree};

/// The identity that an NDJSON line names.
pub(crate) fn path_of(line: &str) -> String {
    field(line, "_path").unwrap_or_else(|| panic!("no _path: {line}"))
}

/// The cursor of an NDJSON line.
pub(crate) fn cursor_of(line: &str) -> String {
    field(line, "_cursor").unwrap_or_else(|| panic!("no _cursor: {line}"))
}

fn field(line: &str, name: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    object[name].as_str().map(str::to_owned)
}

/// What is new behind a cursor, or behind the last run without one: identities, in order.
#[track_caller]
pub(crate) fn news(lab: &Lab, flags: &[&str]) -> Vec<String> {
    lines(lab, flags).iter().map(|line| path_of(line)).collect()
}

/// The same as whole lines.
#[track_caller]
pub(crate) fn lines(lab: &Lab, flags: &[&str]) -> Vec<String> {
    let text = lab.ok(["list", "-o", "ndjson"].iter().chain(flags));
    text.lines().map(str::to_owned).collect()
}

pub(crate) fn cursor_file(lab: &Lab) -> PathBuf {
    lab.path("seen.cursor")
}

/// Every identity that is live or archived.
pub(crate) fn everything(lab: &Lab) -> BTreeSet<String> {
    let text = lab.ok(["list", "--since", "2000-01-01", "-o", "path"]);
    text.lines().map(str::to_owned).collect()
}

/// Puts a whole file into the live tree by one rename, as emit does.
pub(crate) fn place(lab: &Lab, below: &str, bytes: &[u8]) {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let aside = lab.path(&format!("aside-{number}"));
    std::fs::write(&aside, bytes).unwrap();
    let file = lab.root().join(below);
    // Rotation may remove the directory under us.
    loop {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        match std::fs::rename(&aside, &file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            renamed => break renamed.unwrap(),
        }
    }
}

/// A running `list --follow`.
pub(crate) struct Follower {
    pub(crate) child: Child,
    pub(crate) lines: BufReader<ChildStdout>,
}

impl Follower {
    pub(crate) fn start(lab: &Lab, flags: &[&str]) -> Self {
        Self::of(&mut lab.command(["list", "--follow", "-o", "ndjson"].iter().chain(flags)))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line; empty at the end.
    pub(crate) fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Asks it to stop; what it printed since, its errors and its exit code.
    pub(crate) fn stop(mut self) -> (String, String, Option<i32>) {
        crate::common::process::send(&self.child, rustix::process::Signal::TERM);
        let (mut rest, mut errors) = (String::new(), String::new());
        self.lines.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (rest, errors, self.child.wait().unwrap().code())
    }
}

/// The files of the live tree.
pub(crate) fn live(lab: &Lab) -> Vec<String> {
    tree(&lab.root()).into_keys().collect()
}

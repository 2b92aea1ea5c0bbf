//! Running rsync: the one program that moves bytes between machines.
//!
//! Nothing of it is trusted but that bytes arrive: all that it brings is checked as any
//! other file is. How it ended is told apart into what the caller can do: a host that is
//! away is worth another try later, a missing program or a refused login is not.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::remote::{RemoteRoot, Transport};
use crate::progress::Progress;
use crate::{Error, Result};

/// How often a waiting run looks whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest line of output that is read, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The part of what rsync and ssh complain of that is kept, in bytes.
const MOST_COMPLAINTS: u64 = 64 << 10;

/// A file as rsync lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path below what was listed.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// Its modification time, in seconds since 1970.
    pub(super) mtime: i64,
    /// Whether it is a regular file.
    pub(super) is_file: bool,
}

/// What came of a run that did not fail as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All was done.
    Done,
    /// Some files were not there, or vanished meanwhile.
    Missing,
}

/// Runs rsync against one host.
pub(super) struct Rsync<'a> {
    pub(super) remote: &'a RemoteRoot,
    pub(super) transport: &'a Transport,
    pub(super) progress: &'a dyn Progress,
}

impl Rsync<'_> {
    /// `host:path` with the slash that means "what is in it".
    pub(super) fn inside(&self, path: &str) -> String {
        format!("{}:{}/", self.remote.host, path.trim_end_matches('/'))
    }

    /// Everything below a directory there; `None` when there is no such directory.
    pub(super) fn list(&self, directory: &str, filters: &[&str]) -> Result<Option<Vec<Listed>>> {
        let mut listed = Vec::new();
        let mut arguments = vec!["--recursive", "--list-only", "--8-bit-output"];
        arguments.extend(filters);
        let from = self.inside(directory);
        let mut unread = None;
        let ended = self.run(
            &arguments,
            &[OsStr::new(&from)],
            &[],
            &mut |line| match parse_listed(line) {
                Some(Line::Entry(file)) => listed.push(file),
                Some(Line::Remark) => {}
                None => unread = unread.take().or_else(|| Some(line.to_owned())),
            },
        )?;
        if let Some(line) = unread {
            return Err(self.failed(&format!(
                "rsync listed what cannot be understood: {}",
                crate::event::shown(&line)
            )));
        }
        Ok(if ended == Ended::Missing && listed.is_empty() { None } else { Some(listed) })
    }

    /// Fetches the files with these paths below a directory there into one here.
    pub(super) fn fetch(
        &self,
        directory: &str,
        paths: &[String],
        to: &Path,
        options: &[&str],
    ) -> Result<Ended> {
        if paths.is_empty() {
            return Ok(Ended::Done);
        }
        let mut arguments = vec!["--files-from=-", "--from0", "--times", "--partial"];
        arguments.extend(options);
        let from = self.inside(directory);
        let to = inside(to);
        self.run(&arguments, &[OsStr::new(&from), to.as_os_str()], paths, &mut |_| {})
    }

    /// Sends the files with these paths below a directory here into one there. `line` gets
    /// what rsync prints.
    pub(super) fn send(
        &self,
        from: &Path,
        paths: &[String],
        directory: &str,
        options: &[&str],
        line: &mut dyn FnMut(&str),
    ) -> Result<Ended> {
        if paths.is_empty() {
            return Ok(Ended::Done);
        }
        let mut arguments = vec!["--files-from=-", "--from0", "--times"];
        arguments.extend(options);
        let to = self.inside(directory);
        let from = inside(from);
        self.run(&arguments, &[from.as_os_str(), OsStr::new(&to)], paths, line)
    }

    /// Runs rsync with something on its standard input, and gives out its lines.
    pub(super) fn run(
        &self,
        arguments: &[&str],
        operands: &[&OsStr],
        paths: &[String],
        line: &mut dyn FnMut(&str),
    ) -> Result<Ended> {
        let seconds = self.transport.connect_seconds.max(1);
        // A connection that is dead must not keep ssh longer than rsync waits for it.
        let ssh = format!(
            "{} -o ConnectTimeout={seconds} -o ServerAliveInterval={} -o ServerAliveCountMax=3",
            self.transport.ssh,
            self.transport.silence_seconds.div_ceil(3).max(1)
        );
        let mut command = Command::new("rsync");
        command
            .arg("--protect-args")
            .arg("--no-human-readable")
            .arg(format!("--rsh={ssh}"))
            .arg(format!("--timeout={}", self.transport.silence_seconds))
            .args(arguments)
            .arg("--")
            .args(operands)
            // What it says is read, and the times that it lists are.
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env_remove("RSYNC_RSH")
            .stdin(if paths.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::Usage("rsync is not installed here; it is needed for host:path".to_owned())
            }
            _ => Error::io("rsync", "start", error),
        })?;
        let outcome = self.attend(&mut child, paths, line);
        if outcome.is_err() {
            // It cleans up after itself when it is asked to end.
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let status = child.wait().map_err(|error| Error::io("rsync", "wait for", error))?;
        let complaints = outcome?;
        self.ended(status.code(), &complaints)
    }

    /// Feeds the child and listens to it until it closes its output; what it complained of.
    fn attend(
        &self,
        child: &mut Child,
        paths: &[String],
        line: &mut dyn FnMut(&str),
    ) -> Result<String> {
        let (sender, lines) = channel();
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            let feeding = scope.spawn(move || {
                let Some(mut stdin) = stdin else { return };
                for path in paths {
                    // Who ends before it has read all will say why.
                    if stdin
                        .write_all(path.as_bytes())
                        .and_then(|()| stdin.write_all(b"\0"))
                        .is_err()
                    {
                        return;
                    }
                }
            });
            let complaining = scope.spawn(move || complaints(stderr));
            scope.spawn(move || read_lines(stdout, &|text| sender.send(text).is_ok()));
            let listened = self.listen(&lines, line);
            if listened.is_err() {
                let pid = rustix::process::Pid::from_child(child);
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = feeding.join();
            let complaints = complaining.join().unwrap_or_default();
            listened.map(|()| complaints)
        })
    }

    fn listen(&self, lines: &Receiver<String>, line: &mut dyn FnMut(&str)) -> Result<()> {
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(text) => line(&text),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.progress.stop_requested() {
                return Err(Error::Interrupted("run it again to go on".to_owned()));
            }
        }
    }

    /// What an exit code of rsync means for the caller.
    fn ended(&self, code: Option<i32>, complaints: &str) -> Result<Ended> {
        let refused =
            ["Permission denied (", "Host key verification failed", "Too many authentication"];
        let lines = || complaints.lines().map(str::trim).filter(|line| !line.is_empty());
        let last = || {
            // What ssh says is nearer to the cause than what rsync then says of it.
            let of_ssh = lines().rfind(|line| !line.starts_with("rsync"));
            let own = lines().rfind(|line| !line.starts_with("rsync error: "));
            of_ssh.or(own).or(lines().next_back()).unwrap_or("it said nothing").to_owned()
        };
        match code {
            Some(0) => Ok(Ended::Done),
            // With this the other end stops, and the near one only sees that it did.
            Some(_) if is_directory_missing(complaints) => Ok(Ended::Missing),
            // 23: some files could not be had. 24: some vanished.
            Some(23 | 24) if only_missing(complaints) => Ok(Ended::Missing),
            Some(23 | 24) => Err(self.failed(&format!("not all could be transferred: {}", last()))),
            Some(_) if refused.iter().any(|refused| complaints.contains(refused)) => {
                Err(Error::io(&self.remote.host, "log in to", refusal(&last())))
            }
            Some(127 | 12) if complaints.contains("not found") => Err(Error::NotFound {
                what: self.remote.host.clone(),
                reason: "rsync is not installed there".to_owned(),
            }),
            // The shell, the connection, the protocol, a signal, a timeout.
            Some(5 | 10 | 12 | 20 | 30 | 35 | 255) | None => {
                Err(Error::Away { host: self.remote.host.clone(), reason: last() })
            }
            Some(code) => Err(self.failed(&format!("rsync ended with {code}: {}", last()))),
        }
    }

    pub(super) fn failed(&self, reason: &str) -> Error {
        Error::io(&self.remote.host, "sync with", std::io::Error::other(reason.to_owned()))
    }
}

fn refusal(reason: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::PermissionDenied, reason.to_owned())
}

/// A local directory with the slash that means "what is in it".
fn inside(path: &Path) -> PathBuf {
    // A name with a colon in it is not a host when it begins with a slash or a dot.
    let path = if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) };
    path.join("")
}

/// Whether the directory itself that was to be read is not there.
fn is_directory_missing(complaints: &str) -> bool {
    complaints
        .lines()
        .any(|line| line.contains(" change_dir ") && line.contains("No such file or directory"))
}

/// Whether files that are not there were complained of, and nothing worse.
fn only_missing(complaints: &str) -> bool {
    let is_missing =
        |line: &&str| line.contains("No such file or directory") || line.contains("vanished");
    let is_complaint = |line: &&str| line.starts_with("rsync: ") || line.contains("failed");
    // Where nothing is left to be sent, the other end may be gone before this one has said
    // goodbye. A connection that breaks while there is something ends with another code.
    let is_late = |line: &&str| line.ends_with(" write error: Broken pipe (32)");
    let lines = || complaints.lines().filter(|line| !is_late(line));
    lines().any(|line| is_missing(&line))
        && lines().filter(is_complaint).all(|line| is_missing(&line))
}

fn complaints(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut kept = Vec::new();
    let _ = Read::by_ref(&mut stderr).take(MOST_COMPLAINTS).read_to_end(&mut kept);
    // The rest is read, too, or the child would wait for that.
    let _ = std::io::copy(&mut stderr, &mut std::io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

fn read_lines(stdout: Option<ChildStdout>, give: &dyn Fn(String) -> bool) {
    let Some(stdout) = stdout else { return };
    let mut stdout = BufReader::with_capacity(1 << 16, stdout);
    let mut wanted = true;
    loop {
        let mut line = Vec::new();
        match Read::by_ref(&mut stdout).take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
        wanted = wanted && give(text);
    }
}

/// A line of a listing.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Entry(Listed),
    /// A remark of rsync, or the directory itself.
    Remark,
}

/// Takes a line of `--list-only` apart: mode, size, day, time, path.
fn parse_listed(line: &str) -> Option<Line> {
    let mode = line.split(' ').next()?;
    // Remarks of rsync and messages of the day of a remote shell are no entries.
    if mode.len() < 10 || !mode.starts_with(['-', 'd', 'l', 'p', 's', 'c', 'b']) {
        return Some(Line::Remark);
    }
    let rest = line[mode.len()..].trim_start();
    let (size, rest) = rest.split_once(' ')?;
    let (day, rest) = rest.split_once(' ')?;
    let (time, path) = rest.split_once(' ')?;
    let instant: crate::Timestamp = format!("{}T{time}Z", day.replace('/', "-")).parse().ok()?;
    if path == "." {
        return Some(Line::Remark);
    }
    Some(Line::Entry(Listed {
        path: path.to_owned(),
        bytes: size.replace(',', "").parse().ok()?,
        mtime: instant.seconds(),
        is_file: mode.starts_with('-'),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn listed(line: &str) -> Listed {
        match parse_listed(line) {
            Some(Line::Entry(listed)) => listed,
            other => unreachable!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_listing_is_taken_apart() {
        let file = listed("-r--r--r--            199 2026/05/16 10:11:12 2026-05-16/a b.json");
        let path = "2026-05-16/a b.json";
        assert_eq!((file.path.as_str(), file.bytes, file.is_file), (path, 199, true));
        let time: crate::Timestamp = "2026-05-16T10:11:12Z".parse().unwrap();
        assert_eq!(file.mtime, time.seconds());
        assert!(!listed("drwxr-xr-x          4,096 2026/05/16 10:11:12 2026-05-16").is_file);
        let itself = "drwxr-xr-x          4,096 2026/05/16 10:11:12 .";
        assert_eq!(parse_listed(itself), Some(Line::Remark));
        assert_eq!(parse_listed("Welcome to pi4"), Some(Line::Remark));
        assert_eq!(parse_listed("-r--r--r-- many 2026/05/16 10:11:12 x"), None);
    }

    #[test]
    fn files_that_are_not_there_are_told_from_all_other_trouble() {
        let missing = "rsync: [sender] link_stat \"/e/x\" failed: No such file or directory (2)\n\
                       rsync error: some files/attrs were not transferred (code 23)";
        assert!(only_missing(missing));
        let goodbye = "rsync: [Receiver] write error: Broken pipe (32)";
        assert!(only_missing(&format!("{missing}\n{goodbye}")) && !only_missing(goodbye));
        assert!(only_missing("file has vanished: \"/e/x\"\nrsync warning: some files vanished"));
        let denied = "rsync: [sender] opendir \"/e\" failed: Permission denied (13)";
        assert!(!only_missing(&format!("{missing}\n{denied}")));
        assert!(!only_missing("") && !is_directory_missing(missing));
        assert!(is_directory_missing(
            "rsync: [sender] change_dir \"/no/such\" failed: No such file or directory (2)"
        ));
    }
}

//! Running rsync: the one program that moves bytes between machines.
//!
//! Nothing of it is trusted but that bytes arrive: everything that it brings is checked as any
//! other file is. Its failures are classified by what the caller can do: an unreachable host is
//! worth another try later, a missing program or a refused login is not.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::BorrowedFd;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::remote::{RemoteRoot, Transport};
use crate::progress::Progress;
use crate::{Error, Result};

/// Time between checks of a waiting run for a request to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest line of output that is read, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The part of the error output of rsync and ssh that is kept, in bytes.
const MAX_COMPLAINTS: u64 = 64 << 10;

/// Maximum number of entries in a listing, more than any root has; a longer one is refused before
/// it fills the memory.
const MAX_LISTED: usize = 2_000_000;

/// The excess over a file's announced size that ends the transfer, in bytes.
const SLACK_BYTES: u64 = 64 << 10;

/// The first version that takes nothing it was not asked for (CVE-2022-29154).
const MIN_HERE: Version = Version([3, 2, 5]);

/// The first version that follows no link in the path of a file that it writes.
const MIN_THERE: Version = Version([3, 5, 0]);

/// A version of rsync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    /// Parses the first line of `rsync --version`.
    fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("rsync")?.trim_start().strip_prefix("version")?;
        let mut numbers =
            rest.trim_start().trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        Some(Self([next()?, next()?, next().unwrap_or(0)]))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

/// A file as rsync lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path below the listed directory.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// Its modification time, in seconds since 1970.
    pub(super) mtime: i64,
    pub(super) kind: Kind,
}

/// The kind of a listed entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
    Other,
}

/// The outcome of a run that did not fail entirely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything was done.
    Done,
    /// Some files were not there, or vanished meanwhile.
    Missing,
}

/// One run of rsync.
#[derive(Default)]
struct Work<'a> {
    /// The working directory.
    place: Option<BorrowedFd<'a>>,
    arguments: &'a [&'a str],
    operands: &'a [&'a OsStr],
    /// The paths for its standard input, each terminated by a zero byte.
    paths: &'a [String],
    /// The size limit for files that it writes.
    max_file_bytes: Option<u64>,
}

/// Files below a directory of the other machine.
pub(super) struct FilesThere<'a> {
    pub(super) directory: &'a str,
    /// Their paths below it.
    pub(super) paths: &'a [String],
}

/// Access to one host by rsync.
pub(super) struct Rsync<'a> {
    pub(super) remote: &'a RemoteRoot,
    pub(super) transport: &'a Transport,
    pub(super) progress: &'a dyn Progress,
}

impl Rsync<'_> {
    /// Returns `host:path` with the trailing slash that means "its contents".
    pub(super) fn inside(&self, path: &str) -> String {
        format!("{}:{}/", self.remote.host, path.trim_end_matches('/'))
    }

    /// Checks that rsync is here, in a version that takes only files it was asked for.
    pub(super) fn check_here(&self) -> Result<()> {
        let mut command = Command::new("rsync");
        command.arg("--version").env("LC_ALL", "C").stdin(Stdio::null());
        let (_, version) = self.ask_version(command)?;
        match version {
            Some(version) if version < MIN_HERE => Err(Error::Refused(format!(
                "rsync {version} is installed here, and it takes files from the other machine \
                 that were not asked for; {MIN_HERE} or later is needed"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that the rsync there writes through no link. Returns `false` if it does not tell its
    /// version (a restricted shell).
    pub(super) fn check_there(&self) -> Result<bool> {
        let mut command = Command::new("sh");
        // As in rsync, the remote shell is a command with its options.
        command
            .arg("-c")
            .arg(format!("exec {} \"$@\"", self.shell()))
            .args(["sh", &self.remote.host, "rsync", "--version"])
            .stdin(Stdio::null());
        let (ended, version) = self.ask_version(command)?;
        match (ended, version) {
            (_, Some(version)) if version < MIN_THERE => Err(Error::Refused(format!(
                "{}: rsync {version} is installed there, and it writes through links that \
                 whoever may emit there can plant; {MIN_THERE} or later is needed to send. Or \
                 let that machine fetch: \"hlarchive sync\" there, from here",
                self.remote.host
            ))),
            (_, Some(_)) => Ok(true),
            // The host did not answer.
            ((Some(255) | None, complaints), None) => {
                self.ended(Some(255), &complaints).map(|_| false)
            }
            (_, None) => Ok(false),
        }
    }

    #[allow(clippy::type_complexity)]
    fn ask_version(
        &self,
        mut command: Command,
    ) -> Result<((Option<i32>, String), Option<Version>)> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut version = None;
        let ended = self.converse(command, &[], &mut |line| {
            version = version.or_else(|| Version::parse(line));
        })?;
        Ok((ended, version))
    }

    /// Returns the remote shell with its options.
    fn shell(&self) -> String {
        let seconds = self.transport.connect_seconds.max(1);
        // A dead connection must not keep ssh longer than rsync waits for it.
        format!(
            "{} -o ConnectTimeout={seconds} -o ServerAliveInterval={} -o ServerAliveCountMax=3",
            self.transport.ssh,
            self.transport.silence_seconds.div_ceil(3).max(1)
        )
    }

    /// Lists everything below a directory there; returns `None` if there is no such directory.
    pub(super) fn list(&self, directory: &str, filters: &[&str]) -> Result<Option<Vec<Listed>>> {
        let mut listed = Vec::new();
        let mut arguments = vec!["--recursive", "--list-only", "--8-bit-output"];
        arguments.extend(filters);
        let from = self.inside(directory);
        let mut unread = None;
        let mut beyond = 0_u64;
        let operands = [OsStr::new(&from)];
        let work = Work { arguments: &arguments, operands: &operands, ..Work::default() };
        let ended = self.run(&work, &mut |line| match parse_listed(line) {
            Some(Line::Entry(_)) if listed.len() >= MAX_LISTED => beyond += 1,
            Some(Line::Entry(file)) => listed.push(file),
            Some(Line::Remark) => {}
            None => unread = unread.take().or_else(|| Some(line.to_owned())),
        })?;
        if beyond > 0 {
            return Err(self
                .failed(&format!("{directory} has more than {MAX_LISTED} files and directories")));
        }
        if let Some(line) = unread {
            return Err(self.failed(&format!(
                "rsync's listing cannot be parsed: {}",
                crate::event::shown(&line)
            )));
        }
        Ok(if ended == Ended::Missing && listed.is_empty() { None } else { Some(listed) })
    }

    /// Fetches the files with these paths below a directory there into one here. A file announced
    /// with more than `max_bytes` is left out silently, and one that is larger than announced ends
    /// the transfer.
    pub(super) fn fetch(
        &self,
        files: &FilesThere<'_>,
        to: BorrowedFd<'_>,
        max_bytes: u64,
        options: &[&str],
    ) -> Result<Ended> {
        if files.paths.is_empty() {
            return Ok(Ended::Done);
        }
        let bound = format!("--max-size={max_bytes}");
        let mut arguments = vec!["--files-from=-", "--from0", "--times", &bound];
        arguments.extend(options);
        let from = self.inside(files.directory);
        let work = Work {
            place: Some(to),
            arguments: &arguments,
            operands: &[OsStr::new(&from), OsStr::new("./")],
            paths: files.paths,
            max_file_bytes: Some(max_bytes.saturating_add(SLACK_BYTES)),
        };
        self.run(&work, &mut |_| {})
    }

    /// Sends the files with these paths below a directory here into one there. `line` gets what
    /// rsync prints.
    pub(super) fn send(
        &self,
        from: BorrowedFd<'_>,
        files: &FilesThere<'_>,
        options: &[&str],
        line: &mut dyn FnMut(&str),
    ) -> Result<Ended> {
        if files.paths.is_empty() {
            return Ok(Ended::Done);
        }
        // Directories there may belong to others, who alone can set their times.
        let mut arguments = vec!["--files-from=-", "--from0", "--times", "--omit-dir-times"];
        arguments.extend(options);
        let to = self.inside(files.directory);
        let work = Work {
            place: Some(from),
            arguments: &arguments,
            operands: &[OsStr::new("./"), OsStr::new(&to)],
            paths: files.paths,
            max_file_bytes: None,
        };
        self.run(&work, line)
    }

    /// Runs rsync with something on its standard input, and passes on its lines.
    fn run(&self, work: &Work<'_>, line: &mut dyn FnMut(&str)) -> Result<Ended> {
        let mut command = match work.max_file_bytes {
            None => Command::new("rsync"),
            Some(bytes) => {
                // The shell sets the limit in the process that becomes rsync; a write beyond it is
                // then an error of that write.
                let mut command = Command::new("sh");
                command
                    .args(["-c", "trap '' XFSZ; ulimit -f \"$0\" && exec rsync \"$@\""])
                    .arg(bytes.div_ceil(512).to_string());
                command
            }
        };
        command
            .arg("--protect-args")
            .arg("--no-human-readable")
            .arg(format!("--rsh={}", self.shell()))
            .arg(format!("--timeout={}", self.transport.silence_seconds))
            .args(work.arguments)
            .arg("--")
            .args(work.operands)
            // Its messages are parsed, and so are the times that it lists.
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env_remove("RSYNC_RSH")
            .stdin(if work.paths.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(place) = work.place {
            // By its handle: the name may lead to another directory by now.
            command.current_dir(crate::fs::path_of_handle(place));
        }
        let (code, complaints) = self.converse(command, work.paths, line)?;
        self.ended(code, &complaints)
    }

    /// Runs a command that speaks with the other machine; returns how it ended, and its error
    /// output.
    fn converse(
        &self,
        mut command: Command,
        paths: &[String],
        line: &mut dyn FnMut(&str),
    ) -> Result<(Option<i32>, String)> {
        let mut child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => missing_here(),
            _ => Error::io("rsync", "start", error),
        })?;
        let outcome = self.attend(&mut child, paths, line);
        if outcome.is_err() {
            // It cleans up after itself when it is asked to end.
            let pid = rustix::process::Pid::from_child(&child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let status = child.wait().map_err(|error| Error::io("rsync", "wait for", error))?;
        Ok((status.code(), outcome?))
    }

    /// Feeds the child and reads its output until that is closed; returns its error output.
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
                    // A child that exits early reports the reason itself.
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
                return Err(Error::Interrupted("run it again to continue".to_owned()));
            }
        }
    }

    /// Classifies an exit code of rsync for the caller.
    fn ended(&self, code: Option<i32>, complaints: &str) -> Result<Ended> {
        let refused =
            ["Permission denied (", "Host key verification failed", "Too many authentication"];
        let lines = || complaints.lines().map(str::trim).filter(|line| !line.is_empty());
        let last = || {
            // The error of ssh is nearer to the cause than the one that rsync adds.
            let of_ssh = lines().rfind(|line| !line.starts_with("rsync"));
            let own = lines().rfind(|line| !line.starts_with("rsync error: "));
            of_ssh.or(own).or(lines().next_back()).unwrap_or("no message").to_owned()
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
            Some(127) if complaints.contains("exec: rsync: not found") => Err(missing_here()),
            Some(11) if complaints.contains("File too large") => {
                Err(self.failed("a file there is larger than announced; it was not taken"))
            }
            Some(1 | 2) if complaints.contains("unknown option") => {
                Err(self.failed("the rsync there is too old to receive; 3.2.4 or later is needed"))
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

fn missing_here() -> Error {
    Error::Usage("rsync is not installed here; it is needed for host:path".to_owned())
}

/// Reports whether the source directory itself does not exist.
fn is_directory_missing(complaints: &str) -> bool {
    complaints
        .lines()
        .any(|line| line.contains(" change_dir ") && line.contains("No such file or directory"))
}

/// Reports whether rsync complained of missing files, and nothing worse.
fn only_missing(complaints: &str) -> bool {
    let is_missing =
        |line: &&str| line.contains("No such file or directory") || line.contains("vanished");
    let is_complaint = |line: &&str| line.starts_with("rsync: ") || line.contains("failed");
    // If nothing is left to be sent, the other end may be gone before this one has said goodbye. A
    // connection that breaks before that ends with another code.
    let is_late = |line: &&str| line.ends_with(" write error: Broken pipe (32)");
    let lines = || complaints.lines().filter(|line| !is_late(line));
    lines().any(|line| is_missing(&line))
        && lines().filter(is_complaint).all(|line| is_missing(&line))
}

fn complaints(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let mut kept = Vec::new();
    let _ = Read::by_ref(&mut stderr).take(MAX_COMPLAINTS).read_to_end(&mut kept);
    // The rest is read, too, or the child would block on it.
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

/// Parses a line of `--list-only`: mode, size, day, time, path.
fn parse_listed(line: &str) -> Option<Line> {
    let mode = line.split(' ').next()?;
    // Remarks of rsync and messages of the day of a remote shell are not entries.
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
    let path = match path.split_once(" -> ") {
        Some((name, _)) if mode.starts_with('l') => name,
        _ => path,
    };
    Some(Line::Entry(Listed {
        path: path.to_owned(),
        bytes: size.replace(',', "").parse().ok()?,
        mtime: instant.seconds(),
        kind: match mode.as_bytes()[0] {
            b'-' => Kind::File,
            b'd' => Kind::Directory,
            b'l' => Kind::Link,
            _ => Kind::Other,
        },
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
        assert_eq!((file.path.as_str(), file.bytes, file.kind), (path, 199, Kind::File));
        let time: crate::Timestamp = "2026-05-16T10:11:12Z".parse().unwrap();
        assert_eq!(file.mtime, time.seconds());
        let directory = listed("drwxr-xr-x          4,096 2026/05/16 10:11:12 2026-05-16");
        assert_eq!(directory.kind, Kind::Directory);
        let link = listed("lrwxrwxrwx             14 2026/05/16 10:11:12 2026-05-17 -> /etc/x");
        assert_eq!((link.path.as_str(), link.kind), ("2026-05-17", Kind::Link));
        let itself = "drwxr-xr-x          4,096 2026/05/16 10:11:12 .";
        assert_eq!(parse_listed(itself), Some(Line::Remark));
        assert_eq!(parse_listed("Welcome to pi4"), Some(Line::Remark));
        assert_eq!(parse_listed("-r--r--r-- many 2026/05/16 10:11:12 x"), None);
    }

    #[test]
    fn a_version_is_compared_number_by_number() {
        let version = |line: &str| Version::parse(line);
        assert_eq!(version("rsync  version 3.2.7  protocol version 31"), Some(Version([3, 2, 7])));
        assert_eq!(version("rsync  version v3.5.0-rc1  protocol"), Some(Version([3, 5, 0])));
        assert_eq!(version("openrsync: protocol version 29"), None);
        assert!(version("rsync  version 3.10.0").unwrap() > MIN_THERE);
        assert!(version("rsync  version 3.2.7").unwrap() < MIN_THERE);
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

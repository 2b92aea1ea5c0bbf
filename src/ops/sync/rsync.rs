//! Running rsync: the one program that moves bytes between machines.
//!
//! Nothing of it is trusted but that bytes arrive: everything that it brings is checked as any
//! other file is. Its failures are classified by what the caller can do: an unreachable host is
//! worth another try later, a missing program or a refused login is not.

mod conversation;
mod listing;
mod outcome;
mod version;

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::process::{Command, Stdio};

pub(super) use listing::{Kind, Listed};
pub(super) use outcome::Ended;

use conversation::converse;
use listing::{Line, parse_listed};
use outcome::classify;
use version::{MIN_HERE, MIN_THERE, Version};

use super::remote::{RemoteRoot, Transport};
use crate::progress::Progress;
use crate::{Error, Result};

/// Maximum number of entries in a listing, more than any root has; a longer one is refused before
/// it fills the memory.
const MAX_LISTED: usize = 2_000_000;

/// The excess over a file's announced size that ends the transfer, in bytes.
const SLACK_BYTES: u64 = 64 << 10;

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
                classify(&self.remote.host, Some(255), &complaints).map(|_| false)
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
        let ended = converse(self.progress, command, &[], &mut |line| {
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
        let (code, complaints) = converse(self.progress, command, work.paths, line)?;
        classify(&self.remote.host, code, &complaints)
    }

    pub(super) fn failed(&self, reason: &str) -> Error {
        outcome::failed(&self.remote.host, reason)
    }
}

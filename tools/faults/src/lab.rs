//! A place to break things in: an event tree, an archive, a policy, and the command.

use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use walkdir::WalkDir;

use crate::trace::{End, Job};
use crate::truth::NOTE;

/// The time that rotations take for now: well after every event of the scenarios.
pub(crate) const NOW: &str = "2026-06-01T03:00:00Z";

/// What a check finds, in words.
pub(crate) type Verdict<T = ()> = Result<T, String>;

/// A working directory of one worker. The state that counts is in `state/`.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    home: PathBuf,
    program: PathBuf,
}

/// What a run of the command came to, as far as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// The exit code; `None` when it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Lab {
    pub(crate) fn new(home: PathBuf, program: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(home.join("state"))?;
        Ok(Self { home, program })
    }

    /// The directory whose state counts.
    pub(crate) fn state(&self) -> PathBuf {
        self.home.join("state")
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.state().join("events")
    }

    pub(crate) fn archive(&self) -> PathBuf {
        self.state().join("events-archive")
    }

    /// The directory that scenarios use for a bucket.
    pub(crate) fn bucket(&self) -> PathBuf {
        self.state().join("bucket")
    }

    /// What lies in the event tree beside the note of its archive: its days.
    pub(crate) fn live_names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.events()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names: Vec<String> = names.collect::<io::Result<_>>()?;
        Ok(names.into_iter().filter(|name| name != NOTE).collect())
    }

    /// Empties the state.
    pub(crate) fn clear(&self) -> io::Result<()> {
        empty(&self.state())
    }

    /// Writes a file below the state, and the directories above it.
    pub(crate) fn write(&self, below: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.state().join(below);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)
    }

    fn environment(&self) -> Vec<(String, String)> {
        let text = |path: PathBuf| path.display().to_string();
        [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("USER", "faults".to_owned()),
            ("HLARCHIVE_ROOT", text(self.events())),
            ("HLARCHIVE_ARCHIVE", text(self.archive())),
            ("HLARCHIVE_POLICY", text(self.home.join("policy.toml"))),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// A run of the command for the tracer.
    pub(crate) fn job(&self, arguments: &[String], input: &[u8]) -> io::Result<Job> {
        fs::write(self.home.join("stdin"), input)?;
        let mut words = vec![self.program.display().to_string()];
        words.extend(arguments.iter().cloned());
        Ok(Job {
            words,
            environment: self.environment(),
            root: self.state(),
            stdin: self.home.join("stdin"),
            stdout: self.home.join("stdout"),
            stderr: self.home.join("stderr"),
            looks: false,
        })
    }

    /// What a traced run left on its standard streams.
    pub(crate) fn outcome(&self, end: End) -> io::Result<Outcome> {
        let read = |name| fs::read(self.home.join(name));
        Ok(Outcome {
            code: match end {
                End::Code(code) => Some(code),
                End::Signal(_) => None,
            },
            stdout: String::from_utf8_lossy(&read("stdout")?).into_owned(),
            stderr: String::from_utf8_lossy(&read("stderr")?).into_owned(),
        })
    }

    /// Runs the command untouched, to its end. `limit` is the number of files that it may
    /// have open.
    pub(crate) fn run_limited(
        &self,
        arguments: &[String],
        input: &[u8],
        limit: Option<u32>,
    ) -> Verdict<Outcome> {
        let mut command = match limit {
            None => Command::new(&self.program),
            Some(limit) => {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"]);
                command.arg(&self.program);
                command
            }
        };
        fs::write(self.home.join("stdin"), input).map_err(|error| error.to_string())?;
        let stdin = fs::File::open(self.home.join("stdin")).map_err(|error| error.to_string())?;
        let output = command
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::from(stdin))
            .output()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        if let Some(signal) = output.status.signal() {
            return Err(format!("{arguments:?} was killed by signal {signal}"));
        }
        Ok(Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Verdict<Outcome> {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        self.run_limited(&arguments, b"", None)
    }

    /// Runs the command, which must end with one of these codes.
    pub(crate) fn must(&self, codes: &[i32], arguments: &[&str]) -> Verdict<Outcome> {
        let outcome = self.run(arguments)?;
        if outcome.code.is_some_and(|code| codes.contains(&code)) {
            return Ok(outcome);
        }
        Err(format!(
            "\"hlarchive {}\" gave {:?}, not {codes:?}: {}",
            arguments.join(" "),
            outcome.code,
            first_lines(&format!("{}{}", outcome.stderr, outcome.stdout))
        ))
    }
}

/// The beginning of a text, on one line.
pub(crate) fn first_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take(4).collect();
    lines.join(" | ")
}

/// Removes what is in a directory, but not the directory itself: it may be a mount.
pub(crate) fn empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Copies everything below a directory into another one, which exists.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    for entry in WalkDir::new(from).min_depth(1) {
        let entry = entry?;
        let target = to.join(entry.path().strip_prefix(from).map_err(io::Error::other)?);
        if entry.file_type().is_dir() {
            fs::create_dir(target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

//! Conversations with a child process: its input is fed and its output read at the same time.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdout, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::outcome::missing_here;
use crate::progress::Progress;
use crate::{Error, Result};

/// Time between checks of a waiting run for a request to stop.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest line of output that is read, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// The part of the error output of rsync and ssh that is kept, in bytes.
const MAX_COMPLAINTS: u64 = 64 << 10;

/// Runs a command that speaks with the other machine; returns how it ended, and its error
/// output.
pub(super) fn converse(
    progress: &dyn Progress,
    mut command: Command,
    paths: &[String],
    line: &mut dyn FnMut(&str),
) -> Result<(Option<i32>, String)> {
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => missing_here(),
        _ => Error::io("rsync", "start", error),
    })?;
    let outcome = attend(progress, &mut child, paths, line);
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
    progress: &dyn Progress,
    child: &mut Child,
    paths: &[String],
    line: &mut dyn FnMut(&str),
) -> Result<String> {
    let (sender, lines) = channel();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let feeding = scope.spawn(move || {
            let Some(mut stdin) = stdin else { return };
            for path in paths {
                // A child that exits early reports the reason itself.
                if stdin.write_all(path.as_bytes()).and_then(|()| stdin.write_all(b"\0")).is_err() {
                    return;
                }
            }
        });
        let complaining = scope.spawn(move || complaints(stderr));
        scope.spawn(move || read_lines(stdout, &|text| sender.send(text).is_ok()));
        let listened = listen(progress, &lines, line);
        if listened.is_err() {
            let pid = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = feeding.join();
        let complaints = complaining.join().unwrap_or_default();
        listened.map(|()| complaints)
    })
}

fn listen(
    progress: &dyn Progress,
    lines: &Receiver<String>,
    line: &mut dyn FnMut(&str),
) -> Result<()> {
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(text) => line(&text),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if progress.stop_requested() {
            return Err(Error::Interrupted("run it again to continue".to_owned()));
        }
    }
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

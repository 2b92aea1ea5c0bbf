//! Processes in the middle of their work: found there without waiting for time to pass.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use walkdir::{DirEntry, WalkDir};

use super::Run;

/// Starts a command whose output is kept.
pub fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a command that was started.
pub fn finish(child: Child) -> Run {
    Run::of(&child.wait_with_output().unwrap())
}

pub fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until something is seen; a long time without it is a failure.
#[track_caller]
pub fn until(what: &str, seen: &mut dyn FnMut() -> bool) {
    let began = Instant::now();
    while !seen() {
        assert!(began.elapsed() < Duration::from_mins(2), "in vain waited for: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Halts a process (SIGSTOP) at a time when `seen` holds. Gives back whether it could be:
/// else it was too fast, and ran on to its end.
#[track_caller]
pub fn halt_when(child: &mut Child, seen: &mut dyn FnMut() -> bool) -> bool {
    let mut ended = false;
    until("what a process does", &mut || {
        ended = child.try_wait().unwrap().is_some();
        ended || seen()
    });
    if ended {
        return false;
    }
    send(child, Signal::STOP);
    until("a process to halt", &mut || {
        ended = child.try_wait().unwrap().is_some();
        ended || is_halted(child)
    });
    if ended {
        return false;
    }
    if seen() {
        return true;
    }
    send(child, Signal::CONT);
    false
}

fn is_halted(child: &Child) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"))
}

/// Whether a process has a file open.
pub fn has_open(process: u32, path: &Path) -> bool {
    let Ok(handles) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    handles.flatten().any(|handle| fs::read_link(handle.path()).is_ok_and(|to| to == path))
}

/// What lies below a directory that others change meanwhile: what is gone before it is looked at
/// is passed over, and nothing else.
fn seen_below(directory: &Path) -> impl Iterator<Item = DirEntry> {
    WalkDir::new(directory).min_depth(1).into_iter().filter_map(|entry| match entry {
        Err(error) if error.io_error().is_some_and(|why| why.kind() == ErrorKind::NotFound) => None,
        entry => Some(entry.unwrap()),
    })
}

/// How many files a directory holds that others change meanwhile.
pub fn files_seen(directory: &Path) -> usize {
    seen_below(directory).filter(|entry| !entry.file_type().is_dir()).count()
}

/// Whether a directory holds, at any depth, a temporary file or directory.
pub fn has_temporary(directory: &Path) -> bool {
    seen_below(directory).any(|entry| {
        let name = entry.file_name();
        // A lock in the making is there before anybody holds it.
        name.to_string_lossy().starts_with(".hlarchive-tmp-") && name != ".hlarchive-tmp-lock"
    })
}

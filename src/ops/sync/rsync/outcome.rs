//! Outcomes of rsync, sorted by what the caller can do.

use crate::{Error, Result};

/// The outcome of a run that did not fail entirely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops::sync) enum Ended {
    /// Everything was done.
    Done,
    /// Some files were not there, or vanished meanwhile.
    Missing,
}

/// Classifies an exit code of rsync for the caller.
pub(super) fn classify(host: &str, code: Option<i32>, complaints: &str) -> Result<Ended> {
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
        Some(23 | 24) => Err(failed(host, &format!("not all could be transferred: {}", last()))),
        Some(_) if refused.iter().any(|refused| complaints.contains(refused)) => {
            Err(Error::io(host, "log in to", refusal(&last())))
        }
        Some(127) if complaints.contains("exec: rsync: not found") => Err(missing_here()),
        Some(11) if complaints.contains("File too large") => {
            Err(failed(host, "a file there is larger than announced; it was not taken"))
        }
        Some(1 | 2) if complaints.contains("unknown option") => {
            Err(failed(host, "the rsync there is too old to receive; 3.2.4 or later is needed"))
        }
        Some(127 | 12) if complaints.contains("not found") => Err(Error::NotFound {
            what: host.to_owned(),
            reason: "rsync is not installed there".to_owned(),
        }),
        // The shell, the connection, the protocol, a signal, a timeout.
        Some(5 | 10 | 12 | 20 | 30 | 35 | 255) | None => {
            Err(Error::Away { host: host.to_owned(), reason: last() })
        }
        Some(code) => Err(failed(host, &format!("rsync ended with {code}: {}", last()))),
    }
}

/// Returns the error of a transfer from or to this host that failed.
pub(super) fn failed(host: &str, reason: &str) -> Error {
    Error::io(host, "sync with", std::io::Error::other(reason.to_owned()))
}

fn refusal(reason: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::PermissionDenied, reason.to_owned())
}

pub(super) fn missing_here() -> Error {
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

#[cfg(test)]
mod tests {
    use super::*;

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

//! Errors, sorted by what the caller can do about them.
//!
//! Every variant carries the file or the value it is about. The messages are whole sentences
//! without a trailing full stop, path first, so that a caller can print them as they are. The
//! command line maps the variants to exit codes in one table (`cli::exit`).

use std::io;
use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that the library reports as a failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something. Nothing was left half done that the next run does
    /// not finish.
    #[error("{}: cannot {action}: {}", path.display(), plain(source))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The failed action, as a verb: `open`, `sync`, `create`.
        action: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// A segment, checksum file or manifest is not what this program wrote.
    #[error("{}: {reason}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// The damage.
        reason: String,
    },
    /// Event data handed in by the caller is not an event.
    #[error("{what}: {reason}")]
    BadEvent {
        /// The field, or the place it came from.
        what: String,
        /// The problem, and what is expected.
        reason: String,
    },
    /// A query or an option is contradictory or invalid.
    #[error("{0}")]
    Usage(String),
    /// The policy is not acceptable; nothing was touched.
    #[error("{0}")]
    Policy(#[from] crate::policy::PolicyError),
    /// Another process holds the archive's lock.
    #[error(
        "{}: another hlarchive is at work on this archive{}; try again when it has finished",
        path.display(), named(holder.as_deref())
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, if known.
        holder: Option<String>,
    },
    /// Another machine cannot be reached, or its connection broke.
    #[error(
        "{host}: unreachable: {reason}; data received so far is kept; run it again to continue"
    )]
    Away {
        /// The machine.
        host: String,
        /// The reason, as reported.
        reason: String,
    },
    /// A named thing does not exist.
    #[error("{what}: {reason}")]
    NotFound {
        /// The thing that was looked for.
        what: String,
        /// The place that was searched, and what to do.
        reason: String,
    },
    /// The operation would be unsafe in the present state; nothing was touched.
    #[error("{0}")]
    Refused(String),
    /// The operation would remove so much that it must be confirmed; nothing was touched.
    #[error("{0}")]
    NeedsConsent(String),
    /// This program was built without a part that is needed.
    #[error(
        "{what}: this hlarchive was built without {part}; build it with \"cargo build --release \
         --features {feature}\"{otherwise}"
    )]
    NotBuilt {
        /// The thing that was requested.
        what: String,
        /// The part, in words.
        part: &'static str,
        /// The cargo feature that includes it.
        feature: &'static str,
        /// The alternative without it, as a clause; may be empty.
        otherwise: &'static str,
    },
    /// The caller asked to stop; the operation stopped at a safe point.
    #[error("stopped on request: {0}")]
    Interrupted(String),
}

impl From<serde_json::Error> for Error {
    /// JSON that the caller handed in or asked for is not of the expected kind.
    fn from(error: serde_json::Error) -> Self {
        Self::bad_event("JSON", error.to_string())
    }
}

impl Error {
    /// Returns an [`Error::Io`] for `path`; `action` completes "cannot …".
    pub fn io(path: impl AsRef<Path>, action: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), action, source: source.into() }
    }

    /// Returns an [`Error::Corrupt`] for `path`.
    pub(crate) fn corrupt(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Corrupt { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// Returns the error for an archive that is not there; `way_out` is what names another one.
    pub(crate) fn no_archive(path: impl AsRef<Path>, way_out: &str) -> Self {
        Self::NotFound {
            what: path.as_ref().display().to_string(),
            reason: format!("there is no archive here; name it with {way_out}"),
        }
    }

    /// Returns an [`Error::BadEvent`].
    pub(crate) fn bad_event(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::BadEvent { what: what.into(), reason: reason.into() }
    }

    /// Returns the kind of the underlying operating system error, if there is one.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            _ => None,
        }
    }

    /// Returns the message for a line that names `path` already: without the path, if it is about
    /// that file or if a segment's damage was found on the way to it.
    pub(crate) fn reason_at(&self, path: impl AsRef<Path>) -> String {
        match self {
            Self::Io { path: of, action, source } if of.ends_with(path) => {
                format!("cannot {action}: {}", plain(source))
            }
            Self::Corrupt { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// Reports whether the disk was full.
    pub(crate) fn is_no_room(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.io_kind(), Some(StorageFull | QuotaExceeded))
    }

    /// Reports whether the data is remote, and cannot be reached.
    pub fn is_away(&self) -> bool {
        matches!(self.io_kind(), Some(io::ErrorKind::HostUnreachable))
            || matches!(self, Self::Away { .. })
    }

    /// Reports whether the file or directory simply did not exist.
    pub fn is_not_found(&self) -> bool {
        self.io_kind() == Some(io::ErrorKind::NotFound)
    }
}

/// Returns a name in parentheses, or nothing.
fn named(name: Option<&str>) -> String {
    name.map(|name| format!(" ({name})")).unwrap_or_default()
}

/// Returns the operating system's message without Rust's "(os error N)".
pub(crate) fn plain(source: &io::Error) -> String {
    if source.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return "a symbolic link is in the way".to_owned();
    }
    let text = source.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

//! The end of a run: one table from outcomes to exit codes (after sysexits.h).

use std::io;
use std::process::ExitCode;

use crate::Error;
use crate::store::Notices;

use super::signals;

/// The ways a run can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done = 0,
    /// A check found something wrong, or nothing matched.
    Wrong = 1,
    /// Usage error.
    Usage = 2,
    /// The input is not an event, or a file is damaged.
    Data = 65,
    /// A named file or day does not exist.
    NoInput = 66,
    /// This program was built without a feature that is needed.
    NotBuilt = 69,
    /// An output file cannot be created.
    CannotCreate = 73,
    /// Reading or writing failed, or damage cost events.
    Io = 74,
    /// Another process is at work, the clock looks wrong, or a machine is unreachable: try again.
    Busy = 75,
    /// Not permitted.
    NotPermitted = 77,
    /// The policy is not acceptable.
    Policy = 78,
    /// A signal requested a stop; the code is 128 plus its number.
    Stopped = 128,
}

impl Exit {
    /// Returns the code that the process exits with.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Stopped => self as u8 + signals::caught().unwrap_or(0),
            other => other as u8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The reason that a command could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// Standard output was closed; nothing is wrong.
    ClosedPipe,
    /// An error of the library.
    Library(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

/// Returns the exit code of a query whose answer may be incomplete.
pub(super) fn lacking(notices: &Notices) -> Exit {
    if notices.only_away() { Exit::Busy } else { Exit::Io }
}

/// Converts an error of writing to standard output.
pub(super) fn stdout_failed(error: io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::ClosedPipe
    } else {
        Failure::Library(Error::io("standard output", "write", error))
    }
}

impl Failure {
    /// Creates a usage error.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Library(Error::Usage(message.into()))
    }
}

/// Returns the exit code of an error.
pub(super) fn code(error: &Error) -> Exit {
    match error {
        Error::Usage(_) => Exit::Usage,
        Error::BadEvent { .. } | Error::Corrupt { .. } => Exit::Data,
        Error::NotFound { .. } => Exit::NoInput,
        Error::Policy(_) => Exit::Policy,
        Error::NotBuilt { .. } => Exit::NotBuilt,
        Error::Busy { .. } | Error::Refused(_) | Error::Away { .. } => Exit::Busy,
        Error::NeedsConsent(_) => Exit::NotPermitted,
        Error::Interrupted(_) => Exit::Stopped,
        Error::Io { action, source, .. } => match (source.kind(), *action) {
            (io::ErrorKind::PermissionDenied, _) => Exit::NotPermitted,
            (io::ErrorKind::HostUnreachable, _) => Exit::Busy,
            (
                io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::AlreadyExists
                | io::ErrorKind::NotFound,
                "create",
            ) => Exit::CannotCreate,
            (io::ErrorKind::NotFound, _) => Exit::NoInput,
            _ => Exit::Io,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_built_in_ends_with_69_and_names_the_feature() {
        let error = Error::NotBuilt {
            what: "s3://bucket".to_owned(),
            part: "object storage",
            feature: "remote",
            otherwise: "",
        };
        assert_eq!(code(&error).code(), 69);
        assert_eq!(
            error.to_string(),
            "s3://bucket: this hlarchive was built without object storage; build it with \"cargo \
             build --release --features remote\""
        );
    }
}

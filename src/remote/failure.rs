//! Failures of the remote, sorted by what the caller can do about them.

use std::io;

/// The most of a server's message that is reported, in bytes.
const MAX: usize = 300;

/// Converts an error of the object store to one of the system's: unreachable, not permitted, not
/// found, or other.
pub(super) fn as_io(error: &object_store::Error) -> io::Error {
    use object_store::Error as E;
    let kind = match error {
        E::NotFound { .. } => io::ErrorKind::NotFound,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        E::NotSupported { .. } | E::NotImplemented { .. } => io::ErrorKind::Unsupported,
        E::AlreadyExists { .. } | E::Precondition { .. } => io::ErrorKind::AlreadyExists,
        E::InvalidPath { .. } | E::UnknownConfigurationKey { .. } => io::ErrorKind::InvalidInput,
        // A file system, if the bucket is a directory; or a server that refuses to list, which
        // the crate does not tell apart.
        E::Generic { .. } if is_refusal(error) => io::ErrorKind::PermissionDenied,
        E::Generic { .. } => local(error).unwrap_or(io::ErrorKind::HostUnreachable),
        _ => io::ErrorKind::HostUnreachable,
    };
    io::Error::new(kind, reason(error))
}

/// Reports whether the server answered that this is not permitted.
fn is_refusal(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if text.contains("status code: 401") || text.contains("status code: 403") {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Returns the kind of the system error behind it, unless it is a network error.
fn local(error: &object_store::Error) -> Option<io::ErrorKind> {
    use io::ErrorKind as K;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.raw_os_error().is_some()
        {
            let is_away = matches!(
                error.kind(),
                K::ConnectionRefused
                    | K::ConnectionReset
                    | K::ConnectionAborted
                    | K::NotConnected
                    | K::AddrNotAvailable
                    | K::HostUnreachable
                    | K::NetworkUnreachable
                    | K::NetworkDown
                    | K::BrokenPipe
                    | K::TimedOut
                    | K::WouldBlock
                    | K::StaleNetworkFileHandle
            );
            return (!is_away).then(|| error.kind());
        }
        cause = error.source();
    }
    None
}

/// Returns the message of the last cause, on one line.
fn reason(error: &object_store::Error) -> String {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    let mut words = cause.to_string();
    while let Some(next) = cause.source() {
        cause = next;
        let text = cause.to_string();
        if !text.is_empty() {
            words = text;
        }
    }
    // S3 answers in XML; its message is what a person wants.
    if let Some((_, rest)) = words.split_once("<Message>")
        && let Some((message, _)) = rest.split_once("</Message>")
    {
        words = message.to_owned();
    }
    let mut line: String = crate::text::without_secrets(&words)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX)
        .collect();
    line.truncate(line.trim_end().len());
    line
}

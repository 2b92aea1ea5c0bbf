//! The failure of a tool.

use crate::Error;
use crate::cli::exit::Failure;

/// The reason that a tool gave no answer: one sentence, with the way out.
pub(super) struct Trouble(pub(super) String);

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self(match error {
            Error::Usage(text) => in_terms_of_arguments(&text),
            other => other.to_string(),
        })
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Library(error) => error.into(),
            Failure::ClosedPipe => Self("the client went away".to_owned()),
        }
    }
}

/// Replaces flags by the tools' names for them.
fn in_terms_of_arguments(text: &str) -> String {
    text.replace("--since", "since").replace("--until", "until").replace("--within", "within")
}

//! What events become, and where the files go.

use std::fmt;
use std::path::PathBuf;

use crate::remote::Bucket;

/// What events become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Apache Parquet.
    Parquet,
    /// The lines that `list -o ndjson` prints.
    Ndjson,
    /// Comma-separated values, RFC 4180.
    Csv {
        /// Puts an apostrophe before a value that a spreadsheet would take for a formula.
        escape_formulas: bool,
    },
    /// `CloudEvents` 1.0 in their JSON format, one a line.
    CloudEvents,
}

impl ExportFormat {
    /// What the names of its files end in.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Csv { .. } => "csv",
            Self::CloudEvents => "cloudevents.jsonl",
        }
    }
}

/// Where exported files go.
#[derive(Debug, Clone)]
pub enum ExportTarget<'a> {
    /// Below this directory, which is made when missing.
    Directory(PathBuf),
    /// Into object storage.
    Bucket {
        /// Where to.
        bucket: &'a Bucket,
        /// A directory in which files lie until they are sent.
        scratch: PathBuf,
    },
}

impl fmt::Display for ExportTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, .. } => f.write_str(bucket.url()),
        }
    }
}

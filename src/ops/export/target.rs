//! Formats and targets of an export.

use std::fmt;
use std::path::PathBuf;

use crate::remote::Bucket;

/// The format of exported files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Apache Parquet.
    Parquet,
    /// The lines that `list -o ndjson` prints.
    Ndjson,
    /// Comma-separated values, RFC 4180.
    Csv {
        /// True to put an apostrophe before a value that a spreadsheet would take for a formula.
        escape_formulas: bool,
    },
    /// `CloudEvents` 1.0 in their JSON format, one a line.
    CloudEvents,
}

impl ExportFormat {
    /// Returns the extension of its files.
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Ndjson => "ndjson",
            Self::Csv { .. } => "csv",
            Self::CloudEvents => "cloudevents.jsonl",
        }
    }
}

/// The target of exported files.
#[derive(Debug, Clone)]
pub enum ExportTarget<'a> {
    /// Below this directory, which is created if it is missing.
    Directory(PathBuf),
    /// Into object storage.
    Bucket {
        /// The bucket.
        bucket: &'a Bucket,
        /// A directory for files until they are sent.
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

//! Objects elsewhere: S3-compatible storage, or a directory that is mounted from another
//! machine.
//!
//! A [`Bucket`] puts, gets, lists and deletes; it knows nothing of events. What it fetches of
//! segments it may keep in a [`Cache`] of bounded size. Nothing is sent before it is asked
//! for, and what cannot be reached is asked once: what follows in the same process fails at
//! once, so that a long answer does not wait for each of its days.

#[cfg(not(feature = "remote"))]
mod absent;
#[cfg(feature = "remote")]
mod bucket;
mod cache;
#[cfg(feature = "remote")]
mod directory;
#[cfg(feature = "remote")]
mod failure;
mod lazy;

#[cfg(not(feature = "remote"))]
pub use absent::Bucket;
#[cfg(feature = "remote")]
pub use bucket::Bucket;
pub use cache::Cache;
pub use lazy::Lazy;

/// An object, as a list names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name, below what was listed.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Where objects lie, and how to get there.
#[derive(Debug, Clone, Default)]
pub struct BucketConfig {
    /// `s3://bucket/prefix` or `file:///directory`.
    pub url: String,
    /// Endpoint, region and credentials, named as the AWS tools name their environment
    /// variables, in lower case: `aws_access_key_id`, `aws_endpoint_url`.
    pub settings: Vec<(String, String)>,
    /// How long a request may take, and all its repetitions, in seconds.
    pub patience: u64,
}

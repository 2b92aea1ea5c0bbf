//! Remote objects: S3-compatible storage, or a directory that is mounted from another machine.
//!
//! A [`Bucket`] puts, gets, lists and deletes; it knows nothing of events. Parts of segments that
//! it fetches may be kept in a [`Cache`] of bounded size. Nothing is sent before it is needed,
//! and a remote that cannot be reached is tried once: later requests of the same process fail at
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
pub(crate) use cache::Cache;
pub(crate) use lazy::Lazy;

/// An object, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    /// The name, below the listed prefix.
    pub name: String,
    /// The size in bytes.
    pub bytes: u64,
}

/// The location of a bucket, and how to access it.
#[derive(Debug, Clone, Default)]
pub struct BucketConfig {
    /// `s3://bucket/prefix` or `file:///directory`.
    pub url: String,
    /// The endpoint, region and credentials, named like the environment variables of the AWS
    /// tools, in lower case: `aws_access_key_id`, `aws_endpoint_url`.
    pub settings: Vec<(String, String)>,
    /// The time that a request and all its retries may take, in seconds.
    pub patience: u64,
}

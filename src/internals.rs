//! Inner parts, for benchmarks, fuzzers and tests that forge what no verb writes. None of it is a
//! promise to anybody.

/// Segments, the manifest, derived files.
pub mod archive {
    pub use crate::archive::{
        ArchiveDir, ArchiveLock, By, Manifest, ManifestWriter, NewRecord, Op, Replaced,
        SegmentName, catalogue, overview, rebuild,
    };
}

/// Events and their names.
pub mod event {
    pub use crate::event::{
        EventHead, EventName, EventPath, EventType, FileName, Litter, NodeName, PathRef,
        write_with_location,
    };
}

/// The policy's values.
pub mod policy {
    pub use crate::policy::{Keep, MinFree};
}

/// Buckets.
pub mod remote {
    pub use crate::remote::{Bucket, BucketConfig};

    /// Opens a bucket with settings of the caller's own.
    pub fn open(config: &BucketConfig) -> crate::Result<Bucket> {
        Bucket::open(config, None)
    }

    /// Reads an object in full.
    pub fn read(bucket: &Bucket, name: &str) -> crate::Result<Vec<u8>> {
        let mut found = Vec::new();
        let size = bucket.size(name)?.unwrap_or_default();
        bucket.get(name, size, &mut |part| {
            found.extend_from_slice(part);
            Ok(())
        })?;
        Ok(found)
    }
}

/// One segment's bytes.
pub mod segment {
    pub use crate::segment::{
        Field, SegmentOptions, SegmentReader, SegmentWriter, Sha256Hash, check, fuzzing,
    };
}

/// Queries.
pub mod store {
    pub use crate::store::{Filter, Order, Query, Scope, Store};
}

/// Text that is safe to show.
pub mod text {
    pub use crate::text::is_unseen;
}

//! Access through the S3 protocol.

use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use crate::remote::BucketConfig;

/// Returns a bucket accessed through the S3 protocol.
pub(super) fn s3(
    bucket: &str,
    config: &BucketConfig,
) -> object_store::Result<object_store::aws::AmazonS3> {
    // Once per process; the second time it is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let patience = Duration::from_secs(config.patience.max(1));
    let mut options = ClientOptions::new()
        .with_connect_timeout(patience.min(Duration::from_secs(5)))
        .with_timeout(patience);
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_retry(RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: 6,
            retry_timeout: patience,
        });
    for (key, value) in &config.settings {
        if let Ok(key) = key.parse::<AmazonS3ConfigKey>() {
            if key.as_ref().contains("endpoint") && value.starts_with("http://") {
                options = options.with_allow_http(true);
            }
            builder = builder.with_config(key, value);
        }
    }
    builder.with_client_options(options).build()
}

//! Exports into object storage.

use crate::common::tree;
use crate::garage::shared;
use crate::site::Site;

#[test]
fn an_export_into_a_bucket_is_read_back_by_its_names_and_never_overwritten() {
    let Some(garage) = shared() else { return };
    let site = Site::new(garage, "export-machine", "nas");
    site.lab.seed(2, 50);
    let (path, bytes) = crate::common::event(10, 0, "nas", 900);
    site.lab.write(&path.replace("/nas/", "/a=b %/"), bytes);
    let url = "s3://archive/lake/events";
    let words = ["export", "--format", "parquet", "--to", url];
    site.ok(words);
    site.ok(["export", "--format", "parquet", "--to", "out"]);
    let wanted = tree(&site.lab.path("out"));
    assert_eq!(wanted.len(), 7);
    let settings = [
        ("aws_access_key_id", crate::garage::KEY.to_owned()),
        ("aws_secret_access_key", site.secret.clone()),
        ("aws_endpoint_url", format!("http://{}", site.endpoint)),
        ("aws_region", "garage".to_owned()),
    ];
    let place = hlarchive::internals::remote::BucketConfig {
        url: url.to_owned(),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        patience: 5,
    };
    let bucket = hlarchive::internals::remote::open(&place).unwrap();
    for (name, bytes) in &wanted {
        let found = hlarchive::internals::remote::read(&bucket, name).unwrap();
        assert!(found == *bytes, "{name}");
    }
    let run = site.fails(73, words);
    assert!(run.stderr.contains("it already exists"), "{run:?}");
    site.ok(["export", "--format", "parquet", "--to", url, "--resume"]);
}

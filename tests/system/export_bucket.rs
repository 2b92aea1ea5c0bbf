//! Exports into a bucket, and of days whose files lie in one; the bucket is a directory, where
//! the test looks into it.

use std::fs;
use std::path::Path;

use hlarchive::internals::remote::{Bucket, BucketConfig, open};
use hlarchive::{Error, ExportFormat, ExportOptions, ExportTarget, History};

use crate::common::{Lab, NOW, event, tree};

fn bucket(directory: &Path) -> Bucket {
    let url = format!("file://{}", directory.display());
    open(&BucketConfig { url, settings: Vec::new(), patience: 5 }).unwrap()
}

#[test]
fn a_bucket_gets_the_files_that_a_directory_gets() {
    let lab = Lab::new();
    lab.seed(2, 30);
    let (path, bytes) = event(11, 0, "nas", 0);
    lab.write(&path.replace("/nas/", "/a=b %/"), bytes);
    lab.rotate_day("2026-05-10");
    lab.ok(["export", "--format", "parquet", "--to", "out"]);
    let (there, scratch) = (lab.path("bucket"), lab.path("scratch"));
    fs::create_dir(&there).unwrap();
    fs::create_dir(&scratch).unwrap();
    let bucket = bucket(&there);
    let history = History::open(lab.root()).unwrap().with_archive(lab.archive());
    let target = ExportTarget::Bucket { bucket: &bucket, scratch: scratch.clone() };
    let mut options = ExportOptions::new(ExportFormat::Parquet, target);
    let report = history.export(&options).unwrap();
    assert_eq!((report.files, report.events), (7, 181));
    assert!(tree(&there) == tree(&lab.path("out")));
    assert!(tree(&scratch).is_empty());
    let error = history.export(&options).unwrap_err();
    assert!(matches!(error, Error::Io { action: "create", .. }), "{error}");
    assert!(error.to_string().contains("it already exists"), "{error}");
    options.resume = true;
    let report = history.export(&options).unwrap();
    assert_eq!((report.files, report.already_there), (0, 7));
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
}

/// A file must not look whole when events of its day could not be read.
#[test]
fn days_that_cannot_be_reached_are_not_exported_and_the_others_are() {
    let lab = Lab::new();
    lab.seed(2, 10);
    let there = lab.path("bucket");
    fs::create_dir(&there).unwrap();
    let policy = format!(
        "version = 1\n[rotate]\nkeep_live = \"1d\"\n[retain]\nlocal = \"1d\"\n[remote]\n\
         url = \"file://{}\"\nhost = \"nas\"\n",
        there.display()
    );
    fs::write(lab.path("policy.toml"), policy).unwrap();
    lab.ok(["rotate", "--now", NOW]);
    lab.ok(["prune", "--now", NOW]);
    assert!(lab.archive().join("2026/2026-05-11.tar.zst.stub").exists());
    let (late, bytes) = event(11, 0, "nas", 700);
    lab.write(&late, bytes);
    let (live, bytes) = event(12, 0, "nas", 0);
    lab.write(&live, bytes);

    let words = ["export", "--format", "csv", "--to", "whole"];
    lab.ok(words);
    let whole = tree(&lab.path("whole"));
    assert_eq!(whole.len(), 7);

    fs::rename(&there, lab.path("away")).unwrap();
    let run = lab.fails(75, ["export", "--format", "csv", "--to", "out"]);
    assert!(run.stderr.contains("could not be reached"), "{run:?}");
    assert!(run.stderr.contains("not exported: 2026-05-11\n"), "{run:?}");
    let files: Vec<String> = tree(&lab.path("out")).into_keys().collect();
    assert_eq!(files, ["date=2026-05-12/node=nas/part-0.csv"]);
    let run = lab.fails(75, ["export", "--format", "csv", "--to", "partial", "--partial"]);
    assert!(!run.stderr.contains("not exported"), "{run:?}");
    assert_eq!(tree(&lab.path("partial")).len(), 2);
    fs::rename(lab.path("away"), &there).unwrap();
    lab.ok(["export", "--format", "csv", "--to", "out", "--resume"]);
    assert!(tree(&lab.path("out")) == whole);
}

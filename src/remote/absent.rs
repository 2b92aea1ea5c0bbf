//! A stand-in for buckets in a program built without object storage.

use std::io;

use super::{BucketConfig, Cache, Object};
use crate::segment::{Fetch, Piece, SegmentBytes};
use crate::{Error, Result};

/// A bucket that cannot be opened.
#[derive(Debug)]
pub enum Bucket {}

impl Bucket {
    /// Fails with the feature that is missing.
    pub(crate) fn open(config: &BucketConfig, _cache: Option<Cache>) -> Result<Self> {
        Err(Error::NotBuilt {
            what: crate::text::without_secrets(&config.url).into_owned(),
            part: "object storage",
            feature: "remote",
            otherwise: "",
        })
    }
}

#[allow(missing_docs, reason = "the same as with object storage, and never called")]
impl Bucket {
    pub fn url(&self) -> &str {
        match *self {}
    }
    pub(crate) fn list(&self, _below: &str) -> Result<Vec<Object>> {
        match *self {}
    }
    pub(crate) fn folders(&self) -> Result<Vec<String>> {
        match *self {}
    }
    pub(crate) fn size(&self, _name: &str) -> Result<Option<u64>> {
        match *self {}
    }
    pub(crate) fn put(&self, _: &str, _: &SegmentBytes, _: &(dyn Fn(u64) + Sync)) -> Result<()> {
        match *self {}
    }
    pub(crate) fn put_text(&self, _name: &str, _text: Vec<u8>) -> Result<()> {
        match *self {}
    }
    pub(crate) fn get(
        &self,
        _name: &str,
        _bytes: u64,
        _take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match *self {}
    }
    pub(crate) fn get_range(&self, _name: &str, _range: std::ops::Range<u64>) -> Result<Vec<u8>> {
        match *self {}
    }
    pub(crate) fn device(&self) -> Result<Option<u64>> {
        match *self {}
    }
    pub(crate) fn settle(&self, _name: &str) -> Result<()> {
        match *self {}
    }
    pub(crate) fn delete(&self, _name: &str) -> Result<()> {
        match *self {}
    }
}

impl Fetch for Bucket {
    fn fetch(&self, _pieces: &[Piece]) -> Vec<io::Result<Vec<u8>>> {
        match *self {}
    }
}

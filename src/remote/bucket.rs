//! A bucket, through the `object_store` crate.
//!
//! Its requests run on a small runtime of their own; every call waits for its answer.

mod fetch;
mod s3;

use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures_util::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};

use s3::s3;

use super::directory::Directory;
use super::failure::as_io;
use super::{BucketConfig, Cache, Object};
use crate::segment::SegmentBytes;
use crate::text::without_secrets;
use crate::{Error, Result};

/// The size above which objects are sent and read in parts, in bytes.
const PART_BYTES: u64 = 8 << 20;

/// The storage behind a bucket.
#[derive(Debug)]
enum Backend {
    Directory(Directory),
    S3(Arc<dyn ObjectStore>),
}

/// A store of objects.
#[derive(Debug)]
pub struct Bucket {
    url: String,
    prefix: String,
    runtime: tokio::runtime::Runtime,
    store: Backend,
    cache: Option<Cache>,
    /// The reason it could not be reached or refused access, once it did.
    down: Mutex<Option<(io::ErrorKind, String)>>,
}

impl Bucket {
    /// Prepares access; nothing is sent yet. A directory must exist.
    pub(crate) fn open(config: &BucketConfig, cache: Option<Cache>) -> Result<Self> {
        let url = config.url.trim_end_matches('/').to_owned();
        if without_secrets(&url) != url {
            return Err(Error::Usage(
                "the address has a user, a password or a query; credentials come from the AWS \
                 variables and files, and the address is s3://BUCKET/PREFIX"
                    .to_owned(),
            ));
        }
        let (store, prefix) = if let Some(path) = url.strip_prefix("file://") {
            (Backend::Directory(Directory::open(Path::new(path))?), "")
        } else if let Some(rest) = url.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let store = s3(bucket, config).map_err(|e| Error::io(&url, "open", as_io(&e)))?;
            (Backend::S3(Arc::new(store)), prefix)
        } else {
            let reason = format!("{url}: expected s3://BUCKET/PREFIX, or file:///DIRECTORY");
            return Err(Error::Usage(reason));
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::io(&url, "open", error))?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { prefix, url, runtime, store, cache, down: Mutex::default() })
    }

    /// Returns its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the objects whose names begin with `below` and a slash, by name.
    pub(crate) fn list(&self, below: &str) -> Result<Vec<Object>> {
        let mut objects = match &self.store {
            Backend::Directory(directory) => directory.list(below)?,
            Backend::S3(store) => self.ask_for_list(store, below)?,
        };
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }

    fn ask_for_list(&self, store: &Arc<dyn ObjectStore>, below: &str) -> Result<Vec<Object>> {
        let path = self.path(below);
        let listed = self.run(below, "list", async {
            let objects: Vec<_> = store.list(Some(&path)).try_collect().await?;
            Ok(objects)
        })?;
        let objects = listed.into_iter().filter_map(|object| {
            let name = object.location.as_ref().strip_prefix(path.as_ref())?;
            let name = name.strip_prefix('/')?.to_owned();
            Some(Object { name, bytes: object.size })
        });
        Ok(objects.collect())
    }

    /// Returns the first parts of all names.
    pub(crate) fn folders(&self) -> Result<Vec<String>> {
        let store = match &self.store {
            Backend::Directory(directory) => return directory.folders(),
            Backend::S3(store) => store,
        };
        let path = ObjectPath::from(self.prefix.trim_end_matches('/'));
        let listed = self.run("", "list", store.list_with_delimiter(Some(&path)))?;
        let prefixes = listed.common_prefixes.into_iter();
        let last = |path: ObjectPath| path.filename().map(str::to_owned);
        Ok(prefixes.filter_map(last).collect())
    }

    /// Returns an object's size; `None` if it does not exist.
    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>> {
        let store = match &self.store {
            Backend::Directory(directory) => return directory.size(name),
            Backend::S3(store) => store,
        };
        match self.run(name, "look up", store.head(&self.path(name))) {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts a file's content under a name, in parts if it is large; `progress` gets the number of
    /// bytes as they are sent. A part that was not accepted is sent again.
    pub(crate) fn put(
        &self,
        name: &str,
        file: &SegmentBytes,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let bytes = file.len().map_err(|error| Error::io(name, "read", error))?;
        let read = |range: Range<u64>| {
            let mut part = vec![0; (range.end - range.start) as usize];
            file.read_exact_at(&mut part, range.start)
                .map_err(|error| Error::io(name, "read", error))?;
            Ok(part)
        };
        let store = match &self.store {
            Backend::S3(store) => store,
            Backend::Directory(directory) => {
                return directory.put(name, &mut |out| {
                    for at in (0..bytes).step_by(PART_BYTES as usize) {
                        let part = read(at..(at + PART_BYTES).min(bytes))?;
                        out.write_all(&part)
                            .map_err(|error| Error::io(self.full(name), "send", error))?;
                        progress(part.len() as u64);
                    }
                    Ok(())
                });
            }
        };
        if bytes <= 2 * PART_BYTES {
            self.put_text(name, read(0..bytes)?)?;
            progress(bytes);
            return Ok(());
        }
        let path = self.path(name);
        let mut upload = self.run(name, "send", store.put_multipart(&path))?;
        let starts = (0..bytes).step_by(PART_BYTES as usize);
        let mut parts = starts.map(|at| read(at..(at + PART_BYTES).min(bytes)));
        let sent = self.send_parts(name, &mut parts, upload.as_mut(), progress);
        if sent.is_err() {
            // What is left of it costs space, and no event.
            let _ = self.runtime.block_on(upload.abort());
        }
        sent
    }

    fn send_parts(
        &self,
        name: &str,
        parts: &mut dyn Iterator<Item = Result<Vec<u8>>>,
        upload: &mut dyn MultipartUpload,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        for part in parts {
            let part = part?;
            let bytes = part.len() as u64;
            self.run(name, "send", upload.put_part(PutPayload::from(part)))?;
            progress(bytes);
        }
        self.run(name, "send", upload.complete()).map(drop)
    }

    /// Puts a text under a name.
    pub(crate) fn put_text(&self, name: &str, text: Vec<u8>) -> Result<()> {
        match &self.store {
            Backend::Directory(directory) => directory.put(name, &mut |out| {
                out.write_all(&text).map_err(|error| Error::io(self.full(name), "send", error))
            }),
            Backend::S3(store) => {
                let payload = PutPayload::from(text);
                self.run(name, "send", store.put(&self.path(name), payload)).map(drop)
            }
        }
    }

    /// Reads an object of this many bytes from start to end, part by part.
    pub(crate) fn get(
        &self,
        name: &str,
        bytes: u64,
        take: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut at = 0;
        while at < bytes {
            let end = (at + PART_BYTES).min(bytes);
            take(&self.get_range(name, at..end)?)?;
            at = end;
        }
        Ok(())
    }

    /// Returns a range of an object's bytes.
    pub(crate) fn get_range(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        let store = match &self.store {
            Backend::S3(store) => store,
            Backend::Directory(directory) => {
                let read = directory.get_range(name, &range);
                return read.map_err(|error| Error::io(self.full(name), "read", error));
            }
        };
        let wanted = range.end - range.start;
        let bytes = self.run(name, "read", store.get_range(&self.path(name), range))?;
        if bytes.len() as u64 != wanted {
            let short = io::Error::new(io::ErrorKind::UnexpectedEof, "it is shorter than that");
            return Err(Error::io(self.full(name), "read", short));
        }
        Ok(bytes.to_vec())
    }

    /// Returns the number of its file system, if it is a directory.
    pub(crate) fn device(&self) -> Result<Option<u64>> {
        match &self.store {
            Backend::Directory(directory) => directory.device().map(Some),
            Backend::S3(_) => Ok(None),
        }
    }

    /// Makes an existing object durable: in a directory, an interrupted run may have left it, or
    /// the folders above it, unsynced.
    pub(crate) fn settle(&self, name: &str) -> Result<()> {
        match &self.store {
            Backend::Directory(directory) => directory.settle(name),
            Backend::S3(_) => Ok(()),
        }
    }

    /// Removes an object; a missing one is not an error.
    pub(crate) fn delete(&self, name: &str) -> Result<()> {
        let store = match &self.store {
            Backend::Directory(directory) => return directory.delete(name),
            Backend::S3(store) => store,
        };
        match self.run(name, "remove", store.delete(&self.path(name))) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }

    fn path(&self, name: &str) -> ObjectPath {
        let full = format!("{}{name}", self.prefix);
        // As is, wherever possible: a `%` in it may be somebody's escape.
        ObjectPath::parse(&full).unwrap_or_else(|_| ObjectPath::from(full))
    }

    fn full(&self, name: &str) -> String {
        format!("{}/{name}", self.url).trim_end_matches('/').to_owned()
    }

    /// Waits for an answer, unless the remote could not be reached before.
    fn run<T>(
        &self,
        name: &str,
        action: &'static str,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        self.reachable().map_err(|error| Error::io(self.full(name), action, error))?;
        self.runtime
            .block_on(request)
            .map_err(|error| Error::io(self.full(name), action, self.noted(as_io(&error))))
    }

    fn reachable(&self) -> io::Result<()> {
        let down = self.down.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &*down {
            Some((kind, reason)) => Err(io::Error::new(*kind, reason.clone())),
            None => Ok(()),
        }
    }

    /// Remembers that the remote cannot be reached.
    fn noted(&self, error: io::Error) -> io::Error {
        if matches!(error.kind(), io::ErrorKind::HostUnreachable | io::ErrorKind::PermissionDenied)
        {
            let mut down = self.down.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            down.get_or_insert_with(|| (error.kind(), error.to_string()));
        }
        error
    }
}

//! The remote copies of a history, for users of the library.

use super::{
    EvictReport, PullReport, PushReport, Remote, RemoteRebuildReport, RemoteStatus,
    RemoteVerifyOptions, RemoteVerifyReport, evict, pull, push, rebuild, status, verify,
};
use crate::history::remote;
use crate::remote::Bucket;
use crate::{Context, History, Result};

impl History {
    /// Opens the remote copies of this machine's segments, at the policy's `[remote]`.
    ///
    /// Fails with [`Error::Usage`](crate::Error::Usage) if the policy names none, and with
    /// [`Error::NotBuilt`](crate::Error::NotBuilt) without the cargo feature `remote`. Nothing is
    /// asked of the remote yet.
    pub fn remote(&self) -> Result<RemoteArchive<'_>> {
        let rules = remote::rules(&self.policy)?;
        let (bucket, host) = (remote::open(rules)?, remote::host(rules));
        Remote::new(&bucket, &host)?;
        Ok(RemoteArchive { history: self, bucket, host })
    }

    /// Opens the bucket of an address such as `s3://bucket/prefix`, for exports.
    pub fn bucket(&self, url: &str) -> Result<Bucket> {
        remote::open_at(url, &self.policy)
    }

    /// Returns what [`RemoteArchive::evict`] would remove, as far as known without asking the
    /// remote.
    pub fn plan_evict(&self) -> Result<EvictReport> {
        evict::evict_plan(&self.store, &self.policy, &self.context.stopped())
    }
}

/// The copies of a history's segments in object storage.
#[derive(Debug)]
pub struct RemoteArchive<'h> {
    history: &'h History,
    bucket: Bucket,
    host: String,
}

impl RemoteArchive<'_> {
    /// Selects the copies of another host.
    #[must_use]
    pub fn of_host(self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self }
    }

    fn at(&self) -> Result<Remote<'_>> {
        Remote::new(&self.bucket, &self.host)
    }

    fn context(&self) -> Context {
        self.history.context.stopped()
    }

    /// Copies every segment that has no copy yet, each read back, and then the manifest.
    /// `to_another_place` says that the recorded copies are not here and need not be.
    pub fn push(&self, to_another_place: bool) -> Result<PushReport> {
        let History { store, progress, .. } = self.history;
        push::push(store, &self.context(), self.at()?, to_another_place, &**progress)
    }

    /// Updates the mirrors of all other hosts, so that one query reads all of them.
    pub fn pull(&self) -> Result<PullReport> {
        let History { store, progress, .. } = self.history;
        pull::pull(store, &self.context(), self.at()?, &**progress)
    }

    /// Checks the copies against the manifest.
    pub fn verify(&self, options: RemoteVerifyOptions) -> Result<RemoteVerifyReport> {
        let History { store, progress, .. } = self.history;
        verify::verify(store, self.at()?, options, &**progress)
    }

    /// Rebuilds a lost archive from its copies.
    pub fn rebuild(&self) -> Result<RemoteRebuildReport> {
        let History { store, progress, .. } = self.history;
        rebuild::rebuild(store, &self.context(), self.at()?, &**progress)
    }

    /// Returns what is copied and what is not, for this host and others.
    pub fn status(&self) -> Result<RemoteStatus> {
        status::status(&self.history.store, self.at()?)
    }

    /// Removes the local files of segments that are due by the policy and have copies; `trust_now`
    /// vouches for the clock.
    pub fn evict(&self, trust_now: bool) -> Result<EvictReport> {
        evict::evict(self.history, &self.context(), trust_now, self.at()?)
    }
}

//! The names of an archive's files and folders, beside its segments.

/// The manifest's name.
pub(super) const MANIFEST: &str = "manifest.jsonl";

/// The catalogue's.
pub(super) const CATALOGUE: &str = "catalogue";

/// The words'.
pub(super) const WORDS: &str = "words";

/// The overview's.
pub(super) const OVERVIEW: &str = "overview";

/// The state's.
pub(super) const STATE: &str = "state";

/// The name of the file that tells of the last runs.
pub(super) const RUNS: &str = "runs";

/// The temporary name of a new one: not a leftover, since the next writer takes it over.
pub(super) const NEXT_RUNS: &str = "runs.new";

/// The lock's.
pub(super) const LOCK: &str = "lock";

/// The temporary name of a new lock. Its maker holds it locked, so that only one process at a
/// time replaces a lock.
pub(super) const NEXT_LOCK: &str = ".hlarchive-tmp-lock";

/// The folder of heads that were kept, and of their signatures.
pub(super) const HEADS: &str = "heads";

/// The folder of an archive in which the archives of other hosts are mirrored.
pub(crate) const PEERS: &str = "remote";

/// The end of a stub's name, after its segment's.
pub(super) const STUB_SUFFIX: &str = ".stub";

//! Signed heads: the manifest's head in small files that a signature vouches for.
//!
//! `heads/N.head` records the head when the manifest had N records; it follows from the manifest
//! alone. `heads/N.head.minisig` is a signature of it, which repeats the same in its trusted
//! comment, so that the signature alone is enough. Neither is ever edited; when signed again, as
//! with another key, the signature is replaced as a whole.

use std::io::ErrorKind;

use rustix::fs::FileType;

use super::layout::HEADS;
use super::{ArchiveDir, ArchiveLock, Manifest};
use crate::event::Timestamp;
use crate::fs::{self, Dir, Staged};
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// The suffixes of their names.
const HEAD: &str = ".head";
const SIGNATURE: &str = ".head.minisig";

/// The largest signature that is read, in bytes. A usual one has about 400.
const MAX_BYTES: u64 = 16 << 10;

/// A head of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Head {
    /// The number of records that the manifest had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: Sha256Hash,
    /// The time the last of them was written.
    pub time: Timestamp,
}

impl Head {
    /// Returns the current head of a manifest; `None` if it is empty.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let last = manifest.records().last()?;
        Some(Self { records: last.seq, head: manifest.head(), time: last.time })
    }

    /// Returns the text that is signed.
    pub(crate) fn text(&self) -> String {
        let Self { records, head, time } = self;
        format!("hlarchive manifest head 1\nrecords {records}\nhead {head}\ntime {time}\n")
    }

    /// Parses a signed text.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('\n')?;
        let comment = rest.trim_end().replace('\n', "\t").replace(' ', ":");
        let head = Self::from_comment(&comment).filter(|head| head.text() == text)?;
        (first == "hlarchive manifest head 1").then_some(head)
    }

    /// Returns the name of the file that holds the text.
    pub(crate) fn file_name(&self) -> String {
        format!("{}{HEAD}", self.records)
    }

    /// Returns the trusted comment of its signature; `now` is the time of signing.
    pub(crate) fn trusted_comment(&self, now: Timestamp) -> String {
        let Self { records, head, time } = self;
        format!(
            "timestamp:{}\tfile:{}\thashed\trecords:{records}\thead:{head}\ttime:{time}",
            now.seconds(),
            self.file_name()
        )
    }

    /// Parses a trusted comment.
    pub(crate) fn from_comment(comment: &str) -> Option<Self> {
        let field = |name: &str| {
            comment.split('\t').find_map(|part| part.strip_prefix(name)?.strip_prefix(':'))
        };
        Some(Self {
            records: field("records")?.parse().ok()?,
            head: field("head")?.parse().ok()?,
            time: field("time")?.parse().ok()?,
        })
    }
}

impl ArchiveDir {
    /// Returns the signatures in the archive: the number of records each covers, and its text, or
    /// the reason it cannot be read.
    pub fn signatures(&self) -> Result<Vec<(u64, Result<String>)>> {
        let Some(folder) = self.folder(HEADS)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        folder.list(&mut |name, file_type| {
            let number = name.to_str().ok().and_then(|name| name.strip_suffix(SIGNATURE));
            if let (Some(number), FileType::RegularFile | FileType::Symlink) = (number, file_type) {
                found.extend(number.parse::<u64>());
            }
        })?;
        found.sort_unstable();
        let signature = |number| small(&folder, &format!("{number}{SIGNATURE}"));
        Ok(found.into_iter().map(|number| (number, signature(number))).collect())
    }

    /// Returns the head in the file that belongs to the signature of this many records, if there
    /// is a valid one.
    pub fn signed_head(&self, records: u64) -> Option<Head> {
        let folder = self.folder(HEADS).ok()??;
        Head::from_text(&small(&folder, &format!("{records}{HEAD}")).ok()?)
    }

    /// Puts a head and its signature into the archive; they are durable when this returns.
    /// `token` must be fresh and random.
    pub fn write_signature(
        &self,
        head: &Head,
        signature: &str,
        token: u64,
        _lock: &ArchiveLock,
    ) -> Result<()> {
        self.dir().make(HEADS)?;
        self.dir().sync()?;
        let folder = self.dir().dir(HEADS)?;
        remove_leftovers(&folder);
        // The signed file goes first, so that no signature stands alone.
        let name = head.file_name();
        for (name, text, token) in [
            (name.clone(), head.text(), token),
            (format!("{name}.minisig"), signature.to_owned(), token.wrapping_add(1)),
        ] {
            let mut staged = Staged::create(&folder, fs::temp_name(token), 0o444)?;
            staged.write(text.as_bytes())?;
            staged.sync()?;
            staged.replace(&name)?;
            folder.sync()?;
        }
        Ok(())
    }
}

fn small(folder: &Dir, name: &str) -> Result<String> {
    let failed = |error: std::io::Error| Error::io(folder.path().join(name), "read", error);
    let bytes = folder.read(name, MAX_BYTES)?;
    let bytes = bytes.ok_or_else(|| failed(ErrorKind::NotFound.into()))?;
    String::from_utf8(bytes).map_err(|error| failed(std::io::Error::other(error.utf8_error())))
}

/// Removes what interrupted runs left. Best effort: nobody reads it.
fn remove_leftovers(folder: &Dir) {
    let mut names = Vec::new();
    let _ = folder.list(&mut |name, _| {
        names.extend(name.to_str().ok().map(str::to_owned));
    });
    for name in names.iter().filter(|name| name.starts_with(fs::TEMP_PREFIX)) {
        let _ = folder.remove(name);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_comment_says_what_the_text_says() {
        let head = Head {
            records: 42,
            head: Sha256Hash::of(b"x"),
            time: "2026-06-01T03:00:00Z".parse().unwrap(),
        };
        let comment = head.trusted_comment(head.time);
        assert!(comment.starts_with("timestamp:1780282800\tfile:42.head\thashed\t"), "{comment}");
        assert_eq!(Head::from_comment(&comment), Some(head));
        assert_eq!(Head::from_text(&head.text()), Some(head));
        for bad in [head.text().replace("head 1", "head 2"), head.text() + "x", String::new()] {
            assert_eq!(Head::from_text(&bad), None, "{bad}");
        }
        assert_eq!(Head::from_comment("timestamp:1\tfile:manifest.jsonl"), None);
        assert_eq!(Head::from_comment(&comment.replace("records:42", "records:-1")), None);
    }
}

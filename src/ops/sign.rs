//! Signatures of the manifest's head: making and checking them.
//!
//! In minisign's format, so that neither key nor signature needs this program. With a public key
//! and one signature, anyone can tell later whether the manifest up to there is still what was
//! signed, though everything else may have been rewritten.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use crate::Context;
use crate::History;
use crate::archive::{ArchiveDir, Head, Manifest};
use crate::ops::Finding;
use crate::ops::verify::VerifyReport;
use crate::segment::Sha256Hash;
use crate::store::Store;
use crate::{Error, Result};

/// The largest key or signature that is read, in bytes.
const MAX_BYTES: u64 = 16 << 10;

/// The beginning of a password-protected secret key, in base64: `Ed`, `Sc`, `B2`.
const PROTECTED: &str = "RWRTY0Iy";

/// A secret key, ready to sign. It is never shown.
pub struct SigningKey(minisign::SecretKey);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl SigningKey {
    /// Reads a secret key of minisign; `password` is called only if the key needs one.
    pub(crate) fn load(
        path: &Path,
        store: &Store,
        password: &mut dyn FnMut() -> Result<String>,
    ) -> Result<Self> {
        let text = read_small(path, store)?;
        // Neither the text nor a part of it may get into a message.
        let wrong = |reason: &str| Error::corrupt(path, reason);
        let key = minisign::SecretKeyBox::from_string(&text)
            .map_err(|_| wrong("it is not a minisign secret key"))?;
        let protected = text.lines().nth(1).is_some_and(|line| line.starts_with(PROTECTED));
        let key = if let Some(key) = bare_key(&text) {
            key
        } else if protected {
            key.into_secret_key(Some(password()?))
                .map_err(|_| wrong("the password is wrong, or it is not a minisign secret key"))?
        } else {
            key.into_unencrypted_secret_key()
                .map_err(|_| wrong("it is not a minisign secret key"))?
        };
        Ok(Self(key))
    }
}

/// Parses a key as `minisign -G -W` writes it: without a password, and with zeros for a checksum,
/// which the library would refuse. Only signing shows that it is intact.
fn bare_key(text: &str) -> Option<minisign::SecretKey> {
    let bytes = base64(text.lines().nth(1)?.trim())?;
    let (start, checksum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    let bare = start.starts_with(b"Ed\0\0B2") && checksum.iter().all(|byte| *byte == 0);
    bare.then(|| minisign::SecretKey::from_bytes(&bytes).ok()).flatten()
}

/// Decodes base64.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes().map(|digit| match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()) + 8);
        bytes.extend_from_slice(&bits.to_be_bytes()[..group.len() * 3 / 4]);
    }
    Some(bytes)
}

/// A report of what was signed.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SignReport {
    /// The head.
    #[serde(flatten)]
    pub head: Head,
    /// The signature's file.
    pub signature: String,
}

impl History {
    /// Reads a secret key of minisign; `password` is called only if the key has one.
    pub fn signing_key(
        &self,
        path: &Path,
        password: &mut dyn FnMut() -> Result<String>,
    ) -> Result<SigningKey> {
        SigningKey::load(path, &self.store, password)
    }

    /// Reads a public key of minisign, and a signature of the manifest's head that was kept outside
    /// the archive, for [`VerifyOptions::witness`](crate::VerifyOptions::witness).
    pub fn witness(&self, public_key: &Path, signature: Option<&Path>) -> Result<Witness> {
        Witness::load(public_key, signature, &self.store)
    }

    /// Signs the manifest's head with a minisign key, and writes the signature beside it.
    pub fn sign(&self, key: &SigningKey) -> Result<SignReport> {
        sign(&self.store, &self.context.stopped(), key)
    }
}

/// Signs the manifest's current head.
fn sign(store: &Store, context: &Context, key: &SigningKey) -> Result<SignReport> {
    let archive = store.archive()?.ok_or_else(|| nothing_to_sign(store))?;
    let lock = archive.lock()?;
    let head = Head::of(&Manifest::load(&archive)?).ok_or_else(|| nothing_to_sign(store))?;
    let failed = |error: minisign::PError| {
        Error::io(archive.manifest_path(), "sign", std::io::Error::other(error.to_string()))
    };
    let signature = minisign::sign(
        Some(&minisign::PublicKey::from_secret_key(&key.0).map_err(failed)?),
        &key.0,
        head.text().as_bytes(),
        Some(&head.trusted_comment(context.now())),
        Some("signature of hlarchive's manifest head"),
    )
    .map_err(failed)?
    .into_string();
    archive.write_signature(&head, &signature, context.next_token(), &lock)?;
    let file = archive.root().join("heads").join(format!("{}.minisig", head.file_name()));
    Ok(SignReport { head, signature: file.display().to_string() })
}

fn nothing_to_sign(store: &Store) -> Error {
    Error::NotFound {
        what: store.archive_path().display().to_string(),
        reason: "there is no manifest here, so there is nothing to sign; name the archive with \
                 --archive"
            .to_owned(),
    }
}

/// A public key, and a signature that was kept outside the archive, as they were read.
#[derive(Debug, Clone)]
pub struct Witness {
    key: minisign::PublicKey,
    kept: Option<Signature>,
}

/// A signature as it was read, and the head that it is said to be of.
#[derive(Debug, Clone)]
struct Signature {
    name: String,
    text: String,
    /// The head in the file beside it, from which minisign made it.
    head: Option<Head>,
}

impl Witness {
    /// Reads a public key of minisign, and a kept signature, if there is one.
    pub(crate) fn load(public_key: &Path, signature: Option<&Path>, store: &Store) -> Result<Self> {
        let text = read_small(public_key, store)?;
        // The key alone, as minisign's -P takes it, or its file.
        let key = minisign::PublicKeyBox::from_string(&text)
            .and_then(minisign::PublicKeyBox::into_public_key)
            .or_else(|_| minisign::PublicKey::from_base64(text.trim()))
            .map_err(|_| Error::corrupt(public_key, "it is not a minisign public key"))?;
        let kept = signature
            .map(|path| {
                let beside = read_small(&path.with_extension(""), store).ok();
                Ok::<_, Error>(Signature {
                    name: path.display().to_string(),
                    text: read_small(path, store)?,
                    head: beside.as_deref().and_then(Head::from_text),
                })
            })
            .transpose()?;
        Ok(Self { key, kept })
    }

    /// Checks the signatures of an archive, and the kept one.
    pub(super) fn check(
        &self,
        archive: &ArchiveDir,
        manifest: &Manifest,
        report: &mut VerifyReport,
    ) -> Result<()> {
        let mut signed = None;
        if let Some(kept) = &self.kept {
            signed = self.check_one(kept, manifest, report).map(|head| head.records);
        }
        let mut others = 0;
        for (number, text) in archive.signatures()? {
            let name = format!("heads/{number}.head.minisig");
            match text {
                Ok(text) if self.is_of_another_key(&text) => others += 1,
                Ok(text) => {
                    let found = Signature { name, text, head: archive.signed_head(number) };
                    let head = self.check_one(&found, manifest, report);
                    if head.is_some() && head != found.head {
                        report.findings.push(Finding::new(
                            format!("heads/{number}.head"),
                            "this differs from what was signed; the signature beside it says what was",
                        ));
                    }
                    signed = signed.max(head.map(|head| head.records));
                }
                Err(error) => report.findings.push(Finding::of(name, &error)),
            }
        }
        if others > 0 {
            report.remarks.push(Finding::new(
                archive.root().join("heads").display().to_string(),
                format!("{others} signatures here are of another key, and were not checked"),
            ));
        }
        if signed.is_none() && report.findings.is_empty() {
            report.findings.push(Finding::new(
                archive.root().join("heads").display().to_string(),
                "no signature of this key is here, so it proves nothing",
            ));
        }
        report.signed_records = signed;
        Ok(())
    }

    fn is_of_another_key(&self, text: &str) -> bool {
        minisign::SignatureBox::from_string(text)
            .is_ok_and(|signature| signature.keynum() != self.key.keynum())
    }

    /// Returns the head that a signature vouches for, if it is valid and the manifest has it.
    fn check_one(
        &self,
        found: &Signature,
        manifest: &Manifest,
        report: &mut VerifyReport,
    ) -> Option<Head> {
        let mut wrong = |reason: String| report.findings.push(Finding::new(&found.name, reason));
        let Ok(signature) = minisign::SignatureBox::from_string(&found.text) else {
            wrong("it is not a minisign signature".to_owned());
            return None;
        };
        // If minisign itself signed it, the head is not in the comment, but in the file.
        let head = signature.trusted_comment().ok().as_deref().and_then(Head::from_comment);
        let Some(head) = head.or(found.head) else {
            wrong("it is not the signature of a manifest's head".to_owned());
            return None;
        };
        let signed = std::io::Cursor::new(head.text().into_bytes());
        if minisign::verify(&self.key, &signature, signed, true, false, true).is_err() {
            wrong("the signature is not of this key, or it was changed".to_owned());
            return None;
        }
        let there = manifest.head_at(head.records);
        if there == Some(head.head) {
            return Some(head);
        }
        wrong(match there {
            None => format!(
                "it is of a manifest with {} records; this one has {}: it was cut off, or \
                 rewritten",
                head.records,
                manifest.records().len()
            ),
            Some(_) => format!(
                "record {} is not the one that was signed: the manifest was rewritten",
                head.records
            ),
        });
        None
    }
}

/// Reads a small file that the operator named. In the archive, where others may have put it, no
/// symbolic link is followed to it.
fn read_small(path: &Path, store: &Store) -> Result<String> {
    let in_archive = || {
        let parent = crate::fs::folder_of(path).unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(parent.starts_with(store.archive_path().canonicalize().ok()?))
    };
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if in_archive().unwrap_or(false) {
        flags |= OFlags::NOFOLLOW;
    }
    let file = rustix::fs::open(path, flags, Mode::empty())
        .map_err(|errno| Error::io(path, "open", errno))?;
    let mut text = String::new();
    File::from(file).take(MAX_BYTES).read_to_string(&mut text).map_err(|error| {
        if error.kind() == std::io::ErrorKind::InvalidData {
            return Error::corrupt(path, "it is neither a minisign key nor a minisign signature");
        }
        Error::io(path, "read", error)
    })?;
    Ok(text)
}

impl Manifest {
    /// Returns the head that the manifest had when it had this many records.
    pub(in crate::ops) fn head_at(&self, records: u64) -> Option<Sha256Hash> {
        match self.records().get(usize::try_from(records).ok()?) {
            Some(next) => Some(next.prev),
            None if self.records().len() as u64 == records => Some(self.head()),
            None => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_to_the_last_byte() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("+/+/", &[0xfb, 0xff, 0xbf]),
        ] {
            assert_eq!(base64(text).unwrap(), bytes, "{text}");
        }
        assert_eq!((base64("Zm8-"), base64("Zm 8")), (None, None));
    }
}

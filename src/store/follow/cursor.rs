//! A place in a history as it was followed, short enough for an argument.
//!
//! `1:POSITION:CHECK:FILE`, where 1 is the version of this form. To users it is one opaque word:
//! it has no blanks and nothing special to a shell or JSON, since all but plain bytes of the
//! file's name become `%` and two digits.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::event::{Malformed, shown};

/// The last event that was given, in its cursor file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The number of entries of the file up to this one.
    pub(super) position: u64,
    /// A check that distinguishes this file, and its entry at this position, from any other.
    pub(super) check: [u8; 8],
    pub(super) file: Arc<Path>,
}

/// Reports whether a byte of a file's name stands for itself.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'+' | b'@')
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1:{}:{:016x}:", self.position, u64::from_be_bytes(self.check))?;
        self.file.as_os_str().as_bytes().iter().try_for_each(|byte| {
            if is_plain(*byte) {
                write!(f, "{}", char::from(*byte))
            } else {
                write!(f, "%{byte:02x}")
            }
        })
    }
}

impl FromStr for Cursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = |what: &str| Malformed::new(format!("\"{}\" {what}", shown(text)));
        let no_cursor = || {
            wrong("is no cursor: expected what an event's _cursor told, unchanged, or \"start\"")
        };
        let mut parts = text.splitn(4, ':');
        let (Some(version), Some(position), Some(check), Some(file)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(no_cursor());
        };
        if version != "1" {
            let is_number = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
            return Err(if is_number {
                wrong("is a cursor of another version; this program reads version 1")
            } else {
                no_cursor()
            });
        }
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let position = Some(position).filter(|text| digits(text)).and_then(|p| p.parse().ok());
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let check = Some(check)
            .filter(|check| check.len() == 16 && check.bytes().all(hex))
            .and_then(|check| u64::from_str_radix(check, 16).ok());
        let (Some(position), Some(check), Some(file)) = (position, check, decode(file)) else {
            return Err(no_cursor());
        };
        Ok(Self { position, check: check.to_be_bytes(), file: file.into() })
    }
}

/// Decodes a file's name as [`Cursor`] writes it.
fn decode(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push((digit()? * 16 + digit()?) as u8);
        } else if is_plain(byte) {
            bytes.push(byte);
        } else {
            return None;
        }
    }
    let is_name = !bytes.is_empty() && !bytes.contains(&0);
    is_name.then(|| PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// Makes a cursor file's name absolute, so that it holds wherever the next run starts.
pub(super) fn absolute(file: &Path) -> std::io::Result<PathBuf> {
    let parent = crate::fs::folder_of(file).ok_or(std::io::ErrorKind::IsADirectory)?;
    let name: &OsStr = file.file_name().ok_or(std::io::ErrorKind::IsADirectory)?;
    Ok(parent.canonicalize()?.join(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cursor_is_one_word_whatever_its_file_is_called() {
        let file = Path::new("/var/lib/a b/\"c\":%\n'é.cursor");
        let cursor =
            Cursor { position: 2041, check: [0, 1, 2, 3, 4, 5, 6, 255], file: file.into() };
        let text = cursor.to_string();
        assert_eq!(text, "1:2041:00010203040506ff:/var/lib/a%20b/%22c%22%3a%25%0a%27%c3%a9.cursor");
        assert_eq!(text.parse(), Ok(cursor));
    }

    #[test]
    fn other_words_are_no_cursor() {
        for (text, reason) in [
            ("", "no cursor"),
            ("2026-05-16", "no cursor"),
            ("1:1:00010203040506ff", "no cursor"),
            ("1:1:00010203040506ff:", "no cursor"),
            ("1:1:00010203040506FF:/a", "no cursor"),
            ("1:+1:00010203040506ff:/a", "no cursor"),
            ("1:1:00010203040506ff:/a b", "no cursor"),
            ("1:1:00010203040506ff:/a%2", "no cursor"),
            ("1:1:00010203040506ff:/a%00", "no cursor"),
            ("2:1:00010203040506ff:/a", "another version"),
        ] {
            let error = text.parse::<Cursor>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn every_cursor_reads_back(position: u64, check: [u8; 8], name in "[^\0]{1,40}") {
            let file = Path::new("/").join(name);
            let cursor = Cursor { position, check, file: file.as_path().into() };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }
}

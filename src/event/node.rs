//! The host an event came from, which is also a directory name.

use std::fmt;
use std::str::FromStr;

use super::{Malformed, shown};

/// A node's name, safe as a single path component.
///
/// [`FromStr`] accepts what may be *read*: any name of 1 to 255 bytes without `/`,
/// control characters or a leading dot. A name that is *written* must be a host name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(pub(super) String);

impl NodeName {
    /// The longest name that is written, in bytes.
    pub(crate) const MAX_WRITTEN_LEN: usize = 64;

    /// Parses a name as `emit` accepts it: 1 to 64 of the characters `A-Z a-z 0-9 . _ -`, the
    /// first a letter or a digit.
    pub(crate) fn for_writing(text: &str) -> Result<Self, Malformed> {
        let fits = text.len() <= Self::MAX_WRITTEN_LEN
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed::new(format!(
                "\"{}\" is not a node name: expected a host name, a letter or digit and then \
                 letters, digits, dots, dashes and underscores, at most {} in all",
                shown(text),
                Self::MAX_WRITTEN_LEN
            )))
        }
    }

    pub(super) fn check(text: &str) -> Result<&str, Malformed> {
        if safe_component(text) {
            Ok(text)
        } else {
            Err(Malformed::new(format!("\"{}\" cannot be the name of a node", shown(text))))
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::check(text).map(|text| Self(text.to_owned()))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Reports whether a text can be one visible path component and one line of a report.
pub(super) fn safe_component(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'/';
    (1..=255).contains(&text.len())
        && !text.starts_with('.')
        && (text.bytes().all(plain) || !text.chars().any(|c| c == '/' || c.is_control()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_leave_its_directory() {
        for bad in
            ["", ".", "..", "/", "//", "a/b", "../x", ".hidden", "a\nb", "a\0b", &"x".repeat(256)]
        {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
            assert!(NodeName::for_writing(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn more_can_be_read_than_is_written() {
        for odd in ["küche", "node 1", "-dash"] {
            assert_eq!(odd.parse::<NodeName>().unwrap().as_str(), odd);
            assert!(NodeName::for_writing(odd).is_err());
        }
        for host in ["pi4.lan", "a", "9", "A_b-c.d", &"x".repeat(NodeName::MAX_WRITTEN_LEN)] {
            assert_eq!(NodeName::for_writing(host).unwrap().to_string(), host);
        }
        for no_host in ["_x", ".x", "x y", "x+y", &"x".repeat(NodeName::MAX_WRITTEN_LEN + 1)] {
            assert!(NodeName::for_writing(no_host).is_err(), "{no_host}");
        }
        assert!("x".repeat(255).parse::<NodeName>().is_ok());
        assert!("a\u{85}b".parse::<NodeName>().is_err());
        assert_eq!(format!("{:>4}|", NodeName::for_writing("nas").unwrap()), " nas|");
    }
}

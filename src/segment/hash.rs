//! SHA-256 values, as written in manifests and checksum files.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::event::{Malformed, serde_as_text, shown};

/// A SHA-256, displayed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Hash(pub [u8; 32]);

impl Sha256Hash {
    /// All bits zero: the previous line's hash in the first record of a manifest.
    pub const ZERO: Self = Self([0; 32]);

    /// Returns the hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reports whether `digits` are its 64 digits.
    pub(crate) fn is_written_as(&self, digits: &[u8]) -> bool {
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
        digits.len() == 64
            && self
                .0
                .iter()
                .zip(digits.chunks_exact(2))
                .all(|(byte, pair)| pair == [digit(byte >> 4), digit(byte & 15)])
    }

    /// Returns the hash of everything fed to `hasher`.
    pub fn finish(hasher: Sha256) -> Self {
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Hash({self})")
    }
}

impl FromStr for Sha256Hash {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || {
            Malformed::new(format!(
                "\"{}\" is not a SHA-256: expected 64 hexadecimal digits, lower case",
                shown(text)
            ))
        };
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |digit: u8| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            };
            match (nibble(pair[0]), nibble(pair[1])) {
                (Some(high), Some(low)) => *byte = 16 * high + low,
                _ => return Err(wrong()),
            }
        }
        Ok(Self(hash))
    }
}

serde_as_text!(Sha256Hash: "a hash");

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The SHA-256 of "abc", as FIPS 180-2 gives it.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_hash_is_written_and_read_as_sha256sum_does() {
        let hash = Sha256Hash::of(b"abc");
        assert_eq!(hash.to_string(), ABC);
        assert_eq!(format!("{hash:?}"), format!("Sha256Hash({ABC})"));
        assert_eq!(ABC.parse(), Ok(hash));
        assert_eq!(Sha256Hash::finish(Sha256::new().chain_update(b"abc")), hash);
        assert_eq!(serde_json::to_string(&hash).unwrap(), format!("\"{ABC}\""));
        assert_eq!(serde_json::from_str::<Sha256Hash>(&format!("\"{ABC}\"")).unwrap(), hash);
        let all =
            (0..32_u8).map(|byte| format!("{:02x}", byte * 8 + 7)).collect::<Vec<_>>().concat();
        assert_eq!(all.parse::<Sha256Hash>().unwrap().0, std::array::from_fn(|n| n as u8 * 8 + 7));
    }

    #[test]
    fn every_digit_counts() {
        let hash = Sha256Hash::of(b"abc");
        assert!(hash.is_written_as(ABC.as_bytes()));
        for at in 0..64 {
            let mut digits = ABC.as_bytes().to_vec();
            digits[at] = if digits[at] == b'0' { b'1' } else { b'0' };
            assert!(!hash.is_written_as(&digits), "{at}");
            let text = String::from_utf8(digits).unwrap();
            assert_ne!(text.parse::<Sha256Hash>().unwrap(), hash, "{at}");
        }
    }

    #[test]
    fn other_texts_are_no_hash() {
        let hash = Sha256Hash::of(b"abc");
        let longer = format!("{ABC}0");
        let upper = ABC.to_uppercase();
        let odd = ["/", ":", "`", "g", "G"].map(|c| format!("{c}{}", &ABC[1..]));
        let odd = odd.iter().map(String::as_str);
        for bad in ["", &ABC[..62], &ABC[..63], &longer, &upper].into_iter().chain(odd) {
            assert!(bad.parse::<Sha256Hash>().is_err(), "{bad}");
            assert!(!hash.is_written_as(bad.as_bytes()), "{bad}");
        }
        // The second digit of a pair, too.
        assert!(format!("b{}", ABC.replacen("ba", "g", 1)).parse::<Sha256Hash>().is_err());
    }
}

//! The lines of a manifest: how they are linked, and how a broken link is found.
//!
//! A line is compact JSON whose last two fields are `prev`, the SHA-256 of the line before it,
//! and `self`, the SHA-256 of its own bytes before `,"self":`. So a change of any bit is found,
//! even in the last line, which no later line vouches for.

use sha2::{Digest, Sha256};

use super::record::{Record, VERSION};
use crate::segment::Sha256Hash;

const SELF: &[u8] = b",\"self\":\"";

/// The number of bytes from `,"self":` to the end of a line.
const SUFFIX: usize = SELF.len() + 64 + 2;

/// Returns the line of a record, without a newline.
pub(super) fn line(record: &Record) -> Vec<u8> {
    // Serializing numbers and texts into memory cannot fail.
    let mut line = serde_json::to_vec(record).unwrap_or_default();
    line.pop();
    let own = Sha256Hash::of(&line);
    line.extend_from_slice(SELF);
    line.extend_from_slice(own.to_string().as_bytes());
    line.extend_from_slice(b"\"}");
    line
}

/// A line that was read.
pub(super) struct ChainLine {
    /// The hash that the next line links to.
    pub(super) hash: Sha256Hash,
    /// The record, or what is wrong with it.
    pub(super) record: Result<Record, String>,
}

/// Parses a line, and checks what can be checked of it alone.
pub(super) fn read(line: &[u8]) -> ChainLine {
    let (hash, sealed) = hash(line);
    let record = if sealed {
        parse(line)
    } else {
        Err("it is not as it was written (its own hash does not fit)".to_owned())
    };
    ChainLine { hash, record }
}

fn parse(line: &[u8]) -> Result<Record, String> {
    let record: Record =
        serde_json::from_slice(line).map_err(|error| format!("it is not a record: {error}"))?;
    if !(1..=VERSION).contains(&record.v) {
        return Err(format!(
            "it has version {}; this program reads versions up to {VERSION}",
            record.v
        ));
    }
    Ok(record)
}

/// Returns a line's hash, and whether the line ends with the hash of the bytes before that end.
/// Both come from one pass over its bytes.
fn hash(line: &[u8]) -> (Sha256Hash, bool) {
    let Some(at) = line.len().checked_sub(SUFFIX) else { return (Sha256Hash::of(line), false) };
    let (body, suffix) = line.split_at(at);
    let mut hasher = Sha256::new();
    hasher.update(body);
    let own = Sha256Hash::finish(hasher.clone());
    hasher.update(suffix);
    let sealed = suffix
        .strip_prefix(SELF)
        .and_then(|rest| rest.strip_suffix(b"\"}"))
        .is_some_and(|digits| own.is_written_as(digits));
    (Sha256Hash::finish(hasher), sealed)
}

/// Finds a single zero byte whose line becomes sound with one bit set there: a bit that flipped,
/// or a byte that a power cut kept from the disk. Returns the byte's offset and value.
pub(super) fn lost_byte(line: &[u8]) -> Option<(usize, u8)> {
    let at = memchr::memchr(0, line)?;
    let mut whole = line.to_vec();
    (0..8).map(|bit| 1 << bit).find_map(|byte| {
        whole[at] = byte;
        hash(&whole).1.then_some((at, byte))
    })
}

/// Judges the text after the last newline: nothing, a complete line without its newline, or the
/// remains of a crash. Returns the length of the complete line.
pub(super) fn unfinished_line(tail: &[u8]) -> Option<usize> {
    // A flipped newline leaves one byte of garbage after an intact line.
    [tail.len(), tail.len().saturating_sub(1)].into_iter().find(|length| hash(&tail[..*length]).1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::archive::{NewRecord, Op};
    use crate::event::Timestamp;

    fn record() -> Record {
        NewRecord::new("2026-06-01T03:00:00Z".parse().unwrap(), Op::Mend)
            .linked(7, Sha256Hash::of(b"the line before"))
    }

    #[test]
    fn a_line_ends_with_the_hash_of_what_is_before_it() {
        let line = line(&record());
        let text = std::str::from_utf8(&line).unwrap();
        let (body, own) = text.split_once(",\"self\":\"").unwrap();
        assert_eq!(own, format!("{}\"}}", Sha256Hash::of(body.as_bytes())));
        assert!(body.ends_with(&format!("\"prev\":\"{}\"", record().prev)));
        let read = read(&line);
        assert_eq!(read.hash, Sha256Hash::of(&line));
        let found = read.record.unwrap();
        assert_eq!((found.seq, found.op, found.prev), (7, Op::Mend, record().prev));
    }

    #[test]
    fn every_byte_of_a_line_counts() {
        let line = line(&record());
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(read(&changed).record.unwrap_err().contains("not as it was written"), "{at}");
            assert!(read(&line[..at]).record.is_err(), "{at}");
            assert_eq!(read(&changed).hash, Sha256Hash::of(&changed), "the next line links to it");
        }
    }

    #[test]
    fn records_of_another_version_are_not_taken_for_ours() {
        let newer = Record { v: VERSION + 1, ..record() };
        let reason = read(&line(&newer)).record.unwrap_err();
        assert!(
            reason.starts_with("it has version 3; this program reads versions up to 2"),
            "{reason}"
        );
    }

    #[test]
    fn a_whole_line_without_its_newline_is_told_from_half_a_line() {
        let line = line(&record());
        assert_eq!(unfinished_line(&line), Some(line.len()));
        // A flipped newline.
        let garbage = [line.clone(), vec![0x0b]].concat();
        assert_eq!(unfinished_line(&garbage), Some(line.len()));
        for at in 0..line.len() {
            assert_eq!(unfinished_line(&line[..at]), None, "{at}");
        }
        assert_eq!(unfinished_line(&[line, vec![0; 2]].concat()), None);
    }

    fn sealed_line() -> Vec<u8> {
        let mut record = NewRecord::new(Timestamp::from_micros(0), Op::Hold);
        record.note = Some("a b@c".to_owned());
        line(&record.linked(1, Sha256Hash::ZERO))
    }

    #[test]
    fn a_byte_of_one_bit_that_is_lost_is_found_again_and_others_are_not() {
        let line = sealed_line();
        for at in 0..line.len() {
            let mut torn = line.clone();
            torn[at] = 0;
            let byte = line[at];
            let wanted = byte.is_power_of_two().then_some((at, byte));
            assert_eq!(lost_byte(&torn), wanted, "byte {at}, {:?}", char::from(byte));
        }
        assert_eq!(lost_byte(&line), None);
    }

    #[test]
    fn any_flipped_bit_breaks_the_seal() {
        let line = sealed_line();
        assert!(hash(&line).1);
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut flipped = line.clone();
                flipped[at] ^= 1 << bit;
                assert!(!hash(&flipped).1, "byte {at}, bit {bit}");
            }
        }
    }
}

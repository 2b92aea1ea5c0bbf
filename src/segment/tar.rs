//! Members of the tar: their headers, written and read back.
//!
//! A header follows from path, size and time alone, and a reader accepts exactly the bytes
//! that the writer makes: it takes a header apart, makes it anew and compares. So there is
//! no second way to read it (no other types, no contradicting PAX record, no odd number
//! format). The format is POSIX.1-1988 ustar, with a POSIX.1-2001 PAX header before it
//! where the path is too long for ustar.

use std::ops::Range;

use crate::event::{EventPath, Timestamp};

/// A tar is made of blocks of this size.
pub(super) const BLOCK: usize = 512;

const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;

/// The greatest modification time that eleven octal digits hold.
const MAX_MTIME: i64 = 0o77_777_777_777;

/// The modification time of a member in seconds: the event's own, or the day's start.
pub(super) fn mtime(path: &EventPath, timestamp: Option<Timestamp>) -> i64 {
    timestamp.unwrap_or_else(|| path.date.start()).seconds().clamp(0, MAX_MTIME)
}

/// Bytes that a member takes, with its headers and padding.
pub(super) fn member_bytes(path: &EventPath, size: usize) -> usize {
    header_bytes(&parts(path)) + size.next_multiple_of(BLOCK)
}

/// A member's path in the two parts of a ustar header.
struct Parts {
    prefix: String,
    name: String,
}

impl Parts {
    fn fits(&self) -> bool {
        self.prefix.len() <= PREFIX_BYTES && self.name.len() <= NAME_BYTES
    }

    fn pax_record(&self) -> String {
        // The number counts itself, too.
        let rest = format!(" path={}/{}\n", self.prefix, self.name);
        let mut length = rest.len();
        loop {
            let with_digits = rest.len() + length.to_string().len();
            if with_digits == length {
                return format!("{length}{rest}");
            }
            length = with_digits;
        }
    }
}

fn parts(path: &EventPath) -> Parts {
    Parts { prefix: format!("{}/{}", path.date, path.node), name: path.name.to_string() }
}

fn header_bytes(parts: &Parts) -> usize {
    if parts.fits() { BLOCK } else { 2 * BLOCK + parts.pax_record().len().next_multiple_of(BLOCK) }
}

/// Appends a member.
pub(super) fn append(out: &mut Vec<u8>, path: &EventPath, mtime: i64, bytes: &[u8]) {
    append_header(out, path, mtime, bytes.len());
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

fn append_header(out: &mut Vec<u8>, path: &EventPath, mtime: i64, size: usize) {
    let parts = parts(path);
    if !parts.fits() {
        let record = parts.pax_record();
        let pax = block("", "PaxHeader", mtime, record.len(), tar::EntryType::XHeader);
        out.extend_from_slice(&pax);
        out.extend_from_slice(record.as_bytes());
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    let prefix = cut(&parts.prefix, PREFIX_BYTES);
    let name = cut(&parts.name, NAME_BYTES);
    out.extend_from_slice(&block(prefix, name, mtime, size, tar::EntryType::Regular));
}

/// The first bytes of a text, at a character's boundary.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn block(prefix: &str, name: &str, mtime: i64, size: usize, kind: tar::EntryType) -> [u8; BLOCK] {
    let mut header = tar::Header::new_ustar();
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.name[..name.len()].copy_from_slice(name.as_bytes());
        ustar.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
    }
    header.set_mode(0o444);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size as u64);
    header.set_mtime(u64::try_from(mtime).unwrap_or(0));
    header.set_entry_type(kind);
    header.set_cksum();
    *header.as_bytes()
}

/// A member as it stands in a tar.
pub(super) struct Parsed {
    pub(super) path: EventPath,
    pub(super) mtime: i64,
    /// Where its bytes begin.
    pub(super) start: usize,
    pub(super) size: usize,
    /// Where the next member begins.
    pub(super) end: usize,
}

/// Reads the member that begins at `at`.
pub(super) fn parse(tar: &[u8], at: usize) -> Result<Parsed, String> {
    let first = header_at(tar, at)?;
    let (long_path, header_start) = if first.kind == b'x' {
        let start = at + BLOCK;
        let end = start.checked_add(first.size).filter(|end| *end <= tar.len());
        let record =
            end.and_then(|end| tar.get(start..end)).ok_or("it ends inside a PAX header")?;
        (Some(pax_path(record)?), start + first.size.next_multiple_of(BLOCK))
    } else {
        (None, at)
    };
    let header = if long_path.is_some() { header_at(tar, header_start)? } else { first };
    match header.kind {
        b'0' => {}
        kind => {
            return Err(format!(
                "a member of type \"{}\" is in it; only regular files belong into a segment",
                char::from(kind).escape_default()
            ));
        }
    }
    let text = match &long_path {
        Some(text) => text.as_str(),
        None => header.path.as_str(),
    };
    let path: EventPath =
        text.parse().map_err(|error| format!("a member's name is wrong: {error}"))?;
    let start = header_start + BLOCK;
    let mut expected = Vec::with_capacity(start - at);
    append_header(&mut expected, &path, header.mtime, header.size);
    if tar.get(at..start) != Some(expected.as_slice()) {
        return Err(format!("the tar header of {path} is not one that this format has"));
    }
    let end = start
        .checked_add(header.size.next_multiple_of(BLOCK))
        .filter(|end| *end <= tar.len())
        .ok_or_else(|| format!("the frame ends inside {path}"))?;
    if tar[start + header.size..end].iter().any(|byte| *byte != 0) {
        return Err(format!("there are bytes in the padding after {path}"));
    }
    Ok(Parsed { path, mtime: header.mtime, start, size: header.size, end })
}

/// Where the bytes of the member at `at` lie, and where the next member begins; `None` when
/// that cannot be told. Nothing else of it is checked.
pub(super) fn extent(tar: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let header = |at: usize| {
        let block = tar.get(at..at.checked_add(BLOCK)?)?;
        let size = block[124..135].iter().try_fold(0_usize, |size, digit| match digit {
            b'0'..=b'7' => Some(size.checked_mul(8)? + usize::from(digit - b'0')),
            _ => None,
        });
        Some((block[156], size?))
    };
    let (mut kind, mut size) = header(at)?;
    let mut start = at + BLOCK;
    if kind == b'x' {
        let next = start.checked_add(size.checked_next_multiple_of(BLOCK)?)?;
        (kind, size) = header(next)?;
        start = next + BLOCK;
    }
    let end = start.checked_add(size)?;
    let next = end.checked_next_multiple_of(BLOCK)?;
    (kind == b'0' && next <= tar.len()).then_some((start..end, next))
}

struct Header {
    path: String,
    size: usize,
    mtime: i64,
    kind: u8,
}

/// The fields that matter. Anything else wrong with a header shows when it is made anew.
fn header_at(tar: &[u8], at: usize) -> Result<Header, String> {
    let block = tar.get(at..at + BLOCK).ok_or("it ends inside a tar header")?;
    let text = |range: Range<usize>| {
        let field = &block[range];
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
        std::str::from_utf8(&field[..end]).map_err(|_| "a name in it is not UTF-8".to_owned())
    };
    let number = |range: Range<usize>| {
        let digits = text(range)?;
        u64::from_str_radix(digits, 8)
            .map_err(|_| "a tar header in it has a broken number".to_owned())
    };
    let size = number(124..136)?;
    if size > super::MAX_FRAME_BYTES {
        return Err(format!("a member in it claims to have {size} bytes"));
    }
    let (prefix, name) = (text(345..500)?, text(0..100)?);
    Ok(Header {
        path: if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") },
        size: size as usize,
        mtime: i64::try_from(number(136..148)?).unwrap_or(i64::MAX),
        kind: block[156],
    })
}

fn pax_path(record: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(record).map_err(|_| "a PAX header in it is not UTF-8")?;
    text.split_once(" path=")
        .and_then(|(_, path)| path.strip_suffix('\n'))
        .map(str::to_owned)
        .ok_or_else(|| "a PAX header in it has other records than a path".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;

    use super::*;

    /// A path whose two parts have these lengths.
    fn path(prefix: usize, name: usize) -> EventPath {
        let node = "n".repeat(prefix - "2026-05-16/".len());
        let name = format!("{}.json", "f".repeat(name - ".json".len()));
        format!("2026-05-16/{node}/{name}").parse().unwrap()
    }

    /// As another reader of tars sees it.
    fn seen(tar: &[u8]) -> (String, u32, u64, u64, u64, Vec<u8>) {
        let mut archive = tar::Archive::new(tar);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = entry.header();
        (
            entry.path().unwrap().display().to_string(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
            header.mtime().unwrap(),
            bytes,
        )
    }

    #[test]
    fn members_of_every_size_are_whole_blocks_and_read_back_by_others() {
        for size in [0, 1, 511, 512, 513, 1024] {
            let (path, bytes) = (path(20, 30), vec![b'x'; size]);
            let mut tar = Vec::new();
            append(&mut tar, &path, 1_778_925_601, &bytes);
            assert_eq!(tar.len(), member_bytes(&path, size));
            assert_eq!(tar.len(), BLOCK + size.div_ceil(BLOCK) * BLOCK);
            let wanted = (path.to_string(), 0o444, 0, 0, 1_778_925_601, bytes);
            assert_eq!(seen(&tar), wanted);
            let parsed = parse(&tar, 0).unwrap();
            assert_eq!((parsed.path, parsed.mtime), (path, 1_778_925_601));
            assert_eq!((parsed.start, parsed.size, parsed.end), (BLOCK, size, tar.len()));
        }
    }

    #[test]
    fn a_pax_header_comes_where_ustar_has_no_room_and_only_there() {
        for (prefix, name, blocks) in [
            (20, NAME_BYTES, 1),
            (20, NAME_BYTES + 1, 3),
            (PREFIX_BYTES, 30, 1),
            (PREFIX_BYTES + 1, 30, 3),
            (266, 255, 4),
        ] {
            let path = path(prefix, name);
            let mut tar = Vec::new();
            append(&mut tar, &path, 0, b"");
            assert_eq!((tar.len(), member_bytes(&path, 0)), (blocks * BLOCK, blocks * BLOCK));
            assert_eq!(seen(&tar).0, path.to_string());
            let parsed = parse(&tar, 0).unwrap();
            assert_eq!((parsed.path, parsed.start, parsed.end), (path, tar.len(), tar.len()));
        }
    }

    /// The number at the start of a PAX record counts its own digits.
    #[test]
    fn a_pax_record_says_its_own_length() {
        for length in [80, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 200] {
            let path = path(20, length);
            let record = parts(&path).pax_record();
            let (said, rest) = record.split_once(' ').unwrap();
            assert_eq!(said.parse(), Ok(record.len()));
            assert_eq!(rest, format!("path={path}\n"));
            assert_eq!(pax_path(record.as_bytes()), Ok(path.to_string()));
        }
        pax_path(b"20 mtime=1778925601\n").unwrap_err();
        pax_path(b"12 path=a\xff\n").unwrap_err();
    }

    #[test]
    fn the_time_of_a_member_is_its_events_or_its_days_within_what_a_header_holds() {
        let path = path(20, 30);
        let time = |text: &str| mtime(&path, Some(text.parse().unwrap()));
        assert_eq!(time("2026-05-16T10:11:12.999999Z"), 1_778_926_272);
        assert_eq!(mtime(&path, None), path.date.start().seconds());
        assert_eq!(time("1969-12-31T23:59:59Z"), 0);
        assert_eq!(time("9999-12-31T23:59:59Z"), 0o77_777_777_777);
    }
}

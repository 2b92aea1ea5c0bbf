//! Members of the tar: their headers, written and read back.
//!
//! A header follows from path, size and time alone, and a reader accepts exactly the bytes that
//! the writer makes: it parses a header, rebuilds it and compares. So there is no second way to
//! read it (no other types, no contradicting PAX record, no odd number format). The format is
//! POSIX.1-1988 ustar, with a POSIX.1-2001 PAX header before it where the path is too long for
//! ustar.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use crate::event::{EventPath, Malformed, PathRef, Timestamp, shown};

/// The size of a tar's blocks.
pub(super) const BLOCK: usize = 512;

/// The location of the header fields that differ between members.
const NAME: Range<usize> = 0..100;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const PREFIX: Range<usize> = 345..500;

/// The greatest modification time that eleven octal digits hold.
const MAX_MTIME: i64 = 0o77_777_777_777;

/// Returns the modification time of a member in seconds: that of the event, or the start of the
/// day.
pub(super) fn mtime(path: PathRef<'_>, timestamp: Option<Timestamp>) -> i64 {
    timestamp.unwrap_or_else(|| path.date().start()).seconds().clamp(0, MAX_MTIME)
}

/// Returns the number of bytes that a member takes, with its headers and padding.
pub(super) fn member_bytes(path: &EventPath, size: usize) -> usize {
    header_bytes(&parts(path.borrowed())) + size.next_multiple_of(BLOCK)
}

/// A member's path in the two parts of a ustar header.
struct PathParts<'a> {
    prefix: String,
    name: &'a str,
}

impl PathParts<'_> {
    fn fits(&self) -> bool {
        self.prefix.len() <= PREFIX.len() && self.name.len() <= NAME.len()
    }

    fn pax_record(&self) -> String {
        // The number includes its own digits.
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

fn parts(path: PathRef<'_>) -> PathParts<'_> {
    PathParts {
        prefix: [path.date().text().as_str(), "/", path.node()].concat(),
        name: path.name(),
    }
}

fn header_bytes(parts: &PathParts<'_>) -> usize {
    if parts.fits() { BLOCK } else { 2 * BLOCK + parts.pax_record().len().next_multiple_of(BLOCK) }
}

/// Appends a member.
pub(super) fn append(out: &mut Vec<u8>, path: PathRef<'_>, mtime: i64, bytes: &[u8]) {
    append_header(out, path, mtime, bytes.len());
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

fn append_header(out: &mut Vec<u8>, path: PathRef<'_>, mtime: i64, size: usize) {
    let parts = parts(path);
    if !parts.fits() {
        let record = parts.pax_record();
        out.extend_from_slice(&PAX.header("", "PaxHeader", mtime, record.len()));
        out.extend_from_slice(record.as_bytes());
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    let prefix = cut(&parts.prefix, PREFIX.len());
    let name = cut(parts.name, NAME.len());
    out.extend_from_slice(&REGULAR.header(prefix, name, mtime, size));
}

/// Returns the first `limit` bytes of a text, cut at a character boundary.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

static REGULAR: LazyLock<Template> = LazyLock::new(|| Template::new(tar::EntryType::Regular));
static PAX: LazyLock<Template> = LazyLock::new(|| Template::new(tar::EntryType::XHeader));

/// The bytes that all headers of a kind share.
struct Template {
    block: [u8; BLOCK],
    /// The sum of its bytes, with the checksum field as blanks.
    sum: u64,
}

impl Template {
    fn new(kind: tar::EntryType) -> Self {
        let mut header = tar::Header::new_ustar();
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.set_device_major(0);
            ustar.set_device_minor(0);
        }
        header.set_mode(0o444);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(kind);
        let mut block = *header.as_bytes();
        for field in [NAME, PREFIX, SIZE, MTIME] {
            block[field].fill(0);
        }
        block[CHECKSUM].fill(b' ');
        Self { block, sum: sum(&block) }
    }

    /// Returns a header. A day has one for each event, and each is rebuilt when it is read, so
    /// the fields are written directly.
    fn header(&self, prefix: &str, name: &str, mtime: i64, size: usize) -> [u8; BLOCK] {
        let mut block = self.block;
        block[NAME][..name.len()].copy_from_slice(name.as_bytes());
        block[PREFIX][..prefix.len()].copy_from_slice(prefix.as_bytes());
        octal(&mut block[SIZE], size as u64);
        octal(&mut block[MTIME], u64::try_from(mtime).unwrap_or(0));
        let fields = sum(name.as_bytes()) + sum(prefix.as_bytes());
        let sum = self.sum + fields + sum(&block[SIZE.start..MTIME.end]);
        octal(&mut block[CHECKSUM], sum);
        block
    }
}

fn sum(bytes: &[u8]) -> u64 {
    u64::from(bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>())
}

/// Fills a field with octal digits and a final zero byte.
fn octal(field: &mut [u8], mut number: u64) {
    if let Some((last, digits)) = field.split_last_mut() {
        *last = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (number & 7) as u8;
            number >>= 3;
        }
    }
}

/// A member as parsed from a tar.
pub(super) struct Parsed<'a> {
    pub(super) path: PathRef<'a>,
    pub(super) mtime: i64,
    /// The offset of its bytes.
    pub(super) start: usize,
    pub(super) size: usize,
    /// The offset of the next member.
    pub(super) end: usize,
}

/// Parses the member at `at`.
pub(super) fn parse(tar: &[u8], at: usize) -> Result<Parsed<'_>, String> {
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
    if header.kind != b'0' {
        return Err(format!(
            "a member of type \"{}\" is in it; only regular files belong into a segment",
            shown(char::from(header.kind).encode_utf8(&mut [0; 4]))
        ));
    }
    let foreign = |path: &str| format!("the tar header of {path} is not one that this format has");
    let start = header_start + BLOCK;
    let path = match (long_path, header.prefix.split_once('/')) {
        (Some(text), _) => PathRef::parse(text),
        (None, Some((date, node))) => PathRef::from_parts(date, node, header.name),
        (None, None) => {
            let joined = header.joined();
            let error = PathRef::parse(&joined).err();
            return Err(error.map_or_else(|| foreign(&joined), |error| wrong_name(&error)));
        }
    }
    .map_err(|error| wrong_name(&error))?;
    let is_ours = if long_path.is_none() {
        let made = REGULAR.header(header.prefix, header.name, header.mtime, header.size);
        tar[at..start] == made
    } else {
        let mut made = Vec::with_capacity(start - at);
        append_header(&mut made, path, header.mtime, header.size);
        tar.get(at..start) == Some(made.as_slice())
    };
    if !is_ours {
        return Err(foreign(&path.to_string()));
    }
    let end = start
        .checked_add(header.size.next_multiple_of(BLOCK))
        .filter(|end| *end <= tar.len())
        .ok_or_else(|| format!("the frame ends inside {path}"))?;
    let padding = &tar[start + header.size..end];
    if *padding != [0; BLOCK][..padding.len()] {
        return Err(format!("there are bytes in the padding after {path}"));
    }
    Ok(Parsed { path, mtime: header.mtime, start, size: header.size, end })
}

fn wrong_name(error: &Malformed) -> String {
    format!("a member's name is wrong: {error}")
}

/// Returns the range of the bytes of the member at `at`, and the offset of the next member;
/// `None` if it cannot be determined. Nothing else is checked.
pub(super) fn extent(tar: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let header = |at: usize| {
        let block = tar.get(at..at.checked_add(BLOCK)?)?;
        let size =
            block[SIZE.start..SIZE.end - 1].iter().try_fold(0_usize, |size, digit| match digit {
                b'0'..=b'7' => Some(size.checked_mul(8)? + usize::from(digit - b'0')),
                _ => None,
            });
        Some((block[KIND], size?))
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

struct Header<'a> {
    prefix: &'a str,
    name: &'a str,
    size: usize,
    mtime: i64,
    kind: u8,
}

impl Header<'_> {
    fn joined(&self) -> Cow<'_, str> {
        if self.prefix.is_empty() {
            Cow::Borrowed(self.name)
        } else {
            Cow::Owned(format!("{}/{}", self.prefix, self.name))
        }
    }
}

/// Returns the fields that matter. Any other fault of a header shows when it is rebuilt.
fn header_at(tar: &[u8], at: usize) -> Result<Header<'_>, String> {
    let block = tar.get(at..at + BLOCK).ok_or("it ends inside a tar header")?;
    let text = |range: Range<usize>| {
        let field = &block[range];
        let end = memchr::memchr(0, field).unwrap_or(field.len());
        std::str::from_utf8(&field[..end]).map_err(|_| "a name in it is not UTF-8")
    };
    let number = |range: Range<usize>| {
        // A field of digits ends with a zero byte.
        let digits = block[range].strip_suffix(&[0]).filter(|digits| !digits.is_empty());
        let number = digits.and_then(|digits| {
            digits.iter().try_fold(0_u64, |number, digit| match digit {
                b'0'..=b'7' => Some(8 * number + u64::from(digit - b'0')),
                _ => None,
            })
        });
        number.ok_or("a tar header in it has a broken number")
    };
    let size = number(SIZE)?;
    if size > super::MAX_FRAME_BYTES {
        return Err(format!("a member in it claims to have {size} bytes"));
    }
    Ok(Header {
        prefix: text(PREFIX)?,
        name: text(NAME)?,
        size: size as usize,
        mtime: i64::try_from(number(MTIME)?).unwrap_or(i64::MAX),
        kind: block[KIND],
    })
}

fn pax_path(record: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(record).map_err(|_| "a PAX header in it is not UTF-8")?;
    text.split_once(" path=")
        .and_then(|(_, path)| path.strip_suffix('\n'))
        .ok_or_else(|| "a PAX header in it has other records than a path".to_owned())
}

#[cfg(test)]
mod tests;

//! Reader for untrusted tars: regular files with their names, in order.
//!
//! It understands the tar formats of today (old and POSIX ustar headers, the long names of GNU, the
//! PAX records `path` and `size`) and trusts none of it. Names and PAX headers are bounded before
//! they are read, a file that is larger than any event is skipped, and a header whose checksum is
//! wrong ends the reading: what follows cannot be told from content. Links, devices, sparse files
//! and everything else are reported as what they are.

use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use tar::EntryType;

use crate::event::MAX_EVENT_BYTES;

const BLOCK: usize = 512;

/// The longest name, or PAX header, that is read, in bytes.
const MAX_NAME_BYTES: u64 = 64 << 10;

/// Maximum number of bytes that are skipped for one member. A tar that claims more is not worth the
/// time: a small file can decompress to any size.
const MAX_SKIP_BYTES: u64 = 1 << 30;

/// A member of a tar.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A complete file.
    File { path: PathBuf, bytes: Vec<u8>, mtime: Option<i64> },
    /// A member that cannot be an event, and what it is.
    Other { path: PathBuf, what: String },
}

/// The reason why a tar could not be read further.
#[derive(Debug)]
pub(super) enum Broken {
    /// The file is damaged, truncated, or not a tar.
    Tar(String),
    /// The disk failed.
    Io(io::Error),
}

/// A front-to-back reader of a tar.
pub(super) struct TarReader<R> {
    input: R,
    /// Data for the next header that came before it.
    long_name: Option<Vec<u8>>,
    pax: Pax,
    /// The name of the current member, for messages.
    at: PathBuf,
}

/// The PAX data of the next member.
#[derive(Debug, Default)]
struct Pax {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    mtime: Option<i64>,
}

/// The parts of a header that matter.
struct Header {
    kind: EntryType,
    size: u64,
    path: Vec<u8>,
    mtime: Option<i64>,
    /// True if a sparse file's map continues in further blocks.
    extended: bool,
}

impl<R: Read> TarReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, long_name: None, pax: Pax::default(), at: PathBuf::new() }
    }

    /// Returns the next member; `None` at the end of the tar.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Broken> {
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            match header.kind {
                EntryType::XHeader => {
                    let records = self.small(header.size, "a PAX header")?;
                    self.pax = pax(&records)?;
                }
                // A value for all members cannot be the name of one.
                EntryType::XGlobalHeader => drop(self.small(header.size, "a PAX header")?),
                EntryType::GNULongName => {
                    let mut name = self.small(header.size, "a long name")?;
                    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                    self.long_name = Some(name);
                }
                EntryType::GNULongLink => drop(self.small(header.size, "a long name")?),
                _ => {
                    if let Some(member) = self.member(header)? {
                        return Ok(Some(member));
                    }
                }
            }
        }
    }

    /// Returns a member; directories are skipped.
    fn member(&mut self, header: Header) -> Result<Option<Member>, Broken> {
        let pax = std::mem::take(&mut self.pax);
        let name = self.long_name.take().or(pax.path).unwrap_or(header.path);
        let path = PathBuf::from(std::ffi::OsString::from_vec(name));
        self.at.clone_from(&path);
        let size = pax.size.unwrap_or(header.size);
        let what = match header.kind {
            EntryType::Regular | EntryType::Continuous if !pax.sparse => {
                if size > MAX_EVENT_BYTES {
                    self.skip(size)?;
                    let what = format!("it has {size} bytes, more than any event");
                    return Ok(Some(Member::Other { path, what }));
                }
                let bytes = self.content(size)?;
                return Ok(Some(Member::File { path, bytes, mtime: pax.mtime.or(header.mtime) }));
            }
            EntryType::Directory => {
                self.skip(size)?;
                return Ok(None);
            }
            // As GNU tar reads them: without content, whatever their size says.
            EntryType::Link => "it is a hard link",
            EntryType::Symlink => "it is a symbolic link",
            EntryType::Char => "it is a character device",
            EntryType::Block => "it is a block device",
            EntryType::Fifo => "it is a FIFO",
            EntryType::GNUSparse => {
                let mut extended = header.extended;
                while extended {
                    extended = self.block()?.ok_or_else(|| self.cut())?[504] != 0;
                }
                self.skip(size)?;
                "it is a sparse file"
            }
            EntryType::Regular | EntryType::Continuous => {
                self.skip(size)?;
                "it is a sparse file"
            }
            _ => {
                self.skip(size)?;
                "it is not an entry type that tars hold"
            }
        };
        Ok(Some(Member::Other { path, what: what.to_owned() }))
    }

    fn header(&mut self) -> Result<Option<Header>, Broken> {
        let Some(block) = self.block()? else {
            // Some tars lack their two blocks of zeros; half a member is not accepted.
            return if self.pax.is_empty() && self.long_name.is_none() {
                Ok(None)
            } else {
                Err(self.cut())
            };
        };
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = tar::Header::from_byte_slice(&block);
        if !has_checksum(header) {
            return Err(Broken::Tar(if self.at.as_os_str().is_empty() {
                "it is not a tar: its first header is wrong".to_owned()
            } else {
                format!("the header after {} is damaged; what follows was not read", self.shown())
            }));
        }
        let size = header.entry_size().map_err(|_| {
            Broken::Tar(format!("the size in the header after {} is not a number", self.shown()))
        })?;
        let kind = header.entry_type();
        Ok(Some(Header {
            kind,
            size,
            path: header.path_bytes().into_owned(),
            mtime: header.mtime().ok().and_then(|mtime| i64::try_from(mtime).ok()),
            extended: header.as_gnu().is_some_and(tar::GnuHeader::is_extended),
        }))
    }

    /// Reads one block; `None` at the end of the input.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, Broken> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(self.cut()),
                Ok(count) => filled += count,
                Err(error) => self.retry(error)?,
            }
        }
        Ok(Some(block))
    }

    fn content(&mut self, size: u64) -> Result<Vec<u8>, Broken> {
        let mut bytes = Vec::new();
        // It grows with the actual data, not with what a header claims.
        let read = Read::by_ref(&mut self.input).take(size).read_to_end(&mut bytes);
        read.or_else(|error| self.retry(error).map(|()| 0))?;
        if (bytes.len() as u64) < size {
            return Err(self.cut());
        }
        self.skip_exactly(padding(size))?;
        Ok(bytes)
    }

    fn small(&mut self, size: u64, what: &str) -> Result<Vec<u8>, Broken> {
        if size > MAX_NAME_BYTES {
            return Err(Broken::Tar(format!(
                "{what} after {} has {size} bytes; what follows was not read",
                self.shown()
            )));
        }
        self.content(size)
    }

    fn skip(&mut self, size: u64) -> Result<(), Broken> {
        if size > MAX_SKIP_BYTES {
            return Err(Broken::Tar(format!(
                "{} claims to have {size} bytes; what follows it was not read",
                self.shown()
            )));
        }
        self.skip_exactly(size + padding(size))
    }

    fn skip_exactly(&mut self, bytes: u64) -> Result<(), Broken> {
        let skipped = io::copy(&mut Read::by_ref(&mut self.input).take(bytes), &mut io::sink());
        match skipped {
            Ok(skipped) if skipped == bytes => Ok(()),
            Ok(_) => Err(self.cut()),
            Err(error) => Err(self.broken(error)),
        }
    }

    fn retry(&self, error: io::Error) -> Result<(), Broken> {
        if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(self.broken(error)) }
    }

    /// Classifies an error: a decompressor's complaint is the file's fault, all else the disk's.
    fn broken(&self, error: io::Error) -> Broken {
        if error.raw_os_error().is_some() {
            return Broken::Io(error);
        }
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.cut();
        }
        Broken::Tar(format!("it cannot be decompressed after {}: {error}", self.shown()))
    }

    fn cut(&self) -> Broken {
        Broken::Tar(format!(
            "it is cut off after {}; everything before it is complete",
            self.shown()
        ))
    }

    fn shown(&self) -> String {
        if self.at.as_os_str().is_empty() {
            return "its beginning".to_owned();
        }
        crate::event::shown(&self.at.to_string_lossy())
    }
}

impl Pax {
    fn is_empty(&self) -> bool {
        self.path.is_none() && self.size.is_none() && !self.sparse && self.mtime.is_none()
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

/// Reports whether a header's checksum is right, over signed or unsigned bytes, as tars have both.
fn has_checksum(header: &tar::Header) -> bool {
    let Ok(told) = header.cksum() else { return false };
    let bytes = header.as_bytes();
    let others = || bytes[..148].iter().chain(&bytes[156..]);
    let unsigned: u32 = others().map(|byte| u32::from(*byte)).sum::<u32>() + 8 * 32;
    let signed: i64 = others().map(|byte| i64::from(*byte as i8)).sum::<i64>() + 8 * 32;
    told == unsigned || i64::from(told) == signed
}

/// Parses the records of a PAX header, `LENGTH KEY=VALUE\n` each.
fn pax(records: &[u8]) -> Result<Pax, Broken> {
    let wrong =
        || Broken::Tar("a PAX header in it is damaged; what follows was not read".to_owned());
    let mut pax = Pax::default();
    let mut rest = records;
    while !rest.is_empty() {
        let space = memchr::memchr(b' ', rest).ok_or_else(wrong)?;
        let number = |bytes: &[u8]| std::str::from_utf8(bytes).ok()?.parse::<u64>().ok();
        let length = number(&rest[..space]).ok_or_else(wrong)? as usize;
        let record = rest.get(space + 1..length).ok_or_else(wrong)?;
        let record = record.strip_suffix(b"\n").ok_or_else(wrong)?;
        rest = &rest[length..];
        let equals = memchr::memchr(b'=', record).ok_or_else(wrong)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => pax.path = Some(value.to_vec()),
            b"size" => pax.size = Some(number(value).ok_or_else(wrong)?),
            b"mtime" => {
                let whole = value.split(|byte| *byte == b'.').next().unwrap_or_default();
                pax.mtime = number(whole).and_then(|seconds| i64::try_from(seconds).ok());
            }
            _ => pax.sparse |= key.starts_with(b"GNU.sparse."),
        }
    }
    Ok(pax)
}

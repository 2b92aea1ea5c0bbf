//! The segments of an archive, as far as a query needs them, and a file that saves readers from
//! reading the older part of the manifest.
//!
//! A manifest grows by a line for each action, and reading and checking all of it takes longer
//! the older an archive is. The file `overview` holds what a query needs of the lines up to one
//! of them: a row for each segment. It names that line by its offset and its hash, so a reader
//! can tell that it belongs to this manifest, and continues from there with the later lines. It
//! is derived and may be removed at any time: a file that is not sound, or does not belong,
//! counts as missing, and the whole manifest is read. Writers never use it: they rebuild it from
//! the manifest and replace one that differs; `verify` reports such a one.

use std::fs::File;
use std::io::Read;

use super::layout::{MANIFEST, OVERVIEW};
use super::manifest::Stamp;
use super::{ArchiveDir, ArchiveLock, Expired, Manifest, Op, Record, SegmentName};
use crate::event::{Date, Timestamp};
use crate::fs;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// "HLOV" and the version.
const MAGIC: [u8; 8] = *b"HLOV\x01\0\0\0";

/// The number of records below which a manifest is read in full.
const MIN_RECORDS: usize = 256;

/// The largest valid file, in bytes: three million segments need less.
const MAX_BYTES: u64 = 256 << 20;

const HEADER_BYTES: usize = 80;
const ROW_BYTES: usize = 72;
const HASH_BYTES: usize = 32;

/// The day that the rows count from.
const EPOCH: &str = "1970-01-01";

/// A segment, as far as a query needs it without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    /// The name.
    pub name: SegmentName,
    /// The SHA-256 of its file, if it was recorded.
    pub sha256: Option<Sha256Hash>,
    /// The earliest timestamp in it.
    pub first: Option<Timestamp>,
    /// The latest timestamp in it.
    pub last: Option<Timestamp>,
    /// The number of events in it.
    pub events: u64,
    /// True if its file was evicted to the remote.
    pub evicted: bool,
    /// The segments that it replaced, if that was recorded recently.
    pub supersedes: Vec<SegmentName>,
}

impl SegmentRow {
    fn of(name: &SegmentName, record: &Record) -> Self {
        let (first, last) = record.span();
        Self {
            name: name.clone(),
            sha256: record.sha256,
            first,
            last,
            events: record.events.unwrap_or(0),
            evicted: false,
            supersedes: record.supersedes.clone().unwrap_or_default(),
        }
    }
}

/// The segments of an archive: those that are in it, and those that expired.
#[derive(Debug, Default)]
pub struct Overview {
    /// The segments in the archive, by name.
    segments: Vec<SegmentRow>,
    /// The expired segments, in the order in which they expired; some may be in the archive
    /// again.
    expired: Vec<SegmentRow>,
    stamp: Option<Stamp>,
    /// True if it was read from the manifest alone, and must be again.
    by_manifest: bool,
}

/// The file's link to its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OverviewHeader {
    /// The number of records that the rows follow from.
    records: u64,
    /// The offset of the last of them, and the number of bytes up to its end, newline included.
    last_line: u64,
    bytes: u64,
    /// The hash of that line.
    head: Sha256Hash,
    segments: u64,
    expired: u64,
}

impl Overview {
    /// Reads what a query needs of an archive. Damage in the part of the manifest that is read is
    /// an [`Error::Corrupt`], as it is for [`Manifest::load`].
    pub fn load(archive: &ArchiveDir) -> Result<Self> {
        match Self::read(archive) {
            Some(overview) => Ok(overview),
            None => Ok(Self::of(&Manifest::load(archive)?)),
        }
    }

    /// Builds the overview of a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        Self { stamp: manifest.stamp(), ..Self::of_records(manifest.records()) }
    }

    /// Reads the manifest itself and nothing derived from it.
    pub fn of_archive(archive: &ArchiveDir) -> Result<Self> {
        Ok(Self { by_manifest: true, ..Self::of(&Manifest::load(archive)?) })
    }

    pub(crate) fn of_records(records: &[Record]) -> Self {
        let mut overview = Self::default();
        for record in records {
            overview.add(record);
        }
        overview
    }

    fn position(&self, name: &SegmentName) -> Result<usize, usize> {
        self.segments.binary_search_by(|row| row.name.cmp(name))
    }

    /// Applies the next record.
    fn add(&mut self, record: &Record) {
        let Some(name) = &record.segment else { return };
        match record.op {
            Op::Rotate | Op::Import | Op::Compact => {
                for old in record.supersedes.iter().flatten() {
                    if let Ok(at) = self.position(old) {
                        self.segments.remove(at);
                    }
                }
                let row = SegmentRow::of(name, record);
                match self.position(name) {
                    Ok(at) => self.segments[at] = row,
                    Err(at) => self.segments.insert(at, row),
                }
            }
            Op::Prune => {
                if let Ok(at) = self.position(name) {
                    self.segments.remove(at);
                }
                self.expired.push(SegmentRow::of(name, record));
            }
            Op::Evict => {
                if let Ok(at) = self.position(name)
                    && self.segments[at].sha256 == record.sha256
                {
                    self.segments[at].evicted = true;
                }
            }
            _ => {}
        }
    }

    /// Returns the segments that are in the archive, by name.
    pub fn segments(&self) -> &[SegmentRow] {
        &self.segments
    }

    /// Returns the segments of one day.
    pub fn segments_of(&self, date: Date) -> &[SegmentRow] {
        let from = self.segments.partition_point(|row| row.name.date < date);
        let to = self.segments.partition_point(|row| row.name.date <= date);
        &self.segments[from..to]
    }

    /// Reports whether a segment is in the archive.
    pub fn names(&self, name: &SegmentName) -> bool {
        self.position(name).is_ok()
    }

    /// Returns the segments that expired, oldest first.
    pub fn expired(&self) -> impl Iterator<Item = &SegmentRow> {
        self.expired.iter().filter(|row| !self.names(&row.name))
    }

    /// Reloads if the manifest's file has changed; returns whether it did.
    pub fn reload_if_changed(&mut self, archive: &ArchiveDir) -> Result<bool> {
        if Manifest::stamp_now(archive)? == self.stamp {
            return Ok(false);
        }
        *self = if self.by_manifest { Self::of_archive(archive)? } else { Self::load(archive)? };
        Ok(true)
    }

    /// Returns the rows of the file, extended by the manifest's later lines; `None` unless both
    /// are sound and belong together.
    fn read(archive: &ArchiveDir) -> Option<Self> {
        let (header, mut overview) = decode(&text_of(archive)?)?;
        let manifest = newer(archive, &header)?;
        overview.stamp = manifest.stamp();
        for record in manifest.records() {
            overview.add(record);
        }
        Some(overview)
    }
}

impl Expired {
    /// Sums up rows of expired segments; `None` if there are none.
    pub fn of_rows<'a>(rows: impl Iterator<Item = &'a SegmentRow>) -> Option<Self> {
        Self::sum(rows.map(|row| (Some(row.name.date), row.events)))
    }
}

/// Brings the file in line with the manifest. A short manifest needs none, and so gets none.
pub fn refresh(
    archive: &ArchiveDir,
    manifest: &Manifest,
    token: u64,
    _lock: &ArchiveLock,
) -> Result<()> {
    write(archive, manifest, token, MIN_RECORDS)
}

fn write(archive: &ArchiveDir, manifest: &Manifest, token: u64, min: usize) -> Result<()> {
    if manifest.torn().is_some() {
        return Ok(());
    }
    if manifest.records().len() < min {
        return archive.dir().remove(OVERVIEW).map(drop);
    }
    let Some(line) = last_line(archive, manifest)? else { return Ok(()) };
    let records = manifest.records();
    let Some(text) = made_of(records, line, manifest.head()) else { return Ok(()) };
    if text_of(archive).is_some_and(|there| there == text) {
        return Ok(());
    }
    archive.stage(token, &mut &text[..])?.replace(OVERVIEW)
}

/// Reports whether the file tells readers something that the manifest does not say.
pub(crate) fn is_false(archive: &ArchiveDir, manifest: &Manifest) -> Result<bool> {
    let Some(text) = text_of(archive) else { return Ok(false) };
    // An unsound file, or one of another manifest, is not used by anyone.
    let Some((header, _)) = decode(&text) else { return Ok(false) };
    if newer(archive, &header).is_none() {
        return Ok(false);
    }
    let now;
    let mut manifest = manifest;
    if (manifest.records().len() as u64) < header.records {
        // The manifest may have grown since.
        now = Manifest::load(archive)?;
        manifest = &now;
    }
    let Some(head) = manifest.hash_at(header.records) else { return Ok(true) };
    let records = &manifest.records()[..header.records as usize];
    Ok(made_of(records, (header.last_line, header.bytes), head) != Some(text)
        || !is_line(archive, &header)?)
}

/// Returns the file that covers these records, the last of which is at `line` and has the hash
/// `head`.
fn made_of(records: &[Record], line: (u64, u64), head: Sha256Hash) -> Option<Vec<u8>> {
    let overview = Overview::of_records(records);
    let header = OverviewHeader {
        records: records.len() as u64,
        last_line: line.0,
        bytes: line.1,
        head,
        segments: overview.segments.len() as u64,
        expired: overview.expired.len() as u64,
    };
    encode(&header, &overview)
}

/// Returns the file's text, if there is one.
fn text_of(archive: &ArchiveDir) -> Option<Vec<u8>> {
    let file = fs::open_regular(archive.fd(), OVERVIEW).ok()?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    Some(text)
}

/// Returns the later lines of the manifest; `None` unless file and manifest belong together.
fn newer(archive: &ArchiveDir, header: &OverviewHeader) -> Option<Manifest> {
    let OverviewHeader { records, last_line, bytes, head, .. } = *header;
    Manifest::load_after(archive, last_line, bytes, records, head)
}

/// Reports whether the manifest has as many lines as the file covers, up to the end of the last
/// of them.
fn is_line(archive: &ArchiveDir, header: &OverviewHeader) -> Result<bool> {
    let path = archive.manifest_path();
    let failed = |error| Error::io(&path, "read", error);
    let file = fs::open_regular(archive.fd(), MANIFEST).map_err(failed)?;
    let (mut rest, mut lines) = (file.take(header.bytes), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match rest.read(&mut buffer).map_err(failed)? {
            0 => return Ok(lines == header.records),
            read => lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64,
        }
    }
}

/// Returns the start and end of the manifest's last line; `None` if the file has been replaced
/// since it was read.
pub(super) fn last_line(archive: &ArchiveDir, manifest: &Manifest) -> Result<Option<(u64, u64)>> {
    let path = archive.manifest_path();
    let failed = |error| Error::io(&path, "read", error);
    let file: File = fs::open_regular(archive.fd(), MANIFEST).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut wanted = 64 << 10_u64;
    loop {
        let from = bytes.saturating_sub(wanted);
        let mut tail = vec![0; (bytes - from) as usize];
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut tail, from).map_err(failed)?;
        let Some(text) = tail.strip_suffix(b"\n") else { return Ok(None) };
        match memchr::memrchr(b'\n', text) {
            Some(at) => {
                let is_last = Sha256Hash::of(&text[at + 1..]) == manifest.head();
                return Ok(is_last.then_some((from + at as u64 + 1, bytes)));
            }
            // It is the first line.
            None if from == 0 => {
                let is_last = Sha256Hash::of(text) == manifest.head();
                return Ok(is_last.then_some((0, bytes)));
            }
            None => wanted *= 8,
        }
    }
}

fn days(date: Date) -> Option<i32> {
    let epoch: Date = EPOCH.parse().ok()?;
    i32::try_from(date.days_since(epoch)).ok()
}

fn date(days: i32) -> Option<Date> {
    let epoch: Date = EPOCH.parse().ok()?;
    Some(epoch.plus_days(i64::from(days)))
}

/// The flags of a row.
const HAS_SHA256: u8 = 1;
const HAS_FIRST: u8 = 2;
const HAS_LAST: u8 = 4;
const EVICTED: u8 = 8;

fn encode(header: &OverviewHeader, overview: &Overview) -> Option<Vec<u8>> {
    let mut classes: Vec<&str> = Vec::new();
    let rows = || overview.segments.iter().chain(&overview.expired);
    for class in rows().filter_map(|row| row.name.class.as_deref()) {
        if !classes.contains(&class) {
            classes.push(class);
        }
    }
    let mut text = Vec::with_capacity(HEADER_BYTES + rows().count() * ROW_BYTES + 1024);
    text.extend_from_slice(&MAGIC);
    for number in [header.records, header.last_line, header.bytes, header.segments, header.expired]
    {
        text.extend_from_slice(&number.to_le_bytes());
    }
    text.extend_from_slice(&header.head.0);
    text.push(u8::try_from(classes.len()).ok()?);
    for class in &classes {
        text.push(u8::try_from(class.len()).ok()?);
        text.extend_from_slice(class.as_bytes());
    }
    for row in rows() {
        let class = row.name.class.as_deref();
        let class = class.and_then(|class| classes.iter().position(|known| *known == class));
        let mut flags = 0;
        for (flag, is) in [
            (HAS_SHA256, row.sha256.is_some()),
            (HAS_FIRST, row.first.is_some()),
            (HAS_LAST, row.last.is_some()),
            (EVICTED, row.evicted),
        ] {
            flags |= if is { flag } else { 0 };
        }
        text.extend_from_slice(&days(row.name.date)?.to_le_bytes());
        text.extend_from_slice(&row.name.number.to_le_bytes());
        text.push(class.map_or(0, |at| at as u8 + 1));
        text.push(flags);
        text.extend_from_slice(&[0; 6]);
        text.extend_from_slice(&row.sha256.unwrap_or(Sha256Hash::ZERO).0);
        for time in [row.first, row.last] {
            text.extend_from_slice(&time.map_or(0, Timestamp::micros).to_le_bytes());
        }
        text.extend_from_slice(&row.events.to_le_bytes());
    }
    let own = Sha256Hash::of(&text);
    text.extend_from_slice(&own.0);
    Some(text)
}

fn decode(text: &[u8]) -> Option<(OverviewHeader, Overview)> {
    let (body, own) = text.split_at_checked(text.len().checked_sub(HASH_BYTES)?)?;
    if !body.starts_with(&MAGIC) || Sha256Hash::of(body).0 != own {
        return None;
    }
    let mut rest = Bytes(body.get(MAGIC.len()..)?);
    let (records, last_line, bytes) = (rest.u64()?, rest.u64()?, rest.u64()?);
    let (segments, expired) = (rest.u64()?, rest.u64()?);
    let head = Sha256Hash(rest.array()?);
    let header = OverviewHeader { records, last_line, bytes, head, segments, expired };
    let mut classes = Vec::new();
    for _ in 0..rest.array::<1>()?[0] {
        let len = usize::from(rest.array::<1>()?[0]);
        classes.push(std::str::from_utf8(rest.take(len)?).ok()?.to_owned());
    }
    let count = segments.checked_add(expired)?;
    if count.checked_mul(ROW_BYTES as u64)? != rest.0.len() as u64 {
        return None;
    }
    let mut rows = Vec::with_capacity(usize::try_from(count).ok()?);
    for row in rest.0.chunks_exact(ROW_BYTES) {
        rows.push(decode_row(&mut Bytes(row), &classes)?);
    }
    let expired = rows.split_off(usize::try_from(segments).ok()?);
    let is_sorted = rows.windows(2).all(|pair| pair[0].name < pair[1].name);
    is_sorted.then_some((header, Overview { segments: rows, expired, ..Overview::default() }))
}

fn decode_row(row: &mut Bytes<'_>, classes: &[String]) -> Option<SegmentRow> {
    let date = date(i32::from_le_bytes(row.array()?))?;
    let number = u32::from_le_bytes(row.array()?);
    let [class, flags] = row.array()?;
    let class = match usize::from(class).checked_sub(1) {
        Some(at) => Some(classes.get(at)?.clone()),
        None => None,
    };
    row.take(6)?;
    let sha256 = Sha256Hash(row.array()?);
    let mut time = |flag| {
        let micros = i64::from_le_bytes(row.array()?);
        Some((flags & flag != 0).then(|| Timestamp::from_micros(micros)))
    };
    let (first, last) = (time(HAS_FIRST)?, time(HAS_LAST)?);
    Some(SegmentRow {
        name: SegmentName { date, number, class },
        sha256: (flags & HAS_SHA256 != 0).then_some(sha256),
        first,
        last,
        events: row.u64()?,
        evicted: flags & EVICTED != 0,
        supersedes: Vec::new(),
    })
}

/// Bytes that are consumed from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;

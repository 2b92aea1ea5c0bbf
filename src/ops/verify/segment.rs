//! Checks of one segment: in full, or by its index, its stub and what derived files say of it.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::archive::catalogue::{self, Checksums};
use crate::archive::words::Listed;
use crate::archive::{ArchiveDir, Record, SegmentName};
use crate::progress::Progress;
use crate::segment::{SegmentReader, SegmentSummary, check_showing};
use crate::{Error, Result};

const OTHER_ENTRY: &str = "the catalogue differs from its index, so a trace may miss it; the next \
                           rotate rebuilds the catalogue";

const OTHER_WORDS: &str = "the file \"words\" lacks words of its events, so a search may miss it; the \
                           next rotate rebuilds that file";

pub(super) const OTHER_STUB: &str = "its stub differs from its record, so events in it may be missed; \
                          \"hlarchive remote pull\" recreates it";

pub(super) fn verify_checksum_file(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    findings: &mut Vec<String>,
) -> Result<()> {
    let Some(sha256) = record.sha256 else {
        findings.push("its record has no sha256".to_owned());
        return Ok(());
    };
    let expected = ArchiveDir::checksum_text(name, &sha256);
    match archive.read_checksum(name)? {
        None => findings.push(format!("its checksum file {}.sha256 is missing", name.file_name())),
        Some(text) if text != expected.as_bytes() => findings.push(format!(
            "its checksum file {}.sha256 differs from the manifest's record",
            name.file_name()
        )),
        Some(_) => {}
    }
    Ok(())
}

/// Checks that a stub says of its segment what the manifest says. Nothing is fetched: remote data
/// is checked by "remote verify".
pub(super) fn verify_stub(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    eviction: &Record,
    findings: &mut Vec<String>,
) -> Result<()> {
    let Some(stub) = archive.read_stub(name)? else {
        findings.push(
            "it is remote, but its stub is missing; \"hlarchive remote pull\" recreates it"
                .to_owned(),
        );
        return Ok(());
    };
    if Some(stub.bytes) != record.bytes
        || Some(stub.sha256) != record.sha256
        || Some(&stub.object) != eviction.object.as_ref()
        || eviction.tail.is_some_and(|tail| tail != stub.tail_sha256())
    {
        findings.push(OTHER_STUB.to_owned());
    }
    verify_quick(archive, name, record, findings)
}

/// Reads a segment in full. Returns what is wrong with it.
pub(super) fn verify_whole(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    listed: &Listed,
    progress: &dyn Progress,
) -> Result<Vec<String>> {
    let path = archive.segment_path(name);
    if !archive.has_file(name)? {
        return Err(no_file(&path));
    }
    let file = archive.open_segment(name)?;
    let lacks_words = AtomicBool::new(false);
    let report =
        check_showing(&file, &path, &|bytes| progress.advance(bytes), &|number, frame| {
            let is_false =
                record.sha256.is_some_and(|sha256| listed.lacks_words(sha256, number, frame));
            lacks_words.fetch_or(is_false, Ordering::Relaxed);
        })?;
    let mut findings = report.findings;
    if lacks_words.into_inner() {
        findings.push(OTHER_WORDS.to_owned());
    }
    if report.date.is_some_and(|date| date != name.date) {
        findings.push("its events are of another day than its name says".to_owned());
    }
    if let Some(summary) = report.summary {
        compare(record, &summary, &mut findings);
    }
    Ok(findings)
}

/// Returns the error for a missing file: a stub does not make up for a file that was not evicted.
fn no_file(path: &std::path::Path) -> Error {
    Error::io(path, "open", std::io::ErrorKind::NotFound)
}

/// Checks the segment's entry in the catalogue, if there is one, against its index.
pub(super) fn verify_entry(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    catalogued: &Checksums,
    findings: &mut Vec<String>,
) -> Result<()> {
    let Some(sha256) = record.sha256 else { return Ok(()) };
    let Some(checksums) = catalogued.get(&sha256) else { return Ok(()) };
    let reader = SegmentReader::open_day(
        archive.open_segment(name)?,
        &archive.segment_path(name),
        name.date,
    )?;
    // A segment without its index was reported already.
    let Some(index) = reader.index() else { return Ok(()) };
    // Any of several entries would be enough to skip the segment.
    for checksum in checksums {
        if !catalogue::is_entry_of(*checksum, sha256, index)? {
            findings.push(OTHER_ENTRY.to_owned());
            break;
        }
    }
    Ok(())
}

/// Compares the record with the contents of the segment.
fn compare(record: &Record, summary: &SegmentSummary, findings: &mut Vec<String>) {
    let mut same = |what: &str, same: bool| {
        if !same {
            findings.push(format!("its {what} differs from the manifest's record"));
        }
    };
    same("SHA-256", record.sha256 == Some(summary.sha256));
    same("size", record.bytes == Some(summary.bytes));
    same("number of events", record.events == Some(summary.events));
    same("number of invalid files", record.invalid == Some(summary.invalid));
    same("count by node", record.nodes.as_ref() == Some(&summary.nodes));
    same("first timestamp", record.first == summary.first);
    same("last timestamp", record.last == summary.last);
    same("content digest", record.content == Some(summary.content));
}

pub(super) fn verify_quick(
    archive: &ArchiveDir,
    name: &SegmentName,
    record: &Record,
    findings: &mut Vec<String>,
) -> Result<()> {
    let path = archive.segment_path(name);
    let file = archive.open_segment(name)?;
    let bytes = file.len().map_err(|error| Error::io(&path, "read", error))?;
    if record.bytes != Some(bytes) {
        findings.push(format!("it has {bytes} bytes, which differs from the manifest's record"));
    }
    let reader = SegmentReader::open_day(file, &path, name.date)?;
    if let Some(damage) = reader.damage() {
        findings.push(damage.to_owned());
    }
    if let Some(index) = reader.index() {
        let mut same = |what: &str, same: bool| {
            if !same {
                findings
                    .push(format!("the {what} in its index differs from the manifest's record"));
            }
        };
        same("number of events", record.events == Some(index.events()));
        same("number of invalid files", record.invalid == Some(index.invalid()));
        same("first timestamp", record.first == index.first());
        same("last timestamp", record.last == index.last());
        same("content digest", record.content == Some(index.content()));
    }
    Ok(())
}

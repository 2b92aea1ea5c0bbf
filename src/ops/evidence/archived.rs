//! The segments that hold the events, the manifest that vouches for them, and its signature.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::{EvidenceManifest, EvidenceSegment};
use crate::archive::{ArchiveDir, Head, Manifest, Record, SegmentName};
use crate::ops::Finding;
use crate::progress::Unit;
use crate::segment::SegmentBytes;
use crate::{Error, Result};

/// Size of a copied chunk, of a local file or a remote one, in bytes.
const CHUNK_BYTES: usize = 1 << 20;
const AWAY_BYTES: usize = 8 << 20;

/// Number of tries to find segments that other runs move meanwhile.
const TRIES: usize = 10;

/// The directory's folder of segments.
pub(super) const SEGMENTS: &str = "segments";

/// The manifest's copy.
pub(super) const MANIFEST: &str = "manifest/manifest.jsonl";

/// Returns the name of the list of the events in a segment.
pub(super) fn list_of(segment: &SegmentName) -> String {
    format!("{SEGMENTS}/{}.events", segment.file_name())
}

/// The outcome of copying a segment.
enum Copied {
    Done,
    /// It no longer exists.
    Gone,
}

impl Run<'_> {
    /// Copies the segments, the manifest and the signature, if there is an archive.
    pub(super) fn archived(&mut self) -> Result<()> {
        let (archive, _) = self.store.readable_archive()?;
        let Some(archive) = archive else { return Ok(()) };
        let mut manifest = Manifest::load(&archive)?;
        if manifest.records().is_empty() {
            return Ok(());
        }
        self.segments(&archive, &mut manifest)?;
        if self.outlet.is_none() {
            return Ok(());
        }
        if !archive.peers()?.is_empty() {
            self.report.remarks.push(Finding::new(
                archive.root().join("remote").display().to_string(),
                "other hosts' archives are mirrored here, and are not part of this: ask them there",
            ));
        }
        let mut text = manifest.text(&archive);
        // It was rebuilt meanwhile; what it says of the copied segments stays.
        for _ in 0..TRIES {
            if !matches!(text, Err(Error::Refused(_))) {
                break;
            }
            manifest = Manifest::load(&archive)?;
            text = manifest.text(&archive);
        }
        let text = text?;
        let outlet = self.outlet()?;
        outlet.write(MANIFEST, &text)?;
        outlet.write("head", format!("{}\n", manifest.head()).as_bytes())?;
        self.report.manifest = Some(EvidenceManifest {
            records: manifest.records().len() as u64,
            head: manifest.head(),
        });
        self.signature(&archive, &manifest)
    }

    /// Returns the segments to copy, by their names in the manifest: those of the requested days,
    /// those with matching events, and those that could not be read in full.
    fn wanted(&mut self, archive: &ArchiveDir, manifest: &Manifest) -> BTreeSet<SegmentName> {
        let damaged = manifest.segments().filter(|(name, _)| {
            self.options.has_day(name.date) || self.damaged.contains(&archive.segment_path(name))
        });
        let mut wanted: BTreeSet<SegmentName> = damaged.map(|(name, _)| name.clone()).collect();
        let mut moved: BTreeMap<SegmentName, Option<SegmentName>> = BTreeMap::new();
        for name in self.written.iter_mut().filter_map(|written| written.segment.as_mut()) {
            if wanted.contains(name) {
                continue;
            }
            let there = moved.entry(name.clone()).or_insert_with(|| resolve(manifest, name));
            if let Some(there) = there {
                *name = there.clone();
                wanted.insert(there.clone());
            }
        }
        for (name, _) in moved.into_iter().filter(|(_, there)| there.is_none()) {
            let reason =
                "it expired while this was made; its events are here, and nothing else of it";
            let finding = Finding::new(name.to_string(), reason);
            if !self.report.findings.contains(&finding) {
                self.report.findings.push(finding);
            }
        }
        let conflicts = self.conflicts.iter().filter_map(|conflict| conflict.segment.clone());
        wanted.extend(conflicts.filter_map(|name| resolve(manifest, &name)));
        wanted
    }

    fn segments(&mut self, archive: &ArchiveDir, manifest: &mut Manifest) -> Result<()> {
        let mut done = BTreeSet::new();
        for turn in 0..TRIES {
            let wanted = self.wanted(archive, manifest);
            let records: Vec<(SegmentName, Record)> = wanted
                .into_iter()
                .filter(|name| !done.contains(name))
                .filter_map(|name| Some((name.clone(), manifest.record_of(&name)?.clone())))
                .collect();
            let bytes = records.iter().filter_map(|(_, record)| record.bytes);
            let bytes = bytes.fold(0, u64::saturating_add);
            self.progress.begin("copying", Some(bytes), Unit::Bytes);
            let mut is_complete = true;
            for (name, record) in records {
                match self.copy(archive, &name, &record)? {
                    Copied::Done => drop(done.insert(name)),
                    Copied::Gone => {
                        let head = manifest.head();
                        *manifest = Manifest::load(archive)?;
                        if manifest.head() != head && turn + 1 < TRIES {
                            is_complete = false;
                            break;
                        }
                        let reason = "the manifest names this segment, but there is no such file";
                        self.report.findings.push(Finding::new(name.to_string(), reason));
                        done.insert(name);
                    }
                }
            }
            self.progress.end();
            if is_complete {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Copies a segment byte for byte, and its checksum file.
    fn copy(
        &mut self,
        archive: &ArchiveDir,
        name: &SegmentName,
        record: &Record,
    ) -> Result<Copied> {
        let path = archive.segment_path(name);
        let opened = archive.open_segment(name).and_then(|bytes| {
            let length = bytes.len().map_err(|error| Error::io(&path, "read", error))?;
            Ok((bytes, length))
        });
        let (bytes, length) = match opened {
            Ok(opened) => opened,
            Err(error) if error.is_not_found() => return Ok(Copied::Gone),
            Err(error) => return Ok(self.failed(name, &error)),
        };
        // A file that grew is another file; a sparse one could be copied without end.
        if let Some(recorded) = record.bytes.filter(|recorded| length > *recorded) {
            let reason = format!(
                "it has {length} bytes where the manifest recorded {recorded}, and was not copied"
            );
            self.report.findings.push(Finding::new(name.to_string(), reason));
            return Ok(Copied::Done);
        }
        let file_name = format!("{SEGMENTS}/{}", name.file_name());
        let mut file = self.outlet()?.begin(&file_name)?;
        let chunk = if matches!(bytes, SegmentBytes::File(_)) { CHUNK_BYTES } else { AWAY_BYTES };
        let (mut buffer, mut at) = (vec![0; chunk], 0);
        while at < length {
            if self.stops() {
                return Err(Error::Interrupted(format!("{name} was not copied")));
            }
            let count = usize::try_from(length - at).unwrap_or(chunk).min(chunk);
            if let Err(error) = bytes.read_exact_at(&mut buffer[..count], at) {
                drop(file);
                return Ok(self.failed(name, &Error::io(&path, "read", error)));
            }
            file.append(&buffer[..count])?;
            at += count as u64;
            self.progress.advance(count as u64);
        }
        let sha256 = self.outlet()?.take(file);
        let as_recorded = record.sha256 == Some(sha256);
        if !as_recorded {
            let reason = "its bytes differ from the manifest's record; it was copied as is";
            self.report.findings.push(Finding::new(name.to_string(), reason));
        }
        self.checksum(archive, name, record)?;
        let events = self.written.iter().filter(|it| it.segment.as_ref() == Some(name)).count();
        self.report.segments.push(EvidenceSegment {
            segment: name.clone(),
            file: file_name,
            sha256,
            bytes: length,
            events: events as u64,
            record: record.seq,
            as_recorded,
        });
        Ok(Copied::Done)
    }

    /// Copies a segment's checksum file; if it has none, for example because its file is remote,
    /// writes what the manifest recorded.
    fn checksum(
        &mut self,
        archive: &ArchiveDir,
        name: &SegmentName,
        record: &Record,
    ) -> Result<()> {
        let recorded = record.sha256.map(|sha256| ArchiveDir::checksum_text(name, &sha256));
        let found = match archive.read_checksum(name) {
            Ok(found) => found,
            Err(error) => {
                self.failed(name, &error);
                None
            }
        };
        let is_other = |found: &Vec<u8>| recorded.as_ref().is_some_and(|it| it.as_bytes() != found);
        if found.as_ref().is_some_and(is_other) {
            let reason = "its checksum file differs from the manifest's record";
            self.report.findings.push(Finding::new(name.to_string(), reason));
        }
        if let Some(text) = found.or(recorded.map(String::into_bytes)) {
            self.outlet()?.write(&format!("{SEGMENTS}/{}", name.checksum_name()), &text)?;
        }
        Ok(())
    }

    fn failed(&mut self, name: &SegmentName, error: &Error) -> Copied {
        self.report.findings.push(Finding::of(name.to_string(), error));
        Copied::Done
    }

    /// Copies the newest signature of a head that this manifest had.
    fn signature(&mut self, archive: &ArchiveDir, manifest: &Manifest) -> Result<()> {
        let mut others = 0_u64;
        for (number, text) in archive.signatures()?.into_iter().rev() {
            let text = match text {
                Ok(text) => text,
                Err(error) => {
                    let name = format!("heads/{number}.head.minisig");
                    self.report.findings.push(Finding::of(name, &error));
                    continue;
                }
            };
            let head = minisign::SignatureBox::from_string(&text).ok().and_then(|signature| {
                let comment = signature.trusted_comment().ok();
                comment.as_deref().and_then(Head::from_comment)
            });
            let head = head.or_else(|| archive.signed_head(number));
            let Some(head) = head.filter(|it| manifest.head_at(it.records) == Some(it.head)) else {
                others += 1;
                continue;
            };
            let name = format!("manifest/{}", head.file_name());
            let outlet = self.outlet()?;
            outlet.write(&name, head.text().as_bytes())?;
            outlet.write(&format!("{name}.minisig"), text.as_bytes())?;
            self.report.signed = Some(head);
            break;
        }
        if others > 0 {
            self.report.remarks.push(Finding::new(
                archive.root().join("heads").display().to_string(),
                match others {
                    1 => "1 signature here does not fit this manifest, and was left out".to_owned(),
                    _ => format!(
                        "{others} signatures here do not fit this manifest, and were left out"
                    ),
                },
            ));
        }
        Ok(())
    }
}

/// Returns the segment that holds the events of another one now.
fn resolve(manifest: &Manifest, name: &SegmentName) -> Option<SegmentName> {
    let mut name = name.clone();
    // Each step leads to a later record.
    for record in manifest.records() {
        if manifest.names(&name) {
            break;
        }
        let takes = record.supersedes.iter().flatten().any(|old| *old == name);
        if takes && let Some(new) = &record.segment {
            name = new.clone();
        }
    }
    manifest.names(&name).then_some(name)
}

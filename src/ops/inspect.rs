//! Inspect: the contents of a segment, from its index alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::History;
use crate::archive::{Manifest, SegmentName};
use crate::event::{Date, Timestamp};
use crate::segment::{Field, Index, SegmentBytes, SegmentReader, Sha256Hash};
use crate::store::Store;
use crate::{Error, Result};

/// The subject of an inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InspectSubject {
    /// Every segment of a day.
    Day(Date),
    /// One file, at any path.
    File(PathBuf),
}

/// A picture of a segment's contents.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentPicture {
    /// The segment's path in the archive, or the file as it was named: any file may be inspected,
    /// so this is text.
    pub segment: String,
    /// Its size.
    pub bytes: u64,
    /// Size of the event files inside.
    pub event_bytes: u64,
    /// Size of the index within the segment.
    pub index_bytes: u64,
    /// The day.
    pub date: Date,
    /// Number of members, valid or not.
    pub events: u64,
    /// Number of them that are not events.
    pub invalid: u64,
    /// Earliest timestamp.
    pub first: Option<Timestamp>,
    /// Latest timestamp.
    pub last: Option<Timestamp>,
    /// Number of frames that hold events.
    pub frames: u64,
    /// Digest of the content.
    pub content: Sha256Hash,
    /// Number of different correlation ids.
    pub correlation_ids: u64,
    /// Events by type.
    pub types: BTreeMap<String, u64>,
    /// Events by node.
    pub nodes: BTreeMap<String, u64>,
    /// Events by service.
    pub services: BTreeMap<String, u64>,
    /// Events by severity.
    pub severities: BTreeMap<String, u64>,
    /// Events by source.
    pub sources: BTreeMap<String, u64>,
}

/// An expired segment of a day.
#[derive(Debug, Clone, Serialize)]
pub struct ExpiredSegment {
    /// Its path in the archive.
    pub segment: SegmentName,
    /// Number of the events that were in it.
    pub events: u64,
    /// The time when it expired.
    pub time: Timestamp,
    /// The rule by which it expired.
    pub rule: Option<String>,
}

impl History {
    /// Describes a segment file, or every segment of a day: its contents and its structure.
    pub fn inspect(&self, subject: &InspectSubject) -> Result<Vec<SegmentPicture>> {
        inspect(&self.store, subject)
    }

    /// Returns the segments of a day that have expired, as the manifest remembers them.
    pub fn expired(&self, date: Date) -> Result<Vec<ExpiredSegment>> {
        expired(&self.store, date)
    }
}

/// Returns the expired segments of a day, oldest first.
fn expired(store: &Store, date: Date) -> Result<Vec<ExpiredSegment>> {
    let Some(archive) = store.archive()? else { return Ok(Vec::new()) };
    let manifest = Manifest::load(&archive)?;
    let expired = manifest.expired_of(date).filter_map(|record| {
        Some(ExpiredSegment {
            segment: record.segment.clone()?,
            events: record.events.unwrap_or(0),
            time: record.time,
            rule: record.reason.clone(),
        })
    });
    Ok(expired.collect())
}

/// Inspects segments without decompressing an event.
fn inspect(store: &Store, subject: &InspectSubject) -> Result<Vec<SegmentPicture>> {
    match subject {
        InspectSubject::File(path) => {
            let file = File::open(path).map_err(|error| Error::io(path, "open", error))?;
            let metadata = file.metadata().map_err(|error| Error::io(path, "read", error))?;
            if !metadata.is_file() {
                let reason = "this is not a regular file, so it is not a segment";
                return Err(Error::corrupt(path, reason));
            }
            Ok(vec![picture(&path.display().to_string(), file.into(), path)?])
        }
        InspectSubject::Day(date) => {
            let nothing = || Error::NotFound {
                what: date.to_string(),
                reason: format!("no segment of this day in {}", store.archive_path().display()),
            };
            let archive = store.archive()?.ok_or_else(nothing)?;
            let mut manifest = Manifest::load(&archive)?;
            loop {
                let pictures = manifest
                    .segments_of(*date)
                    .map(|(name, _)| {
                        let path = archive.segment_path(name);
                        picture(&name.to_string(), archive.open_segment(name)?, &path)
                    })
                    .collect::<Result<Vec<_>>>();
                match pictures {
                    // It expired, or another segment replaced it.
                    Err(error)
                        if error.is_not_found() && manifest.reload_if_changed(&archive)? => {}
                    Ok(pictures) if pictures.is_empty() => {
                        return Err(match manifest.expired_of(*date).last() {
                            Some(record) => Error::NotFound {
                                what: date.to_string(),
                                reason: format!(
                                    "this day expired, and was removed at {}",
                                    record.time
                                ),
                            },
                            None => nothing(),
                        });
                    }
                    pictures => return pictures,
                }
            }
        }
    }
}

fn picture(label: &str, file: SegmentBytes, path: &Path) -> Result<SegmentPicture> {
    let bytes = file.len().map_err(|error| Error::io(path, "read", error))?;
    let reader = SegmentReader::open(file, path)?;
    let Some(index) = reader.index() else {
        let damage = reader.damage().unwrap_or("it has no index");
        return Err(Error::corrupt(
            path,
            format!("{damage}; \"hlarchive list\" reads it without the index"),
        ));
    };
    Ok(SegmentPicture {
        segment: label.to_owned(),
        bytes,
        event_bytes: index.event_bytes(),
        index_bytes: reader.index_bytes(),
        date: index.date(),
        events: index.events(),
        invalid: index.invalid(),
        first: index.first(),
        last: index.last(),
        frames: reader.frames().len() as u64,
        content: index.content(),
        correlation_ids: u64::from(index.value_count(Field::CorrelationId)),
        types: counts(index, Field::Type)?,
        nodes: counts(index, Field::Node)?,
        services: counts(index, Field::Service)?,
        severities: counts(index, Field::Severity)?,
        sources: counts(index, Field::Source)?,
    })
}

fn counts(index: &Index, field: Field) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for entry in index.values(field) {
        let (value, postings) = entry?;
        counts.insert(value, postings.iter().map(|posting| u64::from(posting.events)).sum());
    }
    Ok(counts)
}

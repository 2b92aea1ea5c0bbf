//! The base of a follower: everything that exists before it begins.

use std::path::Path;

use super::log::{LogEntry, MarkLog};
use super::marks::{MAX_ENTRIES, event_mark, segment_mark};
use crate::Result;
use crate::archive::Manifest;
use crate::segment::SegmentReader;
use crate::store::{Notice, Notices, Query, Store};

/// Everything that exists before the beginning.
pub(super) struct Base<'a> {
    pub(super) store: &'a Store,
    /// The part that is news nevertheless.
    pub(super) first: &'a Query,
    pub(super) names_only: bool,
}

impl Base<'_> {
    /// Notes it, the live tree first as always.
    pub(super) fn note(&self, log: &mut MarkLog, notices: &mut Notices) -> Result<()> {
        let mut entries = Vec::new();
        if let Some(live) = self.store.live()? {
            for date in live.dates()?.0.into_iter().filter(|date| !self.first.wants(*date)) {
                let listing = live.list(date)?;
                for number in 0..listing.len() {
                    let (node, name) = (listing.node(number), listing.name(number));
                    let mark = event_mark(log, date, node.as_str(), name.as_str());
                    entries.push(LogEntry::Known(date, mark));
                    if entries.len() >= MAX_ENTRIES {
                        log.append(&entries)?;
                        entries.clear();
                    }
                }
            }
        }
        if let (Some(archive), _) = self.store.readable_archive()? {
            let manifest = Manifest::load(&archive)?;
            for (name, record) in manifest.segments() {
                if self.first.wants(name.date) {
                    continue;
                }
                if !self.names_only {
                    let path = archive.segment_path(name);
                    let reader = archive
                        .open_segment(name)
                        .and_then(|file| SegmentReader::open_day(file, &path, name.date));
                    let read = reader.and_then(|reader| note_members(&reader, log, notices, &path));
                    if let Err(error) = read {
                        let reason = error.reason_at(&path);
                        notices.add(Notice::Damaged { path, reason });
                    }
                }
                entries.push(LogEntry::Segment(segment_mark(log, name, record)));
            }
            for record in manifest.expired() {
                if let Some(name) = &record.segment {
                    entries.push(LogEntry::Segment(segment_mark(log, name, record)));
                }
            }
        }
        entries.push(LogEntry::Begin);
        log.append(&entries)
    }
}

fn note_members(
    reader: &SegmentReader,
    log: &mut MarkLog,
    notices: &mut Notices,
    path: &Path,
) -> Result<()> {
    for number in 0..reader.frames().len() {
        let frame = match reader.read_frame(number) {
            Ok(frame) => frame,
            // A damaged frame costs only the events in it.
            Err(error) => {
                let reason = error.reason_at(path);
                notices.add(Notice::Damaged { path: path.to_owned(), reason });
                continue;
            }
        };
        let mut entries = Vec::new();
        for member in frame.members() {
            let path = member?.path;
            let mark = event_mark(log, path.date(), path.node(), path.name());
            entries.push(LogEntry::Known(path.date(), mark));
        }
        log.append(&entries)?;
    }
    Ok(())
}

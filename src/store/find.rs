//! One event by its name, wherever it is.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::{FoundEvent, Store, step};
use crate::archive::{ArchiveDir, Expired, Overview, SegmentName, SegmentPlace, SegmentRow};
use crate::event::{Date, EventName, EventPath, PathRef, Timestamp};
use crate::live::{FileState, LiveTree};
use crate::segment::SegmentReader;
use crate::{Error, Result};

/// The name of an event: its path, or the UUID in its file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// `DATE/NODE/FILENAME`.
    Path(EventPath),
    /// The id.
    Id(Uuid),
}

impl Name {
    /// Parses a UUID, an identity, or a path that ends in an identity.
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(Self::Id(id));
        }
        let parts: Vec<&str> = text.rsplitn(4, '/').take(3).collect();
        let tail: Vec<&str> = parts.into_iter().rev().collect();
        tail.join("/").parse().map(Self::Path).map_err(|_| {
            Error::Usage(format!(
                "{}: expected an event's UUID or its path YYYY-MM-DD/NODE/FILE.json",
                crate::event::shown(text)
            ))
        })
    }

    fn fits(&self, path: PathRef<'_>) -> bool {
        match self {
            Self::Path(wanted) => path == *wanted,
            Self::Id(id) => EventName::parse(path.name()).is_some_and(|parts| parts.id == *id),
        }
    }

    /// Returns the day to search first.
    fn likely_date(&self) -> Option<Date> {
        match self {
            Self::Path(path) => Some(path.date),
            Self::Id(id) => {
                let (seconds, nanos) = id.get_timestamp()?.to_unix();
                let micros = i64::try_from(seconds).ok()?.checked_mul(1_000_000)?;
                Some(Timestamp::from_micros(micros + i64::from(nanos) / 1000).date())
            }
        }
    }
}

impl Store {
    /// Finds one event, valid or not: in the live tree first, then in the archive, and the likely
    /// day before the others. What cannot be read is passed over, and is the error if the event
    /// is found nowhere else.
    pub fn find(&self, name: &Name) -> Result<FoundEvent> {
        let live = self.live()?;
        let live_dates = match &live {
            Some(live) => live.dates()?.0,
            None => Vec::new(),
        };
        let likely = name.likely_date();
        let only_there = matches!(name, Name::Path(_));
        let mut failed = None;
        if let Some(live) = &live {
            for date in ordered(live_dates.iter().copied(), likely, only_there) {
                match find_live(live, date, name) {
                    Ok(Some(found)) => return Ok(found),
                    Ok(None) => {}
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        let mut expired = None;
        let (archive, away) = self.readable_archive()?;
        if let Some(away) = away {
            failed = failed.or(Some(Error::Refused(away.reason)));
        }
        if let Some(archive) = archive {
            step();
            let own = ArchiveLookup { archive: &archive, host: None, name, likely };
            let (found, overview) = own.until_settled(only_there, &mut failed)?;
            if let Some(found) = found {
                return Ok(found);
            }
            for (host, archive) in archive.peers()? {
                let peer = ArchiveLookup { archive: &archive, host: Some(host), name, likely };
                match peer.until_settled(only_there, &mut failed) {
                    Ok((Some(found), _)) => return Ok(found),
                    Ok((None, _)) => {}
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            expired = Expired::of_rows(
                overview.expired().filter(|row| !only_there || Some(row.name.date) == likely),
            );
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let what = match name {
            Name::Path(path) => path.to_string(),
            Name::Id(id) => id.to_string(),
        };
        let mut reason = "no such event, neither live nor archived".to_owned();
        if let Some(expired) = expired {
            reason.push_str(&format!("; but {expired}, and could have held it"));
        }
        Err(Error::NotFound { what, reason })
    }
}

/// A search of one archive.
struct ArchiveLookup<'a> {
    archive: &'a ArchiveDir,
    /// The host whose mirrored archive it is; none for this machine's own.
    host: Option<Arc<str>>,
    name: &'a Name,
    likely: Option<Date>,
}

impl ArchiveLookup<'_> {
    /// Returns the event, and the segments that were searched. `failed` becomes the first thing
    /// that could not be read.
    fn until_settled(
        &self,
        only_there: bool,
        failed: &mut Option<Error>,
    ) -> Result<(Option<FoundEvent>, Overview)> {
        let mut overview = Overview::load(self.archive)?;
        loop {
            let (found, vanished, error) = self.at_all(&overview, only_there);
            // What is gone has expired, or another segment took its place.
            if found.is_none() && vanished && overview.reload_if_changed(self.archive)? {
                continue;
            }
            *failed = failed.take().or(error);
            return Ok((found, overview));
        }
    }

    /// Returns the event, whether a segment had vanished, and what could not be read.
    fn at_all(
        &self,
        overview: &Overview,
        only_there: bool,
    ) -> (Option<FoundEvent>, bool, Option<Error>) {
        let dates: BTreeSet<Date> = overview.segments().iter().map(|row| row.name.date).collect();
        let (mut vanished, mut failed) = (false, None);
        for date in ordered(dates.into_iter(), self.likely, only_there) {
            for SegmentRow { name: segment, .. } in overview.segments_of(date) {
                step();
                match find_archived(self.archive, segment, self.name, &mut failed) {
                    Ok(Some((path, bytes))) => {
                        let (host, name) = (self.host.clone(), segment.clone());
                        let place = Some(Arc::new(SegmentPlace { host, name }));
                        return (
                            Some(FoundEvent::new(path, place, bytes.into())),
                            vanished,
                            failed,
                        );
                    }
                    Ok(None) => {}
                    Err(error) => {
                        vanished |= error.is_not_found();
                        failed = failed.or(Some(error));
                    }
                }
            }
        }
        (None, vanished, failed)
    }
}

fn ordered(dates: impl Iterator<Item = Date>, likely: Option<Date>, only_there: bool) -> Vec<Date> {
    let mut dates: Vec<Date> = dates.collect();
    dates.sort_by_key(|date| likely.map_or(0, |likely| date.days_since(likely).abs()));
    if only_there {
        dates.retain(|date| Some(*date) == likely);
    }
    dates
}

fn find_live(live: &LiveTree, date: Date, name: &Name) -> Result<Option<FoundEvent>> {
    let listing = live.list(date)?;
    let partition = live.partition(date);
    let mut bytes = Vec::new();
    for number in 0..listing.len() {
        let path = listing.path(number);
        if name.fits(path.borrowed())
            && let FileState::Read(_) = partition.read_into(&path.node, &path.name, &mut bytes)?
        {
            return Ok(Some(FoundEvent::new(path, None, bytes.into())));
        }
    }
    Ok(None)
}

fn find_archived(
    archive: &ArchiveDir,
    segment: &SegmentName,
    name: &Name,
    failed: &mut Option<Error>,
) -> Result<Option<(EventPath, Vec<u8>)>> {
    let path = archive.segment_path(segment);
    let file = archive.open_segment(segment)?;
    let reader = SegmentReader::open_day(file, &path, segment.date)?;
    for number in 0..reader.frames().len() {
        match find_in_frame(&reader, number, name) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            // A damaged frame costs only the events in it.
            Err(error) => *failed = failed.take().or(Some(error)),
        }
    }
    Ok(None)
}

fn find_in_frame(
    reader: &SegmentReader,
    number: usize,
    name: &Name,
) -> Result<Option<(EventPath, Vec<u8>)>> {
    for member in reader.read_frame(number)?.members() {
        let member = member?;
        if name.fits(member.path) {
            return Ok(Some((member.path.to_path(), member.bytes.to_vec())));
        }
    }
    Ok(None)
}

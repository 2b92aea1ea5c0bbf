//! Holds: days or chains that must not expire, whatever the policy says.
//!
//! A hold is a record of the manifest and nothing else; the segments do not know of it. Its scope
//! is evaluated again whenever something would expire, so a hold on a correlation id also holds the
//! segments that are rotated later. Before a segment is gone forever, its own events are read, not
//! just its index. A day may be held while it is still live: it is held from the moment it is
//! archived.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::Context;
use crate::History;
use crate::archive::{ArchiveDir, Expired, Hold, HoldScope, Manifest, NewRecord, Op, SegmentName};
use crate::event::{Date, EventHead, Timestamp};
use crate::ops::job::Job;
use crate::ops::{Finding, audit};
use crate::segment::{Field, SegmentReader};
use crate::store::{Filter, Query, Scope, Store};
use crate::{Error, Result};

/// The subject of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldSubject {
    /// Days, both included.
    Days(Date, Date),
    /// Every segment with an event of this correlation id.
    CorrelationId(String),
}

/// A hold, and what it keeps.
#[derive(Debug, Clone, Serialize)]
pub struct HoldPicture {
    /// The id by which it is released.
    pub id: u64,
    /// Its subject, in words.
    pub on: String,
    /// The time when it was placed.
    pub time: Timestamp,
    /// The user and the host that placed it.
    pub by: Option<String>,
    /// The reason.
    pub reason: Option<String>,
    /// The segments in the archive that it keeps.
    pub segments: Vec<SegmentName>,
    /// Live days that have events it will keep once they are archived.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub live_days: Vec<Date>,
    /// The part of it that has expired already, and so cannot be held.
    pub expired: Option<Expired>,
}

/// A report of placing a hold, or releasing some.
#[derive(Debug, Default, Serialize)]
#[non_exhaustive]
pub struct HoldReport {
    /// The holds concerned.
    pub holds: Vec<HoldPicture>,
    /// Leftovers of an earlier, interrupted run, and what was done about them.
    pub recovered: Vec<Finding>,
    /// Problems.
    pub findings: Vec<Finding>,
}

impl History {
    /// Holds days or a chain: nothing of it expires until the hold is released, whatever the policy
    /// says.
    ///
    /// ```
    /// use hlarchive::{History, HoldSubject};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// history.emit("node_offline").correlation_id("outage-7").send()?;
    /// let subject = HoldSubject::CorrelationId("outage-7".to_owned());
    /// let report = history.hold(&subject, "the insurance asks for it")?;
    /// history.release(report.holds[0].id, Some("settled"))?;
    /// assert!(history.holds()?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold(&self, subject: &HoldSubject, reason: &str) -> Result<HoldReport> {
        add(&self.store, &self.context.stopped(), subject, reason)
    }

    /// Releases a hold by its id. Fails with [`Error::NotFound`] if there is no such hold.
    pub fn release(&self, id: u64, reason: Option<&str>) -> Result<HoldReport> {
        release(&self.store, &self.context.stopped(), id, reason)
    }

    /// Returns the holds in force, each with what it keeps.
    pub fn holds(&self) -> Result<Vec<HoldPicture>> {
        list(&self.store)
    }
}

/// Places a hold.
fn add(store: &Store, context: &Context, on: &HoldSubject, reason: &str) -> Result<HoldReport> {
    let mut record = NewRecord::new(context.now(), Op::Hold);
    match on {
        HoldSubject::Days(from, to) if from > to => {
            return Err(Error::Usage(format!("{from}..{to}: the range ends before it begins")));
        }
        HoldSubject::Days(from, to) => {
            record.date = Some(*from);
            record.to = Some(*to);
        }
        HoldSubject::CorrelationId(id) if id.is_empty() => {
            return Err(Error::Usage("the correlation id is empty".to_owned()));
        }
        HoldSubject::CorrelationId(id) => record.correlation_id = Some(id.clone()),
    }
    record.by = Some(context.by().clone());
    record.reason = Some(reason.to_owned());
    // A day may be held before it is archived, but not in a root that does not exist.
    let archive = match (store.archive()?, store.live()?) {
        (Some(archive), _) => archive,
        (None, Some(_)) => store.create_archive()?,
        (None, None) => return Err(Error::no_archive(store.archive_path(), "--archive")),
    };
    let lock = archive.lock()?;
    let mut job = Job::begin_lightly(store, context, &archive, &lock)?;
    let id = job.writer.append(record)?.seq;
    let manifest = job.manifest();
    let holds: Vec<Hold> = manifest.holds().into_iter().filter(|hold| hold.id == id).collect();
    let live = LiveDays::of(store, &holds)?;
    let holds: Vec<HoldPicture> =
        holds.iter().map(|hold| picture(&archive, manifest, hold, &live)).collect();
    let what = holds.first().map(|hold| hold.on.clone());
    let audit_event = audit::AuditEvent {
        event_type: "archive_held",
        what,
        reason: Some(reason.to_owned()),
        ..audit::AuditEvent::default()
    };
    let findings = job.finish(audit_event).into_iter().collect();
    Ok(HoldReport { holds, recovered: job.recovered, findings })
}

/// Releases a hold.
fn release(store: &Store, context: &Context, id: u64, reason: Option<&str>) -> Result<HoldReport> {
    let archive = store.existing_archive("--archive")?;
    let lock = archive.lock()?;
    let mut job = Job::begin_lightly(store, context, &archive, &lock)?;
    let holds = job.manifest().holds();
    let hold = holds.into_iter().find(|hold| hold.id == id).ok_or_else(|| Error::NotFound {
        what: format!("hold {id}"),
        reason: "no such hold, or it was lifted already; \"hlarchive hold list\" names \
                 those there are"
            .to_owned(),
    })?;
    let mut record = NewRecord::new(context.now(), Op::Release);
    record.by = Some(context.by().clone());
    record.hold = Some(id);
    record.reason = reason.map(str::to_owned);
    job.writer.append(record)?;
    let holds = vec![picture(&archive, job.manifest(), &hold, &LiveDays::default())];
    let audit_event = audit::AuditEvent {
        event_type: "archive_released",
        what: Some(format!("hold {id} on {}", hold.scope)),
        reason: reason.map(str::to_owned),
        ..audit::AuditEvent::default()
    };
    let findings = job.finish(audit_event).into_iter().collect();
    Ok(HoldReport { holds, recovered: job.recovered, findings })
}

/// Returns the holds in force, each with what it keeps.
fn list(store: &Store) -> Result<Vec<HoldPicture>> {
    let archive = store.existing_archive("--archive")?;
    let manifest = Manifest::load(&archive)?;
    let holds = manifest.holds();
    let live = LiveDays::of(store, &holds)?;
    Ok(holds.iter().map(|hold| picture(&archive, &manifest, hold, &live)).collect())
}

/// The live days that are held.
#[derive(Default)]
struct LiveDays {
    /// The days that have files.
    days: BTreeSet<Date>,
    /// The days that have events of a chain.
    chains: BTreeMap<String, BTreeSet<Date>>,
}

impl LiveDays {
    fn of(store: &Store, holds: &[Hold]) -> Result<Self> {
        let mut found = Self::default();
        let Some(live) = store.live()? else { return Ok(found) };
        let is_held = |date: Date| {
            holds.iter().any(|hold| match &hold.scope {
                HoldScope::Days(from, to) => (*from..=*to).contains(&date),
                HoldScope::CorrelationId(_) => false,
                HoldScope::Everything => true,
            })
        };
        for date in live.dates()?.0.into_iter().filter(|date| is_held(*date)) {
            if !live.list(date)?.is_empty() {
                found.days.insert(date);
            }
        }
        let ids = Holds::ids_of(holds);
        if !ids.is_empty() {
            let filter = Filter { correlation_ids: ids, ..Filter::default() };
            for event in store.events(Query { filter, scope: Scope::Live, ..Query::default() })? {
                let event = event?;
                let Ok(head) = event.head() else { continue };
                let chain = found.chains.entry(head.correlation_id.into_owned()).or_default();
                chain.insert(event.path.date);
            }
        }
        Ok(found)
    }

    fn kept_by(&self, scope: &HoldScope) -> Vec<Date> {
        match scope {
            HoldScope::Days(from, to) => self.days.range(from..=to).copied().collect(),
            HoldScope::CorrelationId(id) => {
                self.chains.get(id).into_iter().flatten().copied().collect()
            }
            HoldScope::Everything => self.days.iter().copied().collect(),
        }
    }
}

fn picture(archive: &ArchiveDir, manifest: &Manifest, hold: &Hold, live: &LiveDays) -> HoldPicture {
    let holds = Holds::of(archive, vec![hold.clone()]);
    let segments = manifest
        .segments()
        .filter(|(name, _)| holds.holding(name).is_some())
        .map(|(name, _)| name.clone())
        .collect();
    let expired = Expired::of(manifest.expired().filter(|record| {
        record.segment.as_ref().is_some_and(|segment| hold.scope.holds_day(segment))
    }));
    HoldPicture {
        id: hold.id,
        on: hold.scope.to_string(),
        time: hold.time,
        by: hold.by.as_ref().map(|by| format!("{}@{}", by.user, by.host)),
        reason: hold.reason.clone(),
        segments,
        live_days: live.kept_by(&hold.scope),
        expired,
    }
}

/// The holds in force, to find the one that keeps a segment. The segments themselves are asked what
/// they hold, never the catalogue.
pub(in crate::ops) struct Holds<'a> {
    archive: &'a ArchiveDir,
    holds: Vec<Hold>,
}

impl<'a> Holds<'a> {
    pub(in crate::ops) fn of(archive: &'a ArchiveDir, holds: Vec<Hold>) -> Self {
        Self { archive, holds }
    }

    /// Returns the first hold that keeps a segment, as far as its index shows.
    pub(in crate::ops) fn holding(&self, segment: &SegmentName) -> Option<&Hold> {
        self.first(segment, &|id| indexed(self.archive, segment, id))
    }

    /// Returns the correlation ids that are held.
    pub(in crate::ops) fn ids(&self) -> Vec<String> {
        Self::ids_of(&self.holds)
    }

    fn ids_of(holds: &[Hold]) -> Vec<String> {
        let ids = holds.iter().filter_map(|hold| match &hold.scope {
            HoldScope::CorrelationId(id) => Some(id.clone()),
            _ => None,
        });
        ids.collect()
    }

    /// Reports whether a hold keeps a segment, for display only: a segment that the catalogue says
    /// is `without` all held ids is not opened.
    pub(in crate::ops) fn seems_to_hold(&self, segment: &SegmentName, without: bool) -> bool {
        let has = |id: &str| Ok(!without && indexed(self.archive, segment, id)?);
        self.first(segment, &has).is_some()
    }

    /// Returns the first hold that keeps a segment that is about to be removed. An index that lacks
    /// the id is not believed: every event of the segment is read.
    pub(in crate::ops) fn keeping(&self, segment: &SegmentName) -> Option<&Hold> {
        self.first(segment, &|id| {
            Ok(indexed(self.archive, segment, id)? || has_event(self.archive, segment, id)?)
        })
    }

    fn first(&self, segment: &SegmentName, has: &dyn Fn(&str) -> Result<bool>) -> Option<&Hold> {
        self.holds.iter().find(|hold| match &hold.scope {
            // An unreadable segment may have it.
            HoldScope::CorrelationId(id) => has(id).unwrap_or(true),
            scope => scope.holds_day(segment),
        })
    }
}

/// Reports whether a segment has an event with this correlation id, by its index; without one, by
/// its events.
fn indexed(archive: &ArchiveDir, segment: &SegmentName, id: &str) -> Result<bool> {
    match open(archive, segment)?.index() {
        Some(index) => Ok(!index.lookup(Field::CorrelationId, id)?.is_empty()),
        None => has_event(archive, segment, id),
    }
}

/// Reports whether one of a segment's events has this correlation id.
fn has_event(archive: &ArchiveDir, segment: &SegmentName, id: &str) -> Result<bool> {
    let mut found = false;
    open(archive, segment)?.for_each_member(&mut |member| {
        found |= EventHead::parse(member.bytes).is_ok_and(|head| head.correlation_id == id);
        Ok(())
    })?;
    Ok(found)
}

fn open(archive: &ArchiveDir, segment: &SegmentName) -> Result<SegmentReader> {
    let path = archive.segment_path(segment);
    SegmentReader::open_day(archive.open_segment(segment)?, &path, segment.date)
}

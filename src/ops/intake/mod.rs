//! Intake: incoming events become files of the live tree, each at most once.
//!
//! The common part of import and sync. An event is checked, compared with what is here already,
//! live or archived, and placed as a late arrival if it is new: written aside, synced, named, never
//! over anything. Nothing here holds a lock, and none is needed: a file that a rotation archives
//! meanwhile is recognized by the next one.
//!
//! Memory is bounded: events come in batches, and of the archive one day's digests and a few more
//! are kept.

mod arrival;
mod known;

use std::collections::{BTreeMap, HashMap, HashSet};

pub(in crate::ops) use super::Findings;
pub(in crate::ops) use arrival::Arrival;
pub(in crate::ops) use known::ArchivedDays;
use known::{KeyedHash, key_of};

use crate::Context;
use crate::archive::{ArchiveDir, Manifest};
use crate::event::{Date, EventHead, EventPath, NodeName, Timestamp};
use crate::live::{BulkPlacer, FileState, LiveTree, PartitionReader};
use crate::ops::Finding;
use crate::ops::prune::is_over;
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// Number of events that are placed together.
const BATCH_EVENTS: usize = 8192;

/// Bytes of events that are placed together; a single event may be larger.
const BATCH_BYTES: usize = 32 << 20;

/// Totals of an intake so far.
#[derive(Debug, Clone, Default)]
pub(in crate::ops) struct IntakeStats {
    /// Number of events that were examined.
    pub(in crate::ops) events: u64,
    /// Number of them that were new here and now are live; in a plan, would be.
    pub(in crate::ops) new: u64,
    /// The size of those.
    pub(in crate::ops) new_bytes: u64,
    /// Number of them that were live here already.
    pub(in crate::ops) known_live: u64,
    /// Number of them that were archived here already.
    pub(in crate::ops) known_archived: u64,
    /// Number of them that were skipped, since their day, node and class expired here.
    pub(in crate::ops) expired: u64,
    /// Number of them whose name another event has here.
    pub(in crate::ops) conflicts: u64,
    /// Number of new events by node.
    pub(in crate::ops) nodes: BTreeMap<String, u64>,
    /// The earliest and the latest timestamp of new events.
    pub(in crate::ops) span: Option<(Timestamp, Timestamp)>,
    /// Number of new events that are older than the policy keeps them.
    pub(in crate::ops) outlived: u64,
}

/// The destination of incoming events.
pub(in crate::ops) struct Intake<'a> {
    /// The live tree; absent while it does not exist.
    live: Option<&'a LiveTree>,
    archived: Option<ArchivedDays<'a>>,
    context: &'a Context,
    /// True to also take events that expired here.
    with_expired: bool,
    /// In a plan nothing is written; then this remembers what would have been.
    planned: Option<HashMap<KeyedHash, Sha256Hash>>,
    batch: Vec<Arrival>,
    batch_bytes: usize,
    pub(in crate::ops) stats: IntakeStats,
    pub(in crate::ops) findings: Findings,
}

impl<'a> Intake<'a> {
    /// Creates an intake into this tree, beside this archive.
    pub(in crate::ops) fn new(
        live: Option<&'a LiveTree>,
        archive: Option<(&'a ArchiveDir, &'a Manifest)>,
        context: &'a Context,
        dry_run: bool,
    ) -> Self {
        Self {
            live,
            archived: archive.map(|(archive, manifest)| ArchivedDays::new(archive, manifest)),
            context,
            with_expired: false,
            planned: dry_run.then(HashMap::new),
            batch: Vec::new(),
            batch_bytes: 0,
            stats: IntakeStats::default(),
            findings: Findings::default(),
        }
    }

    /// Sets whether to also take events that expired here.
    pub(in crate::ops) fn with_expired(self, with_expired: bool) -> Self {
        Self { with_expired, ..self }
    }

    /// Takes an event in, now or with the next batch. The caller must ensure that it is an event.
    pub(in crate::ops) fn add(&mut self, arrival: Arrival) -> Result<()> {
        self.batch_bytes += arrival.bytes.len();
        self.batch.push(arrival);
        if self.batch.len() >= BATCH_EVENTS || self.batch_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Returns the sizes of the archived files with this identity.
    pub(in crate::ops) fn archived_sizes(&mut self, path: &EventPath) -> Result<Vec<u64>> {
        match &mut self.archived {
            Some(archived) => archived.sizes(path, &mut self.findings),
            None => Ok(Vec::new()),
        }
    }

    /// Takes in everything that was added; what is new is on the disk when this returns.
    pub(in crate::ops) fn flush(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        // A stable sort: of two files with one name, the first that came is the first. Stray copies
        // come after the events that they were copied from.
        batch.sort_by(|a, b| {
            let key = |it: &Arrival| (it.path.date, it.path.name.original().is_some());
            key(a).cmp(&key(b)).then_with(|| a.path.node.cmp(&b.path.node))
        });
        let mut new: Vec<(Arrival, Sha256Hash)> = Vec::new();
        let mut known_live: BTreeMap<(Date, NodeName), EventPath> = BTreeMap::new();
        let mut rest = batch.into_iter().peekable();
        while let Some(date) = rest.peek().map(|arrival| arrival.path.date) {
            let of_day = std::iter::from_fn(|| rest.next_if(|next| next.path.date == date));
            self.sort_out(date, of_day.collect(), &mut new, &mut known_live)?;
        }
        self.place(&new)?;
        if let (Some(live), None) = (self.live, &self.planned) {
            // A run that was stopped may have placed them a moment ago.
            for path in known_live.values() {
                live.sync_name(path, self.context.now())?;
            }
        }
        Ok(())
    }

    /// Decides for each event of a day whether it is new.
    fn sort_out(
        &mut self,
        date: Date,
        arrivals: Vec<Arrival>,
        new: &mut Vec<(Arrival, Sha256Hash)>,
        known_live: &mut BTreeMap<(Date, NodeName), EventPath>,
    ) -> Result<()> {
        let mut came: HashMap<EventPath, Sha256Hash> = HashMap::new();
        let partition = self.live.map(|live| live.partition(date));
        let mut buffer = Vec::new();
        for arrival in arrivals {
            self.stats.events += 1;
            if self.live.is_some_and(|live| live.litter().covers_event(&arrival.path)) {
                self.findings.add(Finding::new(
                    arrival.path.to_string(),
                    "readers would skip it here, like files of other programs; it \
                     was not taken",
                ));
                continue;
            }
            let hash = Sha256Hash::of(&arrival.bytes);
            if let Some(first) = came.get(&arrival.path) {
                if *first == hash {
                    self.stats.known_live += 1;
                } else {
                    self.conflict(
                        &arrival.path,
                        "it came twice, with different bytes; the first was taken",
                    );
                }
                continue;
            }
            let archived = match &mut self.archived {
                Some(archived) => archived.hashes(&arrival.path, &mut self.findings)?,
                None => Vec::new(),
            };
            if archived.contains(&hash) {
                self.stats.known_archived += 1;
                continue;
            }
            if let Some(original) = arrival.path.original()
                && let Some(known) = self.knows(&original, hash, &came, &partition)?
            {
                *known += 1;
                continue;
            }
            let live = match &partition {
                Some(partition) => {
                    partition.read_into(&arrival.path.node, &arrival.path.name, &mut buffer)?
                }
                None => FileState::Gone,
            };
            let planned = self
                .planned
                .as_ref()
                .and_then(|planned| planned.get(&key_of(arrival.path.borrowed())));
            let there = match live {
                FileState::Read(_) => Some(buffer == arrival.bytes),
                FileState::Gone => planned.map(|planned| *planned == hash),
                _ => Some(false),
            };
            match there {
                Some(true) => {
                    self.stats.known_live += 1;
                    known_live.insert((date, arrival.path.node.clone()), arrival.path);
                }
                Some(false) => self.conflict(
                    &arrival.path,
                    "another event of this name is live here; that one was left as it is, and \
                     this one was not taken",
                ),
                None if self.is_over(&arrival) => self.stats.expired += 1,
                None => {
                    if !archived.is_empty() {
                        self.conflict(
                            &arrival.path,
                            "another event of this name is archived here; this one was taken, \
                             too, so both are kept",
                        );
                    }
                    came.insert(arrival.path.clone(), hash);
                    new.push((arrival, hash));
                }
            }
        }
        Ok(())
    }

    /// Returns the counter for a stray copy, if the event that it was copied from is here.
    fn knows(
        &mut self,
        original: &EventPath,
        hash: Sha256Hash,
        came: &HashMap<EventPath, Sha256Hash>,
        partition: &Option<PartitionReader<'_>>,
    ) -> Result<Option<&mut u64>> {
        if let Some(archived) = &mut self.archived
            && archived.hashes(original, &mut self.findings)?.contains(&hash)
        {
            return Ok(Some(&mut self.stats.known_archived));
        }
        let mut bytes = Vec::new();
        let is_live = match partition {
            _ if came.get(original) == Some(&hash) => true,
            Some(partition) => {
                let state = partition.read_into(&original.node, &original.name, &mut bytes)?;
                matches!(state, FileState::Read(_)) && Sha256Hash::of(&bytes) == hash
            }
            None => false,
        };
        Ok(is_live.then_some(&mut self.stats.known_live))
    }

    /// Reports whether an event that is not here is one of those that expired here.
    fn is_over(&mut self, arrival: &Arrival) -> bool {
        let rules = &self.context.retain;
        !self.with_expired
            && self.archived.as_mut().is_some_and(|archived| archived.has_expired(arrival, rules))
    }

    fn conflict(&mut self, path: &EventPath, reason: &str) {
        self.stats.conflicts += 1;
        self.findings.add(Finding::new(path.to_string(), reason));
    }

    /// Writes new events into the live tree.
    fn place(&mut self, new: &[(Arrival, Sha256Hash)]) -> Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        if let Some(planned) = &mut self.planned {
            planned
                .extend(new.iter().map(|(arrival, hash)| (key_of(arrival.path.borrowed()), *hash)));
            for (arrival, _) in new {
                self.stats.count(arrival, self.context);
            }
            return Ok(());
        }
        let live = self.live.ok_or_else(|| {
            Error::Refused("there is no event tree to take events into".to_owned())
        })?;
        let bulk = BulkPlacer::begin(live, self.context.next_token(), self.context.now())?;
        for (arrival, _) in new {
            let own = || EventHead::parse(&arrival.bytes).ok().map(|head| head.timestamp);
            bulk.stage(&arrival.path, &arrival.bytes, arrival.mtime.or_else(own))?;
        }
        let mut in_the_way = HashSet::new();
        let placed = bulk.finish(&mut |path| {
            in_the_way.insert(path.clone());
        })?;
        for path in &in_the_way {
            self.conflict(
                path,
                "something else took this name here meanwhile; that was left as it is, and this \
                 event was not taken",
            );
        }
        for (arrival, _) in new.iter().filter(|(arrival, _)| !in_the_way.contains(&arrival.path)) {
            self.stats.count(arrival, self.context);
        }
        // Another run placed the same events a moment ago.
        self.stats.new = self.stats.new.saturating_sub(placed.same_files);
        self.stats.known_live += placed.same_files;
        Ok(())
    }
}

impl IntakeStats {
    fn count(&mut self, arrival: &Arrival, context: &Context) {
        self.new += 1;
        self.new_bytes += arrival.bytes.len() as u64;
        *self.nodes.entry(arrival.path.node.to_string()).or_default() += 1;
        if let Ok(head) = EventHead::parse(&arrival.bytes) {
            let time = head.timestamp;
            let filed = time.max(arrival.path.date.end());
            self.outlived +=
                u64::from(is_over(context.retain.keep_of_event(&head), filed, context.now()));
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }
}

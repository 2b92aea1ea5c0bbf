//! Sending events that another machine lacks.
//!
//! Events come one by one and are sent in batches: each is compared with the listing of the live
//! files there, then with the archive there, of which only those segments are fetched that hold
//! events of the same day and node and that no segment here equals. rsync writes under a name that
//! no reader takes for an event's, syncs, and renames without replacing; afterwards everything that
//! was sent, and everything that might differ, is compared by checksum.
//!
//! Others may write to the tree there. Anything but a directory in the place of a day's or a node's
//! is reported and its events are left out, and the rest is sent; the rsync there follows no link
//! in a path ([`Rsync::check_there`]).

mod reuse;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use reuse::copy_reusable;

use super::SyncReport;
use super::pull::{SMALL_BYTES, claimed, fetch_files};
use super::rsync::{Ended, FilesThere, Kind, Listed, Rsync};
use super::run::SyncRun;
use super::staging::Staging;
use crate::Context;
use crate::Result;
use crate::archive::{ArchiveDir, Manifest, SegmentName};
use crate::event::{Date, EventPath, Timestamp};
use crate::live::{BulkPlacer, LiveTree};
use crate::ops::Finding;
use crate::ops::intake::{ArchivedDays, Arrival, Findings};
use crate::segment::Sha256Hash;

/// Number of events that are sent together.
const BATCH_EVENTS: usize = 8192;

/// Bytes of events that are sent together; a single event may be larger.
const BATCH_BYTES: usize = 32 << 20;

/// A sender of events to another machine.
pub(super) struct Sender<'a> {
    rsync: &'a Rsync<'a>,
    /// The live files there: size and time.
    listed: HashMap<String, (u64, i64)>,
    /// Obstacles in the place of a day's or a node's directory there, and how many events were left
    /// out for each.
    blocked: BTreeMap<String, (Kind, u64)>,
    archive: Option<(ArchiveDir, Manifest)>,
    /// Segments there whose content a segment here has, and the location of that.
    reusable_segments: HashMap<Sha256Hash, (&'a ArchiveDir, SegmentName)>,
    fetched: BTreeSet<SegmentName>,
    staging: &'a Staging,
    context: &'a Context,
    dry_run: bool,
    checksum: bool,
    with_expired: bool,
    batch: Vec<Arrival>,
    batch_bytes: usize,
    pub(super) report: SyncReport,
    findings: Findings,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        rsync: &'a Rsync<'a>,
        listed: Vec<Listed>,
        archive: Option<(ArchiveDir, Manifest)>,
        staging: &'a Staging,
        run: &SyncRun<'a>,
    ) -> Self {
        let options = run.options;
        let mut blocked = BTreeMap::new();
        let mut files = HashMap::new();
        for Listed { path, bytes, mtime, kind } in listed {
            match (path.matches('/').count(), kind) {
                (2.., Kind::File) => drop(files.insert(path, (bytes, mtime))),
                (0 | 1, Kind::File | Kind::Link | Kind::Other) => {
                    blocked.insert(path, (kind, 0));
                }
                _ => {}
            }
        }
        Self {
            rsync,
            listed: files,
            blocked,
            archive,
            reusable_segments: HashMap::new(),
            fetched: BTreeSet::new(),
            staging,
            context: run.context,
            dry_run: options.dry_run,
            checksum: options.checksum,
            with_expired: options.expired,
            batch: Vec::new(),
            batch_bytes: 0,
            report: SyncReport::default(),
            findings: Findings::default(),
        }
    }

    /// Registers the segments here that stand in for those of the same content there.
    pub(super) fn register_reusable(&mut self, archive: &'a ArchiveDir, manifest: &Manifest) {
        for (name, record) in manifest.segments() {
            if let Some(content) = record.content {
                self.reusable_segments.insert(content, (archive, name.clone()));
            }
        }
    }

    pub(super) fn add(&mut self, arrival: Arrival) -> Result<()> {
        self.batch_bytes += arrival.bytes.len();
        self.batch.push(arrival);
        if self.batch.len() >= BATCH_EVENTS || self.batch_bytes >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends the rest, and reports obstacles.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        for (path, (kind, events)) in &self.blocked {
            if *events > 0 {
                let what = match kind {
                    Kind::Link => "a symbolic link",
                    Kind::File => "a file",
                    _ => "something else",
                };
                self.findings.add(Finding::new(
                    format!("{}:{}/{path}", self.rsync.remote.host, self.rsync.remote.root),
                    format!("it is {what} there, not a directory; {events} events were left out"),
                ));
            }
        }
        Ok(())
    }

    /// Reports whether something there blocks an event, and counts it.
    fn is_blocked(&mut self, path: &EventPath) -> bool {
        if self.blocked.is_empty() {
            return false;
        }
        let day = path.date.to_string();
        let node = format!("{day}/{}", path.node);
        for place in [day, node] {
            if let Some((_, events)) = self.blocked.get_mut(&place) {
                *events += 1;
                return true;
            }
        }
        false
    }

    fn flush(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        batch.retain(|arrival| !self.is_blocked(&arrival.path));
        if batch.is_empty() {
            return Ok(());
        }
        self.report.events += batch.len() as u64;
        let (mut suspects, mut unlisted) = (Vec::new(), Vec::new());
        for arrival in batch {
            let mtime = seconds(arrival.mtime);
            match self.listed.get(&arrival.path.to_string()) {
                Some((bytes, time))
                    if *bytes == arrival.bytes.len() as u64
                        && *time == mtime
                        && (*bytes > SMALL_BYTES || self.dry_run)
                        && !self.checksum =>
                {
                    self.report.already_live += 1;
                }
                Some(_) => suspects.push(arrival),
                None => unlisted.push(arrival),
            }
        }
        self.fetch_segments(&unlisted)?;
        let new = self.sort_out(unlisted)?;
        let sent = if self.dry_run {
            self.count(&new);
            None
        } else {
            self.send(&new)?
        };
        self.compare(&new, &suspects, sent)
    }

    /// Fetches the segments there that may hold these events.
    fn fetch_segments(&mut self, events: &[Arrival]) -> Result<()> {
        let Some((archive, manifest)) = &self.archive else { return Ok(()) };
        let mut days: BTreeMap<Date, BTreeSet<&str>> = BTreeMap::new();
        for event in events {
            days.entry(event.path.date).or_default().insert(event.path.node.as_str());
        }
        let (mut names, mut sizes) = (Vec::new(), Vec::new());
        for (date, nodes) in &days {
            for (name, record) in manifest.segments_of(*date) {
                let concerns = record
                    .nodes
                    .as_ref()
                    .is_none_or(|has| nodes.iter().any(|node| has.contains_key(*node)));
                if !concerns || self.fetched.contains(name) {
                    continue;
                }
                let reusable =
                    record.content.and_then(|content| self.reusable_segments.get(&content));
                // What cannot be reused after all is fetched.
                if reusable
                    .is_none_or(|(ours, like)| copy_reusable(ours, like, archive, name).is_err())
                {
                    names.push(name.to_string());
                    sizes.push(claimed(record));
                }
                self.fetched.insert(name.clone());
            }
        }
        self.report.segments_fetched += names.len() as u64;
        if names.is_empty() {
            return Ok(());
        }
        let ended = fetch_files(self.rsync, archive, &names, sizes.into_iter())?;
        if ended == Ended::Missing {
            self.findings.add(Finding::new(
                format!("{}:{}", self.rsync.remote.host, self.rsync.remote.archive),
                "not every segment of its manifest is there; their events count as missing",
            ));
        }
        Ok(())
    }

    /// Returns those that are not archived there with the same bytes.
    fn sort_out(&mut self, events: Vec<Arrival>) -> Result<Vec<Arrival>> {
        let mut new = Vec::new();
        let mut came: HashMap<EventPath, Sha256Hash> = HashMap::new();
        let Self { archive, fetched, findings, report, context, with_expired, .. } = self;
        let mut archived = archive
            .as_ref()
            .map(|(archive, manifest)| ArchivedDays::of(archive, manifest, fetched.clone()));
        for event in events {
            let hash = Sha256Hash::of(&event.bytes);
            if came.get(&event.path) == Some(&hash) {
                report.already_live += 1;
                continue;
            }
            let hashes = match &mut archived {
                Some(archived) => archived.hashes(&event.path, findings)?,
                None => Vec::new(),
            };
            if hashes.contains(&hash) {
                report.already_archived += 1;
                continue;
            }
            if !*with_expired
                && archived.as_mut().is_some_and(|it| it.has_expired(&event, &context.retain))
            {
                report.expired += 1;
                continue;
            }
            if came.contains_key(&event.path) {
                conflict(
                    report,
                    findings,
                    &event.path,
                    "it is here twice, with different bytes; the live one was sent",
                );
                continue;
            }
            if !hashes.is_empty() {
                let reason = "another event of this name is archived there; this one was sent, \
                              too, so both are kept";
                conflict(report, findings, &event.path, reason);
            }
            came.insert(event.path.clone(), hash);
            new.push(event);
        }
        Ok(new)
    }

    fn count(&mut self, events: &[Arrival]) {
        self.report.copied += events.len() as u64;
        self.report.copied_bytes +=
            events.iter().map(|event| event.bytes.len() as u64).sum::<u64>();
    }

    /// Lays events out as files, for rsync to read.
    fn lay_out(&self, name: &str, events: &[Arrival]) -> Result<LiveTree> {
        let (folder, path) = self.staging.empty_folder(name)?;
        let tree = LiveTree::at(&path, folder);
        let bulk = BulkPlacer::begin(&tree, self.context.next_token(), self.context.now())?;
        for event in events {
            bulk.stage(&event.path, &event.bytes, event.mtime)?;
        }
        bulk.finish(&mut |_| {})?;
        Ok(tree)
    }

    /// Sends events; returns the tree in which they are laid out.
    fn send(&mut self, new: &[Arrival]) -> Result<Option<LiveTree>> {
        if new.is_empty() {
            return Ok(None);
        }
        let from = self.lay_out("out", new)?;
        let files = FilesThere { directory: &self.rsync.remote.root, paths: &paths(new) };
        let options = ["--ignore-existing", "--compress", "--fsync", "--mkpath"];
        self.rsync.send(from.fd(), &files, &options, &mut |_| {})?;
        self.count(new);
        Ok(Some(from))
    }

    /// Reads back what was sent, and what has the same name but may have other content.
    fn compare(
        &mut self,
        new: &[Arrival],
        suspects: &[Arrival],
        sent: Option<LiveTree>,
    ) -> Result<()> {
        let mut differ = HashSet::new();
        let mut lacking = HashSet::new();
        let suspected = match suspects {
            [] => None,
            suspects => Some(self.lay_out("suspects", suspects)?),
        };
        for (name, events, from) in [("out", new, sent), ("suspects", suspects, suspected)] {
            let Some(from) = from else { continue };
            let options = ["--checksum", "--dry-run", "--out-format=%i %n", "--8-bit-output"];
            let files = FilesThere { directory: &self.rsync.remote.root, paths: &paths(events) };
            self.rsync.send(
                from.fd(),
                &files,
                &options,
                &mut |line| match line.split_once(' ') {
                    Some((what, path)) if what.starts_with("<f+++") => {
                        lacking.insert(path.to_owned());
                    }
                    Some((what, path)) if what.starts_with("<f") => {
                        differ.insert(path.to_owned());
                    }
                    _ => {}
                },
            )?;
            self.staging.clear(name)?;
        }
        if let Some(path) =
            new.iter().map(|event| event.path.to_string()).find(|path| lacking.contains(path))
        {
            return Err(self.rsync.failed(&format!("{path} was sent but is not there")));
        }
        for event in new.iter().chain(suspects) {
            let path = event.path.to_string();
            if differ.contains(&path) {
                let reason = "another event of this name is live there; that one was left as it \
                              is, and this one was not sent";
                conflict(&mut self.report, &mut self.findings, &event.path, reason);
            }
        }
        let raced = new.iter().filter(|event| differ.contains(&event.path.to_string())).count();
        self.report.copied = self.report.copied.saturating_sub(raced as u64);
        let same = suspects.iter().filter(|event| !differ.contains(&event.path.to_string()));
        self.report.already_live += same.count() as u64;
        Ok(())
    }
}

fn conflict(report: &mut SyncReport, findings: &mut Findings, path: &EventPath, reason: &str) {
    report.conflicts += 1;
    findings.add(Finding::new(path.to_string(), reason));
}

fn paths(events: &[Arrival]) -> Vec<String> {
    events.iter().map(|event| event.path.to_string()).collect()
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, Timestamp::seconds)
}

impl SyncReport {
    /// Takes over the counts of a sender.
    pub(super) fn take_counts(&mut self, sender: Sender<'_>) {
        let Sender { report, findings, .. } = sender;
        self.events += report.events;
        self.copied += report.copied;
        self.copied_bytes += report.copied_bytes;
        self.already_live += report.already_live;
        self.already_archived += report.already_archived;
        self.expired += report.expired;
        self.conflicts += report.conflicts;
        self.segments_fetched += report.segments_fetched;
        self.findings.extend(findings.into_named());
    }
}

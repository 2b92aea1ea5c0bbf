//! What another machine lacks, on its way there.
//!
//! Events come one by one and are sent in batches: each is compared with the listing of
//! the live files there, then with the archive there, of which only those segments are
//! fetched that hold events of the same day and node and that no segment here equals. rsync
//! writes into a directory that no reader looks into, syncs, and renames without replacing;
//! afterwards all that was sent, and all that might differ, is compared by checksum.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::rsync::{Ended, Listed, Rsync};
use super::{SyncOptions, SyncReport};
use crate::archive::{ArchiveDir, Manifest, SegmentName};
use crate::event::{Date, EventPath, Timestamp};
use crate::fs;
use crate::live::{BulkPlacer, LiveTree};
use crate::ops::intake::{ArchivedDays, Arrival, Findings};
use crate::ops::{Context, Finding};
use crate::segment::Sha256Hash;
use crate::{Error, Result};

/// Events that are sent together.
const BATCH_EVENTS: usize = 8192;

/// Bytes of events that are sent together; a single event may be larger.
const BATCH_BYTES: usize = 32 << 20;

pub(super) struct Outlet<'a> {
    rsync: &'a Rsync<'a>,
    /// Live files there: size and time.
    listed: HashMap<String, (u64, i64)>,
    archive: Option<(ArchiveDir, Manifest)>,
    /// Segments there whose content a segment here has, and where that lies.
    lent: HashMap<Sha256Hash, PathBuf>,
    fetched: BTreeSet<SegmentName>,
    scratch: PathBuf,
    context: &'a Context,
    dry_run: bool,
    checksum: bool,
    /// The directory there in which rsync makes its files.
    temporary: String,
    has_temporary: bool,
    batch: Vec<Arrival>,
    batch_bytes: usize,
    pub(super) report: SyncReport,
    findings: Findings,
}

impl<'a> Outlet<'a> {
    pub(super) fn new(
        rsync: &'a Rsync<'a>,
        listed: Vec<Listed>,
        archive: Option<(ArchiveDir, Manifest)>,
        scratch: &Path,
        context: &'a Context,
        options: &SyncOptions,
        source: &str,
    ) -> Self {
        let from = format!("{}:{source}", context.by.host);
        let digest = Sha256Hash::of(from.as_bytes()).to_string();
        Self {
            rsync,
            listed: listed
                .into_iter()
                .filter(|listed| listed.is_file)
                .map(|listed| (listed.path, (listed.bytes, listed.mtime)))
                .collect(),
            archive,
            lent: HashMap::new(),
            fetched: BTreeSet::new(),
            scratch: scratch.to_owned(),
            context,
            dry_run: options.dry_run,
            checksum: options.checksum,
            temporary: format!("{}{}", fs::SYNC_PREFIX, &digest[..16]),
            has_temporary: false,
            batch: Vec::new(),
            batch_bytes: 0,
            report: SyncReport::default(),
            findings: Findings::default(),
        }
    }

    /// Names the segments here, which stand in for those of the same content there.
    pub(super) fn lend(&mut self, archive: &ArchiveDir, manifest: &Manifest) {
        for (name, record) in manifest.segments() {
            if let Some(content) = record.content {
                self.lent.insert(content, archive.segment_path(name));
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

    /// Sends what is left, and removes what rsync needed there.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        if self.has_temporary {
            let empty = self.directory("empty")?;
            let to = self.rsync.inside(&self.rsync.remote.root);
            let only = format!("--include=/{}/***", self.temporary);
            let arguments = ["--recursive", "--delete", "--force", &only, "--exclude=*"];
            let operands = [empty.join("").into_os_string(), to.into()];
            let operands: Vec<_> = operands.iter().map(std::ffi::OsString::as_os_str).collect();
            self.rsync.run(&arguments, &operands, &[], &mut |_| {})?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        self.report.events += batch.len() as u64;
        let (mut suspects, mut unlisted) = (Vec::new(), Vec::new());
        for arrival in batch {
            let mtime = seconds(arrival.mtime);
            match self.listed.get(&arrival.path.to_string()) {
                Some((bytes, time))
                    if *bytes == arrival.bytes.len() as u64 && *time == mtime && !self.checksum =>
                {
                    self.report.already_live += 1;
                }
                Some(_) => suspects.push(arrival),
                None => unlisted.push(arrival),
            }
        }
        self.fetch_segments(&unlisted)?;
        let new = self.sort_out(unlisted)?;
        if self.dry_run {
            self.count(&new);
        } else {
            self.send(&new)?;
        }
        self.compare(&new, &suspects)
    }

    /// Fetches the segments there that may hold these events.
    fn fetch_segments(&mut self, events: &[Arrival]) -> Result<()> {
        let Some((archive, manifest)) = &self.archive else { return Ok(()) };
        let mut days: BTreeMap<Date, BTreeSet<&str>> = BTreeMap::new();
        for event in events {
            days.entry(event.path.date).or_default().insert(event.path.node.as_str());
        }
        let mut names = Vec::new();
        for (date, nodes) in &days {
            for (name, record) in manifest.segments_of(*date) {
                let concerns = record
                    .nodes
                    .as_ref()
                    .is_none_or(|has| nodes.iter().any(|node| has.contains_key(*node)));
                if !concerns || self.fetched.contains(name) {
                    continue;
                }
                let lent = record.content.and_then(|content| self.lent.get(&content));
                let folder = archive.root().join(name.folder());
                std::fs::create_dir_all(&folder)
                    .map_err(|error| Error::io(&folder, "create", error))?;
                // What cannot be lent after all is fetched.
                if lent.is_none_or(|lent| std::fs::copy(lent, archive.segment_path(name)).is_err())
                {
                    names.push(name.to_string());
                }
                self.fetched.insert(name.clone());
            }
        }
        self.report.segments_fetched += names.len() as u64;
        let ended = self.rsync.fetch(&self.rsync.remote.archive, &names, archive.root(), &[])?;
        if ended == Ended::Missing {
            self.findings.add(Finding::new(
                format!("{}:{}", self.rsync.remote.host, self.rsync.remote.archive),
                "not every segment of its manifest is there; what they held counts as lacking",
            ));
        }
        Ok(())
    }

    /// Those that are not archived there, with the same bytes.
    fn sort_out(&mut self, events: Vec<Arrival>) -> Result<Vec<Arrival>> {
        let mut new = Vec::new();
        let mut came: HashMap<EventPath, Sha256Hash> = HashMap::new();
        let Self { archive, fetched, findings, report, .. } = self;
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

    fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.scratch.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Error::io(&path, "create", error))?;
        Ok(path)
    }

    /// Lays events out as files, for rsync to read.
    fn lay_out(&self, name: &str, events: &[Arrival]) -> Result<PathBuf> {
        let path = self.directory(name)?;
        let tree = LiveTree::create(&path)?;
        let bulk = BulkPlacer::begin(&tree, self.context.next_token(), self.context.now)?;
        for event in events {
            bulk.stage(&event.path, &event.bytes, event.mtime)?;
        }
        bulk.finish(&mut |_| {})?;
        Ok(path)
    }

    fn send(&mut self, new: &[Arrival]) -> Result<()> {
        if new.is_empty() {
            return Ok(());
        }
        let from = self.lay_out("out", new)?;
        let root = self.rsync.remote.root.clone();
        if !self.has_temporary {
            self.directory(&format!("out/{}", self.temporary))?;
            let temporary = [self.temporary.clone()];
            self.rsync.send(&from, &temporary, &root, &["--dirs", "--mkpath"], &mut |_| {})?;
            self.has_temporary = true;
        }
        let temporary = format!("--temp-dir={}", self.temporary);
        let options = ["--ignore-existing", "--compress", "--fsync", "--times", &temporary];
        self.rsync.send(&from, &paths(new), &root, &options, &mut |_| {})?;
        self.count(new);
        Ok(())
    }

    /// Reads back what was sent, and what has the same name and may be something else.
    fn compare(&mut self, new: &[Arrival], suspects: &[Arrival]) -> Result<()> {
        let mut differ = HashSet::new();
        let mut lacking = HashSet::new();
        for (name, events) in [("out", new), ("suspects", suspects)] {
            if events.is_empty() || (self.dry_run && name == "out") {
                continue;
            }
            let from =
                if name == "out" { self.scratch.join(name) } else { self.lay_out(name, events)? };
            let options = ["--checksum", "--dry-run", "--out-format=%i %n", "--8-bit-output"];
            let root = self.rsync.remote.root.clone();
            self.rsync.send(&from, &paths(events), &root, &options, &mut |line| match line
                .split_once(' ')
            {
                Some((what, path)) if what.starts_with("<f+++") => {
                    lacking.insert(path.to_owned());
                }
                Some((what, path)) if what.starts_with("<f") => {
                    differ.insert(path.to_owned());
                }
                _ => {}
            })?;
            std::fs::remove_dir_all(&from).map_err(|error| Error::io(&from, "remove", error))?;
        }
        if let Some(path) =
            new.iter().map(|event| event.path.to_string()).find(|path| lacking.contains(path))
        {
            return Err(self.rsync.failed(&format!("{path} was sent and is not there")));
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
    /// Takes over what an outlet counted.
    pub(super) fn take_outlet(&mut self, outlet: Outlet<'_>) {
        let Outlet { report, findings, .. } = outlet;
        self.events += report.events;
        self.copied += report.copied;
        self.copied_bytes += report.copied_bytes;
        self.already_live += report.already_live;
        self.already_archived += report.already_archived;
        self.conflicts += report.conflicts;
        self.segments_fetched += report.segments_fetched;
        self.findings.extend(findings.into_named());
    }
}

//! Evidence: one directory that others can check without this program.
//!
//! The events of days or chains byte for byte, live and archived; the segments that hold them, and
//! the manifest that vouches for those up to its head; the newest signature of a head; the hashes
//! of all of it; and a text that explains how to check it with `sha256sum`, `tar`, `zstd` and
//! `minisign`. It only reads the history. Unreadable data is reported, and the rest continues; a
//! directory without its list of hashes is not complete.

mod archived;
mod outlet;
mod readme;
mod report;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub use report::{EvidenceDay, EvidenceManifest, EvidenceOptions, EvidenceReport, EvidenceSegment};

use crate::Context;
use crate::History;
use crate::archive::{Expired, Manifest, SegmentName};
use crate::event::{Date, EventPath};
use crate::live::{FileState, LiveTree};
use crate::ops::Finding;
use crate::progress::{Progress, Unit};
use crate::segment::Sha256Hash;
use crate::store::{EventStream, Filter, FoundEvent, Notice, Query, Store};
use crate::{Error, Result};
use outlet::Outlet;
use run::{Conflict, Run, Written};

/// Number of events that are read together.
const BATCH: usize = 256;

/// The directory's folder of events.
const EVENTS: &str = "events";

impl History {
    /// Writes chains or days into a directory, with everything that vouches for them: their
    /// segments, the manifest, checksums, and a text that explains how to check it with plain
    /// tools.
    ///
    /// ```
    /// use hlarchive::{EvidenceOptions, History};
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// history.emit("node_offline").correlation_id("outage-7").send()?;
    /// let case = directory.path().join("case");
    /// let options = EvidenceOptions::to(case).correlation_id("outage-7");
    /// assert_eq!(history.evidence(&options)?.events, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn evidence(&self, options: &EvidenceOptions) -> Result<EvidenceReport> {
        evidence(&self.store, &self.context.stopped(), options, &*self.progress)
    }
}

/// Writes a directory of evidence.
fn evidence(
    store: &Store,
    context: &Context,
    options: &EvidenceOptions,
    progress: &dyn Progress,
) -> Result<EvidenceReport> {
    for (from, to) in &options.days {
        if from > to {
            return Err(Error::Usage(format!("{from}..{to}: the range ends before it begins")));
        }
    }
    if options.correlation_ids.iter().any(String::is_empty) {
        return Err(Error::Usage("the correlation id is empty".to_owned()));
    }
    store.check_outside(&options.target, "evidence")?;
    Outlet::check(&options.target)?;
    let report = EvidenceReport {
        target: options.target.display().to_string(),
        asked: options.asked(),
        ..EvidenceReport::default()
    };
    let mut run = Run {
        store,
        options,
        progress,
        report,
        outlet: None,
        days: BTreeMap::new(),
        written: Vec::new(),
        conflicts: Vec::new(),
        damaged: BTreeSet::new(),
        ids: BTreeSet::new(),
    };
    run.events()?;
    if !run.report.stopped {
        run.finish(context)?;
    }
    run.report.days = std::mem::take(&mut run.days).into_values().collect();
    Ok(run.report)
}

impl Run<'_> {
    /// Writes the requested events.
    fn events(&mut self) -> Result<()> {
        let query =
            || Query { day_by_day: true, own_only: true, by_manifest: true, ..Query::default() };
        let (dates, expired) = self.dates()?;
        self.report.expired = expired;
        self.progress.begin("collecting", None, Unit::Events);
        if !dates.is_empty() {
            let events = self.store.events(Query { dates, ..query() })?;
            self.all(events, true)?;
        }
        if !self.options.correlation_ids.is_empty() && !self.report.stopped {
            let correlation_ids = self.options.correlation_ids.clone();
            let filter = Filter { correlation_ids, ..Filter::default() };
            let events = self.store.events(Query { filter, ..query() })?;
            self.all(events, false)?;
        }
        self.progress.end();
        Ok(())
    }

    /// Returns the days of the ranges that have anything, and what of them has expired.
    fn dates(&self) -> Result<(Vec<Date>, Option<Expired>)> {
        let mut dates = BTreeSet::new();
        if self.options.days.is_empty() {
            return Ok((Vec::new(), None));
        }
        if let Some(live) = self.store.live()? {
            dates.extend(live.dates()?.0);
        }
        let mut expired = None;
        let (archive, away) = self.store.readable_archive()?;
        if let Some(archive) = archive {
            let manifest = Manifest::load(&archive)?;
            dates.extend(manifest.segments().map(|(name, _)| name.date));
            expired = Expired::of(manifest.expired().filter(|record| {
                record.segment.as_ref().is_some_and(|name| self.options.has_day(name.date))
            }));
        } else if away.is_some() {
            // Then the query reports it, for any day.
            dates.extend(self.options.days.iter().map(|(from, _)| *from));
        }
        dates.retain(|date| self.options.has_day(*date));
        Ok((dates.into_iter().collect(), expired))
    }

    fn all(&mut self, mut events: EventStream, of_days: bool) -> Result<()> {
        let progress = self.progress;
        let stops = || progress.stop_requested();
        while !self.stops() {
            let parts = events.next_parts(BATCH, &stops, |found| found.collect::<Vec<_>>())?;
            if parts.iter().all(Vec::is_empty) {
                break;
            }
            for event in parts.into_iter().flatten() {
                self.take(&event)?;
            }
        }
        self.stops();
        let (kept, beyond) = events.notices().take();
        for notice in kept {
            self.hear(notice, of_days)?;
        }
        if beyond > 0 && (of_days || events.notices().any_cost()) {
            let reason = format!("and {beyond} more were skipped; \"hlarchive verify\" names them");
            self.report.findings.push(Finding::new(self.report.target.clone(), reason));
        }
        Ok(())
    }

    fn take(&mut self, event: &FoundEvent) -> Result<()> {
        if let Ok(head) = event.head()
            && self.options.correlation_ids.iter().any(|id| **id == *head.correlation_id)
        {
            self.ids.insert(head.correlation_id.into_owned());
        }
        let segment = event.segment.as_ref().map(|place| place.name.clone());
        if self.write(&event.path, &event.bytes, segment)? {
            self.report.events += 1;
        }
        self.progress.advance(1);
        Ok(())
    }

    /// Writes a file of the history; returns whether it is new here.
    fn write(
        &mut self,
        path: &EventPath,
        bytes: &[u8],
        segment: Option<SegmentName>,
    ) -> Result<bool> {
        let path_text = path.to_string();
        let mut file = format!("{EVENTS}/{path_text}");
        let hash = Sha256Hash::of(bytes);
        let outlet = self.outlet()?;
        let mut number = 1;
        while let Some(there) = outlet.hash_of(&file) {
            if there == hash {
                return Ok(false);
            }
            number += 1;
            file = format!("conflicts/{number}/{path_text}");
        }
        outlet.write(&file, bytes)?;
        if number > 1 {
            let reason = format!("another event of this name is in {file}");
            self.report.findings.push(Finding::new(path_text.clone(), reason));
            self.conflicts.push(Conflict { file, path: path_text, segment: segment.clone() });
        }
        let day = self.days.entry(path.date).or_insert_with(|| EvidenceDay {
            date: path.date,
            events: 0,
            event_bytes: 0,
            live: 0,
        });
        let bytes = bytes.len() as u64;
        day.events += 1;
        day.event_bytes += bytes;
        self.report.event_bytes += bytes;
        if segment.is_none() {
            day.live += 1;
            self.report.live += 1;
        }
        if number == 1 {
            self.written.push(Written { path: path.to_string(), hash, segment });
        }
        Ok(true)
    }

    /// Handles a notice of a query.
    fn hear(&mut self, notice: Notice, of_days: bool) -> Result<()> {
        let text = notice.to_string();
        let finding = |path: String| {
            let reason = text.strip_prefix(&format!("{path}: ")).unwrap_or(&text).to_owned();
            Finding::new(path, reason)
        };
        match notice {
            Notice::Away(unreached) => {
                let place = self.store.archive_path().display().to_string();
                let reason = unreached.to_string();
                let reason = reason.strip_prefix(&format!("{place}: ")).unwrap_or(&reason);
                let mut finding = Finding::new(place, reason);
                finding.is_away = true;
                if !self.report.findings.contains(&finding) {
                    self.report.findings.push(finding);
                }
            }
            Notice::Damaged { path, .. } => {
                self.report.findings.push(finding(path.display().to_string()));
                self.damaged.insert(path);
            }
            Notice::Unreadable { path, .. } => self.report.findings.push(finding(path.to_string())),
            Notice::UnexpectedEntry { path, .. } if of_days => {
                let finding = finding(path.display().to_string());
                self.report.findings.push(finding);
            }
            Notice::Invalid { path, segment: None, .. } if of_days => self.invalid(&path)?,
            Notice::Invalid { path, segment: Some(segment), .. } if of_days => {
                let reason = format!("it is not an event, and is only in {segment}");
                self.report.remarks.push(Finding::new(path.to_string(), reason));
            }
            // Other notices cost no event, or were reported when they were written.
            _ => {}
        }
        Ok(())
    }

    /// Copies a live file of a day that is not an event.
    fn invalid(&mut self, path: &EventPath) -> Result<()> {
        let Some(live) = self.store.live()? else { return Ok(()) };
        match read(&live, path) {
            Ok(bytes) => {
                if self.write(path, &bytes, None)? {
                    self.report.invalid += 1;
                    self.report.events += 1;
                    let reason = "it is not an event, and was copied as is";
                    self.report.remarks.push(Finding::new(path.to_string(), reason));
                }
            }
            Err(reason) => self.report.findings.push(Finding::new(path.to_string(), reason)),
        }
        Ok(())
    }

    /// Reports what was requested and not found. Fails if nothing was found.
    fn check_found(&mut self) -> Result<()> {
        let lacks: Vec<String> = self
            .options
            .correlation_ids
            .iter()
            .filter(|id| !self.ids.contains(*id))
            .map(|id| format!("no event has the correlation id {}", crate::event::shown(id)))
            .chain(self.options.days.iter().filter_map(|(from, to)| {
                let has = self.days.keys().any(|day| (*from..=*to).contains(day));
                let range = if from == to { from.to_string() } else { format!("{from}..{to}") };
                (!has).then(|| format!("there is no event of {range}"))
            }))
            .collect();
        let place = self.report.target.clone();
        if self.written.is_empty() && self.report.findings.is_empty() {
            let mut reason = lacks.join("; ");
            if let Some(expired) = &self.report.expired {
                reason.push_str(&format!("; {expired}"));
            }
            let hint = match self.options.correlation_ids.as_slice() {
                [id] => self.store.hint_at_id(id),
                _ => String::new(),
            };
            return Err(Error::NotFound {
                what: self.report.asked.join(", "),
                reason: format!("{reason}, neither live nor archived{hint}"),
            });
        }
        let is_away = self.report.findings.iter().any(|finding| finding.is_away);
        self.report.findings.extend(lacks.into_iter().map(|reason| {
            // It may be in the unreachable part.
            Finding { is_away, ..Finding::new(place.clone(), reason) }
        }));
        Ok(())
    }

    /// Writes everything that vouches for the events, and how to check it.
    fn finish(&mut self, context: &Context) -> Result<()> {
        self.check_found()?;
        let outcome = self.archived();
        match outcome {
            Err(Error::Interrupted(_)) => {
                self.report.stopped = true;
                return Ok(());
            }
            outcome => outcome?,
        }
        if self.outlet.is_none() {
            return Ok(());
        }
        self.lists()?;
        let text = readme::text(self, context);
        self.outlet()?.write("README.txt", text.as_bytes())?;
        let Some(outlet) = self.outlet.take() else { return Ok(()) };
        match outlet.finish(&mut self.report.findings, self.progress)? {
            Some(whole) => {
                self.report.files = whole.files;
                self.report.bytes = whole.bytes;
                self.report.sha256sums = Some(whole.sums);
            }
            None => self.report.stopped = true,
        }
        Ok(())
    }

    /// Writes the lists of the events in each segment, and of the live ones.
    fn lists(&mut self) -> Result<()> {
        self.written.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let mut lists: BTreeMap<String, String> = BTreeMap::new();
        for written in &self.written {
            let name = match &written.segment {
                Some(segment) => archived::list_of(segment),
                None => readme::LIVE.to_owned(),
            };
            lists.entry(name).or_default().push_str(&outlet::line(written.hash, &written.path));
        }
        for (name, text) in lists {
            self.outlet()?.write(&name, text.as_bytes())?;
        }
        Ok(())
    }
}

/// Reads a live file; returns the reason if it cannot be read.
fn read(live: &LiveTree, path: &EventPath) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match live.partition(path.date).read_into(&path.node, &path.name, &mut bytes) {
        Ok(FileState::Read(_)) => Ok(bytes),
        Ok(FileState::Gone) => {
            Err("it is gone; \"hlarchive verify\" says what became of it".into())
        }
        Ok(FileState::NotRegular(kind)) => Err(format!("it is {kind}, not a file; not copied")),
        Ok(FileState::TooLarge(bytes)) => {
            Err(format!("it has {bytes} bytes, more than any event; not copied"))
        }
        Ok(FileState::Changed) => Err("it changed while it was read; not copied".into()),
        Err(error) => Err(error.reason_at(Path::new(&path.to_string()))),
    }
}

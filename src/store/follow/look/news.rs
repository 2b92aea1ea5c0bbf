//! News: live files without a mark, and segments that are not done.

use std::collections::{BTreeMap, BTreeSet};

use super::News;
use crate::Result;
use crate::archive::{Expired, Manifest, Op};
use crate::event::{Date, Timestamp};
use crate::live::LiveTree;
use crate::store::Notice;
use crate::store::follow::Follower;
use crate::store::follow::log::{LogEntry, Mark};
use crate::store::follow::marks::segment_mark;

/// Above this many new files, a day is read as a query reads it: in parallel, sorted by time, in
/// bounded memory.
const FEW: usize = 512;

impl Follower {
    /// Finds live files without a mark, in days whose directories changed.
    pub(super) fn list(
        &mut self,
        live: Option<&LiveTree>,
        now: Timestamp,
        news: &mut BTreeMap<Date, News>,
    ) -> Result<()> {
        let dates = match live {
            Some(live) => live.dates()?.0,
            None => Vec::new(),
        };
        let there: BTreeSet<Date> = dates.iter().copied().collect();
        self.days.retain(|date, _| there.contains(date));
        self.suspects.retain(|path, _| there.contains(&path.date));
        self.seen.load(&self.log, &dates)?;
        for date in dates {
            let Some(live) = live else { break };
            let changes = live.changes(date)?;
            if !self.days.entry(date).or_default().needs_look(changes, now) {
                continue;
            }
            let listing = live.list(date)?;
            for entry in listing.unexpected().iter().filter(|entry| entry.hides_events) {
                if self.hidden.insert(entry.path.clone()) {
                    self.notices.unexpected(entry);
                }
            }
            for number in 0..listing.len() {
                let path = listing.path(number);
                if self.seen.has(date, &self.mark(&path)) || self.suspects.contains_key(&path) {
                    continue;
                }
                let news = news.entry(date).or_default();
                if news.files.len() == FEW {
                    news.many = true;
                    break;
                }
                news.files.push(path);
            }
        }
        self.question_suspects(live, news);
        Ok(())
    }

    /// Checks files that were not events: those that changed since are news, the others are
    /// reported.
    fn question_suspects(&mut self, live: Option<&LiveTree>, news: &mut BTreeMap<Date, News>) {
        let Some(live) = live else { return };
        let (mut moved, mut gone) = (Vec::new(), Vec::new());
        for (path, suspect) in &mut self.suspects {
            match live.partition(path.date).stamp_of(&path.node, &path.name) {
                Ok(None) => gone.push(path.clone()),
                Ok(stamp) if stamp != suspect.stamp => moved.push(path.clone()),
                Ok(_) | Err(_) if suspect.told => {}
                Ok(_) | Err(_) => {
                    suspect.told = true;
                    self.notices.add(suspect.notice.clone());
                }
            }
        }
        for path in gone {
            self.suspects.remove(&path);
        }
        for path in moved {
            self.suspects.remove(&path);
            news.entry(path.date).or_default().files.push(path);
        }
    }

    /// Finds segments that are not done.
    pub(super) fn ask_manifest(
        &mut self,
        asked: bool,
        news: &mut BTreeMap<Date, News>,
    ) -> Result<()> {
        if !self.query.scope.archived() {
            return Ok(());
        }
        let (archive, away) = self.store.readable_archive()?;
        if let Some(away) = away {
            self.notices.add(Notice::Away(away));
        }
        let Some(archive) = archive else {
            self.manifest = Manifest::default();
            return Ok(());
        };
        if !self.manifest.reload_if_changed(&archive)? && asked {
            return Ok(());
        }
        let mut entries = Vec::new();
        let mut marks: BTreeMap<_, Mark> = BTreeMap::new();
        for record in self.manifest.records() {
            let is_there = matches!(record.op, Op::Rotate | Op::Import | Op::Compact);
            if let Some(name) = record.segment.as_ref().filter(|_| is_there) {
                marks.insert(name, segment_mark(&self.log, name, record));
            }
        }
        for (name, record) in self.manifest.segments() {
            let mark = segment_mark(&self.log, name, record);
            if self.done.contains(&mark) || self.tried.contains(&mark) {
                continue;
            }
            let old = record.supersedes.as_deref().unwrap_or_default();
            let is_done = |name| marks.get(name).is_some_and(|mark| self.done.contains(mark));
            let done = old.iter().filter(|name| is_done(*name)).count();
            if done > 0 && done == old.len() {
                entries.push(LogEntry::Segment(mark));
            } else if done > 0 && self.names_only {
                let reason = "it took the place of others before all of them were looked \
                              through, so it cannot be told what in it is new";
                let path = archive.segment_path(name);
                self.notices.add(Notice::Damaged { path, reason: reason.to_owned() });
                entries.push(LogEntry::Segment(mark));
            } else {
                news.entry(name.date).or_default().segments.push(mark);
            }
        }
        let mut expired = Vec::new();
        for record in self.manifest.expired() {
            let Some(name) = &record.segment else { continue };
            let mark = segment_mark(&self.log, name, record);
            if !self.done.contains(&mark) {
                entries.push(LogEntry::Segment(mark));
                if self.query.wants(name.date) {
                    expired.push(record);
                }
            }
        }
        if let Some(expired) = Expired::of(expired.into_iter()) {
            self.notices.add(Notice::Expired(expired));
        }
        if !entries.is_empty() {
            self.note(&entries)?;
        }
        Ok(())
    }

    /// Notes what is not given; the list may lag behind with it.
    fn note(&mut self, entries: &[LogEntry]) -> Result<()> {
        let is_all = self.given == self.log.len();
        self.log.append(entries)?;
        if is_all {
            self.given = self.log.len();
        }
        for entry in entries {
            if let LogEntry::Segment(mark) = entry {
                self.done.insert(*mark);
            }
        }
        Ok(())
    }
}

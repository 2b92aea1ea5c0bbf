//! Failures in a chain, and which of them are still open.
//!
//! They are separate for each node and service. What was unhealthy is well when a recovery of the
//! same service on the same node is reported; what failed, also when something completes there; a
//! node that went away, when it is back. Memory holds what is open, and the first few failures.

use std::collections::BTreeMap;

use super::summary::{ChainFailure, OpenTrouble, Why};
use crate::event::{EventHead, Severity};
use crate::views::detail::tells_why;
use crate::views::word::Word;

/// Maximum number of failures reported after the cause.
const MAX_ALSO: usize = 8;

/// Maximum number of open troubles reported.
const MAX_OPEN: usize = 20;

/// The kinds of trouble of a service on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Matter {
    /// Its health.
    Health,
    /// The end of a run.
    Run,
}

/// The remediation state of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Care {
    None,
    Remediating,
    Remediated,
}

/// A service on a node: node first.
type Subject = (String, String);

fn subject(event: &EventHead<'_>) -> Subject {
    (event.node.to_string(), event.service.to_string())
}

/// Returns the part of a run's name that its start and its end share.
fn run(event: &EventHead<'_>) -> String {
    event.event_type.rsplit_once('_').map_or("", |(what, _)| what).to_owned()
}

/// Collects what went wrong.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// The first failure; the flag is set if it is more than a hint.
    cause: Option<(ChainFailure, bool)>,
    also: Vec<ChainFailure>,
    more_also: u64,
    bad: BTreeMap<(Subject, Matter), (OpenTrouble, Care)>,
    offline: BTreeMap<String, OpenTrouble>,
    /// Runs without an end.
    running: BTreeMap<(Subject, String), OpenTrouble>,
}

/// The state of the worst open trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worst {
    Nothing,
    Remediated,
    Remediating,
    Bad,
}

impl Troubles {
    /// Takes an event.
    pub(super) fn take(&mut self, word: Word, event: &EventHead<'_>, path: &str) {
        if word.is_bad() {
            self.fail(word, event, path);
        }
        match word {
            Word::Offline => {
                let since = || OpenTrouble::of(Why::Bad, event, path);
                self.offline.entry(event.node.to_string()).or_insert_with(since);
            }
            Word::Online => {
                self.offline.remove(&*event.node);
            }
            Word::Unhealthy | Word::Alarm => self.worsen(Matter::Health, event, path),
            Word::Failed | Word::AttemptFailed => {
                self.running.remove(&(subject(event), run(event)));
                self.worsen(Matter::Run, event, path);
            }
            Word::Began | Word::Attempted => {
                let since = || OpenTrouble::of(Why::NoEnd, event, path);
                self.running.entry((subject(event), run(event))).or_insert_with(since);
                if word == Word::Attempted {
                    self.care(event, Care::Remediating);
                }
            }
            Word::Done => {
                self.running.remove(&(subject(event), run(event)));
                self.bad.remove(&(subject(event), Matter::Run));
            }
            Word::AttemptDone => {
                self.running.remove(&(subject(event), run(event)));
                self.care(event, Care::Remediated);
            }
            Word::Recovered => {
                self.bad.remove(&(subject(event), Matter::Health));
                self.bad.remove(&(subject(event), Matter::Run));
                // A healthy service needs no end of a remediation.
                self.running.remove(&(subject(event), "remediation".to_owned()));
            }
            Word::Nothing => {}
        }
    }

    fn worsen(&mut self, matter: Matter, event: &EventHead<'_>, path: &str) {
        let since = || (OpenTrouble::of(Why::Bad, event, path), Care::None);
        self.bad.entry((subject(event), matter)).or_insert_with(since).1 = Care::None;
    }

    fn care(&mut self, event: &EventHead<'_>, care: Care) {
        for matter in [Matter::Health, Matter::Run] {
            if let Some((_, taken)) = self.bad.get_mut(&(subject(event), matter)) {
                *taken = care;
            }
        }
    }

    /// Takes a failure. The first one is the cause; only a mere warning without a reason, a
    /// failed check, gives way to the first one that is more.
    fn fail(&mut self, word: Word, event: &EventHead<'_>, path: &str) {
        let failure = ChainFailure::of(event, path);
        let is_more = word != Word::Failed
            || event.severity >= Severity::Error
            || event.event_type != "healthcheck_failed"
            || tells_why(event.payload.get());
        match &mut self.cause {
            None => self.cause = Some((failure, is_more)),
            Some((cause, _)) if cause.is_like(&failure) => cause.times += 1,
            Some((cause, is_cause)) if is_more && !*is_cause => {
                let hint = std::mem::replace(cause, failure);
                *is_cause = true;
                self.add(hint);
            }
            Some(_) => self.add(failure),
        }
    }

    fn add(&mut self, failure: ChainFailure) {
        if let Some(like) = self.also.iter_mut().find(|like| like.is_like(&failure)) {
            like.times += failure.times;
        } else if self.also.len() < MAX_ALSO {
            let later = |other: &ChainFailure| other.timestamp > failure.timestamp;
            let place = self.also.iter().position(later).unwrap_or(self.also.len());
            self.also.insert(place, failure);
        } else {
            self.more_also += failure.times;
        }
    }

    /// Reports whether any run has no end.
    pub(super) fn any_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// The state of the worst open trouble.
    pub(super) fn worst(&self) -> Worst {
        if !self.offline.is_empty() {
            return Worst::Bad;
        }
        let of = |care: &Care| match care {
            Care::None => Worst::Bad,
            Care::Remediating => Worst::Remediating,
            Care::Remediated => Worst::Remediated,
        };
        self.bad.values().map(|(_, care)| of(care)).max().unwrap_or(Worst::Nothing)
    }

    /// Returns the cause, the other failures, and how many were left out.
    pub(super) fn failures(&mut self) -> (Option<ChainFailure>, Vec<ChainFailure>, u64) {
        let cause = self.cause.take().map(|(cause, _)| cause);
        (cause, std::mem::take(&mut self.also), self.more_also)
    }

    /// Returns what is still bad or has no end, earliest first, and how many were left out.
    pub(super) fn open(self) -> (Vec<OpenTrouble>, u64) {
        let is_open =
            |(matter, care): (Matter, Care)| matter == Matter::Health || care != Care::Remediated;
        let bad = self.bad.into_iter().filter(|((_, matter), (_, care))| is_open((*matter, *care)));
        let mut open: Vec<OpenTrouble> = bad.map(|(_, (open, _))| open).collect();
        open.extend(self.offline.into_values());
        open.extend(self.running.into_values());
        open.sort_by(|a, b| (a.timestamp, &a.path).cmp(&(b.timestamp, &b.path)));
        let more = open.len().saturating_sub(MAX_OPEN);
        open.truncate(MAX_OPEN);
        (open, more as u64)
    }
}

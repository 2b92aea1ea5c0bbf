//! The current state: the last word about each service on a node, each node and each chain.
//!
//! Four rules decide what is open; neither the order in which events are taken nor taking one
//! twice changes the answer:
//!
//! * `service_unhealthy` is open until a recovery of the same service and node;
//! * `node_offline` is open until a `node_online` of the same node;
//! * a failure is open until a success (an end that is not a failure, or a recovery) of the same
//!   service and node, or of the same correlation id;
//! * so is something critical of a type that says no more.
//!
//! A good word also closes the bad ones of its own instant: clocks that count whole seconds are
//! more common than services that break in the second in which they recover.
//!
//! Memory grows with the number of services and nodes, and of what is open.

mod slot;
mod summary;

use std::collections::{BTreeMap, BTreeSet};

pub use slot::ProblemKind;
use slot::Well;
pub(crate) use slot::{Bad, ProblemSlot, Stretch};
pub(crate) use summary::StandingSummary;

use super::detail::detail;
use super::word::Word;
use crate::event::{EventHead, Severity, Timestamp};

/// The current state, as far as events were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    now: Timestamp,
    well: BTreeMap<(String, String), Well>,
    online: BTreeMap<String, Timestamp>,
    open: BTreeMap<ProblemSlot, Stretch>,
    /// The slots of each correlation id.
    chains: BTreeMap<String, BTreeSet<ProblemSlot>>,
    /// The latest success of all.
    latest: Option<Timestamp>,
    /// Chains that may have gone well before their failure was taken.
    doubts: BTreeSet<String>,
    /// Slots whose first bad word is to be searched for, after this time.
    cuts: BTreeMap<ProblemSlot, Timestamp>,
}

/// Reports whether an event of this type may affect the state, for a query; of other types,
/// events of severity `critical` do.
pub(crate) fn may_tell(kind: &str) -> bool {
    const ENDS: [&str; 3] = ["_failed", "_completed", "_recovered"];
    matches!(kind, "service_unhealthy" | "node_offline" | "node_online")
        || ENDS.iter().any(|end| kind.ends_with(end))
}

/// Reports whether a failure needs attention: those of deployments and remediations always do, as
/// does the failed end of anything that was to complete; for others, their severity decides.
fn matters(head: &EventHead<'_>) -> bool {
    let kind = head.event_type.as_ref();
    head.severity >= Severity::Error || kind == "deployment_failed" || kind.ends_with("_completed")
}

impl Standing {
    /// Starts an empty state at `now`: what is dated later has not happened.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self {
            now,
            well: BTreeMap::new(),
            online: BTreeMap::new(),
            open: BTreeMap::new(),
            chains: BTreeMap::new(),
            latest: None,
            doubts: BTreeSet::new(),
            cuts: BTreeMap::new(),
        }
    }

    /// Resumes from a summary.
    pub(crate) fn of(summary: StandingSummary, now: Timestamp) -> Self {
        let mut standing = Self::at(now);
        standing.latest = summary.latest;
        standing.online = summary.online;
        let well = summary.well.into_iter();
        standing.well = well.map(|(service, node, well)| ((service, node), well)).collect();
        for (slot, stretch) in summary.open {
            standing.remember(&slot);
            standing.open.insert(slot, stretch);
        }
        standing
    }

    /// Returns the summary to be written.
    pub(crate) fn summary(&self) -> StandingSummary {
        let well = self.well.iter();
        StandingSummary {
            latest: self.latest,
            well: well
                .map(|((service, node), well)| (service.clone(), node.clone(), *well))
                .collect(),
            online: self.online.clone(),
            open: self.open.iter().map(|(slot, bad)| (slot.clone(), bad.clone())).collect(),
        }
    }

    /// Returns what is open.
    pub(crate) fn open(&self) -> impl Iterator<Item = (&ProblemSlot, &Stretch)> {
        self.open.iter()
    }

    /// Forgets the matching open problems.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&Stretch) -> bool) {
        let gone: Vec<ProblemSlot> = self
            .open
            .iter()
            .filter(|(_, bad)| is_gone(bad))
            .map(|(slot, _)| slot.clone())
            .collect();
        for slot in &gone {
            self.remove(slot);
        }
    }

    /// Takes an event. In time order, nothing is left to [`settle`](Self::settle).
    pub(crate) fn take(&mut self, head: &EventHead<'_>, path: &dyn std::fmt::Display) {
        if head.timestamp > self.now {
            return;
        }
        let word = Word::of(head);
        if word.is_bad() {
            self.bad(word, head, path);
        } else {
            self.good(word, head);
        }
    }

    /// Takes the chains whose older events must be searched for and given to
    /// [`settle`](Self::settle).
    pub(crate) fn doubts(&mut self) -> Vec<String> {
        let doubts = std::mem::take(&mut self.doubts);
        doubts.into_iter().filter(|chain| self.chains.contains_key(chain)).collect()
    }

    /// Takes an event of the chains in doubt, in any order, for the success it may report.
    pub(crate) fn settle(&mut self, head: &EventHead<'_>) {
        let word = Word::of(head);
        if head.timestamp <= self.now && !word.is_bad() {
            self.good(word, head);
        }
    }

    /// Returns the nodes, and the time since when, whose events must be searched for and given to
    /// [`refine`](Self::refine); call it after the doubts are settled.
    pub(crate) fn cuts(&self) -> Option<(Vec<String>, Timestamp)> {
        let since = self.cuts.values().min()?;
        let nodes: BTreeSet<&String> = self.cuts.keys().map(|slot| &slot.node).collect();
        Some((nodes.into_iter().cloned().collect(), *since))
    }

    /// Takes such an event: if it is the first bad word after the good one that came late, its
    /// slot is open since then.
    pub(crate) fn refine(&mut self, head: &EventHead<'_>) {
        let Some(slot) = slot_of(Word::of(head), head) else { return };
        let is_after = self.cuts.get(&slot).is_some_and(|cut| head.timestamp > *cut);
        if is_after && let Some(bad) = self.open.get_mut(&slot) {
            bad.first = bad.first.min(head.timestamp);
        }
    }

    /// Marks all such events as taken.
    pub(crate) fn refined(&mut self) {
        self.cuts.clear();
    }

    /// Returns what only a summary says of a service, node and kind, if anything.
    pub(crate) fn unseen(&self) -> Option<(ProblemSlot, Bad)> {
        let mut rows: BTreeMap<(&str, &Option<String>, ProblemKind), (&ProblemSlot, &Stretch)> =
            BTreeMap::new();
        for (slot, bad) in &self.open {
            let row = rows.entry((&slot.node, &slot.service, slot.kind)).or_insert((slot, bad));
            if (bad.last.time, &bad.last.path) > (row.1.last.time, &row.1.last.path) {
                *row = (slot, bad);
            }
        }
        let unseen = rows.into_values().find(|(_, bad)| !bad.is_seen);
        unseen.map(|(slot, bad)| (slot.clone(), bad.last.clone()))
    }

    /// Records that a slot's event was read, with what it says, or that it cannot be read now.
    pub(crate) fn saw(&mut self, slot: &ProblemSlot, said: Option<Bad>) {
        if let Some(bad) = self.open.get_mut(slot) {
            bad.is_seen = true;
            bad.last = said.unwrap_or_else(|| bad.last.clone());
        }
    }

    fn bad(&mut self, word: Word, head: &EventHead<'_>, path: &dyn std::fmt::Display) {
        let Some(slot) = slot_of(word, head) else { return };
        let place = || (head.service.to_string(), head.node.to_string());
        let well = match slot.kind {
            ProblemKind::NodeOffline => self.online.get(head.node.as_ref()).copied(),
            ProblemKind::ServiceUnhealthy => {
                self.well.get(&place()).and_then(|well| well.recovered)
            }
            ProblemKind::Failed | ProblemKind::Alarm => {
                self.well.get(&place()).and_then(|well| well.succeeded)
            }
        };
        if well.is_some_and(|well| head.timestamp <= well) {
            return;
        }
        if let Some(chain) = &slot.chain
            && self.latest.is_some_and(|latest| head.timestamp <= latest)
        {
            self.doubts.insert(chain.clone());
        }
        let bad = bad_of(head, path);
        self.remember(&slot);
        let first = bad.time;
        match self.open.get_mut(&slot) {
            None => {
                self.open.insert(slot, Stretch { first, last: bad, is_seen: true });
            }
            Some(there) => {
                there.first = there.first.min(first);
                if (bad.time, &bad.path) >= (there.last.time, &there.last.path) {
                    (there.last, there.is_seen) = (bad, true);
                }
            }
        }
    }

    fn good(&mut self, word: Word, head: &EventHead<'_>) {
        let time = head.timestamp;
        let later = |known: Option<Timestamp>| known.max(Some(time));
        let is_recovery = match word {
            Word::Online => {
                let node = head.node.to_string();
                let known = self.online.get(&node).copied();
                self.online.insert(node.clone(), later(known).unwrap_or(time));
                let slot = ProblemSlot {
                    service: None,
                    node,
                    kind: ProblemKind::NodeOffline,
                    chain: None,
                };
                self.close(&slot, time);
                return;
            }
            Word::Recovered => true,
            Word::Done | Word::AttemptDone => false,
            _ => return,
        };
        self.latest = later(self.latest);
        let (service, node) = (head.service.to_string(), head.node.to_string());
        let well = self.well.entry((service.clone(), node.clone())).or_default();
        well.succeeded = later(well.succeeded);
        if is_recovery {
            well.recovered = later(well.recovered);
        }
        let from = ProblemSlot {
            service: Some(service),
            node,
            kind: ProblemKind::NodeOffline,
            chain: None,
        };
        let of_place = self.open.range(&from..).map(|(slot, _)| slot);
        let mut slots: Vec<ProblemSlot> = of_place
            .take_while(|slot| (&slot.service, &slot.node) == (&from.service, &from.node))
            .filter(|slot| is_recovery || slot.kind != ProblemKind::ServiceUnhealthy)
            .cloned()
            .collect();
        slots.extend(self.chains.get(head.correlation_id.as_ref()).into_iter().flatten().cloned());
        for slot in &slots {
            self.close(slot, time);
        }
    }

    /// Records that a slot was well at this time.
    fn close(&mut self, slot: &ProblemSlot, time: Timestamp) {
        let Some(bad) = self.open.get_mut(slot) else { return };
        if bad.last.time <= time {
            self.remove(slot);
        } else if bad.first <= time || self.cuts.contains_key(slot) {
            if bad.first <= time {
                bad.first = bad.last.time;
            }
            let cut = self.cuts.entry(slot.clone()).or_insert(time);
            *cut = time.max(*cut);
        }
    }

    fn remember(&mut self, slot: &ProblemSlot) {
        if let Some(chain) = &slot.chain {
            let slots = self.chains.entry(chain.clone()).or_default();
            if !slots.contains(slot) {
                slots.insert(slot.clone());
            }
        }
    }

    fn remove(&mut self, slot: &ProblemSlot) {
        self.open.remove(slot);
        self.cuts.remove(slot);
        if let Some(chain) = &slot.chain
            && let Some(slots) = self.chains.get_mut(chain)
        {
            slots.remove(slot);
            if slots.is_empty() {
                self.chains.remove(chain);
            }
        }
    }
}

/// Returns the slot of a bad word; none if it needs no attention.
fn slot_of(word: Word, head: &EventHead<'_>) -> Option<ProblemSlot> {
    let kind = match word {
        Word::Offline => ProblemKind::NodeOffline,
        Word::Unhealthy => ProblemKind::ServiceUnhealthy,
        Word::AttemptFailed => ProblemKind::Failed,
        Word::Failed if matters(head) => ProblemKind::Failed,
        Word::Alarm => ProblemKind::Alarm,
        _ => return None,
    };
    let chain = matches!(kind, ProblemKind::Failed | ProblemKind::Alarm)
        .then(|| head.correlation_id.to_string());
    let service = (kind != ProblemKind::NodeOffline).then(|| head.service.to_string());
    Some(ProblemSlot { service, node: head.node.to_string(), kind, chain })
}

/// Returns the parts of an event that are reported.
fn bad_of(head: &EventHead<'_>, path: &dyn std::fmt::Display) -> Bad {
    Bad {
        time: head.timestamp,
        path: path.to_string(),
        event_type: head.event_type.to_string(),
        severity: head.severity,
        correlation_id: head.correlation_id.to_string(),
        error: detail(head.payload.get()),
    }
}

/// Returns what an event says, if it is the bad word of a slot at this time.
pub(crate) fn said(
    slot: &ProblemSlot,
    time: Timestamp,
    head: &EventHead<'_>,
    path: &dyn std::fmt::Display,
) -> Option<Bad> {
    let is_it = head.timestamp == time && slot_of(Word::of(head), head).as_ref() == Some(slot);
    is_it.then(|| bad_of(head, path))
}

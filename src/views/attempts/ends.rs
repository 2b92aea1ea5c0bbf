//! Matching ends with attempts.

use std::collections::BTreeMap;

use super::{Attempt, MAX_STEP_MICROS, StartRange};
use crate::event::{EventHead, Timestamp};

/// The members that the payloads of a start and of its end share.
#[derive(serde::Deserialize, Debug, Default)]
struct ActionPayload {
    #[serde(default)]
    action: serde_json::Value,
    #[serde(default)]
    attempt: serde_json::Value,
}

/// Returns the action and the attempt number of a payload, as texts.
pub(in crate::views) fn action_and_attempt(event: &EventHead<'_>) -> [Option<String>; 2] {
    let told: ActionPayload = serde_json::from_str(event.payload.get()).unwrap_or_default();
    [told.action, told.attempt].map(|value| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

fn key(head: &EventHead<'_>) -> [String; 3] {
    [head.correlation_id.to_string(), head.service.to_string(), head.node.to_string()]
}

/// An end; one without a start may still get one of the same instant.
struct EndEvent {
    key: [String; 3],
    told: [Option<String>; 2],
    time: Timestamp,
    failed: bool,
}

/// Reports whether the payloads of an attempt and of an end name different things.
fn contradicts(attempt: &Attempt, end: &EndEvent) -> bool {
    let members = [&attempt.action, &attempt.attempt];
    members.iter().zip(&end.told).any(|(a, b)| a.is_some() && b.is_some() && **a != *b)
}

/// Counts in how many of these members they agree.
fn agreeing(attempt: &Attempt, end: &EndEvent) -> usize {
    let members = [&attempt.action, &attempt.attempt];
    members.iter().zip(&end.told).filter(|(a, b)| a.is_some() && b.is_some()).count()
}

/// Matches ends with attempts.
#[derive(Default)]
pub(super) struct Ends {
    /// Attempts without an end by correlation id, service and node, oldest first.
    open: BTreeMap<[String; 3], Vec<usize>>,
    /// Ends of the last two minutes without a start.
    early: Vec<EndEvent>,
    /// Such ends with a start that is later: it is theirs, if it gets no other.
    stepped: Vec<(usize, EndEvent)>,
    stray: u64,
}

impl Ends {
    /// Reports whether some attempt has no end yet.
    pub(super) fn any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes the start of the last attempt that was added.
    pub(super) fn start(&mut self, head: &EventHead<'_>, attempts: &mut [Attempt]) {
        let Some(number) = attempts.len().checked_sub(1) else { return };
        let key = key(head);
        // Where clocks count whole seconds, an end may have its start's time; by name it sorts
        // before it.
        let early = std::mem::take(&mut self.early);
        let (same, other): (Vec<_>, Vec<_>) = early.into_iter().partition(|end| end.key == key);
        self.early = other;
        self.open.entry(key).or_default().push(number);
        for end in same {
            if end.time != head.timestamp {
                self.stepped.push((number, end));
            } else if !self.give(&end, attempts) {
                self.early.push(end);
            }
        }
    }

    /// Takes an end.
    pub(super) fn end(&mut self, head: &EventHead<'_>, failed: bool, attempts: &mut [Attempt]) {
        let end = EndEvent {
            key: key(head),
            told: action_and_attempt(head),
            time: head.timestamp,
            failed,
        };
        if !self.give(&end, attempts) {
            self.early.push(end);
        }
    }

    /// Assigns an end to its attempt, if there is one.
    fn give(&mut self, end: &EndEvent, attempts: &mut [Attempt]) -> bool {
        let Some(open) = self.open.get_mut(&end.key) else { return false };
        let mut best: Option<(usize, usize)> = None;
        for (place, number) in open.iter().enumerate() {
            let attempt = &attempts[*number];
            if attempt.started > end.time || contradicts(attempt, end) {
                continue;
            }
            let agreeing = agreeing(attempt, end);
            if best.is_none_or(|(_, most)| agreeing > most) {
                best = Some((place, agreeing));
            }
        }
        let Some((place, _)) = best else { return false };
        let attempt = &mut attempts[open.remove(place)];
        if open.is_empty() {
            self.open.remove(&end.key);
        }
        attempt.completed = true;
        attempt.failed = end.failed;
        attempt.duration_us = Some(end.time.micros() - attempt.started.micros());
        true
    }

    /// Counts the ends without a start: those too old to be matched at `time`.
    pub(super) fn settle_early(&mut self, time: Option<Timestamp>, range: &StartRange) {
        let oldest = time.map_or(i64::MAX, |time| time.micros().saturating_sub(MAX_STEP_MICROS));
        let before = self.early.len();
        let mut outside = 0;
        self.early.retain(|end| {
            let stays = end.time.micros() >= oldest;
            outside += usize::from(!stays && !range.holds(end.time));
            stays
        });
        self.stray += (before - self.early.len() - outside) as u64;
    }

    /// Gives attempts without an end one that is dated before their start, if any. Returns how
    /// many ends within the range have no start.
    pub(super) fn finish(mut self, attempts: &mut [Attempt], range: &StartRange) -> u64 {
        self.settle_early(None, range);
        // The latest is the nearest to its start.
        for (number, end) in std::mem::take(&mut self.stepped).into_iter().rev() {
            let attempt = &mut attempts[number];
            if attempt.completed || contradicts(attempt, &end) {
                self.stray += u64::from(range.holds(end.time));
                continue;
            }
            (attempt.completed, attempt.failed, attempt.clock_stepped) = (true, end.failed, true);
        }
        self.stray
    }
}

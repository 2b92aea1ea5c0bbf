//! What was tried already: every remediation that was started, whether it completed, how
//! often the same thing was tried, and whether the service was well afterwards.
//!
//! Two rules decide, and both look only at what came after an attempt's start:
//!
//! * **Which end is whose.** An end (`remediation_completed`, or the `remediation_failed`
//!   that some agents write) belongs to an attempt of the same correlation id, service and
//!   node that began before it and is still open. It is never that of an attempt whose
//!   payload names another `action` or `attempt` than the end's own. Of those left it is
//!   the one with which it agrees in most of these members, and of these the oldest: so
//!   without such members the k-th end is that of the k-th open start, and with them a lost
//!   end leaves its own start open and no other.
//!   Of an attempt that no end was found for, one that is dated up to [`MAX_STEP_MICROS`]
//!   before its start is the end after all: the clock was set back in between.
//! * **How the service was.** The next `service_recovered` or `service_unhealthy` of the
//!   same service and node decides, whatever correlation id it has. Of the very instant of
//!   the start only a recovery counts: being unhealthy is why somebody began.
//!
//! What is dated later than now has not happened: it counts when its time is here.
//!
//! What is remembered grows with the number of attempts, not with that of events.

use std::collections::BTreeMap;

use serde::Serialize;

use super::word::reports_failure;
use crate::event::{EventHead, Timestamp};
use crate::store::FoundEvent;

/// The types that tell of attempts, for a query.
pub const TYPES: [&str; 5] = [STARTED, COMPLETED, FAILED, RECOVERED, UNHEALTHY];

const STARTED: &str = "remediation_started";
const COMPLETED: &str = "remediation_completed";
const FAILED: &str = "remediation_failed";
const RECOVERED: &str = "service_recovered";
const UNHEALTHY: &str = "service_unhealthy";

/// How long before its start an end may be dated and still be taken for its end: as far as
/// a clock is set back by the first answer of a time server.
pub const MAX_STEP_MICROS: i64 = 120 * Timestamp::MICROS_PER_SECOND;

/// How a service was after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// The next word of it was that it is well again.
    Recovered,
    /// The next word of it was that it is unhealthy, still or again.
    Unhealthy,
    /// Nothing was heard of it since.
    Unknown,
}

/// One remediation that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// When it was started.
    #[serde(rename = "timestamp")]
    pub started: Timestamp,
    /// What links it with other events.
    pub correlation_id: String,
    /// The host.
    pub node: String,
    /// The service concerned.
    pub service: String,
    /// Who tried.
    pub source: String,
    /// What was tried: the payload's `action`, as text.
    pub action: Option<String>,
    /// The number that the payload's `attempt` gives it, as text.
    pub attempt: Option<String>,
    /// Which of the tries of the same action on the same service and node it is, from 1.
    pub number: u64,
    /// How many such tries the range holds.
    pub tries: u64,
    /// Whether its end was reported, a good one or not.
    pub completed: bool,
    /// Whether the end that was reported says that it failed.
    pub failed: bool,
    /// Microseconds from its start to its end; none where the clock was set back in between.
    pub duration_us: Option<i64>,
    /// Whether its end is dated before its start, so that a clock must have been set back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clock_stepped: bool,
    /// How the service was afterwards.
    pub afterwards: Afterwards,
    /// Microseconds from its start until that was reported.
    pub afterwards_us: Option<i64>,
    /// The identity of the event that started it.
    pub path: String,
    /// The segment that event lies in; none while live.
    pub segment: Option<String>,
}

impl Attempt {
    /// Whether somebody should still look after it: it did not complete, or the service did
    /// not recover.
    pub fn is_unresolved(&self) -> bool {
        !self.completed || self.afterwards != Afterwards::Recovered
    }
}

/// Which attempts are asked for: those that were started in this range.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// The earliest instant.
    pub since: Option<Timestamp>,
    /// The first instant that is too late.
    pub until: Option<Timestamp>,
}

impl Range {
    /// Where reading must begin: a day before the range, so that the end of what was started
    /// just before it is not taken for that of something within.
    pub fn read_from(&self) -> Option<Timestamp> {
        let day = Timestamp::MICROS_PER_DAY;
        self.since.map(|since| Timestamp::from_micros(since.micros().saturating_sub(day)))
    }

    fn holds(&self, time: Timestamp) -> bool {
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }
}

/// What the payloads of a start and of its end have in common.
#[derive(serde::Deserialize, Debug, Default)]
struct Told {
    #[serde(default)]
    action: serde_json::Value,
    #[serde(default)]
    attempt: serde_json::Value,
}

impl Told {
    fn of(event: &EventHead<'_>) -> [Option<String>; 2] {
        let told: Self = serde_json::from_str(event.payload.get()).unwrap_or_default();
        [told.action, told.attempt].map(|value| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some(text),
            other => Some(other.to_string()),
        })
    }
}

/// An end that has no start yet; of the same instant one may still come.
struct End {
    key: [String; 3],
    told: [Option<String>; 2],
    time: Timestamp,
    failed: bool,
}

/// Makes attempts of events.
pub struct Collector {
    range: Range,
    /// What is later has not happened.
    now: Timestamp,
    attempts: Vec<Attempt>,
    /// By correlation id, service and node: those without an end, oldest first.
    open: BTreeMap<[String; 3], Vec<usize>>,
    /// By service and node: those after which nothing was heard of the service.
    undecided: BTreeMap<[String; 2], Vec<usize>>,
    /// Ends of the last two minutes without a start.
    early: Vec<End>,
    /// Such ends that have found a start which is later than they are: theirs, if it gets no
    /// other.
    stepped: Vec<(usize, End)>,
    stray_ends: u64,
}

impl Collector {
    /// Collects the attempts of a range.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            now: Timestamp::from_micros(i64::MAX),
            attempts: Vec::new(),
            open: BTreeMap::new(),
            undecided: BTreeMap::new(),
            early: Vec::new(),
            stepped: Vec::new(),
            stray_ends: 0,
        }
    }

    /// The same, as things stand at `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Takes the next event, in time order. Whether later ones can still tell anything.
    pub fn take(&mut self, event: &FoundEvent) -> bool {
        let Ok(head) = event.head() else { return true };
        if head.timestamp > self.now {
            return true;
        }
        self.settle_early(Some(head.timestamp));
        match head.event_type.as_ref() {
            STARTED if self.range.until.is_none_or(|until| head.timestamp < until) => {
                self.start(event, &head);
            }
            COMPLETED | FAILED => {
                let end = End {
                    key: key(&head),
                    told: Told::of(&head),
                    time: head.timestamp,
                    failed: head.event_type == FAILED || reports_failure(&head),
                };
                if !self.end(&end) {
                    self.early.push(end);
                }
            }
            RECOVERED => self.decide(&head, Afterwards::Recovered),
            UNHEALTHY => self.decide(&head, Afterwards::Unhealthy),
            _ => {}
        }
        // A day's tolerance: events filed under a wrong day come a little out of order.
        let margin = Timestamp::MICROS_PER_DAY;
        let is_over = self
            .range
            .until
            .is_some_and(|until| head.timestamp.micros() > until.micros().saturating_add(margin));
        !is_over || !self.open.is_empty() || !self.undecided.is_empty()
    }

    fn start(&mut self, event: &FoundEvent, head: &EventHead<'_>) {
        let number = self.attempts.len();
        let [action, attempt] = Told::of(head);
        self.attempts.push(Attempt {
            started: head.timestamp,
            correlation_id: head.correlation_id.to_string(),
            node: head.node.to_string(),
            service: head.service.to_string(),
            source: head.source.to_string(),
            action,
            attempt,
            number: 0,
            tries: 0,
            completed: false,
            failed: false,
            duration_us: None,
            clock_stepped: false,
            afterwards: Afterwards::Unknown,
            afterwards_us: None,
            path: event.path.to_string(),
            segment: event.segment.as_ref().map(ToString::to_string),
        });
        self.open.entry(key(head)).or_default().push(number);
        let service = [head.service.to_string(), head.node.to_string()];
        self.undecided.entry(service).or_default().push(number);
        // Where clocks tell whole seconds, an end may have its start's own time; by name it
        // comes before it.
        let early = std::mem::take(&mut self.early);
        let (same, other): (Vec<_>, Vec<_>) =
            early.into_iter().partition(|end| end.key == key(head));
        self.early = other;
        for end in same {
            if end.time != head.timestamp {
                self.stepped.push((number, end));
            } else if !self.end(&end) {
                self.early.push(end);
            }
        }
    }

    /// Gives the attempts that have no end one that is dated before their start, if one was
    /// found.
    fn settle_stepped(&mut self) {
        // The latest is the nearest to its start.
        for (number, end) in std::mem::take(&mut self.stepped).into_iter().rev() {
            let attempt = &mut self.attempts[number];
            if attempt.completed || contradicts(attempt, &end) {
                self.stray_ends += u64::from(self.range.holds(end.time));
                continue;
            }
            (attempt.completed, attempt.failed, attempt.clock_stepped) = (true, end.failed, true);
        }
    }

    /// Gives an end to its attempt, if there is one.
    fn end(&mut self, end: &End) -> bool {
        let Some(open) = self.open.get_mut(&end.key) else { return false };
        let mut best: Option<(usize, usize)> = None;
        for (place, number) in open.iter().enumerate() {
            let attempt = &self.attempts[*number];
            let members = [&attempt.action, &attempt.attempt];
            let pairs =
                || members.iter().zip(&end.told).filter(|(a, b)| a.is_some() && b.is_some());
            if attempt.started > end.time || pairs().any(|(a, b)| *a != b) {
                continue;
            }
            let agreeing = pairs().count();
            if best.is_none_or(|(_, most)| agreeing > most) {
                best = Some((place, agreeing));
            }
        }
        let Some((place, _)) = best else { return false };
        let attempt = &mut self.attempts[open.remove(place)];
        if open.is_empty() {
            self.open.remove(&end.key);
        }
        attempt.completed = true;
        attempt.failed = end.failed;
        attempt.duration_us = Some(end.time.micros() - attempt.started.micros());
        true
    }

    fn decide(&mut self, head: &EventHead<'_>, how: Afterwards) {
        let service = [head.service.to_string(), head.node.to_string()];
        let Some(undecided) = self.undecided.get_mut(&service) else { return };
        undecided.retain(|number| {
            let attempt = &mut self.attempts[*number];
            let is_after = match how {
                Afterwards::Recovered => head.timestamp >= attempt.started,
                _ => head.timestamp > attempt.started,
            };
            if is_after {
                attempt.afterwards = how;
                attempt.afterwards_us = Some(head.timestamp.micros() - attempt.started.micros());
            }
            !is_after
        });
        if undecided.is_empty() {
            self.undecided.remove(&service);
        }
    }

    /// Counts the ends that have no start: those before what could still be theirs at `time`.
    fn settle_early(&mut self, time: Option<Timestamp>) {
        let oldest = time.map_or(i64::MAX, |time| time.micros().saturating_sub(MAX_STEP_MICROS));
        let range = self.range;
        let before = self.early.len();
        let mut outside = 0;
        self.early.retain(|end| {
            let stays = end.time.micros() >= oldest;
            outside += usize::from(!stays && !range.holds(end.time));
            stays
        });
        self.stray_ends += (before - self.early.len() - outside) as u64;
    }

    /// The attempts of the range, earliest first, and how many ends within it have no start.
    pub fn finish(mut self) -> (Vec<Attempt>, u64) {
        self.settle_early(None);
        self.settle_stepped();
        let range = self.range;
        let mut attempts = self.attempts;
        attempts.retain(|attempt| range.holds(attempt.started));
        let mut tries: BTreeMap<[Option<String>; 3], u64> = BTreeMap::new();
        for attempt in &mut attempts {
            let tried = tries.entry(same_thing(attempt)).or_default();
            *tried += 1;
            attempt.number = *tried;
        }
        for attempt in &mut attempts {
            attempt.tries = tries.get(&same_thing(attempt)).copied().unwrap_or(0);
        }
        (attempts, self.stray_ends)
    }
}

/// Whether the payloads of an attempt and of an end name different things.
fn contradicts(attempt: &Attempt, end: &End) -> bool {
    let members = [&attempt.action, &attempt.attempt];
    members.iter().zip(&end.told).any(|(a, b)| a.is_some() && b.is_some() && **a != *b)
}

fn key(head: &EventHead<'_>) -> [String; 3] {
    [head.correlation_id.to_string(), head.service.to_string(), head.node.to_string()]
}

fn same_thing(attempt: &Attempt) -> [Option<String>; 3] {
    [Some(attempt.service.clone()), Some(attempt.node.clone()), attempt.action.clone()]
}

#[cfg(test)]
mod tests;

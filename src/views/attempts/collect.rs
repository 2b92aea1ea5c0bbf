//! Building attempts from events, one by one.

use std::collections::{BTreeMap, BTreeSet};

use super::ends::{Ends, action_and_attempt};
use super::{Afterwards, Attempt, AttemptOutcome, StartRange, WITHIN_MICROS, word_of};
use crate::event::{EventHead, Timestamp};
use crate::store::FoundEvent;
use crate::views::word::Word;

/// A service on a node.
type Subject = [String; 2];

fn subject(head: &EventHead<'_>) -> Subject {
    [head.service.to_string(), head.node.to_string()]
}

/// Builds attempts from events.
pub(crate) struct AttemptCollector {
    range: StartRange,
    /// Later events have not happened.
    now: Timestamp,
    /// Microseconds after its end in which an attempt may have helped.
    within: i64,
    attempts: Vec<Attempt>,
    /// The start of the next attempt on the same service and node, for each attempt.
    next: Vec<Option<Timestamp>>,
    ends: Ends,
    /// Attempts after which nothing was reported, the latest last.
    unheard: BTreeMap<Subject, Vec<usize>>,
    /// Subjects of which anything was ever reported.
    heard: BTreeSet<Subject>,
}

impl AttemptCollector {
    /// Starts collecting the attempts of a range.
    pub(crate) fn new(range: StartRange) -> Self {
        Self {
            range,
            now: Timestamp::from_micros(i64::MAX),
            within: WITHIN_MICROS,
            attempts: Vec::new(),
            next: Vec::new(),
            ends: Ends::default(),
            unheard: BTreeMap::new(),
            heard: BTreeSet::new(),
        }
    }

    /// Sets the time that counts as now.
    #[must_use]
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// Sets another horizon, in microseconds.
    #[must_use]
    pub(crate) fn within(self, within: i64) -> Self {
        Self { within, ..self }
    }

    /// Takes the next event, in time order. Returns whether later ones can still matter.
    pub(crate) fn take(&mut self, event: &FoundEvent) -> bool {
        let Ok(head) = event.head() else { return true };
        if head.timestamp > self.now {
            return true;
        }
        self.ends.settle_early(Some(head.timestamp), &self.range);
        match Word::of(&head) {
            Word::Attempted => self.start(event, &head),
            Word::AttemptDone => self.ends.end(&head, false, &mut self.attempts),
            Word::AttemptFailed => self.ends.end(&head, true, &mut self.attempts),
            _ => {
                if let Some(word) = word_of(&head) {
                    self.hear(&head, word);
                }
            }
        }
        // A day's tolerance: events filed under a wrong day are slightly out of order.
        let margin = Timestamp::MICROS_PER_DAY;
        let is_over = self
            .range
            .until
            .is_some_and(|until| head.timestamp.micros() > until.micros().saturating_add(margin));
        !is_over || self.ends.any_open() || !self.unheard.is_empty()
    }

    fn start(&mut self, event: &FoundEvent, head: &EventHead<'_>) {
        let path = event.path.to_string();
        let before = self.unheard.get(&subject(head)).map_or(&[][..], Vec::as_slice);
        for number in before.iter().rev() {
            // Those before have a next one already.
            if self.next[*number].is_some() {
                break;
            }
            // Two conflicting copies of one event are one attempt.
            if self.attempts[*number].path != path {
                self.next[*number] = Some(head.timestamp);
            }
        }
        if self.range.until.is_some_and(|until| head.timestamp >= until) {
            return;
        }
        let number = self.attempts.len();
        let [action, attempt] = action_and_attempt(head);
        self.attempts.push(Attempt {
            started: head.timestamp,
            correlation_id: head.correlation_id.to_string(),
            node: head.node.to_string(),
            service: head.service.to_string(),
            source: head.source.to_string(),
            action,
            attempt,
            outcome: AttemptOutcome::Unknown,
            number: 0,
            tries: 0,
            completed: false,
            failed: false,
            duration_us: None,
            clock_stepped: false,
            afterwards: Afterwards::Unknown,
            afterwards_us: None,
            path,
            segment: event.segment.as_deref().cloned(),
        });
        self.next.push(None);
        self.unheard.entry(subject(head)).or_default().push(number);
        self.ends.start(head, &mut self.attempts);
    }

    /// Takes a report of a service's health: it concerns only the latest attempt.
    fn hear(&mut self, head: &EventHead<'_>, word: Afterwards) {
        let subject = subject(head);
        if let Some(unheard) = self.unheard.get_mut(&subject) {
            unheard.retain(|number| {
                let attempt = &mut self.attempts[*number];
                let is_after = match word {
                    Afterwards::Recovered => head.timestamp >= attempt.started,
                    _ => head.timestamp > attempt.started,
                };
                if is_after && self.next[*number].is_none() {
                    attempt.afterwards = word;
                    attempt.afterwards_us =
                        Some(head.timestamp.micros() - attempt.started.micros());
                }
                !is_after
            });
            if unheard.is_empty() {
                self.unheard.remove(&subject);
            }
        }
        self.heard.insert(subject);
    }

    /// Returns the services, each with its node, that had attempts in the range and no report
    /// since: whether there was one before decides what silence means.
    pub(crate) fn silent(&self) -> BTreeSet<[String; 2]> {
        let attempts = self.attempts.iter().filter(|attempt| self.range.holds(attempt.started));
        attempts
            .map(|attempt| [attempt.service.clone(), attempt.node.clone()])
            .filter(|subject| !self.heard.contains(subject))
            .collect()
    }

    /// Records that a service on a node was reported on before all events taken.
    pub(crate) fn heard_before(&mut self, service_and_node: [String; 2]) {
        self.heard.insert(service_and_node);
    }

    fn judge(&self, attempt: &Attempt, next: Option<Timestamp>) -> AttemptOutcome {
        if attempt.failed {
            return AttemptOutcome::Failed;
        }
        let took = attempt.duration_us.unwrap_or(0);
        let horizon = took.saturating_add(self.within);
        let end = attempt.started.micros().saturating_add(horizon);
        match (attempt.afterwards, attempt.afterwards_us) {
            (Afterwards::Recovered, Some(after)) if after <= horizon => AttemptOutcome::Helped,
            (_, Some(_)) => AttemptOutcome::NoEffect,
            _ if next.is_some_and(|next| next.micros() <= end) => AttemptOutcome::Superseded,
            _ if next.is_none() && self.now.micros() <= end => AttemptOutcome::Unknown,
            _ => {
                let subject = [attempt.service.clone(), attempt.node.clone()];
                if self.heard.contains(&subject) {
                    AttemptOutcome::NoEffect
                } else {
                    AttemptOutcome::Unknown
                }
            }
        }
    }

    /// Returns the attempts of the range, earliest first, and how many ends within it have no
    /// start.
    pub(crate) fn finish(mut self) -> (Vec<Attempt>, u64) {
        let range = self.range;
        let ends = std::mem::take(&mut self.ends);
        let stray_ends = ends.finish(&mut self.attempts, &range);
        let outcomes: Vec<AttemptOutcome> =
            self.attempts.iter().zip(&self.next).map(|(a, next)| self.judge(a, *next)).collect();
        let mut attempts = self.attempts;
        for (attempt, outcome) in attempts.iter_mut().zip(outcomes) {
            attempt.outcome = outcome;
        }
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
        (attempts, stray_ends)
    }
}

fn same_thing(attempt: &Attempt) -> [Option<String>; 3] {
    [Some(attempt.service.clone()), Some(attempt.node.clone()), attempt.action.clone()]
}

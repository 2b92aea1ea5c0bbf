//! Building outages from events.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::figures::figures;
use super::{
    ALL, AttemptEnd, BEFORE_MICROS, FAILURES, Outage, OutageAnswer, OutageAttempt, OutageRange,
    RECOVERED, seconds,
};
use crate::event::{EventHead, Timestamp};
use crate::store::FoundEvent;
use crate::views::attempts::{MAX_STEP_MICROS, action_and_attempt};
use crate::views::detail::detail;
use crate::views::word::Word;

/// A node, and a service unless it is the entire node.
type Thing = [Option<String>; 2];

/// Number of events after the range at which completeness is re-checked.
const LOOK_EVERY: u32 = 1024;

/// The state of a thing.
#[derive(Default)]
struct ThingState {
    /// The first report of its health.
    first: Option<Timestamp>,
    /// The outage that is open, or that ended last.
    last: Option<Outage>,
    /// True if more than alarms reported it.
    is_down: bool,
    /// A good report while nothing was open.
    stray: Option<Stray>,
    /// An attempt at the instant of its event, before an outage of the same instant.
    early: Option<OutageAttempt>,
    /// The last failure, as the chain's first failure reported it.
    failure: Option<LastFailure>,
}

struct Stray {
    time: Timestamp,
    correlation_id: String,
    /// True if it would end any outage, not only one of alarms.
    is_recovery: bool,
}

struct LastFailure {
    correlation_id: String,
    last: Timestamp,
    text: Option<String>,
}

/// Builds outages from events.
pub(crate) struct OutageCollector {
    asked: OutageRange,
    things: BTreeMap<Thing, ThingState>,
    done: Vec<Outage>,
    beyond: u32,
}

impl OutageCollector {
    /// Starts collecting the outages of a query.
    pub(crate) fn new(asked: OutageRange) -> Self {
        Self { asked, things: BTreeMap::new(), done: Vec::new(), beyond: 0 }
    }

    /// Takes the next event, in time order. Returns whether later ones can still matter.
    pub(crate) fn take(&mut self, event: &FoundEvent) -> bool {
        let Ok(head) = event.head() else { return true };
        if head.timestamp > self.asked.now {
            return true;
        }
        let node = Some(head.node.to_string());
        let service: Thing = [node.clone(), Some(head.service.to_string())];
        match Word::of(&head) {
            Word::Unhealthy => self.begin(service, true, event, &head),
            Word::Alarm => self.begin(service, false, event, &head),
            Word::Offline => self.begin([node, None], true, event, &head),
            Word::Online => self.end([node, None], true, &head),
            // A recovered RAID does not say that the service beside it has.
            Word::Recovered => self.end(service, head.event_type == RECOVERED, &head),
            Word::Done => self.end(service, false, &head),
            Word::Attempted => self.attempt(node, service, event, &head),
            Word::AttemptFailed => self.end_attempt(node, &service, &head, AttemptEnd::Failed),
            Word::AttemptDone => {
                self.end_attempt(node, &service, &head, AttemptEnd::Completed);
                self.end(service, false, &head);
            }
            Word::Failed => self.fail(service, &head),
            Word::Began | Word::Nothing => {}
        }
        self.goes_on(head.timestamp)
    }

    fn begin(&mut self, thing: Thing, is_down: bool, event: &FoundEvent, head: &EventHead<'_>) {
        let asked = self.asked;
        let time = head.timestamp;
        let [node, service] = thing.clone();
        let known = self.things.entry(thing).or_default();
        known.first.get_or_insert(time);
        let telling = || detail(head.payload.get());
        if let Some(open) = known.last.as_mut().filter(|last| last.open) {
            known.is_down |= is_down;
            open.cause = open.cause.take().or_else(telling);
            return;
        }
        let stray = known.stray.take();
        let is_early = |early: &mut OutageAttempt| early.timestamp == time;
        let early = known.early.take_if(is_early);
        let gap = |to: Timestamp| time.micros().saturating_sub(to.micros());
        let is_same = |last: &&mut Outage| last.to.is_some_and(|to| gap(to) < asked.min_gap_us);
        if let Some(last) = known.last.as_mut().filter(is_same) {
            (last.to, last.open) = (None, true);
            last.flaps += 1;
            last.cause = last.cause.take().or_else(telling);
            last.attempts.extend(early);
            known.is_down |= is_down;
        } else {
            let oldest = time.micros().saturating_sub(BEFORE_MICROS);
            let failure = known.failure.take().filter(|failure| {
                failure.correlation_id == head.correlation_id && failure.last.micros() >= oldest
            });
            let outage = Outage {
                node: node.unwrap_or_default(),
                service,
                from: time,
                to: None,
                seconds: 0,
                open: true,
                flaps: 0,
                event_type: head.event_type.to_string(),
                cause: failure.and_then(|failure| failure.text).or_else(telling),
                correlation_id: head.correlation_id.to_string(),
                path: event.path.to_string(),
                tries: 0,
                attempts: early.into_iter().collect(),
                clock_stepped: false,
            };
            known.is_down = is_down;
            let before = known.last.replace(outage);
            self.done.extend(before.filter(|outage| asked.holds(outage)));
        }
        let Some((last, stray)) = known.last.as_mut().zip(stray) else { return };
        if stray.time == time && (stray.is_recovery || !known.is_down) {
            // Where clocks count whole seconds, a recovery may have its outage's own time; by
            // name it sorts before it.
            (last.to, last.open) = (Some(time), false);
        } else {
            let oldest = time.micros().saturating_sub(MAX_STEP_MICROS);
            last.clock_stepped = stray.is_recovery
                && stray.correlation_id == head.correlation_id
                && (oldest..time.micros()).contains(&stray.time.micros());
        }
    }

    fn end(&mut self, thing: Thing, is_recovery: bool, head: &EventHead<'_>) {
        let known = self.things.entry(thing).or_default();
        if is_recovery {
            known.first.get_or_insert(head.timestamp);
        }
        match known.last.as_mut().filter(|last| last.open) {
            Some(open) if head.timestamp >= open.from => {
                if is_recovery || !known.is_down {
                    (open.to, open.open) = (Some(head.timestamp), false);
                    open.clock_stepped = false;
                    known.failure = None;
                }
            }
            Some(_) => {}
            None => {
                let oldest = head.timestamp.micros().saturating_sub(MAX_STEP_MICROS);
                let outranks = |stray: &Stray| stray.is_recovery && stray.time.micros() >= oldest;
                if is_recovery || !known.stray.as_ref().is_some_and(outranks) {
                    known.stray = Some(Stray::of(head, is_recovery));
                }
            }
        }
    }

    fn attempt(
        &mut self,
        node: Option<String>,
        service: Thing,
        event: &FoundEvent,
        head: &EventHead<'_>,
    ) {
        let [action, _] = action_and_attempt(head);
        let tried = OutageAttempt {
            timestamp: head.timestamp,
            action,
            source: head.source.to_string(),
            correlation_id: head.correlation_id.to_string(),
            ended: None,
            preceded_recovery: false,
            path: event.path.to_string(),
        };
        if head.service == ALL
            && let Some(known) = self.things.get_mut(&[node, None])
        {
            known.attempt(tried.clone());
        }
        self.things.entry(service).or_default().attempt(tried);
    }

    fn end_attempt(
        &mut self,
        node: Option<String>,
        service: &Thing,
        head: &EventHead<'_>,
        how: AttemptEnd,
    ) {
        let [action, _] = action_and_attempt(head);
        let is_its = |tried: &&mut OutageAttempt| {
            let other = tried.action.as_ref().zip(action.as_ref()).is_some_and(|(a, b)| a != b);
            tried.ended.is_none() && tried.correlation_id == head.correlation_id && !other
        };
        let things = [service.clone(), [node, None]];
        let are_meant = if head.service == ALL { 2 } else { 1 };
        for thing in &things[..are_meant] {
            let Some(known) = self.things.get_mut(thing) else { continue };
            let tried = known.last.iter_mut().flat_map(|last| &mut last.attempts);
            if let Some(tried) = tried.chain(known.early.as_mut()).find(is_its) {
                tried.ended = Some(how);
            }
        }
    }

    fn fail(&mut self, thing: Thing, head: &EventHead<'_>) {
        if !FAILURES.contains(&head.event_type.as_ref()) {
            return;
        }
        let known = self.things.entry(thing).or_default();
        let oldest = head.timestamp.micros().saturating_sub(BEFORE_MICROS);
        let text = || detail(head.payload.get());
        match &mut known.failure {
            Some(failure)
                if failure.correlation_id == head.correlation_id
                    && failure.last.micros() >= oldest =>
            {
                failure.last = head.timestamp;
                failure.text = failure.text.take().or_else(text);
            }
            failure => {
                *failure = Some(LastFailure {
                    correlation_id: head.correlation_id.to_string(),
                    last: head.timestamp,
                    text: text(),
                });
            }
        }
    }

    /// Reports whether what comes after this time can still change an outage of the range.
    fn goes_on(&mut self, time: Timestamp) -> bool {
        let Some(until) = self.asked.until else { return true };
        // A day's tolerance: events filed under a wrong day are slightly out of order.
        let margin = Timestamp::MICROS_PER_DAY;
        if time.micros() <= until.micros().saturating_add(margin) {
            return true;
        }
        self.beyond = self.beyond.wrapping_add(1);
        if !self.beyond.is_multiple_of(LOOK_EVERY) {
            return true;
        }
        let gap = self.asked.min_gap_us;
        let lasts = self.things.values().filter_map(|known| known.last.as_ref());
        lasts.filter(|last| last.from < until).any(|last| {
            // It may still end, or continue.
            last.to.is_none_or(|to| to.micros().saturating_add(gap) > time.micros())
        })
    }

    /// Returns the outages of the range and their figures.
    pub(crate) fn finish(self) -> OutageAnswer {
        let Self { asked, things, done: mut outages, .. } = self;
        let mut first = BTreeMap::new();
        for (thing, known) in things {
            if let Some(last) = known.last.filter(|last| asked.holds(last)) {
                outages.push(last);
            }
            first.extend(known.first.map(|time| (thing, time)));
        }
        for outage in &mut outages {
            outage.seconds = seconds(outage.micros(asked.now));
            outage.tries = outage.attempts.len() as u64;
            let last = outage.attempts.last_mut().filter(|_| outage.to.is_some());
            if let Some(tried) = last {
                tried.preceded_recovery = tried.ended != Some(AttemptEnd::Failed);
            }
        }
        outages.sort_by(|a, b| {
            let key = |outage: &Outage| (!outage.open, Reverse(outage.from));
            let name = |outage: &Outage| (outage.node.clone(), outage.service.clone());
            key(a).cmp(&key(b)).then_with(|| name(a).cmp(&name(b)))
        });
        let services = figures(&outages, &first, &asked);
        OutageAnswer { services, outages }
    }
}

impl ThingState {
    fn attempt(&mut self, tried: OutageAttempt) {
        match self.last.as_mut().filter(|last| last.open) {
            Some(open) => open.attempts.push(tried),
            None => self.early = Some(tried),
        }
    }
}

impl Stray {
    fn of(head: &EventHead<'_>, is_recovery: bool) -> Self {
        let (time, correlation_id) = (head.timestamp, head.correlation_id.to_string());
        Self { time, correlation_id, is_recovery }
    }
}

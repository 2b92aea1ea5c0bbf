//! From the history to outages.
//!
//! Types that tell of outages are found by the index. Alarms may have any type, and so may
//! what ends them: where a critical event of another type is found, all events of its service
//! and node are read beside the rest.

use std::collections::BTreeSet;

use crate::event::{EventHead, Severity};
use crate::store::{EventStream, Filter, FoundEvent, Notices, Query, Store};
use crate::views::outages::{Answer, Collector, TYPES};
use crate::views::word::Word;

use super::{Report, Wanted};

type Result<T> = crate::Result<T>;

/// The outages that are asked for, and what was passed over. Ends early when `stop` says so.
pub(in crate::cli) fn look(
    store: &Store,
    wanted: &Wanted,
    stop: &dyn Fn() -> bool,
) -> Result<(Report, Notices)> {
    let (alarmed, of_alarms) = alarmed(store, wanted, stop)?;
    let types = TYPES.map(str::to_owned).to_vec();
    let filter = Filter { types, ..wanted.filter() };
    let mut telling = Ahead::of(store.events(Query { filter, ..Query::default() })?)?;
    let mut beside = match alarmed {
        None => None,
        Some((services, nodes)) => {
            let filter = Filter { services, nodes, ..Filter::default() };
            let stream = store.events(Query { filter, ..Query::default() })?;
            Some(Ahead::passing(stream, &|head| TYPES.contains(&head.event_type.as_ref()))?)
        }
    };
    let mut collector = Collector::new(wanted.asked);
    loop {
        let is_beside = match (&telling.next, beside.as_ref().and_then(|ahead| ahead.next.as_ref()))
        {
            (None, None) => break,
            (Some(telling), Some(beside)) => is_before(beside, telling),
            (telling, _) => telling.is_none(),
        };
        let source = beside.as_mut().filter(|_| is_beside).unwrap_or(&mut telling);
        let Some(event) = source.take()? else { break };
        if !collector.take(&event) || stop() {
            break;
        }
    }
    let mut notices = telling.notices();
    notices.absorb(of_alarms);
    if let Some(beside) = beside {
        notices.absorb(beside.notices());
    }
    let mut answer = collector.finish();
    wanted.narrow(&mut answer);
    let asked = &wanted.asked;
    let report = Report {
        since: asked.since,
        until: asked.until,
        min_gap_seconds: asked.min_gap_us / crate::Timestamp::MICROS_PER_SECOND,
        answer,
        expired: notices.expired().cloned(),
        unreached: notices.unreached().cloned(),
        now: asked.now,
    };
    Ok((report, notices))
}

/// Services and nodes.
type Names = (Vec<String>, Vec<String>);

/// The services and nodes of which alarms told, `None` where there was no alarm; and what was
/// passed over.
fn alarmed(
    store: &Store,
    wanted: &Wanted,
    stop: &dyn Fn() -> bool,
) -> Result<(Option<Names>, Notices)> {
    let filter = Filter { severities: vec![Severity::Critical], ..wanted.filter() };
    let mut events = store.events(Query { filter, ..Query::default() })?;
    let (mut services, mut nodes) = (BTreeSet::new(), BTreeSet::new());
    for event in &mut events {
        let event = event?;
        if stop() {
            break;
        }
        if let Ok(head) = event.head()
            && head.timestamp <= wanted.asked.now
            && Word::of(&head) == Word::Alarm
        {
            services.insert(head.service.to_string());
            nodes.insert(head.node.to_string());
        }
    }
    let found: Names = (services.into_iter().collect(), nodes.into_iter().collect());
    let found = Some(found).filter(|(services, _)| !services.is_empty());
    Ok((found, std::mem::take(events.notices())))
}

/// Whether an event comes before another one: by time, then by identity.
fn is_before(one: &FoundEvent, other: &FoundEvent) -> bool {
    let time = |event: &FoundEvent| event.head().map(|head| head.timestamp).ok();
    let identity = |event: &FoundEvent| event.path.to_string();
    (time(one), identity(one)) < (time(other), identity(other))
}

/// A stream with its next event at hand.
struct Ahead<'a> {
    stream: EventStream,
    passes: Option<&'a dyn Fn(&EventHead<'_>) -> bool>,
    next: Option<FoundEvent>,
}

impl<'a> Ahead<'a> {
    fn of(stream: EventStream) -> Result<Self> {
        Self { stream, passes: None, next: None }.begun()
    }

    /// The same, without the events that `passes` is true of.
    fn passing(stream: EventStream, passes: &'a dyn Fn(&EventHead<'_>) -> bool) -> Result<Self> {
        Self { stream, passes: Some(passes), next: None }.begun()
    }

    fn begun(mut self) -> Result<Self> {
        self.take()?;
        Ok(self)
    }

    /// The event at hand, in whose place the next one comes.
    fn take(&mut self) -> Result<Option<FoundEvent>> {
        let passes = self.passes;
        let is_passed = |event: &FoundEvent| {
            passes.is_some_and(|passes| event.head().is_ok_and(|head| passes(&head)))
        };
        loop {
            match self.stream.next().transpose()? {
                Some(event) if is_passed(&event) => {}
                next => return Ok(std::mem::replace(&mut self.next, next)),
            }
        }
    }

    fn notices(mut self) -> Notices {
        std::mem::take(self.stream.notices())
    }
}

impl Wanted {
    fn filter(&self) -> Filter {
        Filter { nodes: self.nodes.clone(), services: self.services.clone(), ..Filter::default() }
    }

    /// Leaves out what is not asked for: figures stay those of all outages of a thing, and
    /// things of which no outage is left go with them.
    fn narrow(&self, answer: &mut Answer) {
        let among = |service: Option<&String>| {
            self.services.is_empty()
                || service.is_some_and(|service| self.services.contains(service))
        };
        answer
            .outages
            .retain(|outage| among(outage.service.as_ref()) && (outage.open || !self.open));
        answer
            .services
            .retain(|figures| among(figures.service.as_ref()) && (figures.open > 0 || !self.open));
    }
}

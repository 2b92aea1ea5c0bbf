//! Outages, from the events of a history.
//!
//! Event types that mark outages are found by the index. Alarms may have any type, and so may the
//! events that end them: if a critical event of another type is found, all events of its service
//! and node are read as well.

use std::collections::BTreeSet;

use crate::archive::Expired;
use crate::event::{EventHead, Severity};
use crate::policy::Span;
use crate::store::{EventStream, Filter, FoundEvent, Notices, Query, Store, Unreached};
use crate::views::outages::{
    Figures, MIN_GAP_SECONDS, Outage, OutageAnswer, OutageCollector, OutageRange, TYPES,
};
use crate::views::word::Word;
use crate::{Error, History, Result, Timestamp};

impl History {
    /// Begins a query for outages: how long and how often services and nodes were down.
    pub fn outages(&self) -> Outages<'_> {
        let asked = OutageRange::at(self.context.now());
        let (nodes, services) = (Vec::new(), Vec::new());
        Outages { history: self, query: OutageQuery { asked, open: false, nodes, services } }
    }
}

/// A query for outages of services and nodes.
///
/// ```
/// use hlarchive::History;
///
/// # fn main() -> hlarchive::Result<()> {
/// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
/// # let root = directory.path().join("events");
/// let history = History::open(&root)?;
/// history.emit("service_unhealthy").node("pi4").service("grafana").send()?;
/// let report = history.outages().service("grafana").open().report()?;
/// assert!(report.outages()[0].open);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "outages are looked for by report()"]
pub struct Outages<'h> {
    history: &'h History,
    query: OutageQuery,
}

impl Outages<'_> {
    /// Asks for outages on this node.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.query.nodes.push(node.into());
        self
    }

    /// Asks for outages of this service.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.query.services.push(service.into());
        self
    }

    /// Asks for outages that are not over.
    pub fn open(mut self) -> Self {
        self.query.open = true;
        self
    }

    /// Asks for outages that were open then or later, such as `90d` or `2026-05-16`.
    ///
    /// Fails with [`Error::Usage`](crate::Error::Usage) if the text is not a time.
    pub fn since(mut self, text: &str) -> Result<Self> {
        self.query.asked.since = Some(self.history.time(text)?);
        Ok(self)
    }

    /// Finds the outages, open ones first, then the newest.
    pub fn report(&self) -> Result<OutageReport> {
        outages(&self.history.store, &self.query, &|| self.history.progress.stop_requested())
            .map(|(report, _)| report)
    }
}

impl OutageReport {
    /// Returns the outages, open ones first, then the newest.
    pub fn outages(&self) -> &[Outage] {
        &self.answer.outages
    }

    /// Returns the figures for each service and node that was down.
    pub fn services(&self) -> &[Figures] {
        &self.answer.services
    }
}

/// Conditions on outages. Several values of one list are alternatives.
#[derive(Debug, Clone)]
pub(crate) struct OutageQuery {
    pub(crate) asked: OutageRange,
    pub(crate) open: bool,
    pub(crate) nodes: Vec<String>,
    pub(crate) services: Vec<String>,
}

impl OutageQuery {
    /// Returns the query for events that could report an outage.
    pub(crate) fn query(&self) -> Query {
        let filter = Filter {
            nodes: self.nodes.clone(),
            services: self.services.clone(),
            since: self.asked.since,
            until: self.asked.until,
            ..Filter::default()
        };
        Query { filter, ..Query::default() }
    }
}

/// Outages, and their totals.
#[derive(Debug, serde::Serialize)]
#[non_exhaustive]
pub struct OutageReport {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    min_gap_seconds: i64,
    #[serde(flatten)]
    pub(crate) answer: OutageAnswer,
    expired: Option<Expired>,
    unreached: Option<Unreached>,
    #[serde(skip)]
    pub(crate) now: Timestamp,
}

/// Parses a minimum gap, and returns it in microseconds.
pub(crate) fn min_gap(text: Option<&str>, flag: &str) -> Result<i64> {
    let span = text.map_or_else(
        || Ok(Span::from_seconds(MIN_GAP_SECONDS)),
        |text| text.parse::<Span>().map_err(|error| Error::Usage(format!("{flag}: {error}"))),
    )?;
    span.micros()
        .ok_or_else(|| Error::Usage(format!("{flag}: {span} is longer than time can be told")))
}

/// Returns the matching outages, and what was skipped. Ends early if `stop` returns true.
pub(crate) fn outages(
    store: &Store,
    wanted: &OutageQuery,
    stop: &dyn Fn() -> bool,
) -> Result<(OutageReport, Notices)> {
    let (alarmed, of_alarms) = alarmed(store, wanted, stop)?;
    let types = TYPES.map(str::to_owned).to_vec();
    let filter = Filter { types, ..wanted.filter() };
    let mut telling = Ahead::of(store.events(Query { filter, ..Query::default() })?)?;
    let mut beside = match alarmed {
        None => None,
        Some((services, nodes)) => {
            let filter = Filter { nodes, services, ..Filter::default() };
            let stream = store.events(Query { filter, ..Query::default() })?;
            Some(Ahead::passing(stream, &|head| TYPES.contains(&head.event_type.as_ref()))?)
        }
    };
    let mut collector = OutageCollector::new(wanted.asked);
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
    let report = OutageReport {
        since: asked.since,
        until: asked.until,
        min_gap_seconds: asked.min_gap_us / Timestamp::MICROS_PER_SECOND,
        answer,
        expired: notices.expired().cloned(),
        unreached: notices.unreached().cloned(),
        now: asked.now,
    };
    Ok((report, notices))
}

/// Services and nodes.
type Names = (Vec<String>, Vec<String>);

/// Returns the services and nodes with alarms, `None` if there was no alarm; and what was skipped.
fn alarmed(
    store: &Store,
    wanted: &OutageQuery,
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

/// Reports whether an event comes before another one: by time, then by identity.
fn is_before(one: &FoundEvent, other: &FoundEvent) -> bool {
    let time = |event: &FoundEvent| event.head().map(|head| head.timestamp).ok();
    let identity = |event: &FoundEvent| event.path.to_string();
    (time(one), identity(one)) < (time(other), identity(other))
}

/// A stream with one event of lookahead.
struct Ahead<'a> {
    stream: EventStream,
    passes: Option<&'a dyn Fn(&EventHead<'_>) -> bool>,
    next: Option<FoundEvent>,
}

impl<'a> Ahead<'a> {
    fn of(stream: EventStream) -> Result<Self> {
        Self { stream, passes: None, next: None }.begun()
    }

    /// Wraps the stream, skipping the events that `passes` is true of.
    fn passing(stream: EventStream, passes: &'a dyn Fn(&EventHead<'_>) -> bool) -> Result<Self> {
        Self { stream, passes: Some(passes), next: None }.begun()
    }

    fn begun(mut self) -> Result<Self> {
        self.take()?;
        Ok(self)
    }

    /// Returns the event at hand and reads the next one.
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

impl OutageQuery {
    fn filter(&self) -> Filter {
        Filter { nodes: self.nodes.clone(), services: self.services.clone(), ..Filter::default() }
    }

    /// Removes what was not asked for: figures still cover all outages of a service or node; those
    /// without an outage left are removed, too.
    fn narrow(&self, answer: &mut OutageAnswer) {
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

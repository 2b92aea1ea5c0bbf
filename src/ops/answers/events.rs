//! Queries for events, for users of the library.

use std::sync::Arc;

use crate::event::{EventType, Severity};
use crate::store::pattern::{Pattern, TextQuery};
use crate::store::{EventStream, FoundEvent, Notice, Order, Query};
use crate::when::{self, Bound};
use crate::{Error, History, Result};

impl History {
    /// Begins a query for events, live and archived. Without conditions it returns all of them,
    /// earliest first.
    pub fn events(&self) -> Events<'_> {
        let (query, text) = (Query::default(), TextQuery::default());
        Events { history: self, query, text, state: State::Asked }
    }

    /// Finds one event by its UUID, its identity `DATE/NODE/FILENAME`, a path that ends in one,
    /// or the beginning of a UUID that only one event has.
    ///
    /// Fails with [`Error::NotFound`] if there is no such event.
    pub fn find(&self, name: &str) -> Result<FoundEvent> {
        self.store.find(&self.store.named(name)?)
    }

    /// Returns the time that a text such as `2h ago`, `yesterday` or `2026-05-16` means by this
    /// history's clock; a day means its first instant.
    pub fn time(&self, text: &str) -> Result<crate::Timestamp> {
        when::parse(text, self.context.now(), Bound::Since).map_err(Error::Usage)
    }
}

/// A query for events and an iterator over them, which reads as it is advanced.
///
/// Each event is returned exactly once, even while days are being rotated or restored. Several
/// values of one condition are alternatives; different conditions must all hold.
///
/// ```
/// use hlarchive::{History, Severity};
///
/// #[derive(serde::Deserialize)]
/// struct Failure {
///     error: String,
/// }
///
/// # fn main() -> hlarchive::Result<()> {
/// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
/// # let root = directory.path().join("events");
/// let history = History::open(&root)?;
/// let failure = history.emit("deployment_failed").service("mosquitto");
/// failure.payload(serde_json::json!({"error": "port 1883 not bound"})).send()?;
///
/// for event in history.events().service("mosquitto").since("90d")?.latest_first().limit(3) {
///     let event = event?.event()?;
///     assert_eq!(event.severity, Severity::Error, "its type says so");
///     assert_eq!(event.payload_as::<Failure>()?.error, "port 1883 not bound");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "events are read when this is iterated over"]
pub struct Events<'h> {
    history: &'h History,
    query: Query,
    text: TextQuery,
    state: State,
}

enum State {
    Asked,
    Reading(Box<EventStream>),
    Failed,
}

impl Events<'_> {
    /// Asks for events of this type.
    pub fn event_type(mut self, event_type: &str) -> Self {
        let normal = EventType::normalize(event_type);
        let word = normal.map_or_else(|_| event_type.to_owned(), |normal| normal.to_string());
        self.query.filter.types.push(word);
        self
    }

    /// Asks for events of this node.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.query.filter.nodes.push(node.into());
        self
    }

    /// Asks for events of this service.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.query.filter.services.push(service.into());
        self
    }

    /// Asks for events of this source.
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.query.filter.sources.push(source.into());
        self
    }

    /// Asks for events with this correlation id.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.query.filter.correlation_ids.push(id.into());
        self
    }

    /// Asks for events of this severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.query.filter.severities.push(severity);
        self
    }

    /// Asks for events of at least this severity.
    pub fn min_severity(mut self, severity: Severity) -> Self {
        self.query.filter.min_severity = Some(severity);
        self
    }

    /// Asks for events at or after this time: a date, an ISO 8601 timestamp, `yesterday`, or an age
    /// such as `90d` or `2 hours ago`.
    ///
    /// Fails with [`Error::Usage`] if the text is not a time.
    pub fn since(mut self, text: &str) -> Result<Self> {
        self.query.filter.since = Some(self.history.time(text)?);
        Ok(self)
    }

    /// Asks for events before this time; a date means the end of that day.
    ///
    /// Fails with [`Error::Usage`] if the text is not a time.
    pub fn until(mut self, text: &str) -> Result<Self> {
        let now = self.history.context.now();
        let until = when::parse(text, now, Bound::Until).map_err(Error::Usage)?;
        self.query.filter.until = Some(until);
        Ok(self)
    }

    /// Asks for events with a value that this regular expression matches, as the text
    /// `payload.error=disk full`. In lower case it matches any case; several are alternatives.
    pub fn grep(mut self, pattern: impl Into<String>) -> Self {
        self.text.any_of.push(pattern.into());
        self
    }

    /// Asks for events with a value like this, such as `payload.attempt>=3`, `payload.error~OOM`,
    /// `payload.url` or `!payload.url`; each condition must hold.
    pub fn condition(mut self, condition: impl Into<String>) -> Self {
        self.text.conditions.push(condition.into());
        self
    }

    /// Returns the latest event first.
    pub fn latest_first(mut self) -> Self {
        self.query.order = Order::Reverse;
        self
    }

    /// Ends after this many events.
    pub fn limit(mut self, limit: u64) -> Self {
        self.query.limit = Some(limit);
        self
    }

    pub(in crate::ops) fn history(&self) -> &History {
        self.history
    }

    /// Returns the query.
    ///
    /// Fails with [`Error::Usage`] if a pattern or a condition cannot be understood.
    pub(in crate::ops) fn query(&self) -> Result<Query> {
        let mut query = self.query.clone();
        query.filter.pattern = Pattern::compile(&self.text)?.map(Arc::new);
        Ok(query)
    }

    /// Returns what was skipped so far: files that are not events, damage, expired days, remote
    /// data that cannot be reached. An answer is complete only if none of them [costs
    /// events](Notice::costs_events).
    pub fn notices(&mut self) -> Vec<Notice> {
        match &mut self.state {
            State::Reading(stream) => stream.notices().take().0,
            State::Asked | State::Failed => Vec::new(),
        }
    }
}

impl Iterator for Events<'_> {
    type Item = Result<FoundEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.state, State::Asked) {
            match self.query().and_then(|query| self.history.store.events(query)) {
                Ok(stream) => self.state = State::Reading(Box::new(stream)),
                Err(error) => {
                    self.state = State::Failed;
                    return Some(Err(error));
                }
            }
        }
        match &mut self.state {
            State::Reading(stream) => stream.next(),
            State::Asked | State::Failed => None,
        }
    }
}

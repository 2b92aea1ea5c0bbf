//! A chain of events as one story.

use std::collections::BTreeSet;

use crate::event::{EventHead, Timestamp};
use crate::policy::AnswerRules;
use crate::store::{EventStream, Filter, FoundEvent, Looked, Notices, Query, Store};
use crate::views::attempts::{Attempt, StartRange};
use crate::views::trace::{Outcome, Step, TraceSummary, Tracer};
use crate::{History, Result};

use super::attempts::{AttemptQuery, attempts};

impl History {
    /// Follows a correlation id, or the only one with this prefix, over all days.
    ///
    /// A chain without events is an empty story. Fails with [`Error::Usage`](crate::Error::Usage)
    /// if several correlation ids have this prefix.
    ///
    /// ```
    /// use hlarchive::History;
    ///
    /// # fn main() -> hlarchive::Result<()> {
    /// # let directory = tempfile::tempdir().map_err(|e| hlarchive::Error::io("tmp", "create", e))?;
    /// # let root = directory.path().join("events");
    /// let history = History::open(&root)?;
    /// let started = history.emit("deployment_started").correlation_id("deploy-882").send()?;
    /// started.emit("deployment_completed").send()?;
    /// let story = history.trace("deploy-882")?;
    /// assert_eq!(story.steps[1].event_type, "deployment_completed");
    /// assert_eq!(story.outcome().map(|outcome| outcome.describe()), Some("completed"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn trace(&self, correlation_id: &str) -> Result<Story> {
        let (store, now) = (&self.store, self.context.now());
        let stops = || self.progress.stop_requested();
        let Named { id, mut events, .. } = named(store, correlation_id.to_owned(), &stops)?;
        let (mut tracer, mut tries) = (Tracer::at(now), Tries::of(&id));
        let mut steps = Vec::new();
        for event in &mut events {
            let event = event?;
            let Ok(head) = event.head() else { continue };
            tries.see(&event);
            steps.push(tracer.step(&head, &event.path.to_string()));
        }
        let mut summary = tracer.finish();
        let (tried, more) = tries.look(store, self.policy.answers, now, &stops)?;
        if let Some(summary) = &mut summary {
            summary.set_tried(&tried);
        }
        let is_complete = !events.notices().any_cost() && !more.any_cost();
        Ok(Story { correlation_id: id, steps, summary, is_complete })
    }
}

/// A chain of events as one story: what happened, why, what was tried, and what is still open.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Story {
    /// The correlation id.
    pub correlation_id: String,
    /// The events as steps, earliest first.
    pub steps: Vec<Step>,
    /// The summary of the steps; absent without events.
    pub summary: Option<TraceSummary>,
    /// True if everything that could hold an event of the chain was read.
    pub is_complete: bool,
}

impl Story {
    /// Returns how the chain ended, if it did.
    pub fn outcome(&self) -> Option<Outcome> {
        self.summary.as_ref().map(|summary| summary.outcome)
    }
}

/// A chain of events, found by name.
pub(crate) struct Named {
    /// Its correlation id.
    pub(crate) id: String,
    pub(crate) events: EventStream,
    /// The places that were searched, if it has no events.
    pub(crate) looked: Option<Looked>,
}

/// Finds the chain of a correlation id, or of the only one with this prefix.
pub(crate) fn named(store: &Store, asked: String, stops: &dyn Fn() -> bool) -> Result<Named> {
    let events = |id: &str| {
        let filter = Filter { correlation_ids: vec![id.to_owned()], ..Filter::default() };
        store.events(Query { filter, ..Query::default() })
    };
    let mut found = events(&asked)?;
    // Unread data may belong to the chain.
    if found.has_more()? || found.notices().any_cost() || asked.is_empty() {
        return Ok(Named { id: asked, events: found, looked: None });
    }
    let candidates = store.correlation_ids(&asked, stops)?;
    match candidates.only() {
        Some(id) => Ok(Named { id: id.to_owned(), events: events(id)?, looked: None }),
        None if candidates.ids.is_empty() => {
            Ok(Named { id: asked, events: found, looked: Some(candidates.looked) })
        }
        None => Err(candidates.ambiguous(&asked)),
    }
}

/// The remediations of a chain, as far as needed to determine their outcomes.
#[derive(Debug)]
pub(crate) struct Tries {
    correlation_id: String,
    first_and_last: Option<(Timestamp, Timestamp)>,
    services: BTreeSet<String>,
    nodes: BTreeSet<String>,
}

impl Tries {
    /// Begins with none of the chain's events.
    pub(crate) fn of(correlation_id: &str) -> Self {
        Self {
            correlation_id: correlation_id.to_owned(),
            first_and_last: None,
            services: BTreeSet::new(),
            nodes: BTreeSet::new(),
        }
    }

    /// Adds an event of the chain.
    pub(crate) fn see(&mut self, event: &FoundEvent) {
        let Ok(head) = event.head() else { return };
        let EventHead { event_type, timestamp: time, .. } = &head;
        if event_type != "remediation_started" {
            return;
        }
        let (first, last) = self.first_and_last.unwrap_or((*time, *time));
        self.first_and_last = Some((first.min(*time), last.max(*time)));
        self.services.insert(head.service.to_string());
        self.nodes.insert(head.node.to_string());
    }

    /// Returns their outcomes, earliest first, judged by all chains of these services.
    pub(crate) fn look(
        self,
        store: &Store,
        within: AnswerRules,
        now: Timestamp,
        stop: &dyn Fn() -> bool,
    ) -> Result<(Vec<Attempt>, Notices)> {
        let Some((first, last)) = self.first_and_last else {
            return Ok((Vec::new(), Notices::default()));
        };
        let until = Timestamp::from_micros(last.micros().saturating_add(1));
        let wanted = AttemptQuery {
            range: StartRange { since: Some(first), until: Some(until) },
            within,
            nodes: self.nodes.into_iter().collect(),
            services: self.services.into_iter().collect(),
            correlation_ids: vec![self.correlation_id],
            ..AttemptQuery::default()
        };
        let (report, notices) = attempts(store, &wanted, now, stop)?;
        let mut attempts = report.attempts;
        attempts.reverse();
        Ok((attempts, notices))
    }
}

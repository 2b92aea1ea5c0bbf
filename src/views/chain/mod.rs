//! A complete causal chain, for pictures of it: a diagram, a graph, a page.
//!
//! Bounded however long the chain is and whatever it contains: so many events, so much of each
//! payload; what is left out is counted. Renderers are pure: a chain in, text out. What events
//! say is never trusted; each renderer escapes it for its own language.

mod dot;
mod html;
mod mermaid;
mod page;

#[cfg(test)]
mod tests;

pub(crate) use dot::dot;
pub(crate) use html::html;
pub(crate) use mermaid::mermaid;

use super::trace::{Step, TraceSummary, Tracer};
use crate::event::{EventHead, Severity, Timestamp};
use crate::store::FoundEvent;
use crate::text::span;

/// Maximum number of events kept; further ones are counted.
const MAX_EVENTS: usize = 20_000;

/// Maximum bytes kept of one payload, and of all together.
const MAX_PAYLOAD: usize = 16 << 10;
const MAX_PAYLOADS: usize = 8 << 20;

/// Maximum length of a field, in characters.
const MAX_FIELD: usize = 200;

/// One event of a chain.
#[derive(Debug, Clone)]
pub(crate) struct ChainEvent {
    /// The event as shown.
    pub step: Step,
    /// Its timestamp.
    pub time: Timestamp,
    /// Its severity.
    pub severity: Severity,
    /// Its identity.
    pub path: String,
    /// Its payload, or the beginning of it.
    pub payload: String,
    /// The size of the complete payload in bytes.
    pub payload_bytes: usize,
}

/// A chain, collected.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The correlation id of its events.
    pub id: String,
    /// The events, in time order.
    pub events: Vec<ChainEvent>,
    /// The summary.
    pub summary: TraceSummary,
    /// Remarks: parts that could not be read, or expired.
    pub remarks: Vec<String>,
}

impl Chain {
    /// Returns the number of events that are not among [`events`](Self::events).
    pub(crate) fn left_out(&self) -> u64 {
        self.summary.events - self.events.len() as u64
    }

    /// Returns the nodes in order of appearance; beyond `limit`, one for all others.
    fn nodes(&self, limit: usize) -> Vec<&str> {
        let mut nodes: Vec<&str> = Vec::new();
        for event in &self.events {
            if !nodes.contains(&event.step.node.as_str()) {
                nodes.push(&event.step.node);
                if nodes.len() == limit {
                    break;
                }
            }
        }
        nodes
    }

    /// Returns how many events at the beginning and the end of a long chain a diagram shows.
    fn ends(&self, limit: usize) -> (usize, usize) {
        let count = self.events.len();
        if count <= limit { (count, 0) } else { (limit * 3 / 5, limit - limit * 3 / 5) }
    }
}

/// Collects a chain from its events.
#[derive(Debug, Default)]
pub(crate) struct ChainBuilder {
    id: String,
    tracer: Tracer,
    events: Vec<ChainEvent>,
    payloads: usize,
}

impl ChainBuilder {
    /// Starts the chain of this id.
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Sets the time that counts as now: what is dated later decides nothing.
    #[must_use]
    pub(crate) fn at(self, now: Timestamp) -> Self {
        Self { tracer: Tracer::at(now), ..self }
    }

    /// Takes the next event, in time order.
    pub(crate) fn add(&mut self, event: &FoundEvent) {
        if let Ok(head) = event.head() {
            self.take(&head, event.path.to_string());
        }
    }

    fn take(&mut self, head: &EventHead<'_>, path: String) {
        let mut step = self.tracer.step(head, &path);
        if self.events.len() >= MAX_EVENTS {
            return;
        }
        for field in [&mut step.node, &mut step.event_type, &mut step.service, &mut step.source] {
            cut(field, MAX_FIELD);
        }
        let whole = head.payload.get();
        let limit = MAX_PAYLOAD.min(MAX_PAYLOADS - self.payloads);
        let payload = whole[..whole.floor_char_boundary(limit)].to_owned();
        self.payloads += payload.len();
        self.events.push(ChainEvent {
            step,
            time: head.timestamp,
            severity: head.severity,
            path,
            payload,
            payload_bytes: whole.len(),
        });
    }

    /// Returns the chain, if it has an event.
    pub(crate) fn finish(self, remarks: Vec<String>) -> Option<Chain> {
        let summary = self.tracer.finish()?;
        Some(Chain { id: self.id, events: self.events, summary, remarks })
    }
}

/// Cuts a text to this many characters.
fn cut(text: &mut String, limit: usize) {
    if let Some((at, _)) = text.char_indices().nth(limit) {
        text.truncate(at);
        text.push('…');
    }
}

/// Returns the outcome in one line.
fn verdict(chain: &Chain) -> String {
    let summary = &chain.summary;
    let events = if summary.events == 1 { "event" } else { "events" };
    format!(
        "{}; {} {events} in {}",
        summary.outcome.describe(),
        summary.events,
        span(summary.duration_us)
    )
}

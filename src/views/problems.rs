//! What is not as it should be: services unhealthy, nodes offline, runs without an end.
//!
//! Told from the events of a stretch of time, in time order. What is remembered grows with
//! the number of services, nodes and unfinished runs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::attempts::{self, Collector, MAX_STEP_MICROS, Range};
use crate::event::{EventHead, Timestamp};
use crate::store::FoundEvent;

/// A run younger than this is taken to be at work still.
pub const PATIENCE_MICROS: i64 = 3600 * Timestamp::MICROS_PER_SECOND;

/// What kind of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A node went offline, and did not come back.
    NodeOffline,
    /// A service is unhealthy, and did not recover.
    ServiceUnhealthy,
    /// A deployment began, and neither completed nor failed.
    DeploymentWithoutEnd,
    /// A remediation began and did not complete.
    RemediationWithoutEnd,
}

impl Kind {
    /// The kind as a clause that follows a name.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NodeOffline => "offline",
            Self::ServiceUnhealthy => "unhealthy",
            Self::DeploymentWithoutEnd => "deployment without an end",
            Self::RemediationWithoutEnd => "remediation without an end",
        }
    }
}

/// One problem that is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What kind of problem it is.
    pub kind: Kind,
    /// Since when: the first event that told of it after the last that told otherwise.
    pub since: Timestamp,
    /// The host.
    pub node: String,
    /// The service, where one is concerned.
    pub service: Option<String>,
    /// What links the events of a run.
    pub correlation_id: Option<String>,
}

const HERE: [&str; 7] = [
    "service_unhealthy",
    "service_recovered",
    "node_offline",
    "node_online",
    "deployment_started",
    "deployment_completed",
    "deployment_failed",
];

/// The types that tell of problems, for a query.
pub fn types() -> Vec<String> {
    let mut types: Vec<&str> = HERE.into_iter().chain(attempts::TYPES).collect();
    types.sort_unstable();
    types.dedup();
    types.into_iter().map(str::to_owned).collect()
}

/// A deployment: its correlation id and its service. The node is left out, since the end
/// may be told by another one.
type Run = [String; 2];

/// Makes problems of events.
pub struct Finder {
    services: BTreeMap<[String; 2], Timestamp>,
    nodes: BTreeMap<String, Timestamp>,
    deployments: BTreeMap<Run, Vec<(Timestamp, String)>>,
    /// Ends of the last two minutes that have no start.
    early: Vec<(Timestamp, Run)>,
    /// Starts that found such an end before them: theirs, if there is no other.
    stepped: Vec<(Timestamp, Run)>,
    remediations: Collector,
    now: Timestamp,
}

/// What is open, and what was learned on the way.
#[derive(Debug, Default)]
pub struct Found {
    /// The problems that are open, the oldest first.
    pub problems: Vec<Problem>,
    /// Runs whose end is dated before their start, so that a clock must have been set back.
    pub clock_stepped: u64,
}

impl Finder {
    /// Begins, as things stand at `now`: what is dated later has not happened.
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            services: BTreeMap::new(),
            nodes: BTreeMap::new(),
            deployments: BTreeMap::new(),
            early: Vec::new(),
            stepped: Vec::new(),
            remediations: Collector::new(Range::default()).at(now),
        }
    }

    /// Takes the next event, in time order.
    pub fn take(&mut self, event: &FoundEvent) {
        let Ok(head) = event.head() else { return };
        if head.timestamp > self.now {
            return;
        }
        self.remediations.take(event);
        let service = || [head.node.to_string(), head.service.to_string()];
        match head.event_type.as_ref() {
            "service_unhealthy" => {
                self.services.entry(service()).or_insert(head.timestamp);
            }
            "service_recovered" => drop(self.services.remove(&service())),
            "node_offline" => {
                self.nodes.entry(head.node.to_string()).or_insert(head.timestamp);
            }
            "node_online" => drop(self.nodes.remove(head.node.as_ref())),
            "deployment_started" => self.begin(&head),
            "deployment_completed" | "deployment_failed" => self.end(&head),
            _ => {}
        }
    }

    fn begin(&mut self, head: &EventHead<'_>) {
        let run = [head.correlation_id.to_string(), head.service.to_string()];
        self.forget_early(head.timestamp);
        if let Some(place) = self.early.iter().rposition(|(_, ended)| *ended == run) {
            // By name, an end comes before its start where both have the same time.
            if self.early.remove(place).0 == head.timestamp {
                return;
            }
            self.stepped.push((head.timestamp, run.clone()));
        }
        self.deployments.entry(run).or_default().push((head.timestamp, head.node.to_string()));
    }

    fn end(&mut self, head: &EventHead<'_>) {
        let run = [head.correlation_id.to_string(), head.service.to_string()];
        self.forget_early(head.timestamp);
        match self.deployments.get_mut(&run) {
            Some(open) => {
                open.remove(0);
                if open.is_empty() {
                    self.deployments.remove(&run);
                }
            }
            None => self.early.push((head.timestamp, run)),
        }
    }

    /// Forgets the ends that can be nobody's any more.
    fn forget_early(&mut self, time: Timestamp) {
        let oldest = time.micros().saturating_sub(MAX_STEP_MICROS);
        self.early.retain(|(time, _)| time.micros() >= oldest);
    }

    /// The problems that are open.
    pub fn finish(mut self) -> Found {
        let now = self.now;
        let mut problems = Vec::new();
        let mut clock_stepped = 0;
        for (time, run) in self.stepped {
            let Some(open) = self.deployments.get_mut(&run) else { continue };
            let before = open.len();
            open.retain(|(since, _)| *since != time);
            clock_stepped += (before - open.len()) as u64;
        }
        for (node, since) in self.nodes {
            let kind = Kind::NodeOffline;
            problems.push(Problem { kind, since, node, service: None, correlation_id: None });
        }
        for ([node, service], since) in self.services {
            let (kind, service) = (Kind::ServiceUnhealthy, Some(service));
            problems.push(Problem { kind, since, node, service, correlation_id: None });
        }
        let is_late = |since: Timestamp| now.micros() - since.micros() >= PATIENCE_MICROS;
        for ([id, service], open) in self.deployments {
            for (since, node) in open.into_iter().filter(|(since, _)| is_late(*since)) {
                problems.push(Problem {
                    kind: Kind::DeploymentWithoutEnd,
                    since,
                    node,
                    service: Some(service.clone()),
                    correlation_id: Some(id.clone()),
                });
            }
        }
        let (attempts, _) = self.remediations.finish();
        clock_stepped += attempts.iter().filter(|attempt| attempt.clock_stepped).count() as u64;
        for attempt in attempts.into_iter().filter(|a| !a.completed && is_late(a.started)) {
            problems.push(Problem {
                kind: Kind::RemediationWithoutEnd,
                since: attempt.started,
                node: attempt.node,
                service: Some(attempt.service),
                correlation_id: Some(attempt.correlation_id),
            });
        }
        problems.sort_by(|a, b| (a.since, a.kind, &a.node).cmp(&(b.since, b.kind, &b.node)));
        Found { problems, clock_stepped }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The problems that are open at noon, of events as `MINUTE TYPE ID`.
    fn problems(events: &[&str]) -> Vec<Kind> {
        let mut finder = Finder::at("2026-05-16T12:00:00Z".parse().unwrap());
        for event in events {
            let mut words = event.split(' ');
            let (minute, kind) = (words.next().unwrap(), words.next().unwrap());
            let id = words.next().unwrap_or("a");
            let text = format!(
                r#"{{"timestamp":"2026-05-16T10:{minute}:00Z","node":"pi4","type":"{kind}","severity":"info","source":"s","service":"mqtt","correlation_id":"{id}","payload":{{}}}}"#
            );
            let path = format!("2026-05-16/pi4/{minute}-{kind}.json").parse().unwrap();
            finder.take(&FoundEvent::new(path, None, text.into_bytes().into_boxed_slice()));
        }
        finder.finish().problems.into_iter().map(|problem| problem.kind).collect()
    }

    #[test]
    fn what_was_not_taken_back_is_open() {
        for (events, wanted) in [
            (&["00 service_unhealthy"][..], &[Kind::ServiceUnhealthy][..]),
            (&["00 service_unhealthy", "01 service_recovered"], &[]),
            (&["00 service_recovered", "01 service_unhealthy"], &[Kind::ServiceUnhealthy]),
            (&["00 node_offline", "00 node_online"], &[]),
            (&["00 node_offline", "05 service_recovered"], &[Kind::NodeOffline]),
            (&["00 deployment_started", "01 deployment_failed"], &[]),
            (
                &["00 deployment_started", "01 deployment_completed b"],
                &[Kind::DeploymentWithoutEnd],
            ),
            (&["00 deployment_completed", "00 deployment_started"], &[]),
            (&["00 remediation_started", "01 remediation_completed"], &[]),
            (&["00 remediation_completed", "01 remediation_started"], &[]),
            (&["00 deployment_failed", "01 deployment_started"], &[]),
            (&["00 deployment_failed", "05 deployment_started"], &[Kind::DeploymentWithoutEnd]),
            (&["00 remediation_started"], &[Kind::RemediationWithoutEnd]),
        ] {
            assert_eq!(problems(events), wanted, "{events:?}");
        }
    }

    #[test]
    fn a_run_is_given_an_hour_and_a_service_none() {
        let mut finder = Finder::at("2026-05-16T12:00:00Z".parse().unwrap());
        for kind in ["deployment_started", "remediation_started", "service_unhealthy"] {
            let text = format!(
                r#"{{"timestamp":"2026-05-16T11:30:00Z","node":"pi4","type":"{kind}","severity":"info","source":"s","service":"mqtt","correlation_id":"a","payload":{{}}}}"#
            );
            let path = format!("2026-05-16/pi4/{kind}.json").parse().unwrap();
            finder.take(&FoundEvent::new(path, None, text.into_bytes().into_boxed_slice()));
        }
        let found = finder.finish().problems;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, Kind::ServiceUnhealthy);
    }
}

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::super::standing::StandingSummary;
use super::super::word::Word;
use super::*;
use crate::event::EventPath;

/// An event of the test: `MINUTE TYPE [ID [SERVICE [NODE [SEVERITY [PAYLOAD]]]]]`.
#[derive(Debug, Clone)]
struct Said {
    path: EventPath,
    text: String,
}

impl Said {
    fn of(number: usize, line: &str) -> Self {
        let mut words = line.splitn(7, ' ');
        let (minute, kind) = (words.next().unwrap(), words.next().unwrap());
        let id = words.next().unwrap_or("a");
        let service = words.next().unwrap_or("mqtt");
        let node = words.next().unwrap_or("pi4");
        let severity = words.next().unwrap_or("error");
        let payload = words.next().unwrap_or("{}");
        let text = format!(
            r#"{{"timestamp":"2026-05-16T10:{minute}:00Z","node":"{node}","type":"{kind}","severity":"{severity}","source":"s","service":"{service}","correlation_id":"{id}","payload":{payload}}}"#
        );
        let path = format!("2026-05-16/pi4/{minute}-{kind}-{number}.json").parse().unwrap();
        Self { path, text }
    }

    fn head(&self) -> EventHead<'_> {
        EventHead::parse(self.text.as_bytes()).unwrap()
    }
}

fn now() -> Timestamp {
    "2026-05-16T12:00:00Z".parse().unwrap()
}

fn said(lines: &[&str]) -> Vec<Said> {
    lines.iter().enumerate().map(|(number, line)| Said::of(number, line)).collect()
}

fn told(lines: &[&str]) -> Vec<Problem> {
    let mut standing = Standing::at(now());
    for said in said(lines) {
        standing.take(&said.head(), &said.path);
    }
    problems(&standing)
}

#[test]
fn what_was_not_taken_back_is_open() {
    use ProblemKind::{Alarm, Failed, NodeOffline, ServiceUnhealthy};
    for (events, wanted) in [
        (&["00 service_unhealthy"][..], &[ServiceUnhealthy][..]),
        (&["00 service_unhealthy", "01 service_recovered b"], &[]),
        (&["00 service_recovered", "01 service_unhealthy"], &[ServiceUnhealthy]),
        // A success of something else is not a recovery.
        (&["00 service_unhealthy", "01 deployment_completed"], &[ServiceUnhealthy]),
        (&["00 service_unhealthy", "01 service_recovered a mqtt pi5"], &[ServiceUnhealthy]),
        (&["00 node_offline", "00 node_online"], &[]),
        (&["00 node_offline", "05 service_recovered"], &[NodeOffline]),
        (&["00 deployment_failed a mqtt pi4 info"], &[Failed]),
        (&["00 deployment_failed", "01 deployment_completed a web pi5"], &[]),
        (&["00 deployment_failed", "01 backup_completed b"], &[]),
        (&["00 deployment_failed", "01 backup_completed b web"], &[Failed]),
        (&["00 deployment_failed", "01 deployment_started"], &[Failed]),
        (&["00 remediation_failed a mqtt pi4 info"], &[Failed]),
        (&["00 remediation_completed a mqtt pi4 info {\"success\":false}"], &[Failed]),
        (&["00 remediation_failed", "01 remediation_completed b"], &[]),
        (&["00 healthcheck_failed a mqtt pi4 critical"], &[Failed]),
        (&["00 healthcheck_failed a mqtt pi4 warning"], &[]),
        (&["00 backup_completed a mqtt pi4 info {\"ok\":false}"], &[Failed]),
        (&["00 raid_degraded a mqtt pi4 critical"], &[Alarm]),
        (&["00 raid_degraded a mqtt pi4 error"], &[]),
        (&["00 raid_degraded a mqtt pi4 critical", "09 raid_recovered b"], &[]),
        (&["00 deployment_started", "00 remediation_started"], &[]),
    ] {
        let kinds: Vec<ProblemKind> =
            told(events).into_iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, wanted, "{events:?}");
    }
}

#[test]
fn the_worst_and_newest_come_first_with_what_leads_on() {
    let problems = told(&[
        "00 service_unhealthy a mqtt pi4 error {\"error\":\"port\u{20}1883\"}",
        "05 service_unhealthy b'c mqtt pi4 error {\"error\":\"no route\"}",
        "10 node_offline -n all pi9 warning",
        "11 deployment_failed d web pi5 error",
        "12 deployment_failed e dns pi5 critical",
    ]);
    let words: Vec<_> = problems.iter().map(|p| (p.describe(), p.severity.as_str())).collect();
    assert_eq!(
        words,
        [
            ("deployment_failed", "critical"),
            ("deployment_failed", "error"),
            ("unhealthy", "error"),
            ("offline", "warning")
        ]
    );
    let unhealthy = &problems[2];
    assert_eq!(unhealthy.since.to_string(), "2026-05-16T10:00:00.000000Z");
    assert_eq!(unhealthy.last.to_string(), "2026-05-16T10:05:00.000000Z");
    assert_eq!(unhealthy.error.as_deref(), Some("no route"));
    assert_eq!(unhealthy.next, r"hlarchive trace 'b'\''c'");
    assert_eq!(problems[3].next, "hlarchive trace -- -n");
    assert_eq!(next("a\n'b"), r"hlarchive trace $'a\x0a\'b'");
}

#[test]
fn runs_are_given_an_hour_and_ends_are_found_though_a_clock_was_set_back() {
    let unended = |lines: &[&str]| {
        let mut runs = Runs::at("2026-05-16T11:30:00Z".parse().unwrap());
        for said in &said(lines) {
            runs.take(&said.head());
        }
        let (unended, stepped) = runs.finish();
        (unended.map_or(0, |unended| unended.count), stepped)
    };
    for (events, wanted) in [
        (&["00 deployment_started"][..], (1, 0)),
        (&["40 deployment_started"], (0, 0)),
        (&["00 deployment_started", "01 deployment_failed"], (0, 0)),
        (&["00 deployment_started", "01 deployment_completed b"], (1, 0)),
        (&["00 deployment_completed", "00 deployment_started"], (0, 0)),
        (&["00 deployment_failed", "01 deployment_started"], (0, 1)),
        (&["00 deployment_failed", "05 deployment_started"], (1, 0)),
        (&["00 remediation_started", "01 remediation_completed"], (0, 0)),
        (&["00 remediation_started", "00 remediation_started", "05 remediation_failed"], (1, 0)),
        (&["00 backup_started"], (0, 0)),
    ] {
        assert_eq!(unended(events), wanted, "{events:?}");
    }
}

/// Determines what is open from the rules alone: every bad word is compared with every good one.
fn model(events: &[Said]) -> Vec<(ProblemKind, Option<String>, String, Timestamp, String)> {
    let heads: Vec<_> = events.iter().map(|said| (said.head(), said.path.to_string())).collect();
    let mut rows: BTreeMap<_, (Timestamp, (Timestamp, String))> = BTreeMap::new();
    for (bad, path) in &heads {
        let kind = match Word::of(bad) {
            Word::Unhealthy => ProblemKind::ServiceUnhealthy,
            Word::Offline => ProblemKind::NodeOffline,
            Word::AttemptFailed | Word::Failed => ProblemKind::Failed,
            Word::Alarm => ProblemKind::Alarm,
            _ => continue,
        };
        let is_over = heads.iter().any(|(good, _)| {
            let same = bad.service == good.service && bad.node == good.node;
            let chain = bad.correlation_id == good.correlation_id;
            good.timestamp >= bad.timestamp
                && match (kind, Word::of(good)) {
                    (ProblemKind::NodeOffline, Word::Online) => bad.node == good.node,
                    (ProblemKind::ServiceUnhealthy, Word::Recovered) => same,
                    (
                        ProblemKind::Failed | ProblemKind::Alarm,
                        Word::Recovered | Word::Done | Word::AttemptDone,
                    ) => same || chain,
                    _ => false,
                }
        });
        if !is_over {
            let service = (kind != ProblemKind::NodeOffline).then(|| bad.service.to_string());
            let last = (bad.timestamp, path.clone());
            let row = rows
                .entry((kind, service, bad.node.to_string()))
                .or_insert((bad.timestamp, last.clone()));
            row.0 = row.0.min(bad.timestamp);
            row.1 = row.1.clone().max(last);
        }
    }
    let row = |((kind, service, node), (since, (_, path)))| (kind, service, node, since, path);
    rows.into_iter().map(row).collect()
}

fn answer(standing: &Standing) -> Vec<(ProblemKind, Option<String>, String, Timestamp, String)> {
    let mut rows: Vec<_> = problems(standing)
        .into_iter()
        .map(|p| (p.kind, p.service, p.node, p.since, p.path))
        .collect();
    rows.sort();
    rows
}

/// Settles as a reader of the history does that has all events at hand.
fn settle(standing: &mut Standing, all: &[Said]) {
    let doubts = standing.doubts();
    for said in all {
        if doubts.iter().any(|id| *id == said.head().correlation_id) {
            standing.settle(&said.head());
        }
    }
    if let Some((nodes, since)) = standing.cuts() {
        for said in all {
            let head = said.head();
            if nodes.iter().any(|node| *node == head.node) && head.timestamp >= since {
                standing.refine(&head);
            }
        }
    }
    standing.refined();
}

fn history() -> impl Strategy<Value = Vec<(String, u8)>> {
    let kinds = [
        "service_unhealthy",
        "service_recovered",
        "node_offline",
        "node_online",
        "deployment_failed",
        "deployment_completed",
        "remediation_completed",
        "raid_degraded",
    ];
    let event = (0..12_u8, 0..kinds.len(), 0..3_u8, 0..2_u8, 0..2_u8, 0..4_u8);
    let line = event.prop_map(move |(minute, kind, id, service, node, part)| {
        let kind = kinds[kind];
        (format!("{minute:02} {kind} id{id} s{service} n{node} critical"), part)
    });
    prop::collection::vec(line, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Events come in parts, as rotations take them: each part in time order, late ones among
    /// them; after each, the state is written and read again.
    #[test]
    fn parts_that_come_late_give_the_answer_of_all_events_at_once(lines in history()) {
        let events: Vec<(Said, u8)> = lines
            .iter()
            .enumerate()
            .map(|(number, (line, part))| (Said::of(number, line), *part))
            .collect();
        let mut standing = Standing::at(now());
        let mut there: Vec<Said> = Vec::new();
        for part in 0..4 {
            let mut come: Vec<Said> =
                events.iter().filter(|(_, of)| *of == part).map(|(said, _)| said.clone()).collect();
            come.sort_by_key(|said| (said.head().timestamp, said.path.to_string()));
            there.extend(come.iter().cloned());
            for said in &come {
                standing.take(&said.head(), &said.path);
            }
            // Taking an event twice changes nothing.
            for said in &come {
                standing.take(&said.head(), &said.path);
            }
            settle(&mut standing, &there);
            prop_assert_eq!(answer(&standing), model(&there));
            let text = serde_json::to_string(&standing.summary()).unwrap();
            let summary: StandingSummary = serde_json::from_str(&text).unwrap();
            standing = Standing::of(summary, now());
        }
        // All at once, in any order, gives the same summary.
        let mut whole = Standing::at(now());
        for (said, _) in events.iter().rev() {
            whole.take(&said.head(), &said.path);
        }
        settle(&mut whole, &there);
        let text = |standing: &Standing| serde_json::to_string(&standing.summary()).unwrap();
        prop_assert_eq!(text(&whole), text(&standing));
    }
}

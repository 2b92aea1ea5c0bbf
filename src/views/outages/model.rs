//! A second, simplest model of outages: each thing by itself, the entire history at hand, and
//! time counted second by second. Generated histories must give the same result.

use proptest::prelude::*;

use super::*;
use crate::event::EventPath;
use crate::store::FoundEvent;

/// 2026-05-16, ten minutes before midnight.
const START: i64 = 1_778_975_400;

#[derive(Debug, Clone)]
struct ModelEvent {
    second: i64,
    node: usize,
    service: usize,
    kind: usize,
}

const KINDS: [(&str, &str); 12] = [
    ("service_unhealthy", "error"),
    ("service_unhealthy", "error"),
    ("service_recovered", "info"),
    ("service_recovered", "info"),
    ("node_offline", "critical"),
    ("node_online", "info"),
    ("remediation_started", "info"),
    ("remediation_failed", "error"),
    ("disk_full", "critical"),
    ("cleanup_completed", "info"),
    ("deployment_failed", "error"),
    ("config_changed", "error"),
];

const NODES: [&str; 2] = ["nas", "pi4"];
const SERVICES: [&str; 2] = ["grafana", "mqtt"];

impl ModelEvent {
    fn kind(&self) -> &'static str {
        KINDS[self.kind].0
    }

    /// Returns the thing that it concerns, if any.
    fn thing(&self) -> (&'static str, Option<&'static str>) {
        let service = (!self.kind().starts_with("node_")).then_some(SERVICES[self.service]);
        (NODES[self.node], service)
    }

    fn event(&self, number: usize) -> FoundEvent {
        let time = at(self.second);
        let (kind, severity) = KINDS[self.kind];
        let (node, service) = (NODES[self.node], SERVICES[self.service]);
        let text = format!(
            r#"{{"timestamp":"{time}","node":"{node}","type":"{kind}","severity":"{severity}","source":"s","service":"{service}","correlation_id":"c","payload":{{"error":"{number}"}}}}"#
        );
        FoundEvent::new(path(self, number), None, text.into_bytes().into_boxed_slice())
    }
}

fn path(told: &ModelEvent, number: usize) -> EventPath {
    let time = at(told.second);
    let name = format!("{}/{}/{number:04}.json", time.date(), NODES[told.node]);
    name.parse().unwrap_or_else(|_| unreachable!("{name}"))
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros((START + second) * Timestamp::MICROS_PER_SECOND)
}

/// The start, end, flaps, and the attempt that preceded the recovery.
type Interval = (i64, Option<i64>, u64, Option<usize>);

/// Generates a history with at most one event a second.
fn history() -> impl Strategy<Value = Vec<ModelEvent>> {
    let told = (1_i64..40, 0..2_usize, 0..2_usize, 0..KINDS.len());
    prop::collection::vec(told, 0..60).prop_map(|told| {
        let mut second = 0;
        let mut next = |(after, node, service, kind)| {
            second += after;
            ModelEvent { second, node, service, kind }
        };
        told.into_iter().map(&mut next).collect()
    })
}

/// Returns the intervals of one thing, before any are left out.
fn intervals(history: &[ModelEvent], thing: (&str, Option<&str>), min_gap: i64) -> Vec<Interval> {
    let own: Vec<(usize, &ModelEvent)> =
        history.iter().enumerate().filter(|(_, told)| told.thing() == thing).collect();
    let mut down: Vec<(i64, Option<i64>)> = Vec::new();
    let mut from = 0;
    let begins = |kind: &str| matches!(kind, "service_unhealthy" | "node_offline" | "disk_full");
    while let Some(begin) = (from..own.len()).find(|place| begins(own[*place].1.kind())) {
        let ends = |end: &usize| {
            // True if anything up to here said more than an alarm does.
            let reopened = down
                .last()
                .is_some_and(|(_, to)| to.is_some_and(|to| own[begin].1.second - to < min_gap));
            let since = if reopened {
                down.last().map_or(0, |(from, _)| *from)
            } else {
                own[begin].1.second
            };
            let is_down = own[..*end].iter().any(|(_, told)| {
                told.second >= since && matches!(told.kind(), "service_unhealthy" | "node_offline")
            });
            match own[*end].1.kind() {
                "service_recovered" | "node_online" => true,
                "cleanup_completed" => !is_down,
                _ => false,
            }
        };
        let end = (begin + 1..own.len()).find(ends);
        let to = end.map(|end| own[end].1.second);
        match down.last_mut() {
            Some((_, last)) if last.is_some_and(|last| own[begin].1.second - last < min_gap) => {
                *last = to;
            }
            _ => down.push((own[begin].1.second, to)),
        }
        from = end.unwrap_or(own.len());
    }
    down.into_iter()
        .map(|(from, to)| (from, to, flaps(&own, from, to), attempt(&own, from, to)))
        .collect()
}

/// Counts how often a bad word follows a good one that ended something, within an interval.
fn flaps(own: &[(usize, &ModelEvent)], from: i64, to: Option<i64>) -> u64 {
    let within =
        own.iter().filter(|(_, told)| told.second >= from && to.is_none_or(|to| told.second <= to));
    let (mut flaps, mut up, mut is_down) = (0, false, false);
    for (_, told) in within {
        match told.kind() {
            "service_recovered" | "node_online" => up = true,
            "cleanup_completed" if !is_down => up = true,
            kind @ ("service_unhealthy" | "node_offline" | "disk_full") => {
                flaps += u64::from(std::mem::take(&mut up));
                is_down |= kind != "disk_full";
            }
            _ => {}
        }
    }
    flaps
}

/// Returns the last attempt within an interval while it was not up, unless it failed.
fn attempt(own: &[(usize, &ModelEvent)], from: i64, to: Option<i64>) -> Option<usize> {
    let to = to?;
    let (mut open, mut is_down, mut tried) = (false, false, Vec::new());
    for (number, told) in own.iter().filter(|(_, told)| (from..=to).contains(&told.second)) {
        match told.kind() {
            "service_recovered" => open = false,
            "cleanup_completed" if !is_down => open = false,
            "service_unhealthy" => (open, is_down) = (true, true),
            "disk_full" => open = true,
            "remediation_started" if open => tried.push((*number, told.second)),
            _ => {}
        }
    }
    // Ends also count after the recovery, until the next outage: the oldest start first.
    let next = own.iter().find(|(_, told)| {
        told.second > to && matches!(told.kind(), "service_unhealthy" | "disk_full")
    });
    let until = next.map_or(i64::MAX, |(_, told)| told.second);
    let ends = own.iter().filter(|(_, told)| {
        told.kind() == "remediation_failed" && (from..until).contains(&told.second)
    });
    let mut failed = Vec::new();
    for (_, end) in ends {
        let open =
            tried.iter().find(|(number, began)| *began < end.second && !failed.contains(number));
        failed.extend(open.map(|(number, _)| *number));
    }
    tried.last().map(|(number, _)| *number).filter(|number| !failed.contains(number))
}

fn compare(
    history: &[ModelEvent],
    since: Option<i64>,
    until: Option<i64>,
    now: i64,
    min_gap: i64,
) -> Result<(), TestCaseError> {
    let asked = OutageRange {
        since: since.map(at),
        until: until.map(at),
        min_gap_us: min_gap * Timestamp::MICROS_PER_SECOND,
        now: at(now),
    };
    let mut collector = OutageCollector::new(asked);
    for (number, told) in history.iter().enumerate() {
        collector.take(&told.event(number));
    }
    let answer = collector.finish();
    let happened: Vec<ModelEvent> =
        history.iter().filter(|told| told.second <= now).cloned().collect();
    let mut count = 0;
    for node in NODES {
        for service in [None, Some(SERVICES[0]), Some(SERVICES[1])] {
            let all = intervals(&happened, (node, service), min_gap);
            let (first, end) = (since.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX));
            let wanted: Vec<Interval> = all
                .into_iter()
                .filter(|(from, to, ..)| {
                    *from < end && (*from >= first || to.is_none_or(|to| to > first))
                })
                .collect();
            let is_its = |n: &str, s: &Option<String>| n == node && s.as_deref() == service;
            let mut found: Vec<&Outage> =
                answer.outages.iter().filter(|o| is_its(&o.node, &o.service)).collect();
            found.sort_by_key(|outage| outage.from);
            count += found.len();
            let told: Vec<Interval> = found
                .iter()
                .map(|outage| {
                    let second = |time: Timestamp| time.seconds() - START;
                    let helped = outage.attempts.iter().find(|tried| tried.preceded_recovery);
                    let helped = helped.map(|tried| {
                        tried.path[tried.path.len() - 9..tried.path.len() - 5].parse().unwrap_or(0)
                    });
                    (second(outage.from), outage.to.map(second), outage.flaps, helped)
                })
                .collect();
            prop_assert_eq!(&told, &wanted, "{} {:?}", node, service);
            let figures = answer.services.iter().find(|f| is_its(&f.node, &f.service));
            prop_assert_eq!(figures.is_some(), !wanted.is_empty());
            let Some(figures) = figures else { continue };
            let first = happened.iter().find(|told| {
                told.thing() == (node, service)
                    && matches!(
                        told.kind(),
                        "service_unhealthy"
                            | "service_recovered"
                            | "node_offline"
                            | "node_online"
                            | "disk_full"
                    )
            });
            let begin = since.unwrap_or_else(|| first.map_or(0, |told| told.second));
            let end = until.unwrap_or(now).min(now);
            let is_down = |second: i64, (from, to, ..): &Interval| {
                *from <= second && to.is_none_or(|to| second < to)
            };
            let seconds = |interval: &Interval| {
                (begin..end).filter(|second| is_down(*second, interval)).count() as u64
            };
            let down = (begin..end).filter(|second| wanted.iter().any(|i| is_down(*second, i)));
            let (down, length) = (down.count() as u64, (end - begin).max(0).unsigned_abs());
            prop_assert_eq!(figures.count, wanted.len() as u64);
            prop_assert_eq!(figures.total_seconds, down);
            prop_assert_eq!(figures.longest_seconds, wanted.iter().map(seconds).max().unwrap_or(0));
            let lengths: Vec<i64> =
                wanted.iter().filter_map(|(from, to, ..)| to.map(|to| to - from)).collect();
            let near = |told: Option<u64>, sum: u64, number: u64| match told {
                None => number == 0,
                Some(told) => number > 0 && (told * number).abs_diff(sum) <= number,
            };
            let sum = lengths.iter().sum::<i64>().unsigned_abs();
            prop_assert!(near(figures.mttr_seconds, sum, lengths.len() as u64));
            let began = wanted.iter().filter(|(from, ..)| *from >= begin).count() as u64;
            prop_assert!(near(figures.mtbf_seconds, length - down, began));
            match figures.availability {
                None => prop_assert_eq!(length, 0),
                Some(part) => {
                    let exact = (length - down) as f64 / length as f64;
                    prop_assert!(part <= exact + 1e-9 && exact - part < 2e-6, "{part} {exact}");
                    prop_assert_eq!(down > 0, part < 1.0);
                }
            }
        }
    }
    prop_assert_eq!(count, answer.outages.len());
    let order: Vec<_> = answer.outages.iter().map(|o| (o.open, o.from)).collect();
    prop_assert!(order.is_sorted_by(|a, b| a >= b), "{order:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn outages_are_what_counting_seconds_one_by_one_tells(
        history in history(),
        since in prop::option::of(0_i64..800),
        length in prop::option::of(1_i64..800),
        now in 600_i64..2000,
        min_gap in prop::sample::select(vec![0_i64, 1, 30, 100]),
    ) {
        let until = length.map(|length| since.unwrap_or(0) + length);
        compare(&history, since, until, now, min_gap)?;
    }
}

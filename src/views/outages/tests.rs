//! The rules and their edges, on histories of a few words.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::store::FoundEvent;

/// Makes an event from `TIME TYPE [ID [PAYLOAD]]` of 2026-05-16; a type with an exclamation mark
/// is critical, one that begins with `name:` is of that service.
fn event(text: &str) -> FoundEvent {
    let words: Vec<&str> = text.splitn(4, ' ').collect();
    let (time, kind) = (words[0], words[1]);
    let (id, payload) = (words.get(2).unwrap_or(&"c"), words.get(3).unwrap_or(&"{}"));
    let (service, kind) = kind.split_once(':').unwrap_or(("mqtt", kind));
    let severity = if kind.ends_with('!') { "critical" } else { "info" };
    let kind = kind.trim_end_matches('!');
    let text = format!(
        r#"{{"timestamp":"2026-05-16T{time}Z","node":"pi4","type":"{kind}","severity":"{severity}","source":"s","service":"{service}","correlation_id":"{id}","payload":{payload}}}"#
    );
    let path = format!("2026-05-16/pi4/{}-{kind}.json", time.replace(':', "")).parse().unwrap();
    FoundEvent::new(path, None, text.into_bytes().into_boxed_slice())
}

fn now() -> Timestamp {
    "2026-05-16T12:00:00Z".parse().unwrap()
}

fn ask(asked: OutageRange, events: &[&str]) -> OutageAnswer {
    let mut collector = OutageCollector::new(asked);
    for text in events {
        collector.take(&event(text));
    }
    collector.finish()
}

fn answer(events: &[&str]) -> OutageAnswer {
    ask(OutageRange::at(now()), events)
}

/// Returns the start and end of each, as clock times.
fn spans(answer: &OutageAnswer) -> Vec<(String, Option<String>)> {
    let span = |outage: &Outage| (outage.from.clock(), outage.to.map(Timestamp::clock));
    answer.outages.iter().map(span).collect()
}

fn causes(events: &[&str]) -> Vec<Option<String>> {
    answer(events).outages.into_iter().map(|outage| outage.cause).collect()
}

#[test]
fn the_first_bad_word_begins_and_the_first_good_one_ends() {
    let told = answer(&[
        "10:00:00 service_unhealthy",
        "10:01:00 service_unhealthy",
        "10:05:00 service_recovered",
        "10:06:00 service_recovered",
    ]);
    assert_eq!(spans(&told), [("10:00:00".to_owned(), Some("10:05:00".to_owned()))]);
    assert_eq!((told.outages[0].seconds, told.outages[0].flaps), (300, 0));
}

#[test]
fn a_recovery_without_an_outage_is_none_and_a_failure_alone_begins_none() {
    for events in [
        &["10:00:00 service_recovered"][..],
        &["10:00:00 deployment_failed c {\"error\":\"x\"}"],
        &["10:00:00 healthcheck_failed!", "10:01:00 remediation_failed"],
        &["10:00:00 node_online", "10:00:00 disk_full"],
        &["13:00:00 service_unhealthy"],
    ] {
        assert_eq!(
            answer(events),
            OutageAnswer { outages: vec![], services: vec![] },
            "{events:?}"
        );
    }
}

#[test]
fn a_node_and_its_services_are_told_apart() {
    let told = answer(&[
        "10:00:00 service_unhealthy",
        "10:01:00 all:node_offline",
        "10:05:00 service_recovered",
        "10:09:00 all:node_online",
    ]);
    let names: Vec<_> = told.outages.iter().map(|o| (o.service.as_deref(), o.seconds)).collect();
    assert_eq!(names, [(None, 480), (Some("mqtt"), 300)]);
    assert_eq!(answer(&["10:00:00 service_unhealthy", "10:01:00 node_online"]).services[0].open, 1);
}

#[test]
fn an_alarm_ends_with_any_success_and_what_is_unhealthy_only_with_its_recovery() {
    for good in
        ["raid_recovered", "cleanup_completed", "remediation_completed", "service_recovered"]
    {
        let end = format!("10:05:00 {good}");
        let told = answer(&["10:00:00 raid_degraded!", &end]);
        assert_eq!(told.outages[0].seconds, 300, "{good}");
        let told = answer(&["10:00:00 raid_degraded!", "10:01:00 service_unhealthy", &end]);
        assert_eq!(told.outages[0].open, good != "service_recovered", "{good}");
    }
    let failed = "10:05:00 cleanup_completed c {\"success\":false}";
    assert!(answer(&["10:00:00 raid_degraded!", failed]).outages[0].open);
    assert!(answer(&["10:00:00 raid_degraded!", "10:05:00 other:x_completed"]).outages[0].open);
}

#[test]
fn what_was_well_for_less_than_the_least_gap_was_not_well() {
    let events = [
        "10:00:00 service_unhealthy",
        "10:01:00 service_recovered",
        "10:01:59 service_unhealthy",
        "10:03:00 service_recovered",
        "10:04:00 service_unhealthy",
        "10:05:00 service_recovered",
    ];
    let told = answer(&events);
    let all: Vec<_> = told.outages.iter().map(|o| (o.seconds, o.flaps)).collect();
    assert_eq!(all, [(60, 0), (180, 1)]);
    assert_eq!((told.services[0].count, told.services[0].flaps), (2, 1));
    let none = ask(OutageRange { min_gap_us: 0, ..OutageRange::at(now()) }, &events);
    assert_eq!(none.services[0].count, 3);
}

#[test]
fn of_one_instant_a_recovery_ends_what_was_not_down_before_and_flaps_what_was() {
    // In the order of their names, as events of one instant come.
    let told = answer(&["10:00:00 service_recovered", "10:00:00 service_unhealthy"]);
    assert_eq!(spans(&told), [("10:00:00".to_owned(), Some("10:00:00".to_owned()))]);
    let told = answer(&[
        "09:00:00 service_unhealthy",
        "10:00:00 service_recovered",
        "10:00:00 service_unhealthy",
    ]);
    assert_eq!((told.outages[0].open, told.outages[0].flaps), (true, 1));
    let tried = answer(&["10:00:00 remediation_started", "10:00:00 service_unhealthy"]);
    assert_eq!(tried.outages[0].attempts.len(), 1);
}

#[test]
fn a_recovery_dated_shortly_before_its_outage_leaves_it_open_and_is_told() {
    for (time, id, wanted) in
        [("09:59:00", "c", true), ("09:59:00", "d", false), ("09:57:00", "c", false)]
    {
        let end = format!("{time} service_recovered {id}");
        let told = answer(&[&end, "10:00:00 service_unhealthy"]);
        assert_eq!((told.outages[0].open, told.outages[0].clock_stepped), (true, wanted));
        let told = answer(&[&end, "10:00:00 service_unhealthy", "11:00:00 service_recovered"]);
        assert!(!told.outages[0].open && !told.outages[0].clock_stepped);
    }
}

#[test]
fn the_cause_is_the_failure_of_the_chain_that_came_shortly_before() {
    let failed = "10:00:00 deployment_failed c {\"error\":\"no port\"}";
    let first = "10:00:00 healthcheck_failed c {\"error\":\"timeout\"}";
    let down =
        |time: &str, id: &str| format!("{time} service_unhealthy {id} {{\"error\":\"down\"}}");
    for (events, wanted) in [
        (vec![failed.to_owned(), down("10:05:00", "c")], "no port"),
        (
            vec![first.to_owned(), failed.replace("10:00", "10:01"), down("10:05:00", "c")],
            "timeout",
        ),
        (vec![failed.to_owned(), down("10:11:00", "c")], "down"),
        (vec![failed.to_owned(), down("10:05:00", "d")], "down"),
        (vec![down("09:00:00", "c"), failed.to_owned()], "down"),
        (vec!["09:00:00 service_unhealthy".to_owned(), down("09:05:00", "d")], "down"),
    ] {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        assert_eq!(causes(&events), [Some(wanted.to_owned())], "{events:?}");
    }
    // A failure during one outage is not the cause of the next.
    let again = [
        "09:59:00 service_unhealthy",
        failed,
        "10:01:00 service_recovered",
        "10:05:00 service_unhealthy",
    ];
    assert_eq!(causes(&again), [None, None]);
}

#[test]
fn the_last_attempt_before_the_recovery_preceded_it_unless_it_failed() {
    let tried = |events: &[&str]| {
        let told = answer(events).outages.remove(0).attempts;
        told.into_iter()
            .map(|tried| (tried.action.unwrap(), tried.ended, tried.preceded_recovery))
            .collect::<Vec<_>>()
    };
    let (a, b) = ("{\"action\":\"a\"}", "{\"action\":\"b\"}");
    let begin = "10:00:00 service_unhealthy";
    let first = format!("10:01:00 remediation_started x {a}");
    let second = format!("10:02:00 remediation_started x {b}");
    // Its end comes after the recovery, as ends do.
    let end = |kind: &str| format!("10:04:00 remediation_{kind} x {b}");
    let well = "10:03:00 service_recovered";
    let names =
        |ended, helped| vec![("a".to_owned(), None, false), ("b".to_owned(), ended, helped)];
    assert_eq!(tried(&[begin, &first, &second, well]), names(None, true));
    assert_eq!(
        tried(&[begin, &first, &second, well, &end("completed")]),
        names(Some(AttemptEnd::Completed), true)
    );
    assert_eq!(
        tried(&[begin, &first, &second, well, &end("failed")]),
        names(Some(AttemptEnd::Failed), false)
    );
    assert_eq!(tried(&[begin, &first, &second]), names(None, false));
    // Attempts before or after it are not its own.
    assert!(tried(&[&first.replace("10:01", "09:59"), begin, well]).is_empty());
    assert!(tried(&[begin, "10:00:30 service_recovered", &first]).is_empty());
    // For a node, attempts on all of it.
    let node = "10:00:00 all:node_offline";
    assert_eq!(
        tried(&[node, &first.replace("remediation_started", "all:remediation_started")]).len(),
        1
    );
    assert!(tried(&[node, &first]).is_empty());
}

#[test]
fn figures_count_what_lies_within_the_range_and_means_the_whole() {
    let asked = OutageRange {
        since: Some("2026-05-16T10:00:00Z".parse().unwrap()),
        until: Some("2026-05-16T11:00:00Z".parse().unwrap()),
        ..OutageRange::at(now())
    };
    let told = ask(
        asked,
        &[
            // Before the range, then into it, within it, out of it, and after it.
            "09:00:00 service_unhealthy",
            "09:30:00 service_recovered",
            "09:50:00 service_unhealthy",
            "10:10:00 service_recovered",
            "10:30:00 service_unhealthy",
            "10:40:00 service_recovered",
            "10:50:00 service_unhealthy",
            "11:20:00 service_recovered",
            "11:30:00 service_unhealthy",
        ],
    );
    assert_eq!(told.outages.len(), 3);
    let figures = &told.services[0];
    assert_eq!((figures.count, figures.open), (3, 0));
    assert_eq!((figures.total_seconds, figures.longest_seconds), (1800, 600));
    assert_eq!(figures.mttr_seconds, Some((1200 + 600 + 1800) / 3));
    assert_eq!(figures.mtbf_seconds, Some(1800 / 2));
    assert_eq!(figures.availability, Some(0.5));
}

#[test]
fn an_open_outage_counts_until_now_and_has_no_time_to_recovery() {
    let told = answer(&["09:00:00 service_recovered", "11:00:00 service_unhealthy"]);
    let figures = &told.services[0];
    assert_eq!((figures.total_seconds, figures.mttr_seconds), (3600, None));
    assert_eq!((figures.mtbf_seconds, figures.availability), (Some(7200), Some(0.666_666)));
    assert_eq!(figures.since.clock(), "09:00:00");
}

#[test]
fn availability_is_whole_only_where_nothing_was_down() {
    let since = Some("2000-01-01T00:00:00Z".parse().unwrap());
    let asked = OutageRange { since, ..OutageRange::at(now()) };
    let told = ask(asked, &["11:00:00 service_unhealthy", "11:00:01 service_recovered"]);
    assert_eq!(told.services[0].availability, Some(0.999_999));
    // An outage without length in a range without length.
    let told = ask(OutageRange::at(now()), &["12:00:00 service_unhealthy"]);
    assert_eq!((told.services[0].availability, told.services[0].mtbf_seconds), (None, Some(0)));
}

#[test]
fn reading_ends_when_nothing_of_the_range_can_change() {
    let until = Some("2026-05-14T00:00:00Z".parse().unwrap());
    let mut collector = OutageCollector::new(OutageRange { until, ..OutageRange::at(now()) });
    let quiet = event("10:00:00 service_recovered");
    let read = (0..5000).take_while(|_| collector.take(&quiet)).count();
    assert!(read < 2000, "{read}");
}

//! The rules, on chains of a few letters.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::store::FoundEvent;

const STARTED: &str = "remediation_started";
const COMPLETED: &str = "remediation_completed";
const FAILED: &str = "remediation_failed";
const RECOVERED: &str = "service_recovered";
const UNHEALTHY: &str = "service_unhealthy";

/// Makes an event at this second: type, correlation id and payload.
fn event(second: u32, kind: &str, id: &str, payload: &str) -> FoundEvent {
    let time = format!("2026-05-16T10:{:02}:{:02}Z", second / 60, second % 60);
    let text = format!(
        r#"{{"timestamp":"{time}","node":"pi4","type":"{kind}","severity":"info","source":"agent","service":"mqtt","correlation_id":"{id}","payload":{payload}}}"#
    );
    let path = format!("2026-05-16/pi4/{second}-{kind}-{id}.json").parse().unwrap();
    FoundEvent::new(path, None, text.into_bytes().into_boxed_slice())
}

fn collect(events: &[(u32, &str, &str, &str)]) -> (Vec<Attempt>, u64) {
    let mut collector = AttemptCollector::new(StartRange::default());
    for (second, kind, id, payload) in events {
        assert!(collector.take(&event(*second, kind, id, payload)));
    }
    collector.finish()
}

/// Returns after how many seconds each attempt ended.
fn ends(events: &[(u32, &str, &str, &str)]) -> Vec<Option<i64>> {
    let seconds = |attempt: &Attempt| attempt.duration_us.map(|us| us / 1_000_000);
    collect(events).0.iter().map(seconds).collect()
}

#[test]
fn without_more_to_go_by_the_kth_end_is_that_of_the_kth_open_start() {
    let (s, c) = (STARTED, COMPLETED);
    assert_eq!(
        ends(&[(0, s, "a", "{}"), (1, s, "a", "{}"), (10, c, "a", "{}"), (30, c, "a", "{}")]),
        [Some(10), Some(29)]
    );
    assert_eq!(
        ends(&[(0, s, "a", "{}"), (5, c, "a", "{}"), (6, s, "a", "{}"), (9, c, "a", "{}")]),
        [Some(5), Some(3)]
    );
}

#[test]
fn interleaved_chains_keep_their_own_ends() {
    let (s, c) = (STARTED, COMPLETED);
    assert_eq!(
        ends(&[(0, s, "a", "{}"), (1, s, "b", "{}"), (3, c, "b", "{}"), (9, c, "a", "{}")]),
        [Some(9), Some(2)]
    );
}

#[test]
fn a_lost_end_leaves_its_own_start_open_where_the_payload_tells() {
    let (s, c) = (STARTED, COMPLETED);
    for (first, second) in [
        (r#"{"attempt":1}"#, r#"{"attempt":2}"#),
        (r#"{"action":"restart"}"#, r#"{"action":"reboot"}"#),
        // Only one of the two starts says: agreement goes before silence.
        ("{}", r#"{"attempt":2}"#),
        (r#"{"action":"restart"}"#, r#"{"action":"restart","attempt":2}"#),
    ] {
        let events = [(0, s, "a", first), (1, s, "a", second), (5, c, "a", second)];
        assert_eq!(ends(&events), [None, Some(4)], "{first} {second}");
    }
}

#[test]
fn an_end_that_contradicts_every_open_start_is_nobodys() {
    let (attempts, stray) = collect(&[
        (0, STARTED, "a", r#"{"action":"restart"}"#),
        (1, COMPLETED, "a", r#"{"action":"reboot"}"#),
        (2, COMPLETED, "b", "{}"),
        (3, COMPLETED, "b", "{}"),
    ]);
    assert_eq!((attempts[0].completed, stray), (false, 3));
}

#[test]
fn an_end_before_its_start_is_nobodys_and_one_of_the_same_instant_is_its_own() {
    let (s, c) = (STARTED, COMPLETED);
    assert_eq!(ends(&[(0, c, "a", "{}"), (1, s, "a", "{}")]), [None]);
    assert_eq!(ends(&[(1, c, "a", "{}"), (1, s, "a", "{}")]), [Some(0)]);
}

#[test]
fn the_next_word_of_the_service_decides() {
    let after = |events: &[(u32, &str, &str, &str)]| {
        let mut all = vec![(5, STARTED, "a", "{}")];
        all.extend_from_slice(events);
        all.sort_by_key(|event| event.0);
        collect(&all).0[0].afterwards
    };
    let (up, down) = (RECOVERED, UNHEALTHY);
    assert_eq!(after(&[]), Afterwards::Unknown);
    assert_eq!(after(&[(4, up, "a", "{}")]), Afterwards::Unknown);
    assert_eq!(after(&[(6, up, "other", "{}"), (7, down, "a", "{}")]), Afterwards::Recovered);
    assert_eq!(after(&[(6, down, "a", "{}"), (7, up, "a", "{}")]), Afterwards::Unhealthy);
    assert_eq!(after(&[(5, down, "a", "{}"), (7, up, "a", "{}")]), Afterwards::Recovered);
    assert_eq!(after(&[(5, up, "a", "{}")]), Afterwards::Recovered);
}

#[test]
fn an_end_may_say_that_it_failed_and_attempts_are_counted_by_what_was_done() {
    let (attempts, _) = collect(&[
        (0, STARTED, "a", r#"{"action":"restart"}"#),
        (1, COMPLETED, "a", r#"{"success":false}"#),
        (2, STARTED, "b", r#"{"action":"restart"}"#),
        (3, FAILED, "b", "{}"),
        (4, STARTED, "c", r#"{"action":["reboot",1]}"#),
        (5, COMPLETED, "c", "{}"),
    ]);
    let told: Vec<_> =
        attempts.iter().map(|a| (a.failed, a.number, a.tries, a.action.as_deref())).collect();
    let restart = Some("restart");
    assert_eq!(
        told,
        [(true, 1, 2, restart), (true, 2, 2, restart), (false, 1, 1, Some(r#"["reboot",1]"#))]
    );
}

#[test]
fn what_comes_after_the_range_decides_and_what_began_before_it_keeps_its_end() {
    let at = |second: u32| format!("2026-05-16T10:00:{second:02}Z").parse().unwrap();
    let range = StartRange { since: Some(at(10)), until: Some(at(20)) };
    let mut collector = AttemptCollector::new(range);
    for event in [
        event(9, STARTED, "a", "{}"),
        event(11, STARTED, "a", "{}"),
        event(12, COMPLETED, "a", "{}"),
        event(25, COMPLETED, "a", "{}"),
        event(26, RECOVERED, "z", "{}"),
    ] {
        assert!(collector.take(&event));
    }
    let (attempts, stray) = collector.finish();
    assert_eq!((attempts.len(), stray), (1, 0));
    assert_eq!(attempts[0].duration_us, Some(14_000_000));
    assert_eq!((attempts[0].afterwards, attempts[0].tries), (Afterwards::Recovered, 1));
}

#[test]
fn reading_ends_when_nothing_can_change_any_more() {
    let until = "2026-05-14T00:00:00Z".parse().unwrap();
    let mut collector = AttemptCollector::new(StartRange { since: None, until: Some(until) });
    assert!(!collector.take(&event(0, RECOVERED, "a", "{}")));
}

/// Returns the outcome of each attempt, as of this second.
fn outcomes(now: u32, events: &[(u32, &str, &str, &str)]) -> Vec<AttemptOutcome> {
    let now = format!("2026-05-16T10:{:02}:{:02}Z", now / 60, now % 60).parse().unwrap();
    let mut collector =
        AttemptCollector::new(StartRange::default()).at(now).within(10 * 60 * 1_000_000);
    for (second, kind, id, payload) in events {
        collector.take(&event(*second, kind, id, payload));
    }
    collector.finish().0.iter().map(|attempt| attempt.outcome).collect()
}

#[test]
fn an_attempt_is_judged_up_to_the_next_one_and_within_the_horizon() {
    use AttemptOutcome::{Failed, Helped, NoEffect, Superseded, Unknown};
    let (s, c, f, up, down) = (STARTED, COMPLETED, FAILED, RECOVERED, UNHEALTHY);
    let e = "{}";
    for (events, wanted) in [
        (&[(0, s, "a", e), (600, up, "m", e)][..], &[Helped][..]),
        (&[(0, s, "a", e), (601, up, "m", e)], &[NoEffect]),
        (&[(0, s, "a", e), (60, c, "a", e), (660, up, "m", e)], &[Helped]),
        (&[(0, s, "a", e), (60, down, "m", e), (61, up, "m", e)], &[NoEffect]),
        (&[(0, s, "a", e), (60, f, "a", e), (61, up, "m", e)], &[Failed]),
        (&[(0, s, "a", e), (60, s, "b", e), (61, up, "m", e)], &[Superseded, Helped]),
        // At the same instant, too.
        (&[(0, s, "a", e), (0, s, "b", e), (0, up, "m", e)], &[Superseded, Helped]),
        (&[(0, s, "a", e), (700, s, "b", e), (701, up, "m", e)], &[NoEffect, Helped]),
        (&[(0, down, "m", e), (1, s, "a", e)], &[NoEffect]),
        (&[(0, s, "a", e)], &[Unknown]),
    ] {
        assert_eq!(outcomes(2000, events), wanted, "{events:?}");
    }
    // The horizon has not passed, or just has.
    let events = [(0, down, "m", e), (1, s, "a", e)];
    assert_eq!(outcomes(601, &events), [Unknown]);
    assert_eq!(outcomes(602, &events), [NoEffect]);
}

#[test]
fn two_copies_of_one_attempt_do_not_supersede_each_other() {
    let mut collector = AttemptCollector::new(StartRange::default());
    for _ in 0..2 {
        collector.take(&event(0, STARTED, "a", "{}"));
    }
    collector.take(&event(5, RECOVERED, "a", "{}"));
    let (attempts, _) = collector.finish();
    assert!(
        attempts.iter().all(|attempt| attempt.outcome == AttemptOutcome::Helped),
        "{attempts:?}"
    );
}

#[test]
fn silence_is_no_effect_only_where_somebody_reports() {
    let mut collector = AttemptCollector::new(StartRange::default());
    collector.take(&event(0, STARTED, "a", "{}"));
    let silent: Vec<_> = collector.silent().into_iter().collect();
    assert_eq!(silent, [["mqtt".to_owned(), "pi4".to_owned()]]);
    collector.heard_before(silent[0].clone());
    assert_eq!(collector.finish().0[0].outcome, AttemptOutcome::NoEffect);
}

#[test]
fn a_summary_by_action_puts_first_what_helped() {
    let restart = r#"{"action":"restart"}"#;
    let rollback = r#"{"action":"rollback"}"#;
    let (attempts, _) = collect(&[
        (0, STARTED, "a", restart),
        (60, STARTED, "b", restart),
        (120, FAILED, "b", restart),
        (180, STARTED, "c", rollback),
        (200, RECOVERED, "m", "{}"),
        (300, STARTED, "d", "{}"),
    ]);
    let sums = by_action(attempts.iter());
    let told: Vec<_> = sums
        .iter()
        .map(|sum| (sum.action.as_deref(), sum.tries, sum.helped, sum.failed, sum.superseded))
        .collect();
    assert_eq!(
        told,
        [(Some("rollback"), 1, 1, 0, 0), (Some("restart"), 2, 0, 1, 1), (None, 1, 0, 0, 0),]
    );
    assert_eq!(sums[0].last_helped, Some(attempts[2].started));
    assert_eq!(sums[2].no_effect, 1);
}

//! The rules, on chains of a few letters.

#![allow(clippy::unwrap_used)]

use super::*;

/// An event at this second: type, correlation id and payload.
fn event(second: u32, kind: &str, id: &str, payload: &str) -> FoundEvent {
    let time = format!("2026-05-16T10:{:02}:{:02}Z", second / 60, second % 60);
    let text = format!(
        r#"{{"timestamp":"{time}","node":"pi4","type":"{kind}","severity":"info","source":"agent","service":"mqtt","correlation_id":"{id}","payload":{payload}}}"#
    );
    let path = format!("2026-05-16/pi4/{second}-{kind}.json").parse().unwrap();
    FoundEvent::new(path, None, text.into_bytes().into_boxed_slice())
}

fn collect(events: &[(u32, &str, &str, &str)]) -> (Vec<Attempt>, u64) {
    let mut collector = Collector::new(Range::default());
    for (second, kind, id, payload) in events {
        assert!(collector.take(&event(*second, kind, id, payload)));
    }
    collector.finish()
}

/// After how many seconds each attempt ended.
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
        // Only one of the two starts tells: what agrees goes before what does not tell.
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
    let range = Range { since: Some(at(10)), until: Some(at(20)) };
    let mut collector = Collector::new(range);
    for event in [
        event(9, STARTED, "a", "{}"),
        event(11, STARTED, "a", "{}"),
        event(12, COMPLETED, "a", "{}"),
        event(20, STARTED, "a", "{}"),
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
    let mut collector = Collector::new(Range { since: None, until: Some(until) });
    assert!(!collector.take(&event(0, RECOVERED, "a", "{}")));
}

//! Tests of the sheet: which run replaces what another one left.

#![allow(clippy::unwrap_used)]

use super::*;

fn ended(operation: &str, second: i64, exit_code: u8) -> Ended<'_> {
    let time = Timestamp::from_micros(second * 1_000_000);
    Ended { operation, time, seconds: 1.5, exit_code, scope: Scope::Whole, witness: false }
}

fn value<'a>(sheet: &'a Sheet, name: &str) -> Option<&'a str> {
    sheet.families.get(name).map(|family| family.value.as_str())
}

#[test]
fn a_run_replaces_what_was_said_of_its_operation_and_no_more() {
    let events = Gauge::new("events", "Events archived.", 7);
    let mut sheet = Sheet::default();
    sheet.ran(ended("rotate", 100, 0), std::slice::from_ref(&events));
    sheet.ran(ended("prune", 200, 0), &[]);
    sheet.stands(&[Gauge::new("live_partitions", "Days that are live.", 3)]);
    let mut sheet = Sheet::parse(&sheet.render()).unwrap();
    assert_eq!(value(&sheet, "hlarchive_last_rotate_events"), Some("7"));
    sheet.ran(ended("rotate", 300, 74), &[]);
    assert_eq!(value(&sheet, "hlarchive_last_rotate_events"), None);
    assert_eq!(value(&sheet, "hlarchive_last_rotate_exit_code"), Some("74"));
    assert_eq!(value(&sheet, "hlarchive_last_rotate_timestamp_seconds"), Some("300"));
    assert_eq!(value(&sheet, "hlarchive_last_rotate_success_timestamp_seconds"), Some("100"));
    assert_eq!(value(&sheet, "hlarchive_last_prune_success_timestamp_seconds"), Some("200"));
    assert_eq!(value(&sheet, "hlarchive_last_prune_duration_seconds"), Some("1.5"));
    assert_eq!(value(&sheet, "hlarchive_live_partitions"), Some("3"));
    assert_eq!(Sheet::parse(&sheet.render()).unwrap(), sheet);
}

/// Verifications, one after the other, each with its time, code, scope, witness, findings and
/// records; returns what stands then: the time, the code and the findings.
struct Verifying(Sheet);

impl Verifying {
    fn run(&mut self, ended: Ended<'_>, counts: Option<(u64, u64)>) -> (i64, u8, Option<u64>) {
        let report = counts.map(|(findings, records)| {
            vec![Gauge::findings(findings), Gauge::new("manifest_records", "", records)]
        });
        self.0.ran(ended, &report.unwrap_or_default());
        let last = self.0.last("verify").unwrap();
        (last.time.seconds(), last.exit_code, last.findings)
    }
}

fn whole(second: i64, exit_code: u8) -> Ended<'static> {
    ended("verify", second, exit_code)
}

fn part(words: &[&str], second: i64, exit_code: u8) -> Ended<'static> {
    Ended { scope: Scope::of(words), ..whole(second, exit_code) }
}

#[test]
fn a_failure_stands_until_the_same_run_or_one_of_everything_goes_well() {
    let mut verify = Verifying(Sheet::default());
    assert_eq!(verify.run(part(&["a"], 100, 0), Some((0, 9))), (100, 0, Some(0)));
    assert_eq!(verify.run(whole(200, 143), Some((0, 9))), (200, 143, Some(0)));
    assert_eq!(verify.run(part(&["a"], 300, 1), Some((2, 9))), (300, 1, Some(2)));
    // Another part, a stop, and one that began before it say nothing of it.
    assert_eq!(verify.run(part(&["b"], 400, 0), Some((0, 9))), (300, 1, Some(2)));
    assert_eq!(verify.run(whole(500, 143), Some((0, 9))), (300, 1, Some(2)));
    let long = Ended { seconds: 400.0, ..whole(600, 0) };
    assert_eq!(verify.run(long, Some((0, 9))), (300, 1, Some(2)));
    assert_eq!(verify.run(part(&["a"], 700, 0), Some((0, 9))), (700, 0, Some(0)));
    // Of everything, and equal to that.
    assert_eq!(verify.run(whole(800, 1), Some((2, 9))), (800, 1, Some(2)));
    assert_eq!(verify.run(part(&["a"], 900, 0), Some((0, 9))), (800, 1, Some(2)));
    assert_eq!(verify.run(whole(1000, 0), Some((0, 9))), (1000, 0, Some(0)));
}

#[test]
fn a_further_failure_is_added_and_takes_nothing_away() {
    let mut verify = Verifying(Sheet::default());
    assert_eq!(verify.run(whole(100, 1), Some((3, 9))), (100, 1, Some(3)));
    assert_eq!(verify.run(part(&["live"], 200, 1), Some((1, 0))), (200, 1, Some(3)));
    assert_eq!(verify.run(whole(300, 66), None), (300, 66, Some(3)));
    assert_eq!(verify.run(whole(400, 143), Some((1, 9))), (400, 66, Some(3)));
    assert_eq!(verify.run(part(&["live"], 500, 0), Some((0, 0))), (400, 66, Some(3)));
    assert_eq!(verify.run(whole(600, 1), Some((1, 9))), (600, 1, Some(1)));
    assert_eq!(verify.run(whole(700, 0), Some((0, 9))), (700, 0, Some(0)));
    // Two parts: neither shows that the other is repaired.
    verify.run(part(&["a"], 800, 1), Some((1, 9)));
    verify.run(part(&["b"], 900, 1), Some((1, 9)));
    assert_eq!(verify.run(part(&["a"], 1000, 0), Some((0, 9))), (900, 1, Some(1)));
    assert_eq!(verify.run(whole(1100, 0), Some((0, 9))), (1100, 0, Some(0)));
    // Stopped, but not before it found something.
    assert_eq!(verify.run(whole(1200, 143), Some((3, 9))), (1200, 143, Some(3)));
    assert!(verify.0.last("verify").unwrap().failed());
}

#[test]
fn chance_does_not_clear_what_was_found() {
    let mut verify = Verifying(Sheet::default());
    let sample =
        |second, code| Ended { scope: Scope::sample(&["archived"]), ..whole(second, code) };
    verify.run(sample(100, 74), None);
    assert_eq!(verify.run(sample(200, 0), Some((0, 9))), (200, 0, Some(0)));
    verify.run(sample(300, 1), Some((1, 9)));
    assert_eq!(verify.run(sample(400, 0), Some((0, 9))), (300, 1, Some(1)));
    assert_eq!(verify.run(whole(500, 0), Some((0, 9))), (500, 0, Some(0)));
}

#[test]
fn an_archive_that_is_not_to_be_seen_clears_nothing() {
    let mut verify = Verifying(Sheet::default());
    verify.run(whole(100, 1), Some((1, 9)));
    assert_eq!(verify.run(whole(200, 0), Some((0, 0))), (100, 1, Some(1)));
    assert_eq!(verify.run(whole(300, 0), Some((0, 12))), (300, 0, Some(0)));
    // The failed run saw none either, but there was one.
    verify.run(whole(400, 74), None);
    verify.0.stands(&[Gauge::new("archived_segments", "", 5)]);
    assert_eq!(verify.run(whole(500, 0), Some((0, 0))), (400, 74, None));
    assert_eq!(verify.run(whole(600, 0), Some((0, 9))), (600, 0, Some(0)));
    // A history in which nothing is archived yet.
    let mut verify = Verifying(Sheet::default());
    verify.run(whole(100, 1), Some((1, 0)));
    assert_eq!(verify.run(whole(200, 0), Some((0, 0))), (200, 0, Some(0)));
}

#[test]
fn what_a_witness_disproved_only_a_witness_clears() {
    let mut verify = Verifying(Sheet::default());
    let witness = |second, code| Ended { witness: true, ..whole(second, code) };
    verify.run(witness(100, 1), Some((1, 9)));
    assert_eq!(verify.run(whole(200, 0), Some((0, 9))), (100, 1, Some(1)));
    verify.run(whole(300, 74), None);
    assert_eq!(verify.run(whole(400, 0), Some((0, 9))), (300, 74, Some(1)));
    assert_eq!(verify.run(witness(500, 0), Some((0, 9))), (500, 0, Some(0)));
}

#[test]
fn what_is_read_back_is_what_was_taken_down() {
    let mut sheet = Sheet::default();
    let counted = [
        Gauge::new("segments", "", 7),
        Gauge::new("segments_read_whole", "", 3),
        Gauge::findings(2),
    ];
    let time = Timestamp::from_micros(1_779_503_400_123_456);
    sheet.ran(Ended { time, ..whole(0, 0) }, &[]);
    sheet.ran(part(&["a"], 1_779_589_800, 65), &counted);
    let last = Sheet::parse(&sheet.render()).unwrap().last("verify").unwrap();
    let expected = LastEnd {
        time: Timestamp::from_micros(1_779_589_800_000_000),
        exit_code: 65,
        seconds: Some(1.5),
        findings: Some(2),
        witness: false,
        segments: Some(7),
        segments_read_whole: Some(3),
        success_time: Some(time),
        scope: Scope::of(&["a"]).number(),
        records: None,
    };
    assert_eq!(last, expected);
    assert_eq!(sheet.last("rotate"), None);
}

#[test]
fn numbers_that_nobody_wrote_are_not_taken_for_an_end() {
    for value in ["NaN", "-1", "inf", "1e999"] {
        let text = format!(
            "hlarchive_last_rotate_timestamp_seconds {value}\nhlarchive_last_rotate_exit_code 0\n"
        );
        assert_eq!(Sheet::parse(&text).unwrap().last("rotate"), None, "{value}");
    }
    let text =
        "hlarchive_last_rotate_timestamp_seconds 1e300\nhlarchive_last_rotate_exit_code 1e9\n";
    let last = Sheet::parse(text).unwrap().last("rotate").unwrap();
    assert_eq!((last.time.date().to_string().as_str(), last.exit_code), ("9999-12-31", 255));
}

#[test]
fn it_tells_of_one_archive_whatever_that_is_called() {
    let mut sheet = Sheet::default();
    let name = "/a\\b/\"c d\"\n";
    sheet.claim(name).unwrap();
    sheet.ran(ended("rotate", 100, 0), &[]);
    let mut read = Sheet::parse(&sheet.render()).unwrap();
    assert_eq!(read, sheet);
    read.claim(name).unwrap();
    assert_eq!(read.claim("/other").unwrap_err(), name);
    for line in ["{archive=\"a\"b\"} 1", "{archive=\"a\\\"} 1", "{node=\"a\"} 1"] {
        assert!(Sheet::parse(&format!("{ARCHIVE}{line}\n")).is_err(), "{line}");
    }
}

#[test]
fn a_file_of_somebody_else_is_told_apart() {
    assert_eq!(Sheet::parse("").unwrap(), Sheet::default());
    for (text, line) in [
        ("node_load1 0.5\n", "line 1"),
        ("hlarchive_live_days 3\nup 1\n", "line 2"),
        ("# a remark\n", "line 1"),
        ("# TYPE hlarchive_x counter\n", "line 1"),
        ("hlarchive_x three\n", "line 1"),
        ("hlarchive_x{node=\"a b\"} 3\n", "line 1"),
        ("hlarchive_x 3 1700000000\n", "line 1"),
        ("hlarchive_x\n", "line 1"),
        ("\n", "line 1"),
        ("#\n", "line 1"),
    ] {
        let error = Sheet::parse(text).unwrap_err();
        assert!(error.to_string().contains(line), "{text:?}: {error}");
    }
}

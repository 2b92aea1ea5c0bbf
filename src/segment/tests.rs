#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::*;
use crate::Error;
use crate::event::{Date, EventPath};

mod forged;

fn day() -> Date {
    "2026-05-16".parse().unwrap()
}

/// Returns an event and its path, both determined by the number.
fn event(number: u32) -> (EventPath, Vec<u8>) {
    let kinds = ["deployment_started", "node_online", "healthcheck_failed"];
    let kind = kinds[number as usize % 3];
    let node = ["nas", "pi4"][number as usize % 2];
    let (minute, second) = (number / 60 % 60, number % 60);
    let path = format!(
        "2026-05-16/{node}/20260516T10{minute:02}{second:02}.000000Z_{kind}_\
         0196d8a2-7c1a-7000-8000-{number:012}.json"
    );
    let bytes = format!(
        "{{\"timestamp\":\"2026-05-16T10:{minute:02}:{second:02}.000000Z\",\"node\":\"{node}\",\
         \"type\":\"{kind}\",\"severity\":\"info\",\"source\":\"s\",\"service\":\"all\",\
         \"correlation_id\":\"run-{}\",\"payload\":{{\"n\":{number}}}}}\n",
        number / 4
    );
    (path.parse().unwrap(), bytes.into_bytes())
}

fn events(count: u32) -> BTreeMap<EventPath, Vec<u8>> {
    (0..count).map(event).collect()
}

fn small() -> SegmentOptions {
    SegmentOptions { level: 3, frame_size: 4096 }
}

fn write(
    events: &BTreeMap<EventPath, Vec<u8>>,
    options: SegmentOptions,
) -> (Vec<u8>, SegmentSummary) {
    let mut writer = SegmentWriter::new(Vec::new(), Path::new("s"), day(), options);
    for (path, bytes) in events {
        writer.add(path, bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn open(bytes: &[u8]) -> Result<SegmentReader, Error> {
    SegmentReader::open(file(bytes), Path::new("s"))
}

fn read(bytes: &[u8]) -> Result<BTreeMap<EventPath, Vec<u8>>, Error> {
    let mut read = BTreeMap::new();
    open(bytes)?.for_each_member(&mut |member| {
        read.insert(member.path.to_path(), member.bytes.to_vec());
        Ok(())
    })?;
    Ok(read)
}

fn checked(bytes: &[u8]) -> super::check::CheckReport {
    check(&file(bytes).into(), Path::new("s"), &|_| {}).unwrap()
}

#[test]
fn what_is_written_reads_back_and_checks() {
    let events = events(200);
    let (bytes, summary) = write(&events, small());
    assert_eq!(read(&bytes).unwrap(), events);
    let report = checked(&bytes);
    assert_eq!((report.findings, report.summary), (vec![], Some(summary.clone())));
    assert!(summary.frames > 10);
    assert_eq!((summary.events, summary.invalid), (200, 0));
    assert_eq!(summary.sha256, Sha256Hash::of(&bytes));
    assert_eq!(summary.nodes.values().sum::<u64>(), 200);
}

#[test]
fn the_same_events_give_the_same_bytes_with_any_number_of_threads() {
    let events = events(500);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| write(&events, small()).0)
    };
    let one = with(1);
    assert!(with(2) == one && with(7) == one);
}

#[test]
fn members_out_of_order_or_of_another_day_are_refused() {
    let mut writer = SegmentWriter::new(Vec::new(), Path::new("s"), day(), small());
    let (path, bytes) = event(3);
    writer.add(&path, &bytes).unwrap();
    assert!(matches!(writer.add(&path, &bytes), Err(Error::Refused(_))));
    assert!(matches!(writer.add(&event(0).0, &bytes), Err(Error::Refused(_))));
    let other: EventPath = "2026-05-17/pi4/zzz.json".parse().unwrap();
    assert!(matches!(writer.add(&other, &bytes), Err(Error::Refused(_))));
}

#[test]
fn every_flipped_bit_is_found_and_none_is_fatal() {
    let events = events(40);
    let (bytes, summary) = write(&events, small());
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let report = checked(&flipped);
        assert!(
            !report.findings.is_empty() || report.summary.as_ref() != Some(&summary),
            "byte {at}"
        );
        // Whatever can still be read is as it was written.
        if let Ok(reader) = open(&flipped) {
            for number in 0..reader.frames().len() {
                let Ok(frame) = reader.read_frame(number) else { continue };
                for member in frame.members().map_while(Result::ok) {
                    assert_eq!(
                        events.get(&member.path.to_path()).map(Vec::as_slice),
                        Some(member.bytes)
                    );
                }
            }
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_is_named_and_what_is_left_is_read() {
    let events = events(40);
    let (bytes, _) = write(&events, small());
    for length in 0..bytes.len() {
        assert!(!checked(&bytes[..length]).findings.is_empty(), "{length}");
        if let Ok(reader) = open(&bytes[..length]) {
            assert!(reader.damage().is_some(), "{length}");
            for number in 0..reader.frames().len() {
                reader.read_frame(number).unwrap();
            }
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(!checked(&longer).findings.is_empty());
}

#[test]
fn a_small_segment_has_four_frames_at_least_and_a_larger_one_those_that_were_asked_for() {
    let tar_bytes = |events: &BTreeMap<EventPath, Vec<u8>>| -> u64 {
        events.iter().map(|(path, bytes)| tar::member_bytes(path, bytes.len()) as u64).sum()
    };
    let large = SegmentOptions { level: 3, frame_size: 64 << 20 };
    for count in [4, 5, 120, 500, 2000] {
        let events = events(count);
        let (bytes, summary) = write(&events, large);
        let frames = open(&bytes).unwrap().frames().to_vec();
        let most = tar_bytes(&events).div_ceil(4);
        assert!(summary.frames >= 4, "{count}: {}", summary.frames);
        assert!(frames.iter().all(|frame| u64::from(frame.decompressed) <= most), "{count}");
        assert_eq!(read(&bytes).unwrap(), events);
    }
    // Too few members to spread, and none.
    assert_eq!(write(&events(1), large).1.frames, 1);
    assert_eq!(write(&events(0), large).1.frames, 0);
    let many = events(2100);
    assert!(tar_bytes(&many) > 2 << 20);
    assert_eq!(write(&many, large).1.frames, 1);
}

#[test]
fn a_damaged_frame_costs_only_the_events_inside_it() {
    let events = events(200);
    let (mut bytes, _) = write(&events, small());
    let frames = open(&bytes).unwrap().frames().to_vec();
    let middle = frames[3].offset as usize + frames[3].compressed as usize / 2;
    bytes[middle] ^= 0x10;
    let reader = open(&bytes).unwrap();
    let mut found = 0;
    for number in 0..frames.len() {
        match reader.read_frame(number) {
            Ok(frame) => found += frame.members().map(Result::unwrap).count(),
            Err(error) => {
                assert_eq!(number, 3);
                assert!(error.to_string().contains("s: frame 3: "), "{error}");
            }
        }
    }
    let lost = reader.index().unwrap().frame(3).events as usize;
    assert_eq!(found + lost, 200);
    assert_eq!(checked(&bytes).findings.len(), 1);
}

#[test]
fn without_its_index_or_seek_table_a_segment_is_still_read() {
    let events = events(200);
    let (bytes, summary) = write(&events, small());
    let table = 8 + 8 * (summary.frames as usize + 2) + 9;
    let index = table + summary.index_bytes as usize + 8;
    for (place, word) in [
        (bytes.len() - 1, "seek table"),
        (bytes.len() - 7, "seek table"),
        (bytes.len() - table + 9, "seek table"),
        (bytes.len() - table - 20, "index"),
        (bytes.len() - index + 3, "index"),
    ] {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0x40;
        assert_eq!(read(&damaged).unwrap(), events, "{place}");
        let reader = open(&damaged).unwrap();
        assert!(reader.damage().unwrap().contains(word), "{:?}", reader.damage());
        assert!(checked(&damaged).findings.iter().any(|finding| finding.contains(word)));
    }
    for tail in [table, index] {
        assert_eq!(read(&bytes[..bytes.len() - tail]).unwrap(), events);
    }
}

#[test]
fn a_seek_table_that_is_wrong_about_a_frames_content_costs_no_event() {
    let events = events(200);
    let (bytes, summary) = write(&events, small());
    let entries = summary.frames as usize + 2;
    let table = bytes.len() - (8 + 8 * entries + 9);
    for entry in 0..entries {
        for bit in 0..32 {
            let mut damaged = bytes.clone();
            damaged[table + 8 + 8 * entry + 4 + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&damaged).unwrap(), events, "entry {entry}, bit {bit}");
            assert!(!checked(&damaged).findings.is_empty(), "entry {entry}, bit {bit}");
        }
    }
}

#[test]
fn paths_of_every_length_and_script_read_back() {
    let mut events = BTreeMap::new();
    for (node, name) in [
        ("n", "a".to_owned()),
        ("n", "a".repeat(95)),
        ("n", "a".repeat(96)),
        ("n", "a".repeat(250)),
        (&"n".repeat(144), "b".to_owned()),
        (&"n".repeat(145), "b".to_owned()),
        (&"n".repeat(255), "b".repeat(250)),
        ("küche", "é".repeat(125)),
        ("n", "日".repeat(80)),
    ] {
        let path: EventPath = format!("2026-05-16/{node}/{name}.json").parse().unwrap();
        events.insert(path, vec![b'x'; 511 + name.len() % 3]);
    }
    let (bytes, summary) = write(&events, small());
    assert_eq!(read(&bytes).unwrap(), events);
    assert_eq!(checked(&bytes).summary, Some(summary));
}

#[test]
fn files_that_are_no_events_are_kept_and_counted() {
    let mut events = events(5);
    events.insert("2026-05-16/pi4/broken.json".parse().unwrap(), b"{\"half".to_vec());
    events.insert("2026-05-16/pi4/empty.json".parse().unwrap(), Vec::new());
    let (bytes, summary) = write(&events, small());
    assert_eq!((summary.events, summary.invalid), (7, 2));
    assert_eq!(summary.event_bytes, events.values().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert_eq!(read(&bytes).unwrap(), events);
    let reader = open(&bytes).unwrap();
    assert_eq!(reader.index().unwrap().invalid(), 2);
}

#[test]
fn members_that_hold_a_text_are_found_without_looking_into_the_others() {
    let mut events = events(200);
    let path = |name: &str| format!("2026-05-16/pi4/{name}.json").parse::<EventPath>().unwrap();
    let long = "n".repeat(240);
    events.insert(path("escaped"), b"{\"correlation_id\":\"run\\u002d7\"}".to_vec());
    events.insert(path("broken"), b"not an object".to_vec());
    events.insert(path("empty"), Vec::new());
    events.insert(path(&long), b"{\"correlation_id\":\"run-7\"}".to_vec());
    let (bytes, _) = write(&events, small());
    let reader = open(&bytes).unwrap();
    let mut found = Vec::new();
    for number in 0..reader.frames().len() {
        let frame = reader.read_frame(number).unwrap();
        for member in frame.members_with(
            ["run-7", "run-49\""]
                .map(|text| move |tar: &[u8], from| super::frame::places_of(text, tar, from)),
        ) {
            found.push(member.unwrap().path.to_path());
        }
    }
    let wanted: Vec<EventPath> = events
        .iter()
        .filter(|(_, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            !text.starts_with('{')
                || text.contains('\\')
                || text.contains("run-7")
                || text.contains("run-49\"")
        })
        .map(|(path, _)| path.clone())
        .collect();
    assert_eq!(found, wanted);
    assert!(found.contains(&path(&long)) && found.len() < 20, "{}", found.len());
}

#[test]
fn the_index_tells_which_frames_hold_a_value() {
    let events = events(200);
    let (bytes, _) = write(&events, small());
    let reader = open(&bytes).unwrap();
    let index = reader.index().unwrap();
    for id in ["run-0", "run-7", "run-49"] {
        let mut wanted = BTreeMap::new();
        for number in 0..reader.frames().len() {
            let frame = reader.read_frame(number).unwrap();
            let needle = format!("\"{id}\"");
            let count = frame
                .members()
                .filter(|member| {
                    let bytes = member.as_ref().unwrap().bytes;
                    memchr::memmem::find(bytes, needle.as_bytes()).is_some()
                })
                .count();
            if count > 0 {
                wanted.insert(number as u32, count as u32);
            }
        }
        let found: BTreeMap<u32, u32> = index
            .lookup(Field::CorrelationId, id)
            .unwrap()
            .iter()
            .map(|posting| (posting.frame, posting.events))
            .collect();
        assert_eq!(found, wanted, "{id}");
    }
    assert!(index.lookup(Field::CorrelationId, "run-50").unwrap().is_empty());
    assert!(index.lookup(Field::CorrelationId, "").unwrap().is_empty());
    assert_eq!(index.value_count(Field::CorrelationId), 50);
    let kinds: Vec<String> = index.values(Field::Type).map(|value| value.unwrap().0).collect();
    assert_eq!(kinds, ["deployment_started", "healthcheck_failed", "node_online"]);
}

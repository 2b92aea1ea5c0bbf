//! How many files a question opens, however many there are.

use std::path::Path;
use std::process::Command;

use hlarchive::internals::archive::{By, ManifestWriter, NewRecord, Op, SegmentName};
use hlarchive::internals::event::EventPath;
use hlarchive::internals::segment::{SegmentOptions, SegmentWriter};
use hlarchive::internals::store::Store;
use hlarchive::internals::store::{Filter, Order, Query};
use hlarchive::{Context, Date};

use crate::common::tool;

const DAYS: i64 = 1200;
const PER_DAY: u32 = 40;

/// More than three years of archived days.
fn years(at: &Path) -> Store {
    std::fs::create_dir(at.join("events")).unwrap();
    let store = Store::new(at.join("events"), None);
    let by = By { user: "t".into(), host: "t".into(), command: "t".into(), sudo_user: None };
    let context = Context::fixed("2027-01-01T00:00:00Z".parse().unwrap(), by, [7; 32]);
    let archive = store.create_archive().unwrap();
    let lock = archive.lock().unwrap();
    let (mut manifest, _) =
        ManifestWriter::open(&archive, &lock, context.now(), context.by()).unwrap();
    for number in 0..DAYS {
        let date = first_day().plus_days(number);
        let temp = archive.create_temp(date, number as u64, &lock).unwrap();
        let options = SegmentOptions { level: 1, ..SegmentOptions::default() };
        let mut writer = SegmentWriter::new(temp.file(), temp.path(), date, options);
        for event in 0..PER_DAY {
            let (path, bytes) = event_of(date, event);
            writer.add(&path, &bytes).unwrap();
        }
        let (_, summary) = writer.finish().unwrap();
        let name = SegmentName { date, number: 0, class: None };
        temp.publish(&name).unwrap();
        let mut record = NewRecord::new(context.now(), Op::Rotate);
        record.describe(&name, &summary);
        manifest.append(record).unwrap();
    }
    store
}

fn first_day() -> Date {
    "2023-01-01".parse().unwrap()
}

fn event_of(date: Date, number: u32) -> (EventPath, Vec<u8>) {
    let clock = format!("{:02}:{:02}:00", number / 2, number % 2 * 30);
    let path = format!(
        "{date}/nas/{}T{}Z_node_online_0196d8a2-0000-7000-8000-{number:012}.json",
        date.to_string().replace('-', ""),
        clock.replace(':', "")
    );
    let bytes = format!(
        "{{\"timestamp\":\"{date}T{clock}Z\",\"node\":\"nas\",\"type\":\"node_online\",\
         \"severity\":\"info\",\"source\":\"s\",\"service\":\"all\",\"correlation_id\":\"c\",\
         \"payload\":{{}}}}\n"
    );
    (path.parse().unwrap(), bytes.into_bytes())
}

/// How many events a query gives, and how many segments it opens for them.
fn asked(store: &Store, query: Query) -> (usize, u64) {
    let mut events = store.events(query).unwrap();
    let found = events.by_ref().map(Result::unwrap).count();
    (found, events.segments_opened())
}

#[test]
fn the_last_events_and_narrow_ranges_open_only_the_segments_that_they_lie_in() {
    let directory = tempfile::tempdir().unwrap();
    let store = years(directory.path());
    for (limit, most) in [(1, 2), (40, 3), (100, 4)] {
        for order in [Order::Reverse, Order::Forward] {
            let query = Query { limit: Some(limit), order, ..Query::default() };
            let (found, opened) = asked(&store, query);
            assert_eq!(found as u64, limit);
            assert!(opened <= most, "{opened} segments for {limit} events, {order:?}");
        }
    }
    let range = |since: &str, until: &str| Query {
        filter: Filter {
            since: Some(since.parse().unwrap()),
            until: Some(until.parse().unwrap()),
            ..Filter::default()
        },
        ..Query::default()
    };
    let hour = range("2024-06-01T10:00:00Z", "2024-06-01T11:00:00Z");
    assert_eq!(asked(&store, hour), (2, 1));
    let midnight = range("2024-06-01T19:00:00Z", "2024-06-02T00:30:00Z");
    assert_eq!(asked(&store, midnight), (3, 2));
    let nothing = range("2024-06-01T20:00:00Z", "2024-06-01T23:00:00Z");
    assert_eq!(asked(&store, nothing), (0, 0));
}

/// The same as the kernel sees it, of the whole command.
#[test]
fn the_command_opens_no_more_files_than_it_reads() {
    let Some(strace) = tool("strace") else { return };
    let directory = tempfile::tempdir().unwrap();
    let store = years(directory.path());
    let opened = |arguments: &[&str]| {
        let output = Command::new(&strace)
            .args(["-f", "-e", "trace=openat,open", "-e", "signal=none", "-o"])
            .arg(directory.path().join("trace"))
            .arg(env!("CARGO_BIN_EXE_hlarchive"))
            .arg("--root")
            .arg(store.root())
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let trace = std::fs::read_to_string(directory.path().join("trace")).unwrap();
        (output.stdout.split(|byte| *byte == b'\n').count() - 1, trace.matches(".tar.zst").count())
    };
    let (lines, segments) =
        opened(&["list", "--since", "2023-01-01", "--reverse", "--limit", "100", "-o", "path"]);
    assert_eq!(lines, 100);
    assert!(segments <= 4, "{segments} segments opened");
    let (lines, segments) = opened(&[
        "list",
        "--since",
        "2024-06-01T10:00:00Z",
        "--until",
        "2024-06-01T11:00:00Z",
        "-o",
        "path",
    ]);
    assert_eq!((lines, segments), (2, 1));
}

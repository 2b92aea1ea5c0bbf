//! The small things that everything is made of, one by one:
//!
//!     cargo bench --bench micro

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

#[path = "peers/generate.rs"]
#[allow(dead_code)]
mod generate;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

use hlarchive::internals::archive::{By, Manifest};
use hlarchive::internals::event::{EventHead, EventPath, PathRef, write_with_location};
use hlarchive::internals::segment::{Field, SegmentOptions, SegmentReader, SegmentWriter, check};
use hlarchive::internals::store::Store;
use hlarchive::{Context, Date};

use generate::Shape;

fn main() {
    divan::main();
}

const SHAPE: Shape = Shape { days: 1, per_day: 10_000, nodes: 4 };

fn events() -> Vec<(EventPath, Vec<u8>)> {
    generate::day(generate::first_day(), SHAPE)
}

fn date() -> Date {
    generate::first_day()
}

fn segment(level: i32) -> Vec<u8> {
    let options = SegmentOptions { level, ..SegmentOptions::default() };
    let mut writer = SegmentWriter::new(Vec::new(), "bench".as_ref(), date(), options);
    for (path, bytes) in events() {
        writer.add(&path, &bytes).unwrap();
    }
    writer.finish().unwrap().0
}

fn reader() -> SegmentReader {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &segment(1)).unwrap();
    SegmentReader::open_day(file, "bench".as_ref(), date()).unwrap()
}

/// Parsing the name of an event, as it stands in a tar.
#[divan::bench]
fn parse_path(bencher: Bencher<'_, '_>) {
    let names: Vec<String> = events().iter().map(|(path, _)| path.to_string()).collect();
    bencher.counter(ItemsCount::new(names.len())).bench_local(|| {
        for name in &names {
            black_box(PathRef::parse(black_box(name)).unwrap());
        }
    });
}

/// Sorting names into the order of a segment.
#[divan::bench]
fn sort_paths(bencher: Bencher<'_, '_>) {
    let mut paths: Vec<EventPath> = events().into_iter().map(|(path, _)| path).collect();
    paths.sort_by(|a, b| a.name.cmp(&b.name));
    bencher.counter(ItemsCount::new(paths.len())).with_inputs(|| paths.clone()).bench_local_values(
        |mut paths| {
            paths.sort();
            paths
        },
    );
}

/// Parsing the fields of an event.
#[divan::bench]
fn parse_event(bencher: Bencher<'_, '_>) {
    let events = events();
    let bytes: usize = events.iter().map(|(_, bytes)| bytes.len()).sum();
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(events.len())).bench_local(
        || {
            for (_, bytes) in &events {
                black_box(EventHead::parse(black_box(bytes)).unwrap());
            }
        },
    );
}

/// Writing an event as a line of a list.
#[divan::bench]
fn write_line(bencher: Bencher<'_, '_>) {
    let events = events();
    bencher.counter(ItemsCount::new(events.len())).bench_local(|| {
        let mut out = Vec::new();
        for (path, bytes) in &events {
            write_with_location(bytes, path, Some("2025/2025-01-01.tar.zst"), &mut out);
        }
        out
    });
}

/// Making a whole segment, at the levels that policies use.
#[divan::bench(args = [3, 9, 15])]
fn encode_segment(bencher: Bencher<'_, '_>, level: i32) {
    let events = events();
    bencher.counter(ItemsCount::new(events.len())).bench_local(|| {
        let options = SegmentOptions { level, ..SegmentOptions::default() };
        let mut writer = SegmentWriter::new(Vec::new(), "bench".as_ref(), date(), options);
        for (path, bytes) in &events {
            writer.add(path, bytes).unwrap();
        }
        writer.finish().unwrap()
    });
}

/// Reading every member of a segment.
#[divan::bench]
fn decode_segment(bencher: Bencher<'_, '_>) {
    let reader = reader();
    bencher.counter(ItemsCount::new(SHAPE.per_day)).bench_local(|| {
        let mut bytes = 0;
        reader
            .for_each_member(&mut |member| {
                bytes += member.bytes.len();
                Ok(())
            })
            .unwrap();
        bytes
    });
}

/// Checking a segment against everything that it says of itself.
#[divan::bench]
fn check_segment(bencher: Bencher<'_, '_>) {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &segment(1)).unwrap();
    let file = file.into();
    bencher
        .counter(ItemsCount::new(SHAPE.per_day))
        .bench_local(|| check(&file, "bench".as_ref(), &|_| {}).unwrap());
}

/// Opening a segment: its end, the seek table and the index.
#[divan::bench]
fn open_segment(bencher: Bencher<'_, '_>) {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &segment(1)).unwrap();
    bencher.with_inputs(|| file.try_clone().unwrap()).bench_local_values(|file| {
        SegmentReader::open_day(file, "bench".as_ref(), date()).unwrap()
    });
}

/// Looking one correlation id up in an index.
#[divan::bench]
fn look_up(bencher: Bencher<'_, '_>) {
    let reader = reader();
    let index = reader.index().unwrap();
    let ids: Vec<String> =
        index.values(Field::CorrelationId).map(|value| value.unwrap().0).collect();
    bencher.counter(ItemsCount::new(ids.len())).bench_local(|| {
        for id in &ids {
            black_box(index.lookup(Field::CorrelationId, id).unwrap());
        }
    });
}

/// Loading a manifest and checking its chain, by the number of its records.
#[divan::bench(args = [365, 3650])]
fn load_manifest(bencher: Bencher<'_, '_>, days: u32) {
    let lab = tempfile::tempdir().unwrap();
    let store = Store::new(lab.path().join("events"), None);
    let by =
        By { user: "bench".into(), host: "bench".into(), command: "bench".into(), sudo_user: None };
    let context = Context::fixed("2036-01-08T00:00:00Z".parse().unwrap(), by, [7; 32]);
    generate::archive(&store, &context, Shape { days, per_day: 4, nodes: 4 });
    let archive = store.archive().unwrap().unwrap();
    bencher
        .counter(ItemsCount::new(days))
        .bench_local(|| black_box(Manifest::load(&archive).unwrap().segments().count()));
}

//! How reading grows with the number of segments, where hardly any holds an answer:
//!
//!     cargo bench --bench scale                    1,000, 10,000 and 100,000 segments
//!     cargo bench --bench scale -- SEGMENTS IDS    so many, with so many ids in each
//!
//! Ten segments are real and hold a chain of ten events. Of all others there are a record in
//! the manifest and an entry in the catalogue, as docs/format.md says, and no file. The peer
//! of each figure is the same command without the file `overview`. docs/scale.md tells what
//! follows from the figures.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

#[path = "peers/measure.rs"]
#[allow(dead_code)]
mod measure;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};

use hlarchive::internals::archive::{
    ArchiveDir, By, Manifest, ManifestWriter, NewRecord, Op, Replaced, SegmentName, catalogue,
    overview, rebuild,
};
use hlarchive::internals::segment::{SegmentOptions, SegmentWriter, Sha256Hash};
use hlarchive::internals::store::Store;
use hlarchive::{Context, Date, Timestamp};

use measure::{Table, Work};

const HLARCHIVE: &str = env!("CARGO_BIN_EXE_hlarchive");

/// The chain that is looked for.
const ID: &str = "deploy-of-ten-days";

/// Segments of one day.
const PER_DAY: u64 = 40;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.as_slice() {
        [] => {
            for segments in [1_000, 10_000, 100_000] {
                measured(segments, 1_000);
            }
        }
        [segments, ids] => measured(segments.parse().unwrap(), ids.parse().unwrap()),
        _ => panic!("SEGMENTS IDS"),
    }
}

fn measured(segments: u64, ids: u64) {
    let lab = tempfile::Builder::new().prefix("hlarchive-scale-").tempdir().unwrap();
    let at = lab.path().display().to_string();
    make(&Store::new(lab.path().join("events"), None), segments, ids);
    let archive = lab.path().join("events-archive");
    let size = |name: &str| std::fs::metadata(archive.join(name)).unwrap().len() as f64 / 1e6;
    let table = Table::new(&format!("{segments} segments with {ids} ids each"));
    println!(
        "manifest {:.1} MB, overview {:.1} MB, catalogue {:.1} MB",
        size("manifest.jsonl"),
        size("overview"),
        size("catalogue")
    );
    let away = format!("mv {at}/events-archive/overview {at}/overview || true");
    let back = format!("mv {at}/overview {at}/events-archive/overview || true");
    let run = |words: &str| format!("{HLARCHIVE} --root {at}/events {words}");
    let works = [
        ("trace of ten events", run(&format!("trace {ID}"))),
        ("list of a day", run("list --date 2019-12-31")),
        ("manifest head", run("manifest head")),
    ];
    for (what, line) in &works {
        let work = Work::program(line);
        table.row(what, 0.0, &work.clone().after(&back), &work.after(&away));
    }
    for (what, line) in &works {
        table.memory(&format!("{what}, memory"), 64.0, &back, line);
        table.memory("  without overview", 64.0, &away, line);
    }
}

fn date(number: u64) -> Date {
    let first: Date = "2020-01-01".parse().unwrap();
    first.plus_days((number / PER_DAY) as i64)
}

fn make(store: &Store, segments: u64, ids: u64) {
    let by =
        By { user: "bench".into(), host: "bench".into(), command: "bench".into(), sudo_user: None };
    let now: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    let context = Context::fixed(now, by, [7; 32]);
    let archive = store.create_archive().unwrap();
    let lock = archive.lock().unwrap();
    real(&archive, &lock, &context, segments);
    let manifest = Manifest::load(&archive).unwrap();
    catalogue::complete(&archive, &manifest, &lock).unwrap();
    let mut records: Vec<NewRecord> = Vec::new();
    for record in manifest.records() {
        let mut again = NewRecord::new(now, Op::Import);
        again.describe_as(record);
        records.push(again);
    }
    let mut random = 88_172_645_463_325_252_u64;
    let entries = File::options().append(true).open(archive.root().join("catalogue")).unwrap();
    trim(&archive, &entries);
    let mut entries = BufWriter::new(entries);
    for number in 0..segments {
        let name =
            SegmentName { date: date(number), number: 1 + (number % PER_DAY) as u32, class: None };
        let mut record = NewRecord::new(now, Op::Import);
        record.by = Some(context.by().clone());
        record.date = Some(name.date);
        let sha256 = Sha256Hash::of(&number.to_le_bytes());
        record.sha256 = Some(sha256);
        (record.bytes, record.events) = (Some(571_098), Some(10_000));
        record.invalid = Some(0);
        record.nodes = Some(BTreeMap::from([("pi4".to_owned(), 10_000)]));
        record.first = Some(name.date.start());
        record.last = Some(Timestamp::from_micros(name.date.end().micros() - 1));
        record.content = Some(Sha256Hash::of(&(!number).to_le_bytes()));
        record.segment = Some(name);
        records.push(record);
        entries.write_all(&entry(sha256, ids, &mut random)).unwrap();
    }
    entries.flush().unwrap();
    let was = Replaced { origin: None, tree: None };
    rebuild(&archive, &lock, now, Some(context.by().clone()), was, records, 1 << 50).unwrap();
    for file in std::fs::read_dir(archive.root()).unwrap().flatten() {
        if file.file_name().to_string_lossy().contains("replaced") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let manifest = Manifest::load(&archive).unwrap();
    overview::refresh(&archive, &manifest, 1 << 51, &lock).unwrap();
}

/// The file is filled up with zeros; entries follow what is before them.
fn trim(archive: &ArchiveDir, entries: &File) {
    let text = std::fs::read(archive.root().join("catalogue")).unwrap();
    let mut at = 8;
    while let Some(size) = text.get(at..at + 4) {
        match u32::from_le_bytes(size.try_into().unwrap()) {
            0 => break,
            size => at += size as usize,
        }
    }
    entries.set_len(at as u64).unwrap();
}

/// Ten days, spread over all, each with one event of the chain.
fn real(
    archive: &ArchiveDir,
    lock: &hlarchive::internals::archive::ArchiveLock,
    context: &Context,
    segments: u64,
) {
    let (mut manifest, _) =
        ManifestWriter::open(archive, lock, context.now(), context.by()).unwrap();
    for part in 0..10 {
        // The first of them is of a day that has nothing else.
        let date = date(segments * part / 10).plus_days(-1);
        let name = SegmentName { date, number: 0, class: None };
        let temp = archive.create_temp(date, part, lock).unwrap();
        let mut writer =
            SegmentWriter::new(temp.file(), temp.path(), date, SegmentOptions::default());
        let uuid = format!("0196d8a2-5b00-7000-8000-{part:012x}");
        let stamp = date.to_string().replace('-', "");
        let path = format!("{date}/pi4/{stamp}T120000.000000Z_deployment_started_{uuid}.json");
        let body = format!(
            "{{\"timestamp\":\"{date}T12:00:00.000000Z\",\"node\":\"pi4\",\
             \"type\":\"deployment_started\",\"severity\":\"info\",\"source\":\"deploy.sh\",\
             \"service\":\"all\",\"correlation_id\":\"{ID}\",\"payload\":{{}}}}\n"
        );
        writer.add(&path.parse().unwrap(), body.as_bytes()).unwrap();
        let (_, summary) = writer.finish().unwrap();
        temp.publish(&name).unwrap();
        let mut record = NewRecord::new(context.now(), Op::Rotate);
        record.describe(&name, &summary);
        manifest.append(record).unwrap();
    }
}

/// An entry whose filter is as full as that of so many ids, and that denies the chain's.
fn entry(segment: Sha256Hash, ids: u64, random: &mut u64) -> Vec<u8> {
    let blocks = (ids * 12).div_ceil(512).max(1) as usize;
    let size = 36 + blocks * 64 + 8;
    let mut entry = Vec::with_capacity(size);
    entry.extend_from_slice(&(size as u32).to_le_bytes());
    entry.extend_from_slice(&segment.0);
    entry.resize(size - 8, 0);
    let filter = &mut entry[36..];
    let mut next = || {
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        *random
    };
    for _ in 0..ids * 6 {
        let bit = next() as usize % (filter.len() * 8);
        filter[bit / 8] |= 1 << (bit % 8);
    }
    let hash = Sha256Hash::of(ID.as_bytes()).0;
    let word = |at: usize| u64::from_le_bytes(hash[at..at + 8].try_into().unwrap());
    let block = ((u128::from(word(0)) * blocks as u128) >> 64) as usize;
    let bit = word(8) as usize % 512;
    filter[block * 64 + bit / 8] &= !(1 << (bit % 8));
    let checksum = Sha256Hash::of(&entry).0;
    entry.extend_from_slice(&checksum[..8]);
    entry
}

//! hlarchive beside what a user would pick instead, on the same made-up history in the
//! same run:
//!
//!     cargo bench --bench peers                        a day of 100,000 events, a year
//!     cargo bench --bench peers -- day EVENTS          a day of another size
//!     cargo bench --bench peers -- year DAYS PER_DAY   a history of another size
//!     cargo bench --bench peers -- emit                emitting
//!     cargo bench --bench peers -- tree|archive ROOT DAYS PER_DAY    only make one
//!
//! Everything happens below TMPDIR. Figures are medians of whole processes, run in turn;
//! the ratio is the median of the pairs' ratios. docs/performance.md explains them.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic
)]

mod floor;
mod foreign;
mod generate;
mod measure;

use std::path::Path;

use hlarchive::Context;
use hlarchive::internals::archive::By;
use hlarchive::internals::store::Store;

use generate::{Shape, first_day};
use measure::{Table, Work};

const HLARCHIVE: &str = env!("CARGO_BIN_EXE_hlarchive");

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if floor::run(&words) {
        return;
    }
    match words.as_slice() {
        [] => {
            day(shape("1", "100000"));
            emit();
            year(shape("365", "10000"));
        }
        ["day", events] => day(shape("1", events)),
        ["emit"] => emit(),
        ["year", days, per_day] => year(shape(days, per_day)),
        ["archive", root, days, per_day] => {
            generate::archive(&Store::new(*root, None), &context(), shape(days, per_day));
        }
        ["tree", root, days, per_day] => generate::tree(Path::new(root), shape(days, per_day)),
        _ => panic!("day EVENTS | year DAYS PER_DAY | emit | tree|archive ROOT DAYS PER_DAY"),
    }
}

fn shape(days: &str, per_day: &str) -> Shape {
    Shape { days: days.parse().unwrap(), per_day: per_day.parse().unwrap(), nodes: 4 }
}

fn context() -> Context {
    let by =
        By { user: "bench".into(), host: "bench".into(), command: "bench".into(), sudo_user: None };
    Context::fixed("2026-01-08T00:00:00Z".parse().unwrap(), by, [7; 32])
}

fn lab() -> (tempfile::TempDir, String) {
    let lab = tempfile::Builder::new().prefix("hlarchive-bench-").tempdir().unwrap();
    let at = lab.path().display().to_string();
    (lab, at)
}

/// This program, to be started for one of its floors.
fn itself() -> String {
    std::env::current_exe().unwrap().display().to_string()
}

/// An id of an archived day that has some events.
fn some_id(date: hlarchive::Date, shape: Shape) -> String {
    let events = generate::day(date, shape);
    let text = String::from_utf8(events[events.len() / 2].1.clone()).unwrap();
    text.split("\"correlation_id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn bytes_below(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let bytes = |entry: std::fs::DirEntry| match entry.metadata().unwrap() {
        metadata if metadata.is_dir() => bytes_below(&entry.path()),
        metadata => metadata.len(),
    };
    entries.map(bytes).sum()
}

fn day(shape: Shape) {
    let (lab, at) = lab();
    generate::tree(&lab.path().join("original"), shape);
    let table = Table::new(&format!("A day of {} events", shape.per_day));
    let hl = format!("{HLARCHIVE} --root {at}/events");
    let live = Work::program(&format!(
        "{HLARCHIVE} --root {at}/original list --date 2025-01-01 -o ndjson"
    ));
    let floor = Work::program(&format!("{} floor-read {at}/original/2025-01-01", itself()));
    table.row("list the live day as NDJSON / floor", 1.3, &live, &floor);
    let copy = format!("cd {at} && rm -rf events events-archive && cp -a original events && sync");
    let tar_copy = format!("cd {at} && rm -rf peer day.* && cp -a original peer && sync");
    let rotate =
        Work::program(&format!("{hl} rotate --date 2025-01-01 --now 2026-01-08")).after(&copy);
    let pipeline = Work::shell(&format!(
        "cd {at}/peer && tar --sort=name -c 2025-01-01 | zstd -q -T0 -9 -o ../day.tar.zst && cd .. \
         && sha256sum day.tar.zst > day.sha256 && zstd -qdc day.tar.zst | tar -d -C peer \
         && rm -rf peer/2025-01-01"
    ));
    let floor =
        Work::program(&format!("{} floor-rotate {at}/peer/2025-01-01 {at}/floor", itself()));
    table.row("archive, check, delete / floor", 1.4, &rotate, &floor.after(&tar_copy));
    table.row("archive, check, delete / tar, zstd -9", 0.5, &rotate, &pipeline.after(&tar_copy));
    let size = |file: &str| std::fs::metadata(lab.path().join(file)).unwrap().len() as f64;
    let (ours, peer) = (size("events-archive/2025/2025-01-01.tar.zst"), size("day.tar.zst"));
    table.figures(
        "size with index / tar, zstd -9",
        0.85,
        (ours / 1e3, peer / 1e3),
        "kB",
        ours / peer,
    );
    assert!(measure::has(&format!(
        "cd {at} && cp -a original peer/ && tar --sort=name --zstd -cf day3.tar.zst -C original 2025-01-01"
    )));
    let peer = size("day3.tar.zst");
    table.figures("size with index / tar --zstd", 0.7, (ours / 1e3, peer / 1e3), "kB", ours / peer);
    let segment = format!("{at}/events-archive/2025/2025-01-01.tar.zst");
    table.row(
        "list the archived day / tar -xO",
        0.5,
        &Work::program(&format!("{hl} list --date 2025-01-01 -o ndjson")),
        &Work::program(&format!("tar --zstd -xOf {segment}")),
    );
    let id = some_id(first_day(), shape);
    table.row(
        "trace one id in it / tar -xO, grep",
        0.0,
        &Work::program(&format!("{hl} trace {id}")),
        &Work::shell(&format!("tar --zstd -xOf {segment} | grep {id}")),
    );
    table.row(
        "verify / zstd -t, sha256sum",
        1.3,
        &Work::program(&format!("{hl} verify --archive")),
        &Work::shell(&format!("zstd -qt {segment} && sha256sum {segment}")),
    );
    table.row(
        "restore the day / tar -xf",
        1.0,
        &Work::program(&format!("{hl} restore 2025-01-01 --to {at}/ours"))
            .after(&format!("rm -rf {at}/ours")),
        &Work::program(&format!("tar --zstd -xf {segment} -C {at}/theirs"))
            .after(&format!("rm -rf {at}/theirs && mkdir {at}/theirs")),
    );
    let list = format!("{hl} list --date 2025-01-01 -o ndjson");
    table.memory("peak memory of list", 64.0, "", &list);
    table.memory("peak memory of trace", 64.0, "", &format!("{hl} trace {id}"));
    table.memory("peak memory of verify", 64.0, "", &format!("{hl} verify --archive"));
    let restore = format!("{hl} restore 2025-01-01 --to {at}/ours");
    table.memory("peak memory of restore", 64.0, &format!("rm -rf {at}/ours"), &restore);
    let rotate = format!("{hl} rotate --date 2025-01-01 --now 2026-01-08");
    table.memory("peak memory of rotate", 128.0, &copy, &rotate);
}

fn emit() {
    let (lab, at) = lab();
    std::fs::create_dir(lab.path().join("floor")).unwrap();
    let table = Table::new("Emitting");
    let one = format!("{HLARCHIVE} --root {at}/events emit deployment_started");
    let ours = Work::program(&one);
    table.row(
        "one event / a process with two fsyncs",
        2.0,
        &ours,
        &Work::program(&format!("{} floor-emit {at}/floor", itself())),
    );
    table.row(
        "one event / a process with nothing",
        0.0,
        &ours,
        &Work::program(&format!("{} floor-nothing", itself())),
    );
    let line = "{\"type\":\"deployment_started\",\"severity\":\"info\",\"source\":\"s\",\
                \"service\":\"all\",\"payload\":{\"n\":1}}\n";
    std::fs::write(lab.path().join("batch"), line.repeat(5000)).unwrap();
    table.row(
        "5,000 events / creating and syncing",
        1.25,
        &Work::shell(&format!("exec {HLARCHIVE} --root {at}/events emit --batch < {at}/batch")),
        &Work::program(&format!("{} floor-batch {at}/floor 5000", itself())),
    );
}

fn year(shape: Shape) {
    let (lab, at) = lab();
    let store = Store::new(lab.path().join("events"), None);
    generate::archive(&store, &context(), shape);
    std::fs::create_dir(lab.path().join("events")).unwrap();
    let hl = format!("{HLARCHIVE} --root {at}/events");
    let now = first_day().plus_days(i64::from(shape.days) + 8);
    let idle = format!("{hl} rotate --now {now}");
    // The first run makes the catalogue.
    assert!(measure::has(&idle));
    let bytes = bytes_below(&lab.path().join("events-archive"));
    let title =
        format!("{} days of {} events, {:.0} MB", shape.days, shape.per_day, bytes as f64 / 1e6);
    let table = Table::new(&title);
    let nothing = Work::program(&format!("{} floor-nothing", itself()));
    table.row("rotate with nothing to do / nothing", 0.0, &Work::program(&idle), &nothing);
    let id = some_id(first_day().plus_days(i64::from(shape.days / 2)), shape);
    let trace = format!("{hl} trace {id}");
    let ours = Work::program(&trace);
    table.row("trace one id / nothing", 0.0, &ours, &nothing);
    table.row(
        "trace an unknown id / nothing",
        0.0,
        &Work::shell(&format!("{hl} trace nowhere || true")),
        &nothing,
    );
    table.bytes_read("bytes read by it / archive", 0.01, &trace, bytes as f64);
    let journal = lab.path().join("journal");
    if foreign::journal(&journal, shape).is_some() {
        table.row("trace one id / journalctl", 0.5, &ours, &foreign::journal_trace(&journal, &id));
        std::fs::remove_dir_all(&journal).unwrap();
    }
    let parquet = lab.path().join("events.parquet");
    let list = format!("{hl} list --since 2000-01-01 -o ndjson");
    if foreign::parquet(&parquet, &list).is_some() {
        table.row(
            "trace one id / DuckDB on Parquet",
            0.0,
            &ours,
            &foreign::parquet_trace(&parquet, &id),
        );
    }
    table.row(
        "trace one id / zstd, grep",
        0.0,
        &ours,
        &Work::shell(&format!("cat {at}/events-archive/*/*.zst | zstd -qdc | grep -a {id}")),
    );
    let last = Work::program(&format!("{hl} list --since 2000-01-01 --reverse --limit 100"));
    table.row("the last 100 events / nothing", 0.0, &last, &nothing);
    let hour = first_day().plus_days(i64::from(shape.days / 2));
    let hour =
        Work::program(&format!("{hl} list --since {hour}T10:00:00Z --until {hour}T11:00:00Z"));
    table.row("one hour / nothing", 0.0, &hour, &nothing);
    table.memory("peak memory of trace", 64.0, "", &trace);
    table.memory("peak memory of list of all", 64.0, "", &list);
    table.memory("peak memory of an idle rotate", 64.0, "", &idle);
}

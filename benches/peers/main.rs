//! hlarchive beside what a user would pick instead, on the same made-up history in the
//! same run:
//!
//!     cargo bench --bench peers                        a day of 100,000 events, a year
//!     cargo bench --bench peers -- day EVENTS          a day of another size
//!     cargo bench --bench peers -- year DAYS PER_DAY   a history of another size
//!     cargo bench --bench peers -- tree|archive ROOT DAYS PER_DAY    only make one
//!
//! Everything happens below TMPDIR. Figures are medians of whole processes, run in turn;
//! the ratio is the median of the pairs' ratios. docs/performance.md explains them.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout, clippy::panic)]

mod generate;
mod measure;

use std::path::Path;

use hlarchive::archive::By;
use hlarchive::{Context, Store};

use generate::Shape;
use measure::{Work, compare, peak_kib};

const HLARCHIVE: &str = env!("CARGO_BIN_EXE_hlarchive");

/// Counted runs of each command.
const RUNS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            day(shape("1", "100000"));
            year(shape("365", "10000"));
        }
        ["day", events] => day(shape("1", events)),
        ["year", days, per_day] => year(shape(days, per_day)),
        ["archive", root, days, per_day] => {
            generate::archive(&Store::new(*root, None), &context(), shape(days, per_day));
        }
        ["tree", root, days, per_day] => generate::tree(Path::new(root), shape(days, per_day)),
        _ => panic!("day EVENTS | year DAYS PER_DAY | tree|archive ROOT DAYS PER_DAY"),
    }
}

fn shape(days: &str, per_day: &str) -> Shape {
    Shape { days: days.parse().unwrap(), per_day: per_day.parse().unwrap(), nodes: 4 }
}

fn context() -> Context {
    let by = By { user: "bench".into(), host: "bench".into(), command: "bench".into() };
    Context::new("2026-01-08T00:00:00Z".parse().unwrap(), by, [7; 32])
}

struct Table {
    title: String,
}

impl Table {
    fn new(title: String) -> Self {
        println!("\n{title}\n{:<34} {:>9} {:>9} {:>7}  goal", "", "hlarchive", "peer", "ratio");
        Self { title }
    }

    fn row(&self, what: &str, goal: &str, ours: &Work<'_>, peer: &Work<'_>) {
        let compared = compare(ours, peer, RUNS);
        println!(
            "{what:<34} {:>8.3}s {:>8.3}s {:>7.2}  {goal}",
            compared.ours, compared.peer, compared.ratio
        );
        assert!(!self.title.is_empty());
    }
}

/// The first id of an archived day, which has some events.
fn some_id(date: hlarchive::Date, shape: Shape) -> String {
    let events = generate::day(date, shape);
    let text = String::from_utf8(events[events.len() / 2].1.clone()).unwrap();
    text.split("\"correlation_id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn day(shape: Shape) {
    let lab = tempfile::Builder::new().prefix("hlarchive-bench-").tempdir().unwrap();
    let at = lab.path().display().to_string();
    generate::tree(&lab.path().join("original"), shape);
    let table = Table::new(format!("A day of {} events", shape.per_day));
    let hl = format!("cd {at} && {HLARCHIVE} --root {at}/events");
    let copy = format!("cd {at} && rm -rf events events-archive && cp -a original events && sync");
    let tar_copy = format!("cd {at} && rm -rf peer day.* && cp -a original peer && sync");
    let rotate = format!("{hl} rotate --date 2025-01-01 --now 2026-01-08");
    let pipeline = format!(
        "cd {at}/peer && tar --sort=name -c 2025-01-01 | zstd -q -T0 -9 -o ../day.tar.zst && cd .. \
         && sha256sum day.tar.zst > day.sha256 && zstd -qdc day.tar.zst | tar -d -C peer \
         && rm -rf peer/2025-01-01"
    );
    table.row(
        "archive, check, delete",
        "0.50",
        &Work { prepare: &copy, line: &rotate },
        &Work { prepare: &tar_copy, line: &pipeline },
    );
    let size = |file: &str| std::fs::metadata(lab.path().join(file)).unwrap().len();
    let (ours, peer) = (size("events-archive/2025/2025-01-01.tar.zst"), size("day.tar.zst"));
    println!(
        "{:<34} {ours:>9} {peer:>9} {:>7.3}  0.850",
        "bytes, index included",
        ours as f64 / peer as f64
    );
    let segment = format!("{at}/events-archive/2025/2025-01-01.tar.zst");
    table.row(
        "list the archived day as NDJSON",
        "0.50",
        &Work { prepare: "", line: &format!("{hl} list --date 2025-01-01 -o ndjson") },
        &Work { prepare: "", line: &format!("tar --zstd -xOf {segment}") },
    );
    let id = some_id(generate::first_day(), shape);
    table.row(
        "trace one id in it",
        "",
        &Work { prepare: "", line: &format!("{hl} trace {id}") },
        &Work { prepare: "", line: &format!("tar --zstd -xOf {segment} | grep {id}") },
    );
    table.row(
        "verify",
        "1.30",
        &Work { prepare: "", line: &format!("{hl} verify --archive") },
        &Work { prepare: "", line: &format!("zstd -qt {segment} && sha256sum {segment}") },
    );
    table.row(
        "restore into a directory",
        "1.00",
        &Work {
            prepare: &format!("rm -rf {at}/ours"),
            line: &format!("{hl} restore 2025-01-01 --to {at}/ours"),
        },
        &Work {
            prepare: &format!("rm -rf {at}/theirs && mkdir {at}/theirs"),
            line: &format!("tar --zstd -xf {segment} -C {at}/theirs"),
        },
    );
    for (what, line) in [
        (
            "peak memory of rotate",
            format!(
                "{copy} && exec {HLARCHIVE} --root {at}/events rotate --date 2025-01-01 --now 2026-01-08"
            ),
        ),
        (
            "peak memory of list",
            format!("exec {HLARCHIVE} --root {at}/events list --date 2025-01-01"),
        ),
        ("peak memory of verify", format!("exec {HLARCHIVE} --root {at}/events verify")),
    ] {
        if let Some(kib) = peak_kib(&line) {
            println!("{what:<34} {:>8} MiB", kib / 1024);
        }
    }
}

fn year(shape: Shape) {
    let lab = tempfile::Builder::new().prefix("hlarchive-bench-").tempdir().unwrap();
    let at = lab.path().display().to_string();
    let store = Store::new(lab.path().join("events"), None);
    generate::archive(&store, &context(), shape);
    std::fs::create_dir(lab.path().join("events")).unwrap();
    let table = Table::new(format!("{} days of {} events", shape.days, shape.per_day));
    let hl = format!("cd {at} && {HLARCHIVE} --root {at}/events");
    let now = generate::first_day().plus_days(i64::from(shape.days) + 8);
    let idle = format!("{hl} rotate --now {now}");
    let id = some_id(generate::first_day().plus_days(i64::from(shape.days / 2)), shape);
    table.row(
        "rotate with nothing to do",
        "",
        &Work { prepare: "", line: &idle },
        &Work { prepare: "", line: "exec true" },
    );
    table.row(
        "trace one id",
        "",
        &Work { prepare: "", line: &format!("{hl} trace {id}") },
        &Work {
            prepare: "",
            line: &format!("cat {at}/events-archive/*/*.zst | zstd -qdc | grep -a {id}"),
        },
    );
    table.row(
        "the last 100 events",
        "",
        &Work { prepare: "", line: &format!("{hl} list --since 2000-01-01 --reverse --limit 100") },
        &Work { prepare: "", line: "exec true" },
    );
    if let Some(kib) = peak_kib(&format!("exec {HLARCHIVE} --root {at}/events trace {id}")) {
        println!("{:<34} {:>8} MiB", "peak memory of trace", kib / 1024);
    }
}

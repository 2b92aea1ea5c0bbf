//! Runs two commands in turn, whole processes, and compares them pair by pair.

use std::process::{Command, Stdio};
use std::time::Instant;

/// Counted runs of each command.
const RUNS: usize = 7;

/// A command to be timed, and a shell line that prepares each of its runs.
#[derive(Clone)]
pub struct Work {
    prepare: String,
    argv: Vec<String>,
}

impl Work {
    /// One program, started directly.
    pub fn program(line: &str) -> Self {
        Self { prepare: String::new(), argv: line.split_whitespace().map(str::to_owned).collect() }
    }

    /// A shell line.
    pub fn shell(line: &str) -> Self {
        let argv = ["bash", "-euo", "pipefail", "-c", line];
        Self { prepare: String::new(), argv: argv.map(str::to_owned).to_vec() }
    }

    /// The same work, with this shell line before each run.
    pub fn after(mut self, prepare: &str) -> Self {
        prepare.clone_into(&mut self.prepare);
        self
    }

    fn timed(&self) -> f64 {
        if !self.prepare.is_empty() {
            run(&Self::shell(&self.prepare).argv);
        }
        let started = Instant::now();
        run(&self.argv);
        started.elapsed().as_secs_f64()
    }
}

fn run(argv: &[String]) {
    let status = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{argv:?}: {status}");
}

/// Whether a program can be started.
pub fn has(line: &str) -> bool {
    let argv = Work::shell(line).argv;
    Command::new(&argv[0])
        .args(&argv[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A table of what was measured, its rows as wide as its first.
pub struct Table {
    width: usize,
}

impl Table {
    pub fn new(title: &str) -> Self {
        let width = 38;
        println!("\n{title}");
        println!("{:<width$} {:>11} {:>11} {:>7}  goal", "", "hlarchive", "peer", "ratio");
        Self { width }
    }

    /// Runs both in turn, after one run each that does not count; times are medians in
    /// milliseconds, the ratio is the median of the pairs' ratios.
    pub fn row(&self, what: &str, goal: f64, ours: &Work, peer: &Work) {
        ours.timed();
        peer.timed();
        let pairs: Vec<(f64, f64)> = (0..RUNS).map(|_| (ours.timed(), peer.timed())).collect();
        let of = |pick: &dyn Fn(&(f64, f64)) -> f64| median(pairs.iter().map(pick).collect());
        self.figures(
            what,
            goal,
            (of(&|p| p.0 * 1e3), of(&|p| p.1 * 1e3)),
            "ms",
            of(&|p| p.0 / p.1),
        );
    }

    /// Two figures that were found otherwise. A goal of 0 is none.
    pub fn figures(&self, what: &str, goal: f64, both: (f64, f64), unit: &str, ratio: f64) {
        let goal = match goal {
            0.0 => String::new(),
            goal if ratio <= goal => format!("{goal:.2} met"),
            goal => format!("{goal:.2} not met"),
        };
        let digits = usize::from(both.0 < 100.0);
        let width = self.width;
        println!(
            "{what:<width$} {:>8.digits$} {unit:<2} {:>8.digits$} {unit:<2} {ratio:>7.3}  {goal}",
            both.0, both.1
        );
    }

    /// The greatest resident size of a program, as GNU time tells it.
    pub fn memory(&self, what: &str, most_mib: f64, prepare: &str, program: &str) {
        if !prepare.is_empty() {
            run(&Work::shell(prepare).argv);
        }
        let width = self.width;
        let mut time = Command::new("/usr/bin/time");
        let Ok(output) = time.args(["-f", "%M"]).args(program.split_whitespace()).output() else {
            return println!("{what:<width$} GNU time is not installed");
        };
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let kib: f64 = text.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or(0.0);
        let verdict = if kib / 1024.0 <= most_mib { "met" } else { "not met" };
        println!("{what:<width$} {:>7.0} MiB {:>28.0} MiB {verdict}", kib / 1024.0, most_mib);
    }

    /// How many bytes a program reads, of so many; the kernel counts them.
    pub fn bytes_read(&self, what: &str, goal: f64, program: &str, of: f64) {
        let line = format!("{program} > /dev/null; grep rchar /proc/$$/io");
        let output = Command::new("bash").args(["-c", &line]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let read: f64 = text.split_whitespace().last().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        self.figures(what, goal, (read / 1e6, of / 1e6), "MB", read / of);
    }
}

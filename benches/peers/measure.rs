//! Runs two commands in turn, whole processes, and compares them pair by pair.

use std::process::{Command, Stdio};
use std::time::Instant;

/// A shell line to be timed, and one that prepares each of its runs.
pub struct Work<'a> {
    pub prepare: &'a str,
    pub line: &'a str,
}

/// Medians in seconds of our runs and the peer's, and the median of their ratios.
pub struct Compared {
    pub ours: f64,
    pub peer: f64,
    pub ratio: f64,
}

fn shell(line: &str) {
    let status = Command::new("bash")
        .args(["-euo", "pipefail", "-c", line])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{line}: {status}");
}

fn timed(work: &Work<'_>) -> f64 {
    if !work.prepare.is_empty() {
        shell(work.prepare);
    }
    let started = Instant::now();
    shell(work.line);
    started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs both `runs` times in turn, after one run each that does not count.
pub fn compare(ours: &Work<'_>, peer: &Work<'_>, runs: usize) -> Compared {
    timed(ours);
    timed(peer);
    let pairs: Vec<(f64, f64)> = (0..runs).map(|_| (timed(ours), timed(peer))).collect();
    Compared {
        ours: median(pairs.iter().map(|pair| pair.0).collect()),
        peer: median(pairs.iter().map(|pair| pair.1).collect()),
        ratio: median(pairs.iter().map(|pair| pair.0 / pair.1).collect()),
    }
}

/// The greatest resident size of a command in KiB, as GNU time tells it; `None` without it.
pub fn peak_kib(line: &str) -> Option<u64> {
    let output = Command::new("/usr/bin/time").args(["-f", "%M", "bash", "-c", line]).output();
    let text = String::from_utf8_lossy(&output.ok()?.stderr).into_owned();
    text.lines().last()?.trim().parse().ok()
}

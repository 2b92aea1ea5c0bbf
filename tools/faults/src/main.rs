//! Breaks hlarchive in every way that a machine can break, and looks what is left.

#![cfg_attr(not(all(target_os = "linux", target_arch = "x86_64")), allow(dead_code, unused))]

mod check;
mod disk;
mod events;
mod lab;
mod mode;
mod report;
mod scenario;
mod trace;
mod truth;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use mode::{Settings, Stage};
use report::Report;

/// Kills hlarchive at every call, fails its calls, cuts its power, and looks what is left
#[derive(Debug, Parser)]
struct Options {
    /// How to break it
    mode: Mode,
    /// Only scenarios whose names contain this
    #[arg(long)]
    scenario: Option<String>,
    /// Only these points, such as 3,7,10-20
    #[arg(long, value_parser = points)]
    points: Option<Points>,
    /// The hlarchive to break
    #[arg(long)]
    program: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct Points(Vec<usize>);

fn points(text: &str) -> Result<Points, String> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
        all.extend(number(from)?..=number(to)?);
    }
    Ok(Points(all))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Kill,
    Fault,
    Flip,
    Powercut,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let home = PathBuf::from(format!("/dev/shm/hlarchive-faults-{}", std::process::id()));
    let settings = Settings {
        program: options.program.clone().unwrap_or_else(|| PathBuf::from("target/release/hlarchive")).canonicalize().unwrap_or_default(),
        home,
        most: None,
        only: options.points.clone().map(|p| p.0),
        seed: 1,
        kill_step: 1,
    };
    let report = Report::default();
    for scenario in scenario::all() {
        if options.scenario.as_ref().is_some_and(|part| !scenario.name().contains(part.as_str())) {
            continue;
        }
        let outcomes = Stage::new(&*scenario, &settings).and_then(|stage| match options.mode { Mode::Kill => mode::kill::run(&stage, &settings), Mode::Fault => mode::fault::run(&stage, &settings), Mode::Flip => mode::flip::run(&stage, &settings), Mode::Powercut => mode::powercut::run(&stage, &settings) });
        match outcomes {
            Ok(o) => report.scenario(if options.mode == Mode::Kill {"kill"} else {"powercut"}, &scenario.name(), o),
            Err(e) => println!("{}: ERROR {e}", scenario.name()),
        }
    }
    let _ = std::fs::remove_dir_all(&settings.home);
    if report.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

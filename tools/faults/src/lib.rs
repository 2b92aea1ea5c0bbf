//! Breaks hlarchive in every way that a machine can break, and looks what is left.
//!
//! Real runs of the real command, under a tracer that sees every call of every thread:
//! killed at each one, failed at each one, cheated at each write of a segment, and cut off
//! from power at each one, in a model of a disk stricter than any and on real file systems.
//! What is left is judged by a reader of its own, made of `tar`, `zstd` and JSON, and by
//! the command's own `list` and `verify`.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod check;
mod disk;
mod events;
mod lab;
mod mode;
mod options;
mod report;
mod scenario;
mod trace;
mod truth;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;

use mode::Stage;
use options::{Mode, Options};
use report::{Outcomes, Report};
use scenario::Scenario;

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    let options = Options::parse();
    let home = home();
    let outcome = run(&options, &home);
    let _ = std::fs::remove_dir_all(&home);
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("faults: {reason}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options, home: &Path) -> Result<bool, String> {
    let program = match &options.program {
        Some(program) => program.clone(),
        None => build()?,
    };
    let program =
        program.canonicalize().map_err(|error| format!("{}: {error}", program.display()))?;
    let scenarios: Vec<Box<dyn Scenario>> = scenario::all()
        .into_iter()
        .filter(|one| options.scenario.iter().all(|part| one.name().contains(part.as_str())))
        .collect();
    if scenarios.is_empty() {
        return Err("no scenario has a name like that".to_owned());
    }
    let report = Report::default();
    for mode in options.modes() {
        let settings = options.settings(mode, program.clone(), home.to_owned());
        if mode == Mode::Realcut {
            mode::realcut::run(&scenarios, &settings, options.fs.as_deref(), &report);
            continue;
        }
        for scenario in &scenarios {
            let outcomes = Stage::new(&**scenario, &settings).and_then(|stage| match mode {
                Mode::Kill => mode::kill::run(&stage, &settings),
                Mode::Selftest => mode::selftest::run(&stage, &settings),
                Mode::Fault => mode::fault::run(&stage, &settings),
                Mode::Flip => mode::flip::run(&stage, &settings),
                _ => mode::powercut::run(&stage, &settings),
            });
            let outcomes = outcomes.unwrap_or_else(Outcomes::not_even_once);
            report.scenario(mode.word(), &scenario.name(), outcomes);
        }
    }
    Ok(report.end())
}

/// Builds the command, as a contributor would who forgot to.
fn build() -> Result<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--bin", "hlarchive", "--features", "remote"])
        .current_dir(&root)
        .status();
    match built {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(format!("hlarchive could not be built: {status}")),
        Err(error) => return Err(format!("cargo cannot be run: {error}")),
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/hlarchive"))
}

/// Where it all happens: in memory, if possible, since nothing needs a real disk there.
fn home() -> PathBuf {
    let name = format!("hlarchive-faults-{}", std::process::id());
    let memory = Path::new("/dev/shm").join(&name);
    if std::fs::create_dir(&memory).is_ok() { memory } else { std::env::temp_dir().join(name) }
}

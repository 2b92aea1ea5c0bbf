//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::mode::Settings;

/// Kills hlarchive at every call, fails its calls, changes its bytes, cuts its power, and looks what is left
#[derive(Debug, Parser)]
#[command(
    name = "faults",
    after_help = "\
Examples:
  cargo faults all --quick
  cargo faults kill
  cargo faults fault --scenario rotate-first --points 120-130
  sudo target/release/faults realcut --fs ext4 --most 100

Exit code 1: something did not hold; each such point is printed with the command that shows it \
again. The machine's own state is not touched: all happens in /dev/shm, and realcut mounts \
images of its own there."
)]
pub(crate) struct Options {
    /// How to break it
    mode: Mode,
    /// Samples that take a few minutes; kills stay complete
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose names contain this; may be repeated, then all must fit
    #[arg(long, value_name = "PART")]
    pub(crate) scenario: Vec<String>,
    /// Only these points, such as 3,7,10-20
    #[arg(long, value_parser = points)]
    points: Option<Points>,
    /// At most so many points for each scenario, evenly spread
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// Of two runs before a power cut, kill the first at every N-th call
    #[arg(long, value_name = "N")]
    every: Option<usize>,
    /// Chooses the random states of power cuts
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only this file system: ext4, xfs or btrfs
    #[arg(long, value_name = "NAME")]
    pub(crate) fs: Option<String>,
    /// The hlarchive to break; without it, the one of this tree is built
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,
}

/// The ways to break it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// All of these
    All,
    /// SIGKILL just before each call that changes something, and within each write
    Kill,
    /// Each call fails, once and from then on, with each error that it may give
    Fault,
    /// A bit of a segment changes on its way to the file, and nobody says so
    Flip,
    /// The power goes, on a disk that keeps only what was synced
    Powercut,
    /// The disk ignores syncs, as if the command forgot them: that must be noticed
    Selftest,
    /// The power goes, on real file systems in loop images (needs root)
    Realcut,
}

impl Mode {
    /// The word of the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Kill => "kill",
            Self::Fault => "fault",
            Self::Flip => "flip",
            Self::Powercut => "powercut",
            Self::Selftest => "selftest",
            Self::Realcut => "realcut",
        }
    }
}

#[derive(Debug, Clone)]
struct Points(Vec<usize>);

fn points(text: &str) -> Result<Points, String> {
    let number = |text: &str| text.parse::<usize>().map_err(|error| format!("{text}: {error}"));
    let mut all = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        all.extend(number(from)?..=number(to)?);
    }
    Ok(Points(all))
}

impl Options {
    pub(crate) fn modes(&self) -> Vec<Mode> {
        match self.mode {
            Mode::All => {
                vec![
                    Mode::Kill,
                    Mode::Fault,
                    Mode::Flip,
                    Mode::Powercut,
                    Mode::Selftest,
                    Mode::Realcut,
                ]
            }
            mode => vec![mode],
        }
    }

    pub(crate) fn settings(&self, mode: Mode, program: PathBuf, home: PathBuf) -> Settings {
        let usual = match (mode, self.quick) {
            (Mode::Fault | Mode::Powercut, true) => Some(80),
            (Mode::Realcut, true) => Some(3),
            (Mode::Realcut, false) => Some(25),
            _ => None,
        };
        Settings {
            program,
            home,
            most: self.most.or(usual),
            only: self.points.clone().map(|points| points.0),
            seed: self.seed,
            deaf: None,
            every: self.every.unwrap_or(if self.quick { 11 } else { 1 }),
        }
    }
}

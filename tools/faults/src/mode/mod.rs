//! The ways in which things break.

mod cut;
pub(crate) mod fault;
pub(crate) mod flip;
pub(crate) mod kill;
pub(crate) mod powercut;
pub(crate) mod realcut;
pub(crate) mod selftest;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, PoisonError};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::disk::Deaf;
use crate::lab::{Lab, Outcome, Verdict, copy_tree};
use crate::report::{Failure, Outcomes};
use crate::scenario::{Lacks, Scenario, prepare};
use crate::trace::{self, Call, Change, Director, Fate};

/// How many points are tried at once.
pub(crate) const WORKERS: usize = 2;

/// What the modes share.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) program: PathBuf,
    pub(crate) home: PathBuf,
    /// An evenly spread sample where there are more points than this.
    pub(crate) most: Option<usize>,
    /// Only these points.
    pub(crate) only: Option<Vec<usize>>,
    pub(crate) seed: u64,
    /// Of two runs, the first is killed at every so many calls.
    pub(crate) every: usize,
    /// What the disk of the model does not hear.
    pub(crate) deaf: Option<Deaf>,
}

impl Settings {
    /// Which of `count` points are tried, by position.
    pub(crate) fn choose(&self, count: usize) -> Vec<usize> {
        if let Some(only) = &self.only {
            return only
                .iter()
                .filter(|point| (1..=count).contains(*point))
                .map(|p| p - 1)
                .collect();
        }
        match self.most {
            Some(most) if most < count => {
                (0..most).map(|number| number * (count - 1) / (most - 1).max(1)).collect()
            }
            _ => (0..count).collect(),
        }
    }
}

/// A scenario whose state was built once, and is copied for each point.
pub(crate) struct Stage<'a> {
    pub(crate) scenario: &'a dyn Scenario,
    settings: &'a Settings,
    snapshot: PathBuf,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(scenario: &'a dyn Scenario, settings: &'a Settings) -> Verdict<Self> {
        let stage = Self { scenario, settings, snapshot: settings.home.join("snapshot") };
        let lab = stage.lab()?;
        prepare(scenario, &lab)?;
        let copied = fs::remove_dir_all(&stage.snapshot)
            .or_else(|error| match error.kind() {
                std::io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
            .and_then(|()| fs::create_dir_all(&stage.snapshot))
            .and_then(|()| copy_tree(&lab.state(), &stage.snapshot));
        copied.map_err(|error| format!("cannot keep the state: {error}"))?;
        stage.share_policy()?;
        Ok(stage)
    }

    /// For a state that others put in place, who then [`share_policy`](Self::share_policy).
    pub(crate) fn unprepared(scenario: &'a dyn Scenario, settings: &'a Settings) -> Self {
        Self { scenario, settings, snapshot: PathBuf::new() }
    }

    /// Gives all workers the policy of the first.
    fn share_policy(&self) -> Verdict {
        let policy = self.lab()?.home().join("policy.toml");
        for worker in 1..WORKERS {
            let home = worker_home(&self.settings.home, worker);
            fs::create_dir_all(home.join("state"))
                .and_then(|()| fs::copy(&policy, home.join("policy.toml")))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// The place where everything happens. Each worker has its own behind this path, since a
    /// tree and its archive know where they are.
    pub(crate) fn lab(&self) -> Verdict<Lab> {
        let home = self.settings.home.join("lab");
        Lab::new(home, self.settings.program.clone()).map_err(|error| error.to_string())
    }

    /// Puts the state back to where the command begins.
    pub(crate) fn reset(&self, lab: &Lab) -> Verdict {
        lab.clear()
            .and_then(|()| copy_tree(&self.snapshot, &lab.state()))
            .map_err(|error| format!("cannot put the state back: {error}"))
    }

    /// Runs the scenario's command under a director, on a file system that lacks what the
    /// scenario says.
    pub(crate) fn run(
        &self,
        lab: &Lab,
        looks: bool,
        director: &mut dyn Director,
    ) -> Verdict<Outcome> {
        let arguments = self.scenario.arguments(lab);
        let mut run = || {
            let mut job = lab.job(&arguments, &self.scenario.input())?;
            job.looks = looks;
            let mut poor = Poor { lacks: self.scenario.lacks(), director };
            let end = trace::run(&job, &mut poor)?;
            lab.outcome(end)
        };
        run().map_err(|error| error.to_string())
    }

    /// What the command does when nothing goes wrong: its calls. All must be well then.
    pub(crate) fn baseline(&self, looks: bool) -> Verdict<Vec<Call>> {
        let lab = self.lab()?;
        self.reset(&lab)?;
        self.scenario
            .promise(&lab, &Outcome::default())
            .map_err(|reason| format!("before anything was done: {reason}"))?;
        let mut calls = Calls::default();
        let outcome = self.run(&lab, looks, &mut calls)?;
        self.scenario.promise(&lab, &outcome)?;
        if outcome.code != Some(self.scenario.code()) {
            return Err(format!("untouched, it gave {:?}: {}", outcome.code, outcome.stderr));
        }
        self.scenario.done(&lab)?;
        Ok(calls.0)
    }

    /// Whether all holds after an accident: at once, and after the next run.
    pub(crate) fn survived(&self, lab: &Lab, outcome: &Outcome) -> Verdict {
        let scenario = self.scenario;
        scenario.promise(lab, outcome)?;
        if outcome.code == Some(scenario.code()) {
            scenario.done(lab).map_err(|reason| format!("it said it was done, but {reason}"))?;
        }
        scenario.recover(lab)?;
        let in_the_end = |reason| format!("after the next run: {reason}");
        scenario.promise(lab, outcome).map_err(in_the_end)?;
        scenario.end(lab).map_err(in_the_end)
    }
}

/// Lets everything pass, and remembers it.
#[derive(Debug, Default)]
pub(crate) struct Calls(pub(crate) Vec<Call>);

impl Director for Calls {
    fn before(&mut self, _call: &Call) -> Fate {
        Fate::Pass
    }

    fn after(&mut self, call: &Call) {
        self.0.push(call.clone());
    }
}

/// A file system that cannot do everything, in front of another director.
struct Poor<'a> {
    lacks: Lacks,
    director: &'a mut dyn Director,
}

impl Director for Poor<'_> {
    fn before(&mut self, call: &Call) -> Fate {
        let is_link = matches!(call.change, Change::Link { .. });
        let refused = match self.lacks {
            Lacks::Links if is_link => Some(Errno::EPERM),
            Lacks::Nothing | Lacks::Links => None,
            _ if call.change == Change::Unnamed => Some(Errno::EOPNOTSUPP),
            Lacks::NoReplace if call.name == "renameat2" => Some(Errno::EINVAL),
            _ => None,
        };
        match (self.director.before(call), refused) {
            (Fate::Pass, Some(errno)) => Fate::Fail(errno),
            (fate, _) => fate,
        }
    }

    fn after(&mut self, call: &Call) {
        self.director.after(call);
    }
}

/// Tries all points, [`WORKERS`] at a time. `attempt` gives what did not hold.
pub(crate) fn try_all<P: Sync>(
    stage: &Stage<'_>,
    points: &[P],
    attempt: &(dyn Fn(&Lab, &P) -> Option<Failure> + Sync),
) -> Outcomes {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    let fail = |number: usize, failure: Failure| {
        failures.lock().unwrap_or_else(PoisonError::into_inner).push((number, failure));
    };
    let all_in = Barrier::new(WORKERS);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (next, fail, all_in) = (&next, &fail, &all_in);
            scope.spawn(move || {
                let lab = match stage.lab() {
                    Ok(lab) => lab,
                    Err(reason) => {
                        all_in.wait();
                        let point = format!("worker {worker}");
                        return fail(0, Failure { point, reason, arguments: String::new() });
                    }
                };
                // Who may not mount leaves all the work to the first.
                let is_in =
                    worker == 0 || move_in(&stage.settings.home, worker, lab.home()).is_ok();
                // Nobody takes along what another one has mounted by then.
                all_in.wait();
                if !is_in {
                    return;
                }
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(point) = points.get(number) else { return };
                    if let Some(failure) = attempt(&lab, point) {
                        fail(number, failure);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort_by_key(|(number, _)| *number);
    let failures = failures.into_iter().map(|(_, failure)| failure).collect();
    Outcomes { points: points.len(), failures, note: String::new() }
}

fn worker_home(home: &Path, worker: usize) -> PathBuf {
    home.join(format!("worker-{worker}"))
}

/// Puts a worker's own place before this thread, and the programs that it starts, under the
/// path that all share.
fn move_in(home: &Path, worker: usize, lab: &Path) -> nix::Result<()> {
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some(&worker_home(home, worker)), lab, none, MsFlags::MS_BIND, none)
}

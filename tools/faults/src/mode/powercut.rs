//! Power cut: every state that a very unkind disk could be left in, made real and checked.
//!
//! First for one run of the command. Then for two: a run that is killed, so that nothing
//! it had not synced is safe, and a run that finds all of that in the page cache, finishes,
//! and is cut in turn. What the second one relies on it must have synced itself.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Settings, Stage, try_all};
use crate::disk::{Disk, State, states};
use crate::lab::{Lab, Verdict};
use crate::report::{Failure, Outcomes};
use crate::trace::{Call, Director, Fate};

/// A state, and the recording that it is made of.
struct Point {
    number: usize,
    disk: Arc<Disk>,
    state: State,
    /// Where the first of two runs was killed.
    killed: Option<usize>,
}

/// Records what happens, up to a call before which the process dies.
struct Recorder<'a> {
    disk: &'a mut Disk,
    die_at: Option<usize>,
}

impl Director for Recorder<'_> {
    fn before(&mut self, call: &Call) -> Fate {
        if self.die_at == Some(call.number) { Fate::Die } else { Fate::Pass }
    }

    fn after(&mut self, call: &Call) {
        self.disk.after(call);
    }
}

pub(crate) fn run(stage: &Stage<'_>, settings: &Settings) -> Verdict<Outcomes> {
    let calls = stage.baseline(false)?.len();
    let lab = stage.lab()?;
    let mut seen = HashSet::new();
    let mut points = Vec::new();
    let mut add = |disk: Disk, from: usize, killed: Option<usize>| -> Verdict {
        if let Some(call) = disk.unknown.first() {
            return Err(format!("the model does not know what this did: {call}"));
        }
        let found = states(&disk, from, killed.is_none(), settings.seed, &mut seen);
        let disk = Arc::new(disk);
        for state in found {
            points.push(Point { number: points.len() + 1, disk: Arc::clone(&disk), state, killed });
        }
        Ok(())
    };
    add(record(stage, &lab, settings, &[None])?.0, 0, None)?;
    for killed in (1..=calls).step_by(settings.every.max(1)) {
        let (disk, from) = record(stage, &lab, settings, &[Some(killed), None])?;
        add(disk, from, Some(killed))?;
    }
    let chosen = settings.choose(points.len());
    let all = points.len();
    let chosen: Vec<&Point> = chosen.into_iter().filter_map(|at| points.get(at)).collect();
    let mut outcomes =
        try_all(stage, &chosen, &|worker, point| attempt(stage, &lab, worker, point, settings));
    if chosen.len() < all {
        outcomes.note = format!("of {all} distinct states");
    }
    Ok(outcomes)
}

/// Records runs one after the other, the first ones killed; also where the last one begins.
fn record(
    stage: &Stage<'_>,
    lab: &Lab,
    settings: &Settings,
    runs: &[Option<usize>],
) -> Verdict<(Disk, usize)> {
    stage.reset(lab)?;
    let mut disk = Disk::read(&lab.state()).map_err(|error| error.to_string())?;
    disk.deaf = settings.deaf;
    let mut from = 0;
    for die_at in runs {
        from = disk.steps.len();
        let mut recorder = Recorder { disk: &mut disk, die_at: *die_at };
        let outcome = stage.run(lab, false, &mut recorder)?;
        if let Some(code) = outcome.code {
            disk.ended(code);
        }
    }
    Ok((disk, from))
}

fn attempt(
    stage: &Stage<'_>,
    recorded: &Lab,
    lab: &Lab,
    point: &Point,
    settings: &Settings,
) -> Option<Failure> {
    let reason = check(stage, recorded, lab, point).err()?;
    let disk = &point.disk;
    let last = match point.state.upto.checked_sub(1).and_then(|at| disk.steps.get(at)) {
        Some((_, call)) => format!("cut after {call}"),
        None => "cut before anything".to_owned(),
    };
    let before = match point.killed {
        Some(number) => format!("a run killed before call {number}, then a run "),
        None => String::new(),
    };
    Some(Failure {
        point: format!("state {}: {before}{last}; {}", point.number, point.state.label),
        reason,
        arguments: format!(
            "--every {} --seed {} --points {}",
            settings.every, settings.seed, point.number
        ),
    })
}

fn check(stage: &Stage<'_>, recorded: &Lab, lab: &Lab, point: &Point) -> Verdict {
    lab.clear()
        .and_then(|()| point.state.tree(&point.disk).write(&lab.state()))
        .map_err(|error| format!("cannot make the state real: {error}"))?;
    let mut outcome = point.state.outcome(&point.disk);
    // It speaks of the place where it was recorded.
    let (from, to) = (recorded.state(), lab.state());
    outcome.stdout = outcome.stdout.replace(&*from.to_string_lossy(), &to.to_string_lossy());
    stage.survived(lab, &outcome)
}

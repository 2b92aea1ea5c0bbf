//! Which states a power cut may leave.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::replay::{Content, Tree};
use super::{Disk, Step};
use crate::lab::Outcome;

/// A state of the disk after a power cut: which steps made it, and how.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The cut came after this many steps.
    pub(crate) upto: usize,
    /// What is special about it.
    pub(crate) label: String,
    keep: Vec<bool>,
    /// How much of a write that was not synced arrived: of the one, or of all.
    content: Content,
    only: Option<usize>,
}

impl State {
    /// The tree of this state.
    pub(crate) fn tree(&self, disk: &Disk) -> Tree {
        let safe = safe_steps(disk, self.upto);
        let mut tree = disk.begin.clone();
        for (at, (step, _)) in disk.steps[..self.upto].iter().enumerate() {
            if self.keep[at] {
                let is_whole = safe[at] || self.only.is_some_and(|only| only != at);
                tree.apply(step, if is_whole { Content::Whole } else { self.content });
            }
        }
        tree
    }

    /// What the command had said by then, over all of its runs.
    pub(crate) fn outcome(&self, disk: &Disk) -> Outcome {
        let mut outcome = Outcome::default();
        for (step, _) in &disk.steps[..self.upto] {
            match step {
                Step::Answer { data } => outcome.stdout.push_str(&String::from_utf8_lossy(data)),
                Step::End { code } => outcome.code = Some(*code),
                _ => {}
            }
        }
        outcome
    }

    fn fingerprint(&self, disk: &Disk) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.tree(disk).hash(&mut hasher);
        let outcome = self.outcome(disk);
        (outcome.stdout, outcome.code).hash(&mut hasher);
        hasher.finish()
    }
}

/// Which steps are on the disk for sure when the power goes after `upto` of them.
fn safe_steps(disk: &Disk, upto: usize) -> Vec<bool> {
    let mut synced = HashSet::new();
    let mut all = false;
    let mut safe = vec![false; upto];
    for (at, (step, _)) in disk.steps[..upto].iter().enumerate().rev() {
        safe[at] = all
            || match step {
                Step::Name { directory, .. } | Step::Unname { directory, .. } => {
                    synced.contains(directory)
                }
                Step::Move { to, .. } => synced.contains(&to.0),
                Step::Write { node, .. } | Step::Resize { node, .. } => synced.contains(node),
                Step::Sync { node } => {
                    synced.insert(*node);
                    true
                }
                Step::SyncFailed { node } => {
                    synced.remove(node);
                    true
                }
                Step::SyncAll => {
                    all = true;
                    true
                }
                Step::Answer { .. } | Step::End { .. } => true,
            };
    }
    safe
}

/// Losses of single things that are tried when it is not to be thorough.
const FEW: usize = 8;

/// What is there for sure when the power goes now.
pub(crate) fn strictest(disk: &Disk) -> Tree {
    let mut tree = disk.begin.clone();
    let safe = safe_steps(disk, disk.steps.len());
    for ((step, _), safe) in disk.steps.iter().zip(safe) {
        if safe {
            tree.apply(step, Content::Whole);
        }
    }
    tree
}

/// Every state worth a look after cuts at each step from `from` on, each once.
///
/// `thorough` asks for every kind of state; otherwise only for those that lose the most, or
/// a single thing of before.
pub(crate) fn states(
    disk: &Disk,
    from: usize,
    thorough: bool,
    seed: u64,
    seen: &mut HashSet<u64>,
) -> Vec<State> {
    let mut found = Vec::new();
    for upto in from..=disk.steps.len() {
        for state in at(disk, from, upto, thorough, seed) {
            if seen.insert(state.fingerprint(disk)) {
                found.push(state);
            }
        }
    }
    found
}

fn at(disk: &Disk, from: usize, upto: usize, thorough: bool, seed: u64) -> Vec<State> {
    let safe = safe_steps(disk, upto);
    let pending: Vec<usize> = (0..upto).filter(|at| !safe[*at]).collect();
    let is_bytes = |at: usize| matches!(disk.steps[at].0, Step::Write { .. } | Step::Resize { .. });
    let state = |label: String, keep: &dyn Fn(usize) -> bool, content, only| State {
        upto,
        label,
        keep: (0..upto).map(|at| safe[at] || keep(at)).collect(),
        content,
        only,
    };
    let whole =
        |label: String, keep: &dyn Fn(usize) -> bool| state(label, keep, Content::Whole, None);
    let call = |at: usize| &disk.steps[at].1;
    let mut states = vec![
        whole("nothing that was not synced is there".to_owned(), &|_| false),
        whole("names without bytes".to_owned(), &|at| !is_bytes(at)),
    ];
    let lost =
        |lost: &usize| whole(format!("only this is lost: {}", call(*lost)), &|at| at != *lost);
    if !thorough {
        let before: Vec<&usize> = pending.iter().filter(|at| **at < from).collect();
        let apart = before.len().div_ceil(FEW).max(1);
        states.extend(before.into_iter().step_by(apart).map(lost));
        return states;
    }
    states.extend(pending.iter().map(lost));
    states.push(whole("everything is there".to_owned(), &|_| true));
    states.push(whole("bytes without names".to_owned(), &is_bytes));
    states.push(state("zeros for bytes".to_owned(), &|_| true, Content::Zeros, None));
    states.extend(
        pending
            .iter()
            .map(|kept| whole(format!("only this is there: {}", call(*kept)), &|at| at == *kept)),
    );
    for torn in pending.iter().rev().filter(|at| matches!(disk.steps[**at].0, Step::Write { .. })) {
        let label = format!("half of it is there: {}", call(*torn));
        states.push(state(label, &|_| true, Content::Half, Some(*torn)));
        let label = format!("half of it alone is there: {}", call(*torn));
        states.push(state(label, &|at| at == *torn, Content::Half, Some(*torn)));
    }
    for number in 0..4 {
        let label = format!("a random choice, number {number} of seed {seed}");
        states.push(whole(label, &|at| {
            let mut hasher = DefaultHasher::new();
            (seed, number, upto, at).hash(&mut hasher);
            hasher.finish() & 1 == 1
        }));
    }
    states
}

//! The protocol that lets readers do without a lock, as a model whose states are all
//! visited: whatever the order in which the steps of writers and of a reader come, each
//! event that was there when the reader began is seen exactly once.
//!
//! The steps are those of `src/store/source.rs` and `src/ops/rotate/day.rs`. Their order is
//! a parameter, so the model also shows that each rule is needed: every other order has a
//! run in which an event is lost, doubled or taken for damage. (The reader itself is run
//! under every interleaving by `src/store/tests/interleaved.rs`.)

#![allow(clippy::print_stderr)]

mod model;

use std::collections::HashSet;

use model::{Next, Rule, World, Writer};

/// Visits every state that any order of steps leads to. Gives the number of states, or
/// what is wrong in the first run that goes wrong.
fn explore(start: World, rule: Rule) -> Result<usize, String> {
    let mut visited = HashSet::new();
    let mut open = vec![start];
    while let Some(world) = open.pop() {
        if !visited.insert(world.clone()) {
            continue;
        }
        if world.reader.next == Next::Done {
            if let Some(wrong) = world.judge(rule) {
                return Err(wrong);
            }
            continue;
        }
        open.push(world.read(rule));
        open.extend((0..world.actors.len()).filter_map(|number| world.write(number, rule)));
    }
    Ok(visited.len())
}

/// Histories, each with what happens while it is read.
fn histories() -> Vec<(&'static str, World)> {
    use Writer::{Compact, Emit, Prune, RestoreLive, Rotate};
    vec![
        ("a day is rotated", World::new(&[], &[1, 2, 3], &[Rotate])),
        ("an event arrives late", World::new(&[], &[1, 2], &[Rotate, Emit(3), Rotate])),
        ("a late arrival is rotated", World::new(&[&[1]], &[2, 3], &[Rotate, Emit(4), Rotate])),
        (
            "a day is restored and rotated again",
            World::new(&[&[1, 2]], &[3], &[RestoreLive, Rotate, Emit(4)]),
        ),
        ("two rotates and a restore", World::new(&[], &[1, 2], &[Rotate, RestoreLive, Rotate])),
        (
            "a namesake is rotated and the first one restored",
            World::new(&[&[1]], &[11, 2], &[Rotate, RestoreLive, Rotate]),
        ),
        ("two namesakes, one of them live, too", World::new(&[&[1], &[11]], &[1], &[Rotate])),
        ("a segment expires", World::new(&[&[1], &[2]], &[3], &[Prune, Rotate, Emit(4)])),
        (
            "two segments become one",
            World::new(&[&[1], &[2, 11]], &[3], &[Compact, Rotate, Emit(4)]),
        ),
        (
            "segments become one, again one, and expire",
            World::new(&[&[1], &[2]], &[3], &[Compact, Rotate, Compact, Prune]),
        ),
    ]
}

#[test]
fn every_order_of_steps_shows_each_event_exactly_once() {
    let mut all = 0;
    for (history, start) in histories() {
        match explore(start, Rule::Right) {
            Ok(states) => {
                assert!(states > 30, "{history}: only {states} states");
                eprintln!("{history}: {states} states");
                all += states;
            }
            Err(wrong) => panic!("{history}: {wrong}"),
        }
    }
    eprintln!("{all} states in all");
}

#[test]
fn every_other_order_goes_wrong_somewhere() {
    for rule in [
        Rule::UnlinkBeforeRecord,
        Rule::RecordBeforePublish,
        Rule::UnpublishBeforeRecord,
        Rule::DaysOfManifestFirst,
        Rule::ManifestBeforeListing,
        Rule::NeverLookAgain,
        Rule::LookAgainOnlyWhenGone,
        Rule::OnlyWhatWasGone,
        Rule::NoDedup,
        Rule::DedupWithLastAlone,
        Rule::MissingIsDamage,
        Rule::MissingIsExpired,
    ] {
        let wrong: Vec<String> = histories()
            .into_iter()
            .filter_map(|(history, start)| {
                Some(format!("{history}: {}", explore(start, rule).err()?))
            })
            .collect();
        assert!(!wrong.is_empty(), "{rule:?} goes wrong nowhere");
        eprintln!("{rule:?}: {}", wrong.join("; "));
    }
}

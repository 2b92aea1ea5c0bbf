//! A follower under every interleaving: the history changes between any two of its steps, in all
//! possible ways, as it does for queries.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use super::*;
use crate::event::Timestamp;
use crate::store::tests::world::Change::{
    Archive, Compact, Record, RecordPrune, RemoveDirectories, Unlink, Unpublish, Write,
};
use crate::store::tests::world::{Change, World, event, every_way};

/// The way a history is followed in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One follower without a file.
    InMemory,
    /// One after another, each after the last cursor, and each but the last killed after giving
    /// this many events.
    Killed(usize),
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

/// Looks until nothing changes. Returns whether the caller had enough.
fn look(follower: &mut Follower, limit: usize, given: &mut Vec<Followed>) -> bool {
    let mut left = limit;
    loop {
        let look = follower.look::<Error>(now(), &mut |arrivals| {
            for arrival in arrivals {
                if left == 0 {
                    // Killed between two events of one batch: the rest is noted, not given.
                    return Err(Error::Interrupted(String::new()));
                }
                left -= 1;
                given.push(arrival);
            }
            Ok(ControlFlow::Continue(()))
        });
        match look {
            Err(Error::Interrupted(_)) => return true,
            look if look.as_ref().is_ok_and(|look| look.again) => {}
            look => return look.unwrap().ended,
        }
    }
}

fn followed(world: &World, mode: Mode) -> Vec<EventPath> {
    let mut given: Vec<Followed> = Vec::new();
    let file = world.directory.path().join("cursor");
    for _ in 0..10 {
        let options = FollowOptions {
            cursor_file: (mode != Mode::InMemory).then(|| file.clone()),
            after: given
                .last()
                .and_then(|arrival| arrival.cursor.clone())
                .map(After::Cursor)
                .or((mode != Mode::InMemory).then_some(After::Start)),
            seed: [7; 32],
            ..FollowOptions::default()
        };
        let mut follower = Follower::begin(&world.store(), options).unwrap();
        let limit = match mode {
            Mode::InMemory => usize::MAX,
            Mode::Killed(limit) => limit,
        };
        let before = given.len();
        look(&mut follower, limit, &mut given);
        // What arrived during the first look is seen by the second.
        let is_end = given.len() - before < limit;
        if is_end {
            look(&mut follower, usize::MAX, &mut given);
            break;
        }
    }
    given.into_iter().map(|arrival| arrival.event.path).collect()
}

/// Follows while `changes` happen, in every way. Each event of `always` must be given once, every
/// other at most once.
fn explore(before: &[Change], changes: &[Change], always: &[u32]) -> u64 {
    let modes = [Mode::InMemory, Mode::Killed(1)];
    modes
        .into_iter()
        .map(|mode| {
            every_way(before, changes, &|world| followed(world, mode), &|given, way| {
                let mut times = BTreeMap::<String, u32>::new();
                for path in &given {
                    *times.entry(path.to_string()).or_default() += 1;
                }
                let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
                assert!(twice.is_empty(), "{twice:?} given twice by {mode:?}: {way}");
                for number in always {
                    let path = event(*number).0.to_string();
                    assert!(times.contains_key(&path), "{number} is missed by {mode:?}: {way}");
                }
            })
        })
        .sum()
}

#[test]
fn rotation_at_any_moment_neither_hides_nor_repeats() {
    let ways =
        explore(&[Write(0), Write(1)], &[Archive(0, &[0, 1]), Unlink(0), Unlink(1)], &[0, 1]);
    assert!(ways > 100, "{ways}");
}

#[test]
fn late_arrivals_are_given_though_they_are_archived_at_once() {
    explore(&[Archive(0, &[0])], &[Write(1), Archive(1, &[1]), Unlink(1)], &[0]);
    explore(
        &[Archive(0, &[0]), Write(1)],
        &[Archive(1, &[1]), Compact(2, &[0, 1], &[0, 1]), Unpublish(0)],
        &[0, 1],
    );
}

#[test]
fn what_is_live_again_is_no_news() {
    explore(&[Archive(0, &[0])], &[Write(0), RecordPrune(0), Unpublish(0)], &[]);
    explore(&[Archive(0, &[0]), Write(0)], &[Unlink(0), RemoveDirectories, Write(0)], &[0]);
}

#[test]
fn a_record_that_comes_after_its_segment_is_waited_for() {
    explore(
        &[Write(0), Change::Publish(0, &[0])],
        &[Record(0, &[0]), Unlink(0), RemoveDirectories],
        &[0],
    );
}

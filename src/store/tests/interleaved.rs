//! The reading protocol under every interleaving: real files, real segments, and a history that
//! changes between any two steps of a reader, in all possible ways.
//!
//! `tests/promises/protocol.rs` models the same protocol and shows which orders of its steps
//! would be wrong; here the code itself runs.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use super::world::Change::{
    Archive, Compact, Publish, Record, RecordCompact, RecordPrune, RemoveDirectories, Unlink,
    Unpublish, Write,
};
use super::world::{Change, World, event, every_way};
use crate::event::EventPath;
use crate::store::stream::{Amounts, EventStream};
use crate::store::{Notice, Order, Query};

/// A reader's settings.
#[derive(Debug, Clone, Copy)]
struct Reader {
    order: Order,
    limit: Option<u64>,
    amounts: Amounts,
}

/// A reader that can hold everything, one file at a time.
fn plenty() -> Reader {
    let amounts = Amounts { block_files: 1, ..Amounts::default() };
    Reader { order: Order::Forward, limit: None, amounts }
}

/// A reader that can hold next to nothing, and so reads most of it twice.
fn little() -> Reader {
    let amounts = Amounts {
        buffer_bytes: 1000,
        give_bytes: 0,
        buffer_rows: 1,
        block_files: 1,
        batch_bytes: 0,
    };
    Reader { amounts, ..plenty() }
}

/// Reads while `changes` happen, in every way. Each event of `always` must be seen once and
/// unchanged, every other at most once. Returns the number of ways.
fn explore(before: &[Change], changes: &[Change], always: &[u32], reader: Reader) -> u64 {
    let read = |world: &World| {
        let query = Query { order: reader.order, limit: reader.limit, ..Query::default() };
        let mut stream = EventStream::open(&world.store(), query, reader.amounts).unwrap();
        let rows: Vec<_> = stream.by_ref().map(Result::unwrap).collect();
        (rows, stream.notices().take().0)
    };
    every_way(before, changes, &read, &|(rows, notices), way| {
        let told = || format!("{way} for {reader:?}");
        let mut seen = BTreeMap::<(EventPath, Vec<u8>), u32>::new();
        for row in &rows {
            *seen.entry((row.path.clone(), row.bytes.to_vec())).or_default() += 1;
        }
        for ((path, _), times) in &seen {
            assert_eq!(*times, 1, "{path} is seen {times} times: {}", told());
        }
        let mut expected: Vec<u32> = always.to_vec();
        expected.sort_by_key(|number| number % 100);
        if reader.order == Order::Reverse {
            expected.reverse();
        }
        if let Some(limit) = reader.limit {
            expected.truncate(limit as usize);
            assert!(rows.len() as u64 <= limit, "{}", told());
        }
        // What comes and goes meanwhile may take the place of others within a limit.
        let others = seen.len() > expected.len()
            || rows.iter().any(|row| {
                !always
                    .iter()
                    .any(|number| event(*number) == (row.path.clone(), row.bytes.to_vec()))
            });
        if reader.limit.is_some() && others {
            expected.clear();
        }
        for number in expected {
            assert!(seen.contains_key(&event(number)), "{number} is not seen: {}", told());
        }
        let costs: Vec<&Notice> = notices.iter().filter(|notice| notice.costs_events()).collect();
        assert!(costs.is_empty(), "{costs:?}: {}", told());
    })
}

#[track_caller]
fn explore_all(before: &[Change], changes: &[Change], always: &[u32]) {
    for reader in [plenty(), little()] {
        let ways = explore(before, changes, always, reader);
        assert!(ways > 100, "only {ways} ways were tried");
    }
}

#[test]
fn each_event_is_seen_once_while_its_day_is_rotated() {
    let events: &[u32] = &[0, 2];
    explore_all(
        &[Write(0), Write(2)],
        &[Publish(0, events), Record(0, events), Unlink(0), Unlink(2), RemoveDirectories],
        events,
    );
}

#[test]
fn each_event_is_seen_once_backwards_and_within_a_limit_while_its_day_is_rotated() {
    let events: &[u32] = &[0, 2];
    let before = [Write(0), Write(2)];
    let changes = [Archive(0, events), Unlink(0), Unlink(2)];
    for reader in
        [Reader { order: Order::Reverse, ..little() }, Reader { limit: Some(1), ..little() }]
    {
        explore(&before, &changes, events, reader);
    }
}

#[test]
fn each_event_is_seen_once_while_two_segments_are_made_of_its_day() {
    explore_all(
        &[Write(0), Write(1)],
        &[Archive(0, &[0]), Archive(1, &[1]), Unlink(0), Unlink(1)],
        &[0, 1],
    );
}

#[test]
fn each_event_is_seen_once_while_late_arrivals_are_rotated() {
    explore_all(
        &[Write(0), Archive(0, &[0]), Write(2)],
        &[Unlink(0), Archive(1, &[2]), Unlink(2), RemoveDirectories],
        &[0, 2],
    );
}

#[test]
fn an_event_that_arrives_and_is_rotated_at_once_is_seen_once_or_not_at_all() {
    explore_all(
        &[Archive(0, &[0])],
        &[Write(2), Archive(1, &[2]), Unlink(2), RemoveDirectories],
        &[0],
    );
}

#[test]
fn each_event_is_seen_once_while_it_is_restored_and_removed_again() {
    explore_all(
        &[Archive(0, &[0, 2])],
        &[Write(0), Write(2), Unlink(0), Unlink(2), RemoveDirectories],
        &[0, 2],
    );
}

#[test]
fn two_events_of_one_name_are_each_seen_once() {
    explore_all(
        &[Archive(0, &[0]), Write(100)],
        &[Archive(1, &[100]), Unlink(100), Write(0), Unlink(0)],
        &[0, 100],
    );
}

#[test]
fn a_segment_that_expires_costs_its_own_events_alone_and_is_no_damage() {
    explore_all(
        &[Archive(0, &[0]), Archive(1, &[2]), Write(4)],
        &[RecordPrune(0), Unpublish(0), RecordPrune(1), Unpublish(1)],
        &[4],
    );
}

#[test]
fn each_event_is_seen_once_while_segments_become_one() {
    explore_all(
        &[Archive(0, &[0, 2]), Archive(1, &[1])],
        &[
            Publish(2, &[0, 1, 2]),
            RecordCompact(2, &[0, 1, 2], &[0, 1]),
            Unpublish(0),
            Unpublish(1),
        ],
        &[0, 1, 2],
    );
}

#[test]
fn each_event_is_seen_once_while_segments_become_one_and_again_one() {
    explore_all(
        &[Archive(0, &[0]), Archive(1, &[1]), Archive(3, &[4])],
        &[
            Compact(2, &[0, 1], &[0, 1]),
            Unpublish(0),
            Unpublish(1),
            Compact(4, &[0, 1, 4], &[2, 3]),
            Unpublish(2),
            Unpublish(3),
        ],
        &[0, 1, 4],
    );
}

#[test]
fn each_event_is_seen_once_while_its_day_is_rotated_and_compacted_at_once() {
    explore_all(
        &[Archive(0, &[0]), Write(2)],
        &[Archive(1, &[2]), Unlink(2), Compact(2, &[0, 2], &[0, 1]), Unpublish(0), Unpublish(1)],
        &[0, 2],
    );
}

#[test]
fn each_event_is_seen_once_backwards_and_within_a_limit_while_segments_become_one() {
    let before = [Archive(0, &[0, 2]), Archive(1, &[1, 3])];
    let all: &[u32] = &[0, 1, 2, 3];
    let changes = [Publish(2, all), RecordCompact(2, all, &[0, 1]), Unpublish(0), Unpublish(1)];
    for reader in
        [Reader { order: Order::Reverse, ..little() }, Reader { limit: Some(2), ..little() }]
    {
        explore(&before, &changes, all, reader);
    }
}

/// Finding one event uses the same manifest, and must not fail either.
#[test]
fn an_event_is_found_at_every_moment_while_segments_become_one() {
    let before = [Archive(0, &[0]), Archive(1, &[1])];
    let changes = [Compact(2, &[0, 1], &[0, 1]), Unpublish(0), Unpublish(1)];
    for number in [0, 1] {
        let (path, bytes) = event(number);
        let find = |world: &World| world.store().find(&crate::store::Name::Path(path.clone()));
        let ways = every_way(&before, &changes, &find, &|found, way| {
            assert_eq!(found.unwrap_or_else(|e| panic!("{e}: {way}")).bytes.to_vec(), bytes);
        });
        assert!(ways > 10, "only {ways} ways were tried");
    }
}

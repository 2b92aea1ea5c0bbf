//! A history that changes between any two steps of a reader, in all possible ways.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;

use crate::archive::{ArchiveDir, ArchiveLock, By, ManifestWriter, NewRecord, Op, SegmentName};
use crate::event::{Date, EventPath, Timestamp};
use crate::segment::{SegmentOptions, SegmentSummary, SegmentWriter};
use crate::store::Store;

type Hook = Box<dyn FnMut()>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Runs the pending changes; readers call it between their steps.
pub(in crate::store) fn step() {
    HOOK.with(|hook| {
        // The changes themselves take no steps of a reader.
        if let Ok(mut hook) = hook.try_borrow_mut()
            && let Some(hook) = hook.as_mut()
        {
            hook();
        }
    });
}

/// A change to the history while it is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum Change {
    /// A segment gets its name, with these events.
    Publish(u32, &'static [u32]),
    /// Its record is appended.
    Record(u32, &'static [u32]),
    /// Both in one.
    Archive(u32, &'static [u32]),
    /// A live file is removed.
    Unlink(u32),
    /// Empty directories are removed.
    RemoveDirectories,
    /// An event becomes a live file: emitted, or restored from the archive.
    Write(u32),
    /// The record that a segment expired is appended.
    RecordPrune(u32),
    /// The file of an expired segment is removed.
    Unpublish(u32),
    /// The record that a segment replaces others is appended.
    RecordCompact(u32, &'static [u32], &'static [u32]),
    /// A segment gets its name and that record.
    Compact(u32, &'static [u32], &'static [u32]),
}

use Change::{
    Archive, Compact, Publish, Record, RecordCompact, RecordPrune, RemoveDirectories, Unlink,
    Unpublish, Write,
};

pub(in crate::store) struct World {
    pub(in crate::store) directory: tempfile::TempDir,
    archive: ArchiveDir,
    lock: ArchiveLock,
}

fn date() -> Date {
    "2026-05-16".parse().unwrap()
}

/// Makes an event of two nodes in turn; numbers from 100 on have the names of those from 0 on,
/// and other bytes.
pub(in crate::store) fn event(number: u32) -> (EventPath, Vec<u8>) {
    let (name, node) = (number % 100, if number.is_multiple_of(2) { "nas" } else { "pi4" });
    let path = format!(
        "2026-05-16/{node}/20260516T10{name:02}00.000000Z_node_online_0196d8a2-0000-7000-8000-\
         {name:012}.json"
    );
    let bytes = format!(
        "{{\"timestamp\":\"2026-05-16T10:{name:02}:00.000000Z\",\"node\":\"{node}\",\
         \"type\":\"node_online\",\"severity\":\"info\",\"source\":\"s\",\"service\":\"all\",\
         \"correlation_id\":\"c\",\"payload\":{{\"number\":{number}}}}}\n"
    );
    (path.parse().unwrap(), bytes.into_bytes())
}

fn segment_name(number: u32) -> SegmentName {
    SegmentName { date: date(), number, class: None }
}

/// Makes a segment with one event per frame.
fn segment(events: &[u32]) -> (Vec<u8>, SegmentSummary) {
    type Made = BTreeMap<Vec<u32>, (Vec<u8>, SegmentSummary)>;
    thread_local! {
        static MADE: RefCell<Made> = RefCell::default();
    }
    MADE.with(|made| {
        made.borrow_mut().entry(events.to_vec()).or_insert_with(|| make_segment(events)).clone()
    })
}

fn make_segment(events: &[u32]) -> (Vec<u8>, SegmentSummary) {
    let options = SegmentOptions { level: 1, frame_size: 1 };
    let mut writer = SegmentWriter::new(Vec::new(), "segment".as_ref(), date(), options);
    for number in events {
        let (path, bytes) = event(*number);
        writer.add(&path, &bytes).unwrap();
    }
    writer.finish().unwrap()
}

impl World {
    fn new(before: &[Change]) -> Self {
        // Many small worlds: in memory where possible.
        let shm = std::path::Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        let directory = tempfile::tempdir_in(parent).unwrap();
        fs::create_dir(directory.path().join("events")).unwrap();
        let archive = ArchiveDir::create(&directory.path().join("archive")).unwrap();
        let lock = archive.lock().unwrap();
        let world = Self { directory, archive, lock };
        for change in before {
            world.apply(*change);
        }
        world
    }

    pub(in crate::store) fn store(&self) -> Store {
        Store::new(
            self.directory.path().join("events"),
            Some(self.directory.path().join("archive")),
        )
    }

    fn append(&self, op: Op, number: u32, summary: Option<SegmentSummary>, old: &[u32]) {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        let by = By {
            user: String::new(),
            host: String::new(),
            command: String::new(),
            sudo_user: None,
        };
        let (mut writer, _) = ManifestWriter::open(&self.archive, &self.lock, now, &by).unwrap();
        let mut record = NewRecord::new(now, op);
        record.date = Some(date());
        record.segment = Some(segment_name(number));
        record.supersedes =
            (!old.is_empty()).then(|| old.iter().map(|number| segment_name(*number)).collect());
        if let Some(summary) = summary {
            (record.first, record.last) = (summary.first, summary.last);
        }
        writer.append(record).unwrap();
    }

    fn apply(&self, change: Change) {
        let live = |number| self.directory.path().join("events").join(event(number).0.to_string());
        match change {
            Publish(number, events) => {
                let temp = self
                    .archive
                    .create_temp(segment_name(number).date, u64::from(number), &self.lock)
                    .unwrap();
                std::io::Write::write_all(&mut temp.file(), &segment(events).0).unwrap();
                temp.publish(&segment_name(number)).unwrap();
            }
            Record(number, events) => {
                self.append(Op::Rotate, number, Some(segment(events).1), &[]);
            }
            Archive(number, events) => {
                self.apply(Publish(number, events));
                self.apply(Record(number, events));
            }
            Unlink(number) => fs::remove_file(live(number)).unwrap(),
            RemoveDirectories => {
                let day = self.directory.path().join("events/2026-05-16");
                for node in ["nas", "pi4"] {
                    let _ = fs::remove_dir(day.join(node));
                }
                let _ = fs::remove_dir(day);
            }
            Write(number) => {
                fs::create_dir_all(live(number).parent().unwrap()).unwrap();
                // Complete under its name, or absent.
                let temp = self.directory.path().join("temp");
                fs::write(&temp, event(number).1).unwrap();
                fs::rename(temp, live(number)).unwrap();
            }
            RecordPrune(number) => self.append(Op::Prune, number, None, &[]),
            RecordCompact(number, events, old) => {
                self.append(Op::Compact, number, Some(segment(events).1), old);
            }
            Compact(number, events, old) => {
                self.apply(Publish(number, events));
                self.apply(RecordCompact(number, events, old));
            }
            Unpublish(number) => {
                self.archive.remove_segment(&segment_name(number), &self.lock).unwrap();
            }
        }
    }
}

/// All ways to spread the changes over the steps of a reader, one after another: each is the
/// numbers of changes at its steps.
struct Ways {
    /// The choice at each step of this way, and how many there were.
    taken: Vec<(usize, usize)>,
    ways: u64,
}

impl Ways {
    /// Advances to the next way. Returns whether there is one.
    fn next(&mut self) -> bool {
        self.ways += 1;
        while let Some((choice, choices)) = self.taken.pop() {
            if choice + 1 < choices {
                self.taken.push((choice + 1, choices));
                return true;
            }
        }
        false
    }
}

/// Runs `read` while `changes` happen, in every way, and `judge` on each result. Returns the
/// number of ways.
pub(in crate::store) fn every_way<T>(
    before: &[Change],
    changes: &[Change],
    read: &dyn Fn(&World) -> T,
    judge: &dyn Fn(T, &str),
) -> u64 {
    let mut ways = Ways { taken: Vec::new(), ways: 0 };
    loop {
        let world = Rc::new(World::new(before));
        let state = Rc::new(RefCell::new((std::mem::take(&mut ways.taken), 0, 0)));
        let hook: Hook = {
            let (world, state, changes) = (Rc::clone(&world), Rc::clone(&state), changes.to_vec());
            Box::new(move || {
                let (taken, at, done) = &mut *state.borrow_mut();
                if *at == taken.len() {
                    taken.push((0, changes.len() - *done + 1));
                }
                for _ in 0..taken[*at].0 {
                    world.apply(changes[*done]);
                    *done += 1;
                }
                *at += 1;
            })
        };
        HOOK.with(|slot| *slot.borrow_mut() = Some(hook));
        let outcome = read(&world);
        HOOK.with(|slot| *slot.borrow_mut() = None);
        let (taken, at, _) = state.take();
        // Decisions beyond the end of this way belong to longer ones before it.
        ways.taken = taken[..at].to_vec();
        let way: Vec<usize> = ways.taken.iter().map(|(choice, _)| *choice).collect();
        judge(outcome, &format!("{before:?} then {changes:?} as {way:?}"));
        if !ways.next() {
            return ways.ways;
        }
    }
}

//! Emitters, readers, rotation, compaction and expiry at once, as real processes: each event
//! that was acknowledged before a read began is in it exactly once, byte for byte.
//!
//! `HLARCHIVE_SOAK_SECONDS` says how long it goes on; by default 30.

#![allow(clippy::print_stderr)]

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hlarchive::internals::archive::ArchiveDir;

use rustix::process::Signal;

use crate::common::process::{finish, halt_when, has_temporary, send, start};
use crate::common::verbs::{
    BRINGING, LOCKING, OTHERS, READING, TAKING, answers, assert_every_verb, ready,
};
use crate::common::{Lab, NOW, event, tree, without_segment};

/// The days that events are dated to: two closed ones, and the one that is open at [`NOW`].
const CLOSED: [&str; 2] = ["2026-05-29", "2026-05-30"];
const OPEN: &str = "2026-06-01";

/// A closed day with more files than are read together; it is restored again and again.
const LARGE: &str = "2026-05-10";

/// A day that expires while everybody reads; its events may be seen or not.
const OLD: &str = "2026-03-01";

struct Soak {
    lab: Lab,
    until: Instant,
    /// What was acknowledged: the line that `list` prints for each path.
    acknowledged: Mutex<BTreeMap<String, String>>,
    reads: AtomicU64,
    seen: AtomicU64,
    rotates: AtomicU64,
    restores: AtomicU64,
    compacts: AtomicU64,
    verifies: AtomicU64,
}

/// The fields of an event, all that emitting needs to know.
struct Emission {
    timestamp: String,
    node: String,
    correlation_id: String,
    payload: String,
}

impl Emission {
    fn new(emitter: usize, number: u64) -> Self {
        // One emitter of each kind writes into days that are long closed.
        let date = if emitter.is_multiple_of(2) { CLOSED[number as usize % 2] } else { OPEN };
        let (minute, second) = (number / 60 % 60, number % 60);
        Self {
            timestamp: format!("{date}T02:{minute:02}:{second:02}.000000Z"),
            node: format!("node{}", number % 3),
            correlation_id: format!("run-{emitter}-{}", number / 8),
            payload: format!("{{\"emitter\":{emitter},\"number\":{number}}}"),
        }
    }

    /// What `list` must print for it.
    fn line(&self, path: &str) -> String {
        format!(
            "{{\"timestamp\":\"{}\",\"node\":\"{}\",\"type\":\"node_online\",\"severity\":\"info\",\
             \"source\":\"soak\",\"service\":\"all\",\"correlation_id\":\"{}\",\"payload\":{},\
             \"_path\":\"{path}\"}}",
            self.timestamp, self.node, self.correlation_id, self.payload
        )
    }
}

impl Soak {
    fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    fn acknowledge(&self, emission: &Emission, file: &str) {
        let root = self.lab.root();
        let path = file.trim_end().strip_prefix(root.to_str().unwrap()).unwrap();
        let path = path.trim_start_matches('/').to_owned();
        let line = emission.line(&path);
        let mut all = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(all.insert(path, line).is_none(), "{file} was acknowledged twice");
    }

    fn snapshot(&self) -> BTreeMap<String, String> {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One process an event.
    fn emit_singly(&self, emitter: usize) {
        for number in 0.. {
            if !self.goes_on() {
                return;
            }
            let event = Emission::new(emitter, number);
            let file = self.lab.ok([
                "emit",
                "node_online",
                "--source=soak",
                &format!("--node={}", event.node),
                &format!("--timestamp={}", event.timestamp),
                &format!("--correlation-id={}", event.correlation_id),
                &format!("--payload={}", event.payload),
            ]);
            self.acknowledge(&event, &file);
            pause(10);
        }
    }

    /// One process for all events, a few at a time.
    fn emit_in_batches(&self, emitter: usize) {
        let mut command = self.lab.command(["emit", "node_online", "--source=soak", "--batch"]);
        let mut child = start(command.stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut numbers = 0..;
        while self.goes_on() {
            let events: Vec<Emission> =
                numbers.by_ref().take(8).map(|number| Emission::new(emitter, number)).collect();
            let mut lines = String::new();
            for event in &events {
                lines.push_str(&format!(
                    "{{\"timestamp\":\"{}\",\"node\":\"{}\",\"correlation_id\":\"{}\",\
                     \"payload\":{}}}\n",
                    event.timestamp, event.node, event.correlation_id, event.payload
                ));
            }
            stdin.write_all(lines.as_bytes()).unwrap();
            for event in &events {
                let mut file = String::new();
                assert!(stdout.read_line(&mut file).unwrap() > 0, "the batch ended early");
                self.acknowledge(event, &file);
            }
            pause(25);
        }
        drop(stdin);
        let run = finish(child);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
    }

    /// Rotates, restores, compacts what late arrivals left, and rotates again. No other process ever takes the lock, so none
    /// of these may find it taken.
    fn rotate(&self) {
        for round in 1_u64.. {
            let run = self.lab.run(["rotate", "--quiet", "--now", NOW]);
            assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
            self.rotates.fetch_add(1, Ordering::Relaxed);
            // On the slowest machine, too, something is restored and rotated again.
            if !self.goes_on() && round > 2 {
                return;
            }
            if round % 2 == 0 {
                self.lab.ok(["restore", "--quiet", "--live", LARGE]);
                self.restores.fetch_add(1, Ordering::Relaxed);
            } else {
                let told = self.lab.ok(["compact"]);
                self.compacts.fetch_add(told.lines().count() as u64, Ordering::Relaxed);
            }
            if round == 2 {
                let told = self.lab.ok(["prune", "--quiet", "--now", NOW]);
                assert!(told.starts_with("2026/2026-03-01.tar.zst"), "{told}");
            }
            pause(20);
        }
    }

    fn verify(&self) {
        while self.goes_on() {
            let run = self.lab.run(["verify"]);
            assert_eq!(run.code, 0, "{run:?}");
            self.verifies.fetch_add(1, Ordering::Relaxed);
            pause(2000);
        }
    }

    /// Lists everything, forwards or backwards.
    fn list(&self, backwards: bool) {
        let mut words = vec!["list", "--since", "2000-01-01", "-o", "ndjson", "-q"];
        words.extend(backwards.then_some("--reverse"));
        while self.goes_on() {
            let began = Instant::now();
            let expected = self.snapshot();
            self.check(&words, &expected);
            std::thread::sleep(began.elapsed());
        }
    }

    /// Follows one chain after the other.
    fn trace(&self, reader: u64) {
        for round in 0_u64.. {
            if !self.goes_on() {
                return;
            }
            let began = Instant::now();
            let mut expected = self.snapshot();
            // Any of them; the last ones are the most likely to be on the move.
            let back = (round * 7 + reader * 3) as usize % expected.len().clamp(1, 40);
            let id = expected.values().rev().nth(back).map(|line| correlation_id(line).to_owned());
            if let Some(id) = id {
                expected.retain(|_, line| correlation_id(line) == id);
                self.check(&["trace", &id, "-o", "ndjson", "-q"], &expected);
            }
            std::thread::sleep(began.elapsed());
        }
    }

    #[track_caller]
    fn check(&self, words: &[&str], expected: &BTreeMap<String, String>) {
        let run = self.lab.run(words);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{words:?}");
        let mut found: HashMap<&str, String> = HashMap::new();
        for line in run.stdout.lines() {
            let path = line.rsplit_once("\"_path\":\"").unwrap().1;
            let path = path.split_once('"').unwrap().0;
            let before = found.insert(path, without_segment(line));
            assert!(before.is_none(), "{words:?}: {path} is seen twice");
        }
        for (path, line) in expected {
            let seen = found.get(path.as_str());
            assert_eq!(seen, Some(line), "{words:?}: {path} was acknowledged before");
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.seen.fetch_add(expected.len() as u64, Ordering::Relaxed);
    }
}

fn correlation_id(line: &str) -> &str {
    line.split_once("\"correlation_id\":\"").unwrap().1.split_once('"').unwrap().0
}

/// Keeps two processors from doing nothing else; nothing depends on it.
fn pause(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[test]
fn whoever_reads_sees_each_acknowledged_event_exactly_once_whatever_goes_on() {
    let lab = Lab::new();
    let policy = include_str!("../../policies/default.toml");
    let short = policy.replace("keep_live = \"7d\"", "keep_live = \"1h\"");
    assert_ne!(short, policy);
    let finite = short
        .replace("keep = \"forever\"", "keep = \"60d\"")
        .replace("grace = \"30d\"", "grace = \"0d\"");
    assert_ne!(finite, short);
    std::fs::write(lab.path("policy.toml"), finite).unwrap();
    lab.seed(1, 800);
    let seeded = lab.list_all();
    let seconds = std::env::var("HLARCHIVE_SOAK_SECONDS").ok();
    let seconds = seconds.map_or(30, |text| text.parse().unwrap());
    let soak = Soak {
        lab,
        until: Instant::now() + Duration::from_secs(seconds),
        acknowledged: Mutex::default(),
        reads: AtomicU64::new(0),
        seen: AtomicU64::new(0),
        rotates: AtomicU64::new(0),
        restores: AtomicU64::new(0),
        compacts: AtomicU64::new(0),
        verifies: AtomicU64::new(0),
    };
    for number in 0..40 {
        let (path, bytes) = event(10, 0, "nas", number);
        let of_old = |text: &str| text.replace(LARGE, OLD).replace("20260510", "20260301");
        let bytes = of_old(&String::from_utf8(bytes).unwrap());
        soak.lab.write(&of_old(&path), bytes);
    }
    // What is there before counts as acknowledged, too.
    for line in seeded {
        let path = line.rsplit_once("\"_path\":\"").unwrap().1.trim_end_matches("\"}").to_owned();
        soak.acknowledged.lock().unwrap().insert(path, line);
    }
    std::thread::scope(|scope| {
        let soak = &soak;
        scope.spawn(|| soak.emit_singly(0));
        scope.spawn(|| soak.emit_singly(1));
        scope.spawn(|| soak.emit_in_batches(2));
        scope.spawn(|| soak.emit_in_batches(3));
        scope.spawn(|| soak.rotate());
        scope.spawn(|| soak.verify());
        scope.spawn(|| soak.list(false));
        scope.spawn(|| soak.list(true));
        scope.spawn(|| soak.trace(0));
        scope.spawn(|| soak.trace(1));
    });
    // At the end there is what was acknowledged, and nothing else.
    soak.lab.rotate();
    let expected = soak.snapshot();
    soak.check(&["list", "--since", "2000-01-01", "-o", "ndjson", "-q"], &expected);
    assert_eq!(soak.lab.list_all().len(), expected.len());
    soak.lab.ok(["verify"]);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    eprintln!(
        "{seconds} s: {} events, {} reads that looked for {} of them, {} rotates, {} restores, {} \
         segments made of several, {} verifies",
        expected.len(),
        count(&soak.reads),
        count(&soak.seen),
        count(&soak.rotates),
        count(&soak.restores),
        count(&soak.compacts),
        count(&soak.verifies)
    );
    for counter in [&soak.reads, &soak.rotates, &soak.restores, &soak.compacts, &soak.verifies] {
        assert!(count(counter) > 0, "something never happened");
    }
}

#[test]
fn while_the_lock_is_held_nobody_else_changes_anything_and_everybody_reads() {
    let lab = Lab::new();
    lab.seed(2, 5);
    lab.rotate_day("2026-05-10");
    ready(&lab);
    assert_every_verb(&[&READING[..], &TAKING, &LOCKING, &BRINGING].concat(), &OTHERS);
    let listed = lab.list_all();
    let answered = answers(&lab);
    let trees = (tree(&lab.root()), tree(&lab.archive()));
    let lock = ArchiveDir::open(&lab.archive()).unwrap().unwrap().lock().unwrap();
    for words in LOCKING {
        let run = lab.fails(75, words);
        assert!(run.stderr.contains("another hlarchive is at work"), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    }
    assert_eq!(answers(&lab), answered);
    for words in TAKING {
        lab.ok(words);
    }
    lab.ok(["rotate", "--dry-run", "--now", NOW]);
    assert_eq!((tree(&lab.root()), tree(&lab.archive())), trees);
    for words in BRINGING {
        lab.ok(words);
    }
    assert_eq!((lab.list_all().len(), tree(&lab.archive())), (listed.len() + 2, trees.1));
    drop(lock);
    // A temporary file, and nobody at work. Verify finds that out without a lock.
    std::fs::write(lab.archive().join(".hlarchive-tmp-0000000000000001"), "half").unwrap();
    std::fs::remove_file(lab.archive().join("lock")).unwrap();
    let run = lab.fails(1, ["verify"]);
    assert!(run.stdout.contains(".hlarchive-tmp-0000000000000001: a temporary file"), "{run:?}");
    assert!(!lab.archive().join("lock").exists());
    lab.ok(["rotate", "--now", NOW]);
    lab.ok(["verify"]);
}

#[test]
fn of_two_rotations_at_once_one_works_and_the_other_ends_with_75() {
    for _ in 0..20 {
        let lab = Lab::new();
        lab.seed(1, 2000);
        let listed = lab.list_all();
        let mut first = start(&mut lab.command(["rotate", "--now", NOW]));
        if !halt_when(&mut first, &mut || has_temporary(&lab.archive())) {
            finish(first);
            continue;
        }
        lab.fails(75, ["rotate", "--now", NOW]);
        // What the first one has begun is no damage.
        lab.ok(["verify"]);
        assert_eq!(lab.list_all(), listed);
        send(&first, Signal::CONT);
        let run = finish(first);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{run:?}");
        assert!(tree(&lab.root()).is_empty());
        assert_eq!(lab.list_all(), listed);
        return;
    }
    panic!("rotate was never met in the middle");
}

//! A directory that turns into a symbolic link, and back, between any two steps.
//!
//! The link points to decoys outside that bear the very names of the events, so that a
//! single step by path instead of by handle would read, archive or remove one of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags};

use crate::common::{Lab, NOW, Tree, event, tree};
use crate::hostile::{SECRET, canary, guarded, holds};

/// A directory of the tree, and what takes its place by turns.
struct Swap {
    inside: PathBuf,
    aside: PathBuf,
}

impl Swap {
    /// A swap of a directory with a link to decoys of everything in it.
    fn new(lab: &Lab, below: &str, original: &Tree) -> Self {
        let flat = below.replace('/', "-");
        let decoys = lab.path("outside").join(&flat);
        for path in original.keys().filter(|path| path.starts_with(&format!("{below}/"))) {
            let file = decoys.join(&path[below.len() + 1..]);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let text = String::from_utf8(original[path].clone()).unwrap();
            fs::write(file, text.replace("monitor.py", SECRET)).unwrap();
        }
        let aside = lab.path(&format!("aside-{flat}"));
        symlink(decoys, &aside).unwrap();
        Self { inside: lab.root().join(below), aside }
    }

    /// Whether both were there to be exchanged.
    fn turn(&self) -> bool {
        let flags = RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(CWD, &self.inside, CWD, &self.aside, flags).is_ok()
    }

    /// Puts the directory back into its place, if there still is one.
    fn settle(&self) {
        let is_link = |path: &PathBuf| path.symlink_metadata().is_ok_and(|m| m.is_symlink());
        if is_link(&self.inside) && !self.turn() {
            fs::remove_file(&self.inside).unwrap();
        }
    }
}

/// Runs the work while the directories turn round and round.
fn while_turning(swaps: &[Swap], work: impl FnOnce()) -> u64 {
    while_counting(swaps, |_| work())
}

/// The same for work that goes on until there were enough turns.
fn while_counting(swaps: &[Swap], work: impl FnOnce(&AtomicU64)) -> u64 {
    let stop = AtomicBool::new(false);
    let turns = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let turned = swaps.iter().filter(|swap| swap.turn()).count() as u64;
                turns.fetch_add(turned, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        // A failed assertion must not leave the thread turning.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&turns)));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    for swap in swaps {
        swap.settle();
    }
    turns.into_inner()
}

#[test]
fn nothing_outside_is_read_archived_or_removed_while_directories_become_links() {
    let lab = Lab::new();
    let original = lab.seed(3, 6);
    let swaps =
        ["2026-05-10/pi4", "2026-05-11", "2026-05-12/nas"].map(|b| Swap::new(&lab, b, &original));
    let outside = canary(&lab.path("outside"));
    let turns = while_turning(&swaps, || {
        for _ in 0..6 {
            for arguments in [
                &["list", "--since", "2000-01-01", "-o", "ndjson"][..],
                &["verify", "--live"],
                &["trace", "run-11-0", "-o", "json"],
                &["attempts", "--since", "2000-01-01", "-o", "json"],
                &["status", "--since", "2000-01-01", "--now", NOW],
                &["show", "0196d8a2-0011-7000-8000-000100000000"],
                &["rotate", "--dry-run", "--now", NOW],
            ] {
                guarded(&lab, arguments);
            }
        }
    });
    assert!(turns > 100, "{turns} turns are no test");
    assert_eq!(tree(&lab.root()), original, "readers change nothing");

    let turns = while_turning(&swaps[..], || {
        for _ in 0..6 {
            guarded(&lab, &["rotate", "--now", NOW]);
            guarded(&lab, &["list", "--since", "2000-01-01", "-o", "ndjson"]);
            guarded(&lab, &["verify", "--archived"]);
        }
    });
    assert!(turns > 10, "{turns} turns are no test");
    // Every event is still there, once, with its own bytes.
    guarded(&lab, &["rotate", "--now", NOW]);
    let listed = lab.list_all();
    assert_eq!(listed.len(), original.len());
    assert!(listed.iter().all(|line| !line.contains(SECRET)));
    lab.ok(["verify", "--archived"]);
    assert_eq!(guarded(&lab, &["restore", "--since", "2026-05-01", "--to", "back"]).code, 0);
    let mut all = tree(&lab.path("back"));
    all.extend(tree(&lab.root()).into_iter().filter(|(path, _)| original.contains_key(path)));
    assert!(all == original, "live and archived together are what there was");
    assert!(!holds(&lab.path("back"), SECRET));
    assert_eq!(canary(&lab.path("outside")), outside);
}

#[test]
fn nothing_is_written_outside_while_directories_become_links() {
    let lab = Lab::new();
    let original = lab.seed(2, 4);
    lab.rotate();
    lab.ok(["restore", "2026-05-10", "2026-05-11", "--live"]);
    let swaps = ["2026-05-10", "2026-05-11/pi4"].map(|b| Swap::new(&lab, b, &original));
    let outside = canary(&lab.path("outside"));
    let mut emitted = 0;
    let turns = while_turning(&swaps, || {
        for _ in 0..8 {
            for day in ["2026-05-10", "2026-05-11"] {
                let time = format!("{day}T12:00:00Z");
                let emit = ["emit", "node_online", "--node", "pi4", "--timestamp", &time];
                emitted += usize::from(guarded(&lab, &emit).code == 0);
            }
            guarded(&lab, &["restore", "2026-05-10", "2026-05-11", "--live"]);
        }
    });
    assert!(turns > 100, "{turns} turns are no test");
    assert_eq!(canary(&lab.path("outside")), outside);
    // What was reported as emitted is there, wherever its directory stood at that moment.
    let listed = lab.list_all();
    assert_eq!(listed.len(), original.len() + emitted, "{emitted} were emitted");
}

/// Turns that the verbs which write and remove have to stand.
const MANY: u64 = 5000;

#[test]
fn nothing_is_lost_or_touched_outside_while_days_go_and_come_back_and_others_expire() {
    let lab = Lab::new();
    let policy = "version = 1\n[retain]\ngrace = \"0d\"\nkeep = \"25d\"\n[audit]\nemit = true\n";
    fs::write(lab.path("policy.toml"), policy).unwrap();
    for day in [1, 2] {
        let (below, bytes) = event(day, 0, "nas", 0);
        lab.write(&below, bytes);
    }
    lab.ok(["rotate", "--now", "2026-05-20T03:00:00Z"]);
    let original = lab.seed(3, 6);
    let swaps =
        ["2026-05-10/pi4", "2026-05-11", "2026-05-12/nas"].map(|b| Swap::new(&lab, b, &original));
    let outside = canary(&lab.path("outside"));
    let at = |words: &[&str], minute: u64| {
        let now = format!("2026-06-01T{:02}:{:02}:00Z", 3 + minute / 60 % 20, minute % 60);
        let words: Vec<&str> = words.iter().copied().chain(["--now", &now]).collect();
        guarded(&lab, &words);
    };
    let mut minute = 0;
    let turns = while_counting(&swaps, |turns| {
        while turns.load(Ordering::Relaxed) < MANY || minute < 6 {
            at(&["rotate"], minute);
            guarded(&lab, &["restore", "2026-05-10", "2026-05-11", "2026-05-12", "--live"]);
            at(&["prune"], minute);
            at(&["rotate", "--prune"], minute);
            minute += 1;
        }
    });
    assert!(turns >= MANY, "{turns} turns are no test");
    guarded(&lab, &["rotate", "--now", "2026-06-02T03:00:00Z"]);
    guarded(&lab, &["prune", "--now", "2026-06-02T03:00:00Z"]);
    assert_eq!(canary(&lab.path("outside")), outside);
    let is_own = |line: &&String| !line.contains("\"source\":\"hlarchive\"");
    let listed: Vec<String> = lab.list_all().iter().filter(is_own).cloned().collect();
    assert_eq!(listed.len(), 3 * 3 * 6);
    assert!(listed.iter().all(|line| !line.contains(SECRET)));
    assert!(listed.iter().all(|line| !line.contains("_path\":\"2026-05-0")), "those expired");
    lab.ok(["verify", "--archived"]);
}

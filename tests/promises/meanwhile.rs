//! Changes of an archive at a moment of a reader's work that would not come by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hlarchive::{History, Progress, Unit, VerifyOptions};

use crate::common::Lab;

/// Compacts the archive when verify begins to check the segments, and leaves the state as a
/// compaction leaves it that has not come to it yet.
struct Meanwhile {
    lab: Arc<Lab>,
    compacted: Arc<AtomicU64>,
}

impl Progress for Meanwhile {
    fn begin(&self, what: &str, _: Option<u64>, _: Unit) {
        if what != "checking segments" {
            return;
        }
        let state = std::fs::read(self.lab.archive().join("state")).unwrap();
        self.lab.ok(["compact"]);
        std::fs::write(self.lab.archive().join("state"), state).unwrap();
        self.compacted.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn verify_finds_nothing_wrong_with_an_archive_that_is_compacted_meanwhile() {
    let lab = Arc::new(Lab::new());
    for minute in ["10", "20", "30"] {
        let time = format!("--timestamp=2026-05-10T02:{minute}:00Z");
        lab.ok(["emit", "node_offline", &time, "--node", &format!("pi{minute}")]);
        lab.rotate();
    }
    let compacted = Arc::new(AtomicU64::new(0));
    let history = History::open(lab.root()).unwrap().with_archive(lab.archive());
    let meanwhile = Meanwhile { lab: Arc::clone(&lab), compacted: Arc::clone(&compacted) };
    let report = history.with_progress(meanwhile).verify(&VerifyOptions::default()).unwrap();
    assert_eq!(compacted.load(Ordering::Relaxed), 1);
    assert_eq!(report.findings, []);
    assert_eq!(lab.list_all().len(), 3);
}

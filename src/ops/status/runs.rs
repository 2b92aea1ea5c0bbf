//! Outcomes of the last runs, from the metrics that they left.

use std::path::Path;

use super::report::{LastRun, Status};
use crate::ops::Finding;
use crate::ops::metrics::{self, LastEnd};
use crate::store::Store;

/// Operations that may run unattended: a failure of one of them needs attention.
const UNWATCHED: [&str; 3] = ["rotate", "verify", "prune"];

/// All operations that leave metrics.
const MEASURED: [&str; 6] = ["rotate", "verify", "prune", "compact", "import", "sync"];

/// Finds out how the last runs ended; a failure of one that may run unattended is a finding.
pub(super) fn runs(store: &Store, metrics: Option<&Path>, status: &mut Status) {
    let left = metrics::left(store);
    let metrics = metrics.map_or_else(metrics::Sheet::default, |path| {
        metrics::read(path, store.archive_path()).unwrap_or_else(|error| {
            let reason =
                format!("{}; so the outcome of the last runs is unknown", error.reason_at(path));
            status.findings.push(Finding::new(path.display().to_string(), reason));
            metrics::Sheet::default()
        })
    });
    let ends = MEASURED.iter().filter_map(|operation| {
        let ends = [left.last(operation), metrics.last(operation)];
        Some((*operation, ends.into_iter().flatten().reduce(LastEnd::that_stands)?))
    });
    status.last_runs = ends.collect();
    for operation in UNWATCHED {
        let Some(last) = status.last_runs.get(operation).filter(|last| last.failed()) else {
            continue;
        };
        let record = match operation {
            "rotate" => status.last_rotate.as_ref(),
            "prune" => status.last_prune.as_ref(),
            _ => None,
        };
        let (code, day, clock) = (last.exit_code, last.time.date(), last.time.clock());
        let reason =
            format!("exit code {code} on {day} at {clock}; {}", advice(operation, last, record));
        status.findings.push(Finding::new(format!("the last {operation}"), reason));
    }
}

/// Returns advice about a failure; `record` is the operation's last one in the manifest.
fn advice(operation: &str, failure: &LastEnd, record: Option<&LastRun>) -> &'static str {
    if record.is_some_and(|record| record.time > failure.time) {
        "a later one did not report its outcome (--metrics-file)"
    } else if failure.witness {
        "run it again with the same head or key; it names what is wrong"
    } else if operation == "verify" {
        "run it again; it names what is wrong"
    } else {
        "its messages say why, in the journal if a timer started it"
    }
}

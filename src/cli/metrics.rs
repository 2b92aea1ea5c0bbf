//! The metrics file that a run writes for `node_exporter`'s textfile collector and for
//! `hlarchive status`.
//!
//! Written when the run's exit code is known, so that a failed run has metrics, too. A
//! failed write is only a warning: monitoring sees that the time stands still, and the exit
//! code stays that of the work itself.

use crate::system;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::Error;
use crate::ops::metrics::{Ended, Gauge, Scope, leave, may_update, of_totals, read, update};
use crate::ops::status::totals;
use crate::store::{LastState, Remembers, Store};

/// The archive of a machine, and the file that its runs keep if the package or the service
/// created the directory.
const MACHINE_ARCHIVE: &str = "/opt/homelab/events-archive";
const MACHINE_FILE: &str = "/var/lib/hlarchive/hlarchive.prom";

/// The variable that names the file.
pub(super) const METRICS_VARIABLE: &str = "HLARCHIVE_METRICS_FILE";

/// The flag of every command that can be measured.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct MetricsArgs {
    #[arg(
        long,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        env = METRICS_VARIABLE,
        hide_env_values = true,
        help = "Write Prometheus metrics for this run to FILE (*.prom)"
    )]
    metrics_file: Option<OsString>,
}

impl MetricsArgs {
    /// Returns the file that was asked for, else that of the machine.
    pub(super) fn place(self, store: &Store) -> Option<Place> {
        Place::of(self.metrics_file, store)
    }
}

/// The place of a history's metrics.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// True if it was asked for, so that obstacles are reported.
    pub(super) is_named: bool,
}

impl Place {
    /// Returns the named file, if any, else the machine's file for the machine's archive. An
    /// empty variable names no file.
    pub(super) fn of(named: Option<OsString>, store: &Store) -> Option<Self> {
        if let Some(file) = named {
            return (!file.is_empty()).then(|| Self { path: file.into(), is_named: true });
        }
        let is_machines = store.archive_path() == Path::new(MACHINE_ARCHIVE);
        is_machines.then(|| Self { path: MACHINE_FILE.into(), is_named: false })
    }

    /// Returns whether this user keeps it. Nobody else needs warnings about the machine's file.
    pub(super) fn is_ours(&self) -> bool {
        may_update(&self.path)
    }
}

/// A measured run.
pub(super) struct Measured {
    place: Option<Place>,
    /// True if the outcome is also written to the archive.
    is_run: bool,
    operation: &'static str,
    scope: Scope,
    witness: bool,
    began: Instant,
    report: Vec<Gauge>,
}

impl Measured {
    /// Begins the measurement of a run.
    pub(super) fn begin(operation: &'static str, scope: Scope, place: Option<Place>) -> Self {
        let (began, report) = (Instant::now(), Vec::new());
        Self { place, is_run: true, operation, scope, witness: false, began, report }
    }

    /// Begins the measurement of a read-only run, which writes nothing to the archive.
    pub(super) fn look(operation: &'static str, place: Place) -> Self {
        Self { is_run: false, ..Self::begin(operation, Scope::Whole, Some(place)) }
    }

    /// Records that the history is compared with a head or signature kept outside.
    pub(super) fn hear_witness(&mut self) {
        self.witness = true;
    }

    /// Keeps the operation's report.
    pub(super) fn report(&mut self, report: Vec<Gauge>) {
        self.report = report;
    }

    /// Writes the file; an obstacle is returned as a sentence.
    pub(super) fn end(self, exit_code: u8, store: &Store) -> Result<(), String> {
        let ended = Ended {
            operation: self.operation,
            time: system::now(),
            seconds: self.began.elapsed().as_secs_f64(),
            exit_code,
            scope: self.scope,
            witness: self.witness,
        };
        if self.is_run {
            // A failed write does no harm here: a user who may not write only reads.
            let _ = leave(store, ended, &self.report);
        }
        let Some(place) = self.place.filter(|place| place.is_named || place.is_ours()) else {
            return Ok(());
        };
        // Numbers that cannot be counted keep their former values.
        let totals = totals(store).map(|totals| of_totals(&totals)).unwrap_or_default();
        let written = update(&place.path, store.archive_path(), |sheet| {
            sheet.ran(ended, &self.report);
            sheet.stands(&totals);
        });
        match written {
            Err(error @ Error::Corrupt { .. }) => Err(format!(
                "{error}, so it was left unchanged, without metrics of this run; remove it, or \
                 name another file with --metrics-file"
            )),
            Err(error) => Err(format!("{error}; the metrics of this run are lost")),
            Ok(()) => Ok(()),
        }
    }
}

/// The results of the last runs, from their file, for a store.
#[derive(Debug)]
pub(super) struct State {
    path: PathBuf,
    archive: PathBuf,
}

impl State {
    /// Reads the state in this file, of this store's archive.
    pub(super) fn of(place: &Place, store: &Store) -> Self {
        Self { path: place.path.clone(), archive: store.archive_path().to_owned() }
    }
}

impl Remembers for State {
    fn last_state(&self) -> Option<LastState> {
        // Status reports a damaged file.
        let sheet = read(&self.path, &self.archive).ok()?;
        let owner = std::fs::symlink_metadata(&self.path).ok()?.uid();
        let (origin, archived) = sheet.archive_state();
        Some(LastState { origin, archived, owner })
    }
}

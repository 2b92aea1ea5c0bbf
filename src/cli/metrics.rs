//! The file of metrics that a run leaves behind, for `node_exporter`'s textfile collector.
//!
//! Written when the run's exit code is known, so that a failed run leaves its numbers, too.
//! What cannot be written is a warning: whoever watches sees that the time stands still, and
//! the exit code stays that of the work itself.

use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hlarchive::Error;
use hlarchive::ops::metrics::{Ended, Gauge, MOST_BYTES, Sheet, of_totals};
use hlarchive::ops::status::totals;
use hlarchive::store::Store;
use rustix::fs::{FlockOperation, flock};

use super::session;

/// The flag of every command that can be measured.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct MetricsArgs {
    #[arg(
        long,
        value_name = "FILE",
        value_hint = clap::ValueHint::FilePath,
        env = "HLARCHIVE_METRICS_FILE",
        hide_env_values = true,
        help = "Leave numbers of this run for Prometheus in this file (*.prom)"
    )]
    metrics_file: Option<OsString>,
}

/// A run that is measured.
pub(super) struct Measured {
    file: PathBuf,
    operation: &'static str,
    began: Instant,
    report: Vec<Gauge>,
}

/// How long another run may take to write the same file before nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(2);

impl Measured {
    /// Begins, if the flag asks for it.
    pub(super) fn begin(operation: &'static str, args: MetricsArgs) -> Option<Self> {
        // A variable that is set to nothing names no file.
        let file = args.metrics_file.filter(|file| !file.is_empty())?.into();
        Some(Self { file, operation, began: Instant::now(), report: Vec::new() })
    }

    /// Keeps what the operation reported.
    pub(super) fn report(&mut self, report: Vec<Gauge>) {
        self.report = report;
    }

    /// Writes the file; what stands in the way, as a sentence.
    pub(super) fn end(self, exit_code: u8, store: &Store) -> Result<(), String> {
        let ended = Ended {
            operation: self.operation,
            time: session::now(),
            seconds: self.began.elapsed().as_secs_f64(),
            exit_code,
        };
        // What cannot be counted keeps the numbers of before.
        let totals = totals(store).map(|totals| of_totals(&totals)).unwrap_or_default();
        let shown = self.file.display();
        let name = self.file.file_name().ok_or_else(|| format!("{shown}: this is no file"))?;
        let folder = match self.file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let failed = |action, error| {
            let error = Error::io(&self.file, action, error);
            format!("{error}; the metrics of this run are lost")
        };
        let directory = File::open(folder).map_err(|error| failed("create", error))?;
        lock(&directory);
        let before = read(&self.file).map_err(|error| failed("read", error))?;
        let mut sheet = Sheet::parse(&before).map_err(|error| {
            format!(
                "{shown}: {error}, so it was left as it is, without metrics of this run; name \
                 another file with --metrics-file"
            )
        })?;
        sheet.ran(ended, &self.report);
        sheet.stands(&totals);
        write(folder, name.as_ref(), &sheet.render()).map_err(|error| failed("create", error))?;
        directory.sync_all().map_err(|error| failed("sync", error))
    }
}

/// Two runs that write one file do so one after the other. The lock is the directory's own;
/// where it is not to be had, the file is whole all the same, and may lack the other's run.
fn lock(directory: &File) {
    let began = Instant::now();
    while flock(directory, FlockOperation::NonBlockingLockExclusive).is_err() {
        if began.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read(path: &Path) -> io::Result<String> {
    // Of a pipe or a device nothing is read that could keep the run waiting.
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        found => found?,
    };
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(io::Error::other("this is no file of metrics"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Aside, synced, then by its name, so that the collector never sees half of it.
fn write(folder: &Path, name: &Path, text: &str) -> io::Result<()> {
    // The collector reads what ends in .prom, and this does not.
    let mut file = tempfile::Builder::new().prefix(".hlarchive-metrics-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    // Another user's collector reads it, whatever the umask.
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map(drop).map_err(|error| error.error)
}

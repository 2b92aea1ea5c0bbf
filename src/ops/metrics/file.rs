//! The file itself: read with bounds, and replaced as a whole.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use super::Sheet;
use crate::{Error, Result};

/// The largest file that is taken for one of metrics: far above what is ever written.
const MOST_BYTES: u64 = 1 << 20;

/// How often, and how long each time, another run may keep the same file from being written
/// before nobody waits for it: two seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Reads a file of metrics; one that does not exist is empty.
///
/// # Errors
///
/// The file cannot be read, or is none that [`update`] wrote.
pub fn read(path: &Path) -> Result<Sheet> {
    let failed = |error| Error::io(path, "read", error);
    // Of a pipe or a device nothing is read that could keep the run waiting.
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Sheet::default()),
        found => found.map_err(failed)?,
    };
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(Error::corrupt(path, "this is no file of metrics"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    Sheet::parse(&text).map_err(|error| Error::corrupt(path, error.to_string()))
}

/// Changes a file of metrics: written aside, synced, mode 0644, then given its name, so that
/// nobody ever sees half of it. Of two runs that do so at once none is lost.
///
/// # Errors
///
/// The file cannot be read or written, or is none of hlarchive's. It is then as it was.
pub fn update(path: &Path, change: impl FnOnce(&mut Sheet)) -> Result<()> {
    let failed = |error| Error::io(path, "create", error);
    let name = path.file_name().ok_or_else(|| Error::corrupt(path, "this is no file"))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let directory = File::open(folder).map_err(failed)?;
    lock(&directory);
    let mut sheet = read(path)?;
    change(&mut sheet);
    // The collector reads what ends in .prom, and this does not.
    let mut file = tempfile::Builder::new()
        .prefix(".hlarchive-metrics-")
        .tempfile_in(folder)
        .map_err(failed)?;
    file.write_all(sheet.render().as_bytes()).map_err(failed)?;
    // Another user's collector reads it, whatever the umask.
    file.as_file().set_permissions(Permissions::from_mode(0o644)).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(folder.join(name)).map_err(|error| failed(error.error))?;
    directory.sync_all().map_err(|error| Error::io(path, "sync", error))
}

/// The lock is the directory's own; where it is not to be had, the file is whole all the same,
/// and may lack the other's run.
fn lock(directory: &File) {
    for _ in 0..TRIES {
        if flock(directory, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

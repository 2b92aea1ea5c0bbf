//! The metrics file: read with bounds, and replaced as one.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, FlockOperation, flock};
use rustix::io::Errno;

use super::Sheet;
use crate::event::shown;
use crate::{Error, Result, fs};

/// The largest file that is accepted as metrics, far above what is ever written.
const MAX_BYTES: u64 = 1 << 20;

/// Number of tries to write while another run is writing the same file, and the wait between them:
/// two seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Reads the metrics file of an archive; one that does not exist is empty.
///
/// # Errors
///
/// The file cannot be read, was not written by [`update`], or is of another archive.
pub(crate) fn read(path: &Path, archive: &Path) -> Result<Sheet> {
    let mut sheet = look(path)?;
    let archive =
        std::path::absolute(archive).map_err(|error| Error::io(archive, "find", error))?;
    // Without a slash at its end, and with one for several.
    let archive: PathBuf = archive.components().collect();
    sheet.claim(&archive.to_string_lossy()).map_err(|other| {
        let (other, archive) = (shown(&other), archive.display());
        Error::corrupt(path, format!("it is about the archive {other}, not {archive}"))
    })?;
    Ok(sheet)
}

fn look(path: &Path) -> Result<Sheet> {
    let failed = |error| Error::io(path, "read", error);
    // Reading a pipe or a device could block the run.
    let metadata = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Sheet::default()),
        found => found.map_err(failed)?,
    };
    if metadata.is_symlink() {
        return Err(Error::corrupt(path, "this is a symbolic link, not a file"));
    }
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(Error::corrupt(path, "this is not a metrics file"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    Sheet::parse(&text).map_err(|error| Error::corrupt(path, error.to_string()))
}

/// Changes a metrics file: written aside, synced, mode 0644, then given its name, so that nobody
/// ever sees half of it. If two runs do so at once, neither is lost.
///
/// # Errors
///
/// The file cannot be read or written, was not written by hlarchive, or is of another archive. It
/// is then unchanged.
pub(crate) fn update(path: &Path, archive: &Path, change: impl FnOnce(&mut Sheet)) -> Result<()> {
    let failed = |error| Error::io(path, "create", error);
    let name = path.file_name().ok_or_else(|| Error::corrupt(path, "this is not a file"))?;
    let folder = folder(path);
    let directory = File::open(folder).map_err(failed)?;
    lock(&directory);
    let mut sheet = read(path, archive)?;
    change(&mut sheet);
    // The collector reads only files that end in .prom.
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

/// Reports whether this user may change a metrics file, judged by the permissions of its directory.
pub(crate) fn may_update(path: &Path) -> bool {
    rustix::fs::access(folder(path), Access::WRITE_OK).is_ok()
}

fn folder(path: &Path) -> &Path {
    fs::folder_of(path).unwrap_or(Path::new("."))
}

/// Waits for a lock on the directory itself; without it, the file is still complete, and may lack
/// the other's run.
fn lock(directory: &File) {
    for _ in 0..TRIES {
        match flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PAUSE),
            _ => return,
        }
    }
}

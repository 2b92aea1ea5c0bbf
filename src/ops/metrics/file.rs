//! The file itself: read with bounds, and replaced as a whole.

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

/// The largest file that is taken for one of metrics: far above what is ever written.
const MAX_BYTES: u64 = 1 << 20;

/// How often, and how long each time, another run may keep the same file from being written
/// before nobody waits for it: two seconds in all.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Reads the file of metrics of an archive; one that does not exist is empty.
///
/// # Errors
///
/// The file cannot be read, is none that [`update`] wrote, or is of another archive.
pub(crate) fn read(path: &Path, archive: &Path) -> Result<Sheet> {
    let mut sheet = look(path)?;
    let archive =
        std::path::absolute(archive).map_err(|error| Error::io(archive, "find", error))?;
    // Without a slash at its end, and with one where there were several.
    let archive: PathBuf = archive.components().collect();
    sheet.claim(&archive.to_string_lossy()).map_err(|other| {
        let (other, archive) = (shown(&other), archive.display());
        Error::corrupt(path, format!("it tells of the archive {other}, and not of {archive}"))
    })?;
    Ok(sheet)
}

fn look(path: &Path) -> Result<Sheet> {
    let failed = |error| Error::io(path, "read", error);
    // Of a pipe or a device nothing is read that could keep the run waiting.
    let metadata = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Sheet::default()),
        found => found.map_err(failed)?,
    };
    if metadata.is_symlink() {
        return Err(Error::corrupt(path, "this is a symbolic link, and not the file itself"));
    }
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(Error::corrupt(path, "this is no file of metrics"));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    Sheet::parse(&text).map_err(|error| Error::corrupt(path, error.to_string()))
}

/// Changes a file of metrics: written aside, synced, mode 0644, then given its name, so that
/// nobody ever sees half of it. Of two runs that do so at once none is lost.
///
/// # Errors
///
/// The file cannot be read or written, is none of hlarchive's, or is of another archive. It is
/// then as it was.
pub(crate) fn update(path: &Path, archive: &Path, change: impl FnOnce(&mut Sheet)) -> Result<()> {
    let failed = |error| Error::io(path, "create", error);
    let name = path.file_name().ok_or_else(|| Error::corrupt(path, "this is no file"))?;
    let folder = folder(path);
    let directory = File::open(folder).map_err(failed)?;
    lock(&directory);
    let mut sheet = read(path, archive)?;
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

/// Whether this user may change a file of metrics, as far as the rights to its directory tell.
pub(crate) fn may_update(path: &Path) -> bool {
    rustix::fs::access(folder(path), Access::WRITE_OK).is_ok()
}

fn folder(path: &Path) -> &Path {
    fs::folder_of(path).unwrap_or(Path::new("."))
}

/// The lock is the directory's own; where it is not to be had, the file is whole all the same,
/// and may lack the other's run.
fn lock(directory: &File) {
    for _ in 0..TRIES {
        match flock(directory, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => std::thread::sleep(PAUSE),
            _ => return,
        }
    }
}

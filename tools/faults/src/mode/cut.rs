//! The one call that has no safe form: telling a file system that its power is gone.

#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::ioctl_read;

// `EXT4_IOC_SHUTDOWN`, which is `XFS_IOC_GOINGDOWN`: it reads one `u32` of flags.
ioctl_read!(going_down, b'X', 125, u32);

/// Go down at once, without writing the log.
const NO_LOG_FLUSH: u32 = 2;

/// From now on nothing reaches the disk below the file system that is mounted here.
pub(super) fn cut(mount: &Path) -> std::io::Result<()> {
    let directory = File::open(mount)?;
    let mut flags = NO_LOG_FLUSH;
    // SAFETY: the descriptor is open for the length of the call, and the pointer is to a
    // `u32` that lives as long; both file systems read just that.
    unsafe { going_down(directory.as_raw_fd(), &raw mut flags) }?;
    Ok(())
}

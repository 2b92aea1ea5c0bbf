//! The one door to the machine: its clock, its randomness, its names and its environment.
//!
//! Nothing else in the library asks for any of these, so a test that hands in a
//! [`Context`](crate::Context) of its own decides all of them. The command asks here, too.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::archive::By;
use crate::event::Timestamp;
use crate::{Error, Result, fs};

/// The policy of a machine, unless another one is named.
pub(crate) const POLICY_PATH: &str = "/etc/hlarchive/policy.toml";

/// Returns the time of the system's clock.
pub(crate) fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

/// Returns the value of an environment variable. An empty one counts as not set, as a unit's
/// `Environment=HLARCHIVE_POLICY=` means it.
pub(crate) fn variable_os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the value as text; a value that is not UTF-8 counts as not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    variable_os(name)?.into_string().ok()
}

/// Returns the environment variables with this prefix and their values, as far as both are UTF-8.
pub(crate) fn variables_of(prefix: &str) -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(prefix)).collect()
}

/// Returns the directory for files that need not survive this process.
pub(crate) fn scratch() -> PathBuf {
    std::env::temp_dir()
}

/// Returns this machine's name.
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Returns random bytes from the operating system.
pub(crate) fn seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    let mut filled = 0;
    while filled < seed.len() {
        filled +=
            rustix::rand::getrandom(&mut seed[filled..], rustix::rand::GetRandomFlags::empty())
                .map_err(|error| Error::io("the system's random source", "read", error))?;
    }
    Ok(seed)
}

/// Returns the user of this process, for records: the effective user, the host, and the user who
/// called `sudo`. `$USER` is not trusted.
pub(crate) fn by(command: impl Into<String>) -> By {
    By {
        user: user_name(rustix::process::geteuid().as_raw()),
        sudo_user: sudo_user(),
        host: host_name(),
        command: command.into(),
    }
}

/// Returns the name of a user as `/etc/passwd` has it, or the number of an unknown user.
pub(crate) fn user_name(uid: u32) -> String {
    fs::user_name(uid).unwrap_or_else(|| uid.to_string())
}

/// Returns the user who called sudo for this process, by the number that sudo gives, else by the
/// name.
fn sudo_user() -> Option<String> {
    const MAX_LEN: usize = 64;
    let name = match variable("SUDO_UID").and_then(|uid| uid.parse().ok()) {
        Some(uid) => user_name(uid),
        None => variable("SUDO_USER")?,
    };
    let is_plain = name.len() <= MAX_LEN && !name.chars().any(|c| c.is_control() || c == ' ');
    is_plain.then_some(name)
}

/// Returns the time when this program was built, if the build set it; otherwise a time before the
/// first release.
pub(crate) fn built() -> Timestamp {
    const FIRST_MICROS: i64 = 1_777_593_600 * Timestamp::MICROS_PER_SECOND;
    let said = option_env!("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse::<i64>().ok());
    let micros = said.and_then(|seconds| seconds.checked_mul(Timestamp::MICROS_PER_SECOND));
    Timestamp::from_micros(micros.unwrap_or(0).max(FIRST_MICROS))
}

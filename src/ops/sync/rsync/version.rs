//! Versions of rsync, and the first ones that can be trusted.

/// The first version that takes nothing it was not asked for (CVE-2022-29154).
pub(super) const MIN_HERE: Version = Version([3, 2, 5]);

/// The first version that follows no link in the path of a file that it writes.
pub(super) const MIN_THERE: Version = Version([3, 5, 0]);

/// A version of rsync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version([u32; 3]);

impl Version {
    /// Parses the first line of `rsync --version`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("rsync")?.trim_start().strip_prefix("version")?;
        let mut numbers =
            rest.trim_start().trim_start_matches('v').split(|c: char| !c.is_ascii_digit());
        let mut next = || numbers.next()?.parse().ok();
        Some(Self([next()?, next()?, next().unwrap_or(0)]))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_compared_number_by_number() {
        let version = |line: &str| Version::parse(line);
        assert_eq!(version("rsync  version 3.2.7  protocol version 31"), Some(Version([3, 2, 7])));
        assert_eq!(version("rsync  version v3.5.0-rc1  protocol"), Some(Version([3, 5, 0])));
        assert_eq!(version("openrsync: protocol version 29"), None);
        assert!(version("rsync  version 3.10.0").unwrap() > MIN_THERE);
        assert!(version("rsync  version 3.2.7").unwrap() < MIN_THERE);
    }
}

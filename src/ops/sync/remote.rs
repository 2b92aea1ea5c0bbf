//! A root on another machine: its names, and how it is reached.

use std::path::PathBuf;
use std::str::FromStr;

use crate::History;
use crate::event::{Malformed, shown};
use crate::store::Store;

/// One end of a sync: a root on this machine, or one that is reached over ssh.
#[derive(Debug, Clone)]
pub struct End(pub(crate) Side);

#[derive(Debug, Clone)]
pub(crate) enum Side {
    Local(Store),
    Remote(RemoteRoot),
}

/// An event root on another machine, and its archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteRoot {
    /// `host` or `user@host`, as ssh takes it.
    pub(crate) host: String,
    /// The event root there.
    pub(crate) root: String,
    /// The archive there.
    pub(crate) archive: String,
}

impl End {
    /// Returns a history on this machine as an end.
    pub fn here(history: &History) -> Self {
        Self::local(history.store.clone())
    }

    pub(crate) fn local(store: Store) -> Self {
        Self(Side::Local(store))
    }

    /// Parses `host:path` and plain paths, as rsync does: a colon before the first slash makes a
    /// host. By default, the archive is the root's sibling.
    pub fn parse(text: &str, archive: Option<&str>) -> Result<Self, Malformed> {
        let before_slash = text.split('/').next().unwrap_or_default();
        if before_slash.contains(':') {
            let mut remote: RemoteRoot = text.parse()?;
            if let Some(archive) = archive {
                // The same host may be named again.
                let path = archive.strip_prefix(&format!("{}:", remote.host)).unwrap_or(archive);
                path.clone_into(&mut remote.archive);
            }
            return Ok(Self(Side::Remote(remote)));
        }
        Ok(Self::local(Store::new(text, archive.map(PathBuf::from))))
    }

    /// Returns its name in reports.
    pub(crate) fn name(&self) -> String {
        match &self.0 {
            Side::Local(store) => store.root().display().to_string(),
            Side::Remote(remote) => format!("{}:{}", remote.host, remote.root),
        }
    }
}

impl FromStr for RemoteRoot {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong =
            |why: &str| Malformed::new(format!("\"{}\": {why}; expected host:path", shown(text)));
        let (host, root) = text.split_once(':').ok_or_else(|| wrong("there is no host"))?;
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        // It would be taken for an option.
        if host.starts_with('-') || host.contains("@-") {
            return Err(wrong("a host does not begin with a dash"));
        }
        if host.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("a host has no white space"));
        }
        if root.starts_with("//") {
            return Err(wrong("URLs such as rsync:// are not supported, ssh is"));
        }
        if root.starts_with(':') {
            return Err(wrong("daemons of rsync (host::module) are not supported, ssh is"));
        }
        let root = if root.len() > 1 { root.trim_end_matches('/') } else { root };
        if root.is_empty() {
            return Err(wrong("the path is missing"));
        }
        Ok(Self {
            host: host.to_owned(),
            root: root.to_owned(),
            archive: format!("{root}-archive"),
        })
    }
}

/// Settings for reaching other machines.
#[derive(Debug, Clone)]
pub struct Transport {
    /// The remote shell with its options, as for rsync's `-e`.
    pub ssh: String,
    /// Maximum time to wait for a connection, in seconds.
    pub connect_seconds: u32,
    /// Maximum time that a connection may be silent, in seconds.
    pub silence_seconds: u32,
}

impl Default for Transport {
    fn default() -> Self {
        Self { ssh: "ssh".to_owned(), connect_seconds: 10, silence_seconds: 60 }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn remote(text: &str, archive: Option<&str>) -> Option<RemoteRoot> {
        match End::parse(text, archive).unwrap().0 {
            Side::Remote(remote) => Some(remote),
            Side::Local(_) => None,
        }
    }

    #[test]
    fn a_colon_before_the_first_slash_makes_a_host() {
        for (text, name) in [
            ("pi4:/opt/homelab/events", "pi4:/opt/homelab/events"),
            ("root@pi4.lan:events/", "root@pi4.lan:events"),
        ] {
            assert_eq!(End::parse(text, None).unwrap().name(), name);
            let remote = remote(text, None).unwrap();
            assert_eq!(remote.archive, format!("{}-archive", remote.root));
        }
        for text in ["/a:b/events", "events", "./pi4:/events"] {
            assert_eq!(remote(text, None), None, "{text}");
        }
        for archive in ["pi4:/big/a", "/big/a"] {
            assert_eq!(remote("pi4:/e", Some(archive)).unwrap().archive, "/big/a");
        }
    }

    #[test]
    fn what_ssh_would_take_for_something_else_is_refused() {
        for bad in [
            "-oProxyCommand=x:/e",
            "me@-oX:/e",
            ":/e",
            "pi4:",
            "pi4::module",
            "p i:/e",
            "rsync://pi4/e",
        ] {
            assert!(End::parse(bad, None).is_err(), "{bad}");
        }
    }
}

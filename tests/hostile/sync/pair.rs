//! Two machines of a sync.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hlarchive::internals::segment::Sha256Hash;

use crate::common::{Lab, NOW, Run, Tree, tool, tree};
use crate::support::{Machine, User};

/// A machine, and a peer that its users reach by a remote shell that stays on the machine.
pub(super) struct Pair {
    pub(super) machine: Machine,
    pub(super) peer: Lab,
}

impl Pair {
    pub(super) fn new() -> Option<Self> {
        tool("rsync")?;
        let pair = Self { machine: Machine::new()?, peer: Lab::new() };
        fs::set_permissions(pair.peer.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        pair.shell("exec sh -c \"$*\"");
        Some(pair)
    }

    /// The commands of the remote shell for the command line in `$*`.
    pub(super) fn shell(&self, script: &str) {
        let path = self.machine.lab.path("ssh");
        let text =
            format!("#!/bin/sh\nwhile [ \"$1\" != peer ]; do shift; done\nshift\n{script}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(super) fn sync(&self, words: &[&str]) -> Run {
        let ssh = self.machine.lab.path("ssh").display().to_string();
        self.machine.run(User::Archiver, ["sync", "--ssh", &ssh].iter().chain(words))
    }

    /// Fetches what the peer has.
    pub(super) fn pull(&self) -> Run {
        self.sync(&[&self.source()])
    }

    /// Sends what the peer has to the machine, as another machine would.
    pub(super) fn push(&self) -> Run {
        let from = self.peer.root().display().to_string();
        self.sync(&[&from, &format!("peer:{}", self.machine.lab.root().display())])
    }

    pub(super) fn source(&self) -> String {
        format!("peer:{}", self.peer.root().display())
    }

    /// The name of a sync's directory.
    pub(super) fn staging(&self) -> String {
        let digest = Sha256Hash::of(self.source().as_bytes()).to_string();
        format!(".hlarchive-sync-{}", &digest[..16])
    }

    /// Archives a day of this machine's own, so that there is something to destroy.
    pub(super) fn archived(&self) -> Tree {
        self.machine.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-01T10:00:00Z"]);
        self.machine.ok(User::Archiver, ["rotate", "--now", NOW]);
        self.segments()
    }

    /// The segments, which no sync may touch.
    pub(super) fn segments(&self) -> Tree {
        tree(&self.machine.lab.archive().join("2026"))
    }

    pub(super) fn manifest(&self) -> Vec<u8> {
        fs::read(self.machine.lab.archive().join("manifest.jsonl")).unwrap()
    }
}

//! A machine as the package sets it up: the tree belongs to the group of all who emit, the
//! archive to the user who rotates, and the attacker is an ordinary member of the group.

#![allow(dead_code, unreachable_pub, reason = "each promise uses a part of it")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::common::{HLARCHIVE, Lab, Run, is_root, system, tool};

/// The group `events` of the package: all who may emit and read.
pub const EVENTS: u32 = 64000;

/// Who does something on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// The administrator.
    Root,
    /// The user `hlarchive` of the package, who owns the archive.
    Archiver,
    /// An honest emitter.
    Alice,
    /// An emitter who attacks.
    Mallory,
    /// A user of the machine who is not in the group.
    Outsider,
}

impl User {
    /// The user's number, and that of the user's own group.
    pub fn id(self) -> u32 {
        match self {
            Self::Root => 0,
            Self::Archiver => 64001,
            Self::Alice => 64002,
            Self::Mallory => 64003,
            Self::Outsider => 64004,
        }
    }

    /// A command that this user runs, with an empty environment.
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("setpriv");
        let id = self.id();
        command.arg(format!("--reuid={id}")).arg(format!("--regid={id}"));
        match self {
            Self::Root | Self::Outsider => command.arg("--clear-groups"),
            _ => command.arg(format!("--groups={EVENTS}")),
        };
        command
            .arg("--")
            .arg(program)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        command
    }
}

/// A lab whose directories belong to whom the package gives them.
pub struct Machine {
    pub lab: Lab,
    program: PathBuf,
}

impl Machine {
    /// Sets it up; without root, or without the tools, a line says that nothing is shown.
    pub fn new() -> Option<Self> {
        if !is_root() {
            return None;
        }
        tool("setpriv")?;
        tool("setfacl")?;
        let lab = Lab::new();
        let program = lab.path("hlarchive");
        // By another process: a child that a test beside this one starts would inherit the
        // copy while it is still open for writing, and it could not be run.
        system(Command::new("cp").arg(HLARCHIVE).arg(&program));
        open(&lab.path(""), 0o755);
        open(&program, 0o755);
        open(&lab.path("policy.toml"), 0o644);
        let machine = Self { lab, program };
        machine.set_up();
        Some(machine)
    }

    /// What systemd/hlarchive.tmpfiles says.
    fn set_up(&self) {
        let (root, archive) = (self.lab.root(), self.lab.archive());
        chown(&root, Some(0), Some(EVENTS)).unwrap();
        open(&root, 0o2775);
        let acl = "default:user::rwx,default:group::rwx,default:other::r-x";
        system(Command::new("setfacl").args(["-m", acl]).arg(&root));
        fs::create_dir(&archive).unwrap();
        chown(&archive, Some(User::Archiver.id()), Some(EVENTS)).unwrap();
        open(&archive, 0o750);
        // A directory of the archiver's own, as StateDirectory= makes it, and one where
        // anybody may put things, as /tmp is.
        for (name, owner, mode) in
            [("state", User::Archiver.id(), 0o755), ("scratch", 0, 0o1777), ("cache", 0, 0o1777)]
        {
            fs::create_dir(self.lab.path(name)).unwrap();
            chown(self.lab.path(name), Some(owner), Some(owner)).unwrap();
            open(&self.lab.path(name), mode);
        }
    }

    /// The command under test, as a user runs it on this machine.
    pub fn command<S: AsRef<OsStr>>(
        &self,
        user: User,
        arguments: impl IntoIterator<Item = S>,
    ) -> Command {
        let mut command = user.command(&self.program);
        command
            .args(arguments)
            .current_dir(self.lab.path(""))
            .env("HLARCHIVE_ROOT", self.lab.root())
            .env("HLARCHIVE_ARCHIVE", self.lab.archive())
            .env("HLARCHIVE_POLICY", self.lab.path("policy.toml"))
            .env("HLARCHIVE_CACHE", self.lab.path("cache"))
            .env("TMPDIR", self.lab.path("scratch"));
        command
    }

    /// Runs the command as a user, whatever comes of it.
    pub fn run<S: AsRef<OsStr>>(&self, user: User, arguments: impl IntoIterator<Item = S>) -> Run {
        Run::of(&self.command(user, arguments).output().unwrap())
    }

    /// Runs the command as a user, which must succeed; its standard output.
    #[track_caller]
    pub fn ok<S: AsRef<OsStr>>(
        &self,
        user: User,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        let run = self.run(user, arguments);
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout
    }

    /// Runs lines of shell as a user, in the lab's directory; `$ROOT` and `$ARCHIVE` are its
    /// two directories. What comes of them is the caller's to judge: an attack may fail.
    pub fn shell(&self, user: User, script: &str) -> Output {
        user.command("sh")
            .args(["-c", script])
            .current_dir(self.lab.path(""))
            .env("ROOT", self.lab.root())
            .env("ARCHIVE", self.lab.archive())
            .output()
            .unwrap()
    }
}

fn open(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A segment with another index, as somebody forges it who knows the format: with a checksum
/// and a seek table that fit. The index must not change its size by more than compression
/// can make up for.
pub fn segment_with_index(segment: &[u8], change: &dyn Fn(&mut Vec<u8>)) -> Vec<u8> {
    let footer = segment.len() - 9;
    let frames = u32::from_le_bytes(segment[footer..footer + 4].try_into().unwrap()) as usize;
    let table = footer - frames * 8 - 8;
    let last = footer - 8;
    let size = u32::from_le_bytes(segment[last..last + 4].try_into().unwrap()) as usize;
    let index_at = table - size;
    let mut index = zstd::decode_all(&segment[index_at + 8..table]).unwrap();
    change(&mut index);
    let forged = (1..20).find_map(|level| {
        let mut compressor = zstd::bulk::Compressor::new(level).unwrap();
        compressor.include_checksum(true).unwrap();
        let forged = compressor.compress(&index).unwrap();
        (forged.len() == size - 8).then_some(forged)
    });
    let mut out = segment.to_vec();
    out[index_at + 8..table].copy_from_slice(&forged.unwrap());
    out
}

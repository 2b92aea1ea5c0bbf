//! Whoever may only read an archive cannot keep its owner from working on it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::{Child, Stdio};

use crate::common::NOW;
use crate::support::{Machine, User};

const TIME: &str = "--timestamp=2026-05-16T10:00:00Z";

fn machine() -> Option<Machine> {
    let machine = Machine::new()?;
    machine.ok(User::Alice, ["emit", "node_online", TIME]);
    Some(machine)
}

/// A process of a user that holds the lock as `flock` takes it, once it has it.
struct Squat(Child);

impl Squat {
    fn begin(machine: &Machine, user: User) -> Option<Self> {
        let path = machine.lab.archive().join("lock");
        let mut child = user
            .command("flock")
            .args(["--nonblock"])
            .arg(path)
            .args(["sh", "-c", "echo held; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line).unwrap();
        if line == "held\n" {
            return Some(Self(child));
        }
        child.wait().unwrap();
        None
    }

    fn end(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn mode(machine: &Machine) -> (u32, u32) {
    let found = fs::metadata(machine.lab.archive().join("lock")).unwrap();
    (found.permissions().mode() & 0o777, found.uid())
}

/// Makes the lock as earlier versions did.
fn make_old(machine: &Machine) {
    let path = machine.lab.archive().join("lock");
    let _ = fs::remove_file(&path);
    fs::write(&path, "").unwrap();
    chown(&path, Some(User::Archiver.id()), None).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_reader_cannot_open_the_lock_and_so_cannot_hold_it() {
    let Some(machine) = machine() else { return };
    machine.ok(User::Archiver, ["rotate", "--now", NOW]);
    assert_eq!(mode(&machine), (0o600, User::Archiver.id()));
    assert!(Squat::begin(&machine, User::Mallory).is_none());
    machine.ok(User::Archiver, ["hold", "add", "2026-05-16", "--reason", "x"]);
    // And needs it for nothing.
    machine.ok(User::Mallory, ["verify", "--archived"]);
    let listed = machine.ok(User::Mallory, ["list", "--since=2026-05-01", "-opath"]);
    assert_eq!(listed.lines().count(), 1);
}

#[test]
fn a_lock_that_root_made_is_the_archivers() {
    let Some(machine) = machine() else { return };
    machine.ok(User::Root, ["hold", "add", "2026-05-16", "--reason", "x"]);
    assert_eq!(mode(&machine), (0o600, User::Archiver.id()));
    let path = machine.lab.archive().join("lock");
    chown(&path, Some(0), Some(0)).unwrap();
    machine.ok(User::Root, ["prune", "--now", NOW]);
    assert_eq!(mode(&machine), (0o600, User::Archiver.id()));
}

#[test]
fn who_may_write_in_the_archives_directory_may_lock() {
    let Some(machine) = machine() else { return };
    fs::set_permissions(machine.lab.archive(), fs::Permissions::from_mode(0o770)).unwrap();
    machine.ok(User::Archiver, ["hold", "add", "2026-05-16", "--reason", "x"]);
    let found = fs::metadata(machine.lab.archive().join("lock")).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    assert_eq!(found.gid(), crate::support::EVENTS);
    fs::set_permissions(machine.lab.archive(), fs::Permissions::from_mode(0o750)).unwrap();
    machine.ok(User::Archiver, ["prune", "--now", NOW]);
    assert_eq!(mode(&machine).0, 0o600, "it is replaced by one that the group cannot open");
}

#[test]
fn an_old_lock_that_a_reader_holds_keeps_nobody_out() {
    let Some(machine) = machine() else { return };
    machine.ok(User::Archiver, ["rotate", "--now", NOW]);
    for user in [User::Archiver, User::Root] {
        make_old(&machine);
        let squat = Squat::begin(&machine, User::Mallory).unwrap();
        machine.ok(user, ["hold", "add", "2026-05-16", "--reason", "x"]);
        assert_eq!(mode(&machine), (0o600, User::Archiver.id()));
        machine.ok(User::Archiver, ["rotate", "--now", NOW]);
        squat.end();
        // One that is only open, and is locked later, is as harmless.
        assert!(!machine.lab.archive().join(".hlarchive-tmp-lock").exists());
    }
}

#[test]
fn an_old_lock_that_its_owner_holds_is_respected_and_the_holder_is_named() {
    let Some(machine) = machine() else { return };
    machine.ok(User::Archiver, ["rotate", "--now", NOW]);
    for (owner, old) in
        [(User::Archiver, true), (User::Root, true), (User::Archiver, false), (User::Root, false)]
    {
        if old {
            make_old(&machine);
        } else {
            machine.ok(User::Archiver, ["rotate", "--now", NOW]);
        }
        // As a backup takes it: "flock ARCHIVE/lock rsync".
        let squat = Squat::begin(&machine, owner).unwrap();
        for words in [
            &["rotate", "--now", NOW][..],
            &["prune", "--now", NOW],
            &["hold", "add", "2026-05-16", "--reason", "x"],
        ] {
            let run = machine.run(User::Archiver, words);
            assert_eq!(run.code, 75, "{run:?}");
            let wanted = format!("(pid {}, \"flock\", uid {})", squat.0.id(), owner.id());
            assert!(run.stderr.contains(&wanted), "{wanted}: {run:?}");
        }
        squat.end();
    }
}

/// Forty at once on an archive whose lock is of an earlier version: each works or is turned
/// away, and the manifest has a record of each that worked.
#[test]
fn of_many_who_replace_an_old_lock_at_once_only_one_works_at_a_time() {
    let Some(machine) = machine() else { return };
    machine.ok(User::Archiver, ["rotate", "--now", NOW]);
    let before = machine.ok(User::Archiver, ["manifest", "show"]).lines().count();
    let mut worked = 0;
    for _ in 0..5 {
        make_old(&machine);
        let squat = Squat::begin(&machine, User::Mallory).unwrap();
        let words = ["hold", "add", "2026-05-16", "--reason", "x"];
        let children: Vec<Child> = (0..8)
            .map(|number| {
                let user = if number % 2 == 0 { User::Root } else { User::Archiver };
                let mut command = machine.command(user, words);
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        for mut child in children {
            match child.wait().unwrap().code() {
                Some(0) => worked += 1,
                code => assert_eq!(code, Some(75)),
            }
        }
        squat.end();
    }
    assert!(worked > 0);
    let after = machine.ok(User::Archiver, ["manifest", "show"]).lines().count();
    assert_eq!(after - before, worked);
    machine.ok(User::Archiver, ["verify"]);
}

#[test]
fn a_reader_sees_that_a_run_is_at_work_without_opening_the_lock() {
    let Some(machine) = machine() else { return };
    machine.ok(User::Archiver, ["rotate", "--now", NOW]);
    let folder = machine.lab.archive().join("2026");
    let copy = folder.join("2026-05-20.tar.zst");
    fs::copy(folder.join("2026-05-16.tar.zst"), &copy).unwrap();
    let squat = Squat::begin(&machine, User::Archiver).unwrap();
    let run = machine.run(User::Mallory, ["verify", "--archived"]);
    assert!(run.code == 0 && run.stdout.contains("another hlarchive is at work"), "{run:?}");
    squat.end();
    let run = machine.run(User::Mallory, ["verify", "--archived"]);
    assert_eq!(run.code, 1, "{run:?}");
}

//! What is removed as a leftover is ours, and what waits for its place is closed to others.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::common::{NOW, tree};
use crate::support::{EVENTS, Machine, User};

const DAY: &str = "2026-05-16";
const TIME: &str = "--timestamp=2026-05-16T10:00:00Z";

/// A machine with one archived event of Alice's of an earlier day, and one of a live day.
fn machine() -> Option<Machine> {
    let machine = Machine::new()?;
    machine.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-01T10:00:00Z"]);
    machine.ok(User::Archiver, ["rotate", "--now", NOW]);
    machine.ok(User::Alice, ["emit", "node_online", TIME]);
    Some(machine)
}

#[test]
fn a_day_that_was_given_the_name_of_a_leftover_stays_with_all_its_events() {
    for name in [".hlarchive-tmp-X", ".hlarchive-tmp-0123456789abcdef"] {
        let Some(machine) = machine() else { return };
        let root = machine.lab.root();
        let moved = machine.shell(User::Mallory, &format!("mv \"$ROOT\"/{DAY} \"$ROOT\"/{name}"));
        assert!(moved.status.success(), "{moved:?}");
        let before = tree(&root.join(name));
        assert_eq!(before.len(), 1);
        let dump = machine.lab.path("scratch/dump");
        fs::create_dir(&dump).unwrap();
        for user in [User::Root, User::Archiver] {
            machine.run(user, ["restore", "2026-05-01", "--live"]);
            machine.run(user, ["import".as_ref(), dump.as_os_str()]);
            let run = machine.run(user, ["rotate", "--now", NOW]);
            assert_eq!(run.code, 1, "{run:?}");
            assert!(run.stderr.contains(&format!("{name}: not of hlarchive: ")), "{run:?}");
            assert_eq!(tree(&root.join(name)), before);
        }
        let run = machine.run(User::Alice, ["verify", "--live"]);
        assert!(run.stdout.contains(name) || run.stderr.contains(name), "{run:?}");
        // Given its name back, all is as it was.
        machine.shell(User::Mallory, &format!("mv \"$ROOT\"/{name} \"$ROOT\"/{DAY}"));
        assert_eq!(machine.ok(User::Alice, ["list", "--date", DAY, "-opath"]).lines().count(), 1);
    }
}

/// Only root can own what root then removes, and only where Mallory cannot put anything.
#[test]
fn a_leftover_of_the_same_form_goes_only_where_its_user_closed_it() {
    let Some(machine) = machine() else { return };
    let waiting = "w=\"$ROOT\"/.hlarchive-tmp-00000000000000aa; \
                   mkdir -p $w/.hlarchive-staged/2026-05-16/pi4 && \
                   echo evidence >$w/.hlarchive-staged/2026-05-16/pi4/x.json";
    let left = machine.lab.root().join(".hlarchive-tmp-00000000000000aa");
    // Mallory's own, however closed it is, is not root's.
    machine.shell(User::Mallory, &format!("{waiting}; chmod 700 $w"));
    machine.ok(User::Root, ["restore", "2026-05-01", "--live"]);
    assert_eq!(tree(&left).len(), 1);
    machine.shell(User::Mallory, "rm -rf \"$ROOT\"/.hlarchive-tmp-*");
    assert!(!left.exists());
    // Root's own, but open: whoever is in the group can have filled it.
    machine.shell(User::Root, waiting);
    machine.ok(User::Root, ["restore", "2026-05-01", "--live"]);
    assert_eq!(tree(&left).len(), 1);
    machine.shell(User::Root, &format!("chmod 700 {}", left.display()));
    machine.ok(User::Root, ["restore", "2026-05-01", "--live"]);
    assert!(!left.exists());
}

#[test]
fn others_emit_into_a_day_that_was_restored_live_as_before() {
    for user in [User::Root, User::Archiver] {
        let Some(machine) = machine() else { return };
        machine.ok(user, ["restore", "2026-05-01", "--live"]);
        let day = machine.lab.root().join("2026-05-01");
        let node = fs::read_dir(&day).unwrap().next().unwrap().unwrap().path();
        for directory in [&day, &node] {
            let found = fs::metadata(directory).unwrap();
            let mode = found.permissions().mode() & 0o7777;
            assert_eq!((found.gid(), mode), (EVENTS, 0o2775), "{user:?} {}", directory.display());
        }
        for emitter in [User::Alice, User::Mallory] {
            machine.ok(emitter, ["emit", "node_online", "--timestamp=2026-05-01T11:00:00Z"]);
        }
        assert_eq!(
            machine.ok(User::Alice, ["list", "--date=2026-05-01", "-opath"]).lines().count(),
            3
        );
        // Nothing is left beside the days but the note of the archive.
        let names = fs::read_dir(machine.lab.root()).unwrap().map(|e| e.unwrap().file_name());
        let left = names.filter(|name| name.to_string_lossy().starts_with(".hlarchive-tmp-"));
        assert_eq!(left.count(), 0);
        machine.ok(User::Archiver, ["rotate", "--now", NOW]);
        machine.ok(User::Archiver, ["verify"]);
    }
}

#[test]
fn a_directory_that_only_looks_temporary_does_not_keep_a_day_alive_in_silence() {
    let Some(machine) = machine() else { return };
    for place in ["/.hlarchive-tmp-x", "/*/.hlarchive-tmp-0123456789abcdef"] {
        machine.shell(User::Mallory, &format!("mkdir -p \"$(echo \"$ROOT\"/{DAY}){place}\""));
    }
    machine.shell(User::Mallory, &format!("cd \"$ROOT\"/{DAY}/*/ && mkdir .hlarchive-tmp-1"));
    let run = machine.run(User::Archiver, ["rotate", "--now", NOW]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains(".hlarchive-tmp-x: not an event: a directory"), "{run:?}");
    assert!(run.stderr.contains(".hlarchive-tmp-1: not an event: a directory"), "{run:?}");
}

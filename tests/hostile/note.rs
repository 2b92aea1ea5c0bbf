//! The tree's note of its archive lies where every emitter may write: what an emitter makes of
//! it neither hides the archive, nor stops the nightly run, nor lets it begin a second archive.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use crate::common::{NOTE, tree};
use crate::support::{Machine, User};

const NIGHT: &str = "--now=2026-06-01T03:00:00Z";

/// A machine with one day archived and one that is due.
fn machine() -> Option<Machine> {
    let machine = Machine::new()?;
    machine.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-16T10:00:00Z"]);
    night(&machine, 0);
    machine.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-17T10:00:00Z"]);
    Some(machine)
}

/// The nightly run, with the file in which it leaves how it ended.
#[track_caller]
fn night(machine: &Machine, code: i32) -> String {
    let state = machine.lab.path("state/hlarchive.prom");
    let mut command = machine.command(User::Archiver, ["rotate", NIGHT]);
    let output = command.env("HLARCHIVE_METRICS_FILE", state).output().unwrap();
    let run = crate::common::Run::of(&output);
    assert_eq!(run.code, code, "{run:?}");
    run.stderr
}

/// What an honest emitter sees, where the machine's file of state is known.
fn list(machine: &Machine) -> (i32, usize) {
    let state = machine.lab.path("state/hlarchive.prom");
    let mut command = machine.command(User::Alice, ["list", "--since=2026-05-01", "-opath"]);
    let output = command.env("HLARCHIVE_METRICS_FILE", state).output().unwrap();
    let run = crate::common::Run::of(&output);
    (run.code, run.stdout.lines().count())
}

fn unmount(machine: &Machine) {
    let archive = machine.lab.archive();
    fs::rename(&archive, machine.lab.path("disk")).unwrap();
    // As a mount point is: root's.
    fs::create_dir(&archive).unwrap();
}

fn mount(machine: &Machine) {
    fs::remove_dir(machine.lab.archive()).unwrap();
    fs::rename(machine.lab.path("disk"), machine.lab.archive()).unwrap();
}

#[test]
fn the_note_is_of_who_rotates_and_nobody_may_write_to_it() {
    let Some(machine) = machine() else { return };
    let found = fs::metadata(machine.lab.root().join(NOTE)).unwrap();
    assert_eq!((found.uid(), found.mode() & 0o7777), (User::Archiver.id(), 0o444));
    unmount(&machine);
    // Root's mount point does not tell who rotates, and the state does.
    assert_eq!(list(&machine), (75, 1));
    night(&machine, 75);
    mount(&machine);
    assert_eq!(list(&machine), (0, 2));
}

#[test]
fn a_note_that_was_removed_is_written_again_and_missed_meanwhile() {
    let Some(machine) = machine() else { return };
    let note = machine.lab.root().join(NOTE);
    let text = fs::read_to_string(&note).unwrap();
    assert!(machine.shell(User::Mallory, &format!("rm -f \"$ROOT\"/{NOTE}")).status.success());
    assert!(!note.exists());
    // The disk goes in the same night: the state that the last run left is not the emitter's.
    unmount(&machine);
    assert_eq!(list(&machine), (75, 1));
    let before = tree(&machine.lab.root());
    let told = night(&machine, 75);
    assert!(told.contains("is its disk mounted?"), "{told}");
    assert_eq!(tree(&machine.lab.root()), before);
    assert_eq!(tree(&machine.lab.archive()).len(), 0);
    mount(&machine);
    assert_eq!(list(&machine), (0, 2));
    let told = night(&machine, 0);
    assert!(told.contains(NOTE), "{told}");
    assert_eq!(fs::read_to_string(&note).unwrap(), text);
    machine.ok(User::Archiver, ["verify"]);
}

#[test]
fn a_forged_note_is_a_finding_and_not_believed() {
    let Some(machine) = machine() else { return };
    let note = machine.lab.root().join(NOTE);
    let text = fs::read_to_string(&note).unwrap();
    let origin = text.split('"').find(|word| word.len() == 16).unwrap();
    let forged = text.replace(origin, "0123456789abcdef");
    fs::write(machine.lab.path("scratch/forged"), &forged).unwrap();
    let attacks = [
        // Of another archive.
        format!("rm -f \"$ROOT\"/{NOTE}; cat scratch/forged >\"$ROOT\"/{NOTE}"),
        format!("rm -f \"$ROOT\"/{NOTE}; ln -s /etc/passwd \"$ROOT\"/{NOTE}"),
        format!("rm -f \"$ROOT\"/{NOTE}; ln -s ../scratch/forged \"$ROOT\"/{NOTE}"),
        format!("rm -f \"$ROOT\"/{NOTE}; mkfifo \"$ROOT\"/{NOTE}"),
        format!("rm -f \"$ROOT\"/{NOTE}; truncate -s 1T \"$ROOT\"/{NOTE}"),
        format!("rm -f \"$ROOT\"/{NOTE}; : >\"$ROOT\"/{NOTE}"),
    ];
    for attack in attacks {
        assert!(machine.shell(User::Mallory, &attack).status.success(), "{attack}");
        // Nobody is led astray, and whoever looks is told.
        assert_eq!(list(&machine), (0, 2), "{attack}");
        for command in ["verify", "status"] {
            let run = machine.run(User::Archiver, [command]);
            assert_eq!(run.code, 1, "{attack}: {run:?}");
            assert!(run.stdout.contains(NOTE), "{attack}: {run:?}");
        }
        let told = night(&machine, 0);
        assert!(told.contains(NOTE), "{attack}: {told}");
        assert_eq!(fs::read_to_string(&note).unwrap(), text, "{attack}");
        machine.ok(User::Archiver, ["verify"]);
    }
}

#[test]
fn a_directory_in_the_notes_place_is_a_finding_and_stops_nothing() {
    let Some(machine) = machine() else { return };
    let squat = format!("cd \"$ROOT\" && rm -f {NOTE} && mkdir -p {NOTE}/x && chmod 700 {NOTE}");
    assert!(machine.shell(User::Mallory, &squat).status.success());
    assert_eq!(list(&machine), (0, 2));
    let told = night(&machine, 1);
    assert!(told.contains("remove what is there"), "{told}");
    assert_eq!(list(&machine), (0, 2));
    // The day was archived all the same.
    assert_eq!(tree(&machine.lab.root()).len(), 0);
    // And the archive is missed as well.
    unmount(&machine);
    assert_eq!(list(&machine).0, 75);
    night(&machine, 75);
}

#[test]
fn before_the_first_rotation_a_forged_note_does_not_stop_it() {
    let Some(machine) = machine() else { return };
    let text = fs::read_to_string(machine.lab.root().join(NOTE)).unwrap();
    let Some(fresh) = Machine::new() else { return };
    fs::write(fresh.lab.path("scratch/forged"), text).unwrap();
    let forge = format!("cat scratch/forged >\"$ROOT\"/{NOTE}");
    assert!(fresh.shell(User::Mallory, &forge).status.success());
    fresh.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-16T10:00:00Z"]);
    assert_eq!(list(&fresh), (0, 1));
    night(&fresh, 0);
    assert_eq!(list(&fresh), (0, 1));
    fresh.ok(User::Archiver, ["verify"]);
}

#[test]
fn the_note_of_another_tree_and_an_older_one_do_not_count() {
    let Some(machine) = machine() else { return };
    let note = machine.lab.root().join(NOTE);
    // The archiver's own note of another tree, moved here: its owner is to be trusted.
    let Some(other) = Machine::new() else { return };
    other.ok(User::Alice, ["emit", "node_offline", "--timestamp=2026-05-16T10:00:00Z"]);
    night(&other, 0);
    let old = fs::read(&note).unwrap();
    fs::remove_file(&note).unwrap();
    fs::rename(other.lab.root().join(NOTE), &note).unwrap();
    assert_eq!(list(&machine), (0, 2));
    night(&machine, 0);
    assert_eq!(fs::read(&note).unwrap(), old);
    // One that was true before a new archive was begun, put back.
    machine.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-18T10:00:00Z"]);
    fs::rename(&note, machine.lab.path("scratch/note")).unwrap();
    fs::rename(machine.lab.archive(), machine.lab.path("disk")).unwrap();
    fs::create_dir(machine.lab.archive()).unwrap();
    std::os::unix::fs::chown(machine.lab.archive(), Some(User::Archiver.id()), None).unwrap();
    machine.ok(User::Archiver, ["rotate", "--now=2026-06-02T03:00:00Z", "--new-archive"]);
    assert_eq!(list(&machine), (0, 1));
    fs::rename(machine.lab.path("scratch/note"), &note).unwrap();
    assert_eq!(list(&machine), (0, 1));
    machine.ok(User::Archiver, ["rotate", "--now=2026-06-02T03:00:00Z"]);
    machine.ok(User::Archiver, ["verify"]);
}

/// Whoever writes the note clears away what a stopped run left, and nothing else: an emitter can
/// give anybody's event such a name.
#[test]
fn an_event_with_a_temporary_name_survives_the_writing_of_the_note() {
    let Some(machine) = machine() else { return };
    let root = machine.lab.root();
    let event = tree(&root).into_keys().find(|path| path.ends_with(".json")).unwrap();
    let disguise = root.join(".hlarchive-tmp-0123456789abcdef");
    // Done by root as the emitter may: the node's directory belongs to the group.
    fs::rename(root.join(event), &disguise).unwrap();
    chown(&disguise, Some(User::Archiver.id()), None).unwrap();
    let bytes = fs::read(&disguise).unwrap();
    fs::remove_file(root.join(NOTE)).unwrap();
    let said = night(&machine, 1);
    assert!(said.contains("0123456789abcdef: not of hlarchive"), "{said}");
    assert!(root.join(NOTE).exists());
    assert_eq!(fs::read(&disguise).unwrap(), bytes);
}

//! Nobody who may write to the tree or to a shared spool stops the emitters, or makes them
//! write elsewhere.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::{Machine, User};

const DAY: &str = "2026-05-16";
const EMIT: [&str; 4] = ["emit", "node_online", "--node=pi4", "--timestamp=2026-05-16T10:00:00Z"];

#[test]
fn a_file_named_after_a_day_names_its_owner_and_does_not_stop_the_alarm() {
    let Some(machine) = Machine::new() else { return };
    assert!(machine.shell(User::Mallory, "touch \"$ROOT\"/2026-05-16").status.success());
    let run = machine.run(User::Alice, EMIT);
    assert_eq!(run.code, 74, "{run:?}");
    // Not in /etc/passwd, so by number.
    assert!(run.stderr.contains("a file of the user 64003 is in the place"), "{run:?}");
    let spool = machine.lab.path("state/spool");
    let output = machine
        .command(User::Archiver, EMIT.into_iter().chain(["--best-effort"]))
        .env("HLARCHIVE_SPOOL", &spool)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    fs::remove_file(machine.lab.root().join(DAY)).unwrap();
    let output = machine
        .command(User::Archiver, ["emit", "node_offline"])
        .env("HLARCHIVE_SPOOL", &spool)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let listed = machine.ok(User::Alice, ["list", "--date", DAY, "-opath"]);
    assert_eq!(listed.lines().count(), 1);
}

#[test]
fn a_policy_that_emitters_may_not_read_stops_none_of_them() {
    let Some(machine) = Machine::new() else { return };
    let policy = machine.lab.path("policy.toml");
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o600)).unwrap();
    let run = machine.run(User::Alice, EMIT);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 1), "{run:?}");
    assert!(run.stderr.contains("policy.toml: cannot read: permission denied"), "{run:?}");
    assert!(run.stderr.contains("; events are kept by the built-in rules"), "{run:?}");
}

#[test]
fn a_spool_of_somebody_else_is_neither_filled_nor_emptied() {
    let Some(machine) = Machine::new() else { return };
    assert!(machine.shell(User::Mallory, "touch \"$ROOT\"/2026-05-16").status.success());
    let spool = machine.lab.path("scratch/spool");
    assert!(machine.shell(User::Mallory, "mkdir -m 0755 scratch/spool").status.success());
    for user in [User::Alice, User::Root] {
        let output = machine
            .command(user, EMIT.into_iter().chain(["--best-effort"]))
            .env("HLARCHIVE_SPOOL", &spool)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        assert!(told.contains("it belongs to 64003; a spool must belong to its user"), "{told}");
        assert!(told.contains("kept only in this line: {"), "{told}");
    }
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
    // A link in its place is not followed.
    fs::remove_dir(&spool).unwrap();
    symlink(machine.lab.path("state"), &spool).unwrap();
    let output = machine
        .command(User::Archiver, EMIT.into_iter().chain(["--best-effort"]))
        .env("HLARCHIVE_SPOOL", &spool)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(fs::read_dir(machine.lab.path("state")).unwrap().count(), 0);
}

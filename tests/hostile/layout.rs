//! The machine of these tests is the one that the package promises.

use crate::support::{Machine, User};

#[test]
fn an_emitter_may_emit_and_read_and_not_touch_the_archive() {
    let Some(machine) = Machine::new() else { return };
    machine.ok(User::Alice, ["emit", "node_online", "--timestamp=2026-05-16T10:00:00Z"]);
    machine.ok(User::Archiver, ["rotate", "--now=2026-06-01T03:00:00Z"]);
    let listed = machine.ok(User::Mallory, ["list", "--since=2026-05-01", "-opath"]);
    assert_eq!(listed.lines().count(), 1);
    for attempt in ["rm -rf \"$ARCHIVE\"/2026", "echo >>\"$ARCHIVE\"/manifest.jsonl"] {
        assert!(!machine.shell(User::Mallory, attempt).status.success(), "{attempt}");
    }
    assert_eq!(machine.run(User::Outsider, ["list", "--since=2026-05-01"]).code, 77);
    machine.ok(User::Archiver, ["verify"]);
}
